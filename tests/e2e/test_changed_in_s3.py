"""Somebody who may write below the work prefix while jobs wait."""

import re
import time
from collections import Counter

SNAKEFILE = """
    rule all:
        input: expand("a/{x}.txt", x=range(3)), "one.txt", "under.txt"
    rule a:
        output: "a/{x}.txt"
        resources: mem_mb=50
        retries: 0
        shell: "echo {wildcards.x} > {output}"
    rule one:
        output: "one.txt"
        resources: mem_mb=60
        shell: "echo one > {output}"
    rule under:
        output: "under.txt"
        resources: mem_mb=512
        run:
            with open(output[0], "w") as file:
                file.write(config["word"])
"""
#: What the description of each job has in it.
EACH = (b"echo 0 >", b"echo 1 >", b"echo 2 >", b"echo one", b"under.txt")


def until(condition, process):
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "Snakemake ended before that"
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def test_jobs_whose_task_or_configuration_is_changed_while_they_wait_run_nothing(workflow):
    workflow.write("Snakefile", SNAKEFILE)
    workflow.cloud.fault(kind="starve")
    runs, s3 = workflow.stored / ".hutchbatch" / "runs", workflow.client("s3")

    def put(path, content):
        key = str(path.relative_to(workflow.cloud.bucket_dir))
        s3.put_object(Bucket="hutchbatch", Key=key, Body=content)

    arguments = ("--keep-going", "--config", "word=good", "--hutchbatch-queue", "mixed")
    with workflow.started(*arguments) as process:

        def are_sent():  # a busy machine may send the three of rule a in parts
            tasks = [path.read_bytes() for path in runs.glob("*/tasks/*.json")]
            named = all(any(text in task for task in tasks) for text in EACH)
            return named and workflow.submissions() == len(tasks)

        until(are_sent, process)
        changed = 0
        for path in runs.rglob("*.json"):
            content = path.read_bytes()
            if b"echo 0 >" in content:  # in an array, only its first child's
                content = content.replace(b"echo 0 >", b"echo 9 >", 1)
            elif b"one.txt" in content:
                content = content.replace(b"echo one", b"touch pwned; echo two")
            else:
                continue
            put(path, content)
            changed += 1
        assert changed == 2
        (config,) = runs.rglob("config.yaml")
        put(config, b"word: evil\n")
        workflow.cloud.reset()
        output = process.communicate(timeout=120)[0]
    print(output)
    assert process.returncode != 0
    made = {
        str(p.relative_to(workflow.stored)): p.read_text() for p in workflow.stored.rglob("*.txt")
    }
    assert made == {"a/1.txt": "1\n", "a/2.txt": "2\n"}
    assert len(re.findall(r"so it was not run.*\[CHANGED\]", output)) >= 1
    assert "config.yaml is not the one this job was submitted with" in output
    assert workflow.submissions() == 0, "none is tried again"
    assert Counter(re.findall(r"Error in rule (\w+)", output)) == {"a": 1, "one": 1, "under": 1}
