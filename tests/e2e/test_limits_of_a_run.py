"""A run that has had enough submits nothing more, and what runs finishes."""

import json

SNAKEFILE = """
    rule all:
        input: expand("{x}.txt", x=range(6))
    rule slow:
        output: "{x}.txt"
        resources: mem_mb=50
        shell: "sleep 7; echo {wildcards.x} > {output}"
"""


def test_a_run_at_its_limit_takes_back_what_waits_and_lets_the_rest_finish(workflow):
    workflow.write("Snakefile", SNAKEFILE)
    limited = ("--keep-going", "--hutchbatch-max-hours", "0.001")
    output = workflow.fail("--jobs", "6", *limited, "--hutchbatch-notify", "cat > note.json")
    note = json.loads((workflow.folder / "note.json").read_text())
    finished = len(list(workflow.stored.glob("*.txt")))
    assert 0 < finished < 6
    assert output.count("nothing more is submitted, jobs that have not started are taken back") == 1
    assert f"Jobs: {finished} done, 0 failed, {7 - finished} not started" in output
    assert note["outcome"] == "failed"
    assert note["jobs"]["not_started"] == 7 - finished
    assert "--hutchbatch-max-hours 0.001" in note["text"]
    assert "start Snakemake again to continue" in output
    assert "Error in rule" not in output
    assert "a job execution failed" not in output
    assert "Traceback" not in output
    output = workflow.succeed("--jobs", "6")
    assert f"Jobs: {7 - finished} done (1 of them on this machine), 0 failed" in output
    assert len(list(workflow.stored.glob("*.txt"))) == 6
