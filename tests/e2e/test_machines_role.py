"""Jobs without a job role use their machine's, in both modes."""


def test_jobs_without_a_job_role_use_their_machines_or_say_why_not(workflow):
    workflow.write(
        "Snakefile",
        """
        rule direct:
            output: "direct.txt"
            shell: "echo d > {output}"

        rule under:
            input: "direct.txt"
            output: "under.txt"
            run:
                open(output[0], "w").write("u" + open(input[0]).read())

        rule later:
            output: "later.txt"
            shell: "echo l > {output}"
        """,
    )
    output = workflow.succeed("under.txt", SNAKEMAKE_HUTCHBATCH_JOB_ROLE=None)
    assert workflow.text("under.txt") == "ud\n"
    assert {"jobRoleArn" in job["container"] for job in workflow.jobs(output).values()} == {False}
    workflow.cloud.fault(kind="hop_limit")
    output = workflow.fail("later.txt", SNAKEMAKE_HUTCHBATCH_JOB_ROLE=None)
    assert "[DENIED]" in output
    assert "ask SciComp to set the hop limit of the metadata service to 2" in output
