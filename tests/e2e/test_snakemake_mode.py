"""Snakemake mode: rules that need Snakemake beside their command."""


def test_script_and_run_rules_run_under_snakemake_with_the_vcpus_asked_for(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "run.txt", "script.txt"
        rule run:
            output: "run.txt"
            threads: 2
            run:
                with open(output[0], "w") as file:
                    print(threads, workflow.cores, file=file)
        rule script:
            input: "run.txt"
            output: "script.txt"
            log: "logs/script.log"
            script: "scripts/double.py"
        """,
    )
    workflow.write(
        "scripts/double.py",
        """
        with open(snakemake.input[0]) as source, open(snakemake.output[0], "w") as target:
            target.write(source.read() * 2)
        with open(snakemake.log[0], "w") as log:
            log.write("doubled")
        """,
    )
    output = workflow.succeed()
    assert workflow.text("run.txt") == "2 2\n"
    assert workflow.text("script.txt") == "2 2\n2 2\n"
    assert workflow.text("logs/script.log") == "doubled"
    assert "Jobs of script run under Snakemake (rule script has a script:)" in output
    assert "Jobs of run run under Snakemake (rule run has a run:)" in output
    logs = "\n".join(
        event["message"]
        for job in workflow.jobs(output).values()
        for event in workflow.client("logs").get_log_events(
            logGroupName="/aws/batch/job", logStreamName=job["container"]["logStreamName"]
        )["events"]
    )
    assert "pip install" not in logs


def test_a_failing_script_is_reported_and_keeps_its_log(workflow):
    workflow.write(
        "Snakefile",
        """
        rule script:
            output: "script.txt"
            log: "logs/script.log"
            script: "scripts/fail.py"
        """,
    )
    workflow.write(
        "scripts/fail.py",
        """
        with open(snakemake.log[0], "w") as log:
            log.write("no such chromosome")
        raise SystemExit("gave up")
        """,
    )
    output = workflow.fail()
    assert workflow.text("logs/script.log") == "no such chromosome"
    assert "gave up" in output


def test_mode_can_be_chosen_for_a_rule_and_direct_is_refused_where_impossible(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "a.txt"
        rule a:
            output: "a.txt"
            resources: hutchbatch_mode="snakemake"
            shell: "echo a > {output}"
        rule b:
            output: "b.txt"
            resources: hutchbatch_mode="direct"
            run:
                pass
        """,
    )
    assert "under Snakemake (as --hutchbatch-mode says)" in workflow.succeed("all")
    output = workflow.fail("b.txt")
    assert "direct mode is asked for but not possible: rule b has a run:" in output
