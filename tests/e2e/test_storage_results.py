"""Results in S3: which are kept, which are removed, and what they are called."""

import time

import pytest

THREE = """
    rule all:
        input: "a.txt", "b.txt"
    rule a:
        output: "a.txt"
        container: config.get("image")
        params: later="<TBD>" if config["word"] == "refused" else ""
        resources: hutchbatch_mode="direct"
        shell: "echo " + config["word"] + "{params} > {output}; test " + config["word"] + " != bad"
    rule b:
        output: "b.txt"
        shell: "echo b > {output}"
"""


def test_a_failed_job_removes_results_only_if_it_ran(workflow):
    workflow.write("Snakefile", THREE)
    workflow.succeed("--config", "word=first")
    # Never submitted: the command holds Snakemake's word for what only the job will know.
    output = workflow.fail("--config", "word=refused")
    assert "[REJECTED]" in output
    assert workflow.text("a.txt") == "first\n"
    # Submitted, but its image is not there.
    workflow.cloud.fault(kind="no_image")
    output = workflow.fail("--config", "word=third", "image=docker://no/such")
    assert "[IMAGE]" in output
    assert workflow.text("a.txt") == "first\n"
    workflow.cloud.reset()
    # What was kept is not taken for the result of what failed.
    assert "1 of 1 steps" in workflow.succeed("a.txt", "--config", "word=second")
    assert workflow.text("a.txt") == "second\n"
    # It ran: nothing is left to be taken for a result.
    workflow.fail("a.txt", "--config", "word=bad")
    assert not (workflow.stored / "a.txt").exists()
    assert workflow.text("b.txt") == "b\n"


@pytest.mark.thorough
def test_a_result_kept_by_keep_incomplete_stays_incomplete(workflow):
    workflow.write("Snakefile", THREE)
    workflow.succeed("--config", "word=first")
    workflow.fail("a.txt", "--keep-incomplete", "--config", "word=bad")
    assert workflow.text("a.txt") == "first\n"
    output = workflow.succeed("a.txt", "--rerun-incomplete", "--config", "word=first")
    assert "Nothing to be done" not in output


NAMES = """
    NAMES = ["a#1", "what?", "50%", "a b", "ä+=&@", "x?y#z=1&w"]
    UNDER_SNAKEMAKE = ["50% a b", "ä+=&@x?y#z=1"]
    wildcard_constraints: mode="direct|snakemake"
    rule all:
        input: expand("direct/{name}.txt", name=NAMES),
               expand("snakemake/{name}.txt", name=UNDER_SNAKEMAKE),
               "found.txt", "ensured.txt", "ensured-snakemake.txt", "ensured-local.txt", "n.txt"
    rule name:
        input: "in#put?.txt"
        output: "{mode}/{name}.txt"
        resources: hutchbatch_mode=lambda wildcards: wildcards.mode
        shell: "cat {input:q} > {output:q}"
    rule source:
        output: "in#put?.txt"
        shell: "echo content > {output:q}"
    rule found:
        params: names=sorted(glob_wildcards(storage.s3("PREFIX/given/{n}.txt")).n)
        output: "found.txt"
        shell: "echo {params.names} > {output}"
    rule ensured:
        output: ensure("ensured.txt", non_empty=True, sha256="SHA")
        shell: "echo content > {output}"
    use rule ensured as ensured_snakemake with:
        output: ensure("ensured-snakemake.txt", non_empty=True, sha256="SHA")
        resources: hutchbatch_mode="snakemake"
    localrules: ensured_local
    use rule ensured as ensured_local with:
        output: ensure("ensured-local.txt", non_empty=True, sha256="SHA")
    checkpoint tree:
        output: directory("tree")
        resources: hutchbatch_mode="snakemake"
        shell: "mkdir -p {output}/deep; echo 1 > {output}/1.txt; echo 2 > {output}/deep/2.txt"
    def leaves(wildcards):
        folder = checkpoints.tree.get().output[0]
        return ["tree/1.txt", "tree/deep/2.txt"]
    rule n:
        input: leaves, "tree"
        output: "n.txt"
        shell: "cat {input[0]} {input[1]} > {output}; find {input[2]} -name '*.txt' >> {output}"
"""


def test_names_promises_and_directories(workflow):
    sha = "434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53"
    workflow.write("Snakefile", NAMES.replace("SHA", sha).replace("PREFIX", workflow.prefix))
    for name in ("one", "t#wo"):
        (workflow.stored / "given").mkdir(parents=True, exist_ok=True)
        (workflow.stored / f"given/{name}.txt").write_text("x")
    workflow.succeed()
    for name in ("a#1", "what?", "50%", "a b", "ä+=&@", "x?y#z=1&w"):
        assert workflow.text(f"direct/{name}.txt") == "content\n"
    for name in ("50% a b", "ä+=&@x?y#z=1"):
        assert workflow.text(f"snakemake/{name}.txt") == "content\n"
    assert workflow.text("found.txt") == "one t#wo\n"
    assert workflow.text("n.txt").splitlines()[:2] == ["1", "2"]
    assert len(workflow.text("n.txt").splitlines()) == 4
    assert "Nothing to be done" in workflow.succeed()


def test_broken_promises_fail_in_each_place(workflow):
    workflow.write(
        "Snakefile",
        """
        localrules: local
        rule all:
            input: "direct.txt", "snakemake.txt", "local.txt"
        rule direct:
            output: ensure("direct.txt", non_empty=True)
            shell: "touch {output}"
        use rule direct as snakemake with:
            output: ensure("snakemake.txt", non_empty=True)
            resources: hutchbatch_mode="snakemake"
        use rule direct as local with:
            output: ensure("local.txt", sha256="abc")
        """,
    )
    output = workflow.fail("--keep-going")
    assert "direct.txt is empty" in output
    assert "Detected unexpected empty output files" in output
    assert "checksums that differ" in output
    for name in ("direct", "snakemake", "local"):
        assert not (workflow.stored / f"{name}.txt").exists()


PROTECTED = """
    localrules: local
    rule all:
        input: "direct.txt", "snakemake.txt", "local.txt", "tree"
    rule direct:
        output: protected("direct.txt")
        shell: "date +%s%N > {output}"
    use rule direct as snakemake with:
        output: protected("snakemake.txt")
        resources: hutchbatch_mode="snakemake"
    use rule direct as local with:
        output: protected("local.txt")
    rule tree:
        output: protected(directory("tree"))
        shell: "mkdir {output}; date +%s%N > {output}/leaf"
"""


@pytest.mark.thorough
def test_protected_results_are_not_made_again(workflow):
    workflow.write("Snakefile", PROTECTED)
    names = ("direct.txt", "snakemake.txt", "local.txt", "tree/leaf")
    workflow.succeed()
    before = {name: workflow.text(name) for name in names}
    output = workflow.fail("--forceall")
    assert "Write-protected output files for rule" in output
    assert "affected files:" in output
    for name in ("direct.txt", "snakemake.txt", "local.txt", "tree"):
        assert "ProtectedOutputException" in workflow.fail(name, "--force")
    assert before == {name: workflow.text(name) for name in names}
    (workflow.stored / "direct.txt").unlink()
    workflow.succeed("direct.txt")
    assert workflow.text("direct.txt") != before["direct.txt"]


def test_touch_makes_results_new_and_no_more(workflow):
    workflow.write("Snakefile", THREE)
    workflow.succeed("--config", "word=first")
    s3, prefix = workflow.client("s3"), workflow.prefix.removeprefix("s3://hutchbatch/")
    s3.put_object(Bucket="hutchbatch", Key=f"{prefix}/a.txt", Body=b"x", Metadata={"whose": "mine"})
    before = s3.head_object(Bucket="hutchbatch", Key=f"{prefix}/a.txt")
    time.sleep(1.1)  # S3 tells times in whole seconds
    output = workflow.succeed("--touch", "--forceall", "--config", "word=first")
    assert "2 of 2 steps" in output or "3 of 3 steps" in output
    after = s3.head_object(Bucket="hutchbatch", Key=f"{prefix}/a.txt")
    assert after["LastModified"] > before["LastModified"]
    assert after["Metadata"] == {"whose": "mine"}
    assert workflow.text("a.txt") == "x"


def test_a_bucket_is_never_deleted_with_its_last_object(workflow):
    """Its only object is removed by Snakemake here (temp(), --delete-all-output), and by Snakemake
    in the container, which removes what is to be made anew."""
    s3 = workflow.client("s3")
    s3.create_bucket(Bucket="lone", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    def keys():
        return [item["Key"] for item in s3.list_objects_v2(Bucket="lone").get("Contents", [])]

    workflow.prefix = "s3://lone"
    workflow.write(
        "Snakefile",
        """
        rule here:
            output: temp("here.txt"), temp("too.txt")
            shell: "echo here | tee {output}"
        rule gone:
            input: "here.txt", "too.txt"
            output: touch("gone.txt")
            shell: "true"
        rule inside:
            output: "inside.txt"
            resources: hutchbatch_mode="snakemake"
            shell: "echo inside > {output}"
        """,
    )
    elsewhere = ("--hutchbatch-work-prefix", "s3://hutchbatch/lone-work/")
    before = workflow.cloud.s3_calls().get("DeleteObjects", 0)
    workflow.succeed("gone.txt", *elsewhere)
    assert keys() == ["gone.txt"]
    # What a round of Snakemake's scheduler no longer needs goes together.
    assert workflow.cloud.s3_calls()["DeleteObjects"] == before + 1
    workflow.succeed("gone.txt", "--delete-all-output")
    assert keys() == []
    s3.head_bucket(Bucket="lone")
    s3.put_object(Bucket="lone", Key="inside.txt", Body=b"old")
    workflow.succeed("inside.txt", "--force", *elsewhere)
    assert s3.get_object(Bucket="lone", Key="inside.txt")["Body"].read() == b"inside\n"
