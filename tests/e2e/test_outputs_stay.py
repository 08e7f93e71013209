"""What a later attempt has stored, and every name in a directory, stay: in both modes."""

import tempfile
import threading
import time
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import fence

DIRECTORIES = """
    rule all:
        input: "direct/read.txt", "snakemake/read.txt"
    rule make:
        output: directory("{mode}/d")
        resources: hutchbatch_mode=lambda wildcards: wildcards.mode
        shell:
            "mkdir -p {output}/run1 {output}/empty; echo 1 > {output}/run1/m;"
            "ln -s run1 {output}/latest; ln -s nowhere {output}/gone; ln -s .. {output}/up"
    rule read:
        input: "{mode}/d"
        output: "{mode}/read.txt"
        resources: hutchbatch_mode=lambda wildcards: wildcards.mode
        shell: "cat {input}/latest/m {input}/run1/m > {output}; ls -A {input}/empty >> {output}"
"""


@pytest.mark.thorough
def test_a_folder_with_two_names_in_a_directory_is_read_by_both(workflow):
    workflow.write("Snakefile", DIRECTORIES)
    workflow.succeed()
    for mode in ("direct", "snakemake"):
        assert workflow.text(f"{mode}/read.txt") == "1\n1\n"


LATE = """
    rule all:
        input: "direct.txt", "snakemake.txt"
    rule slow:
        output: "{mode}.txt"
        log: "{mode}.log"
        resources: hutchbatch_mode=lambda wildcards: wildcards.mode
        shell:
            "echo late | tee {output} > {log}; touch FOLDER/{wildcards.mode};"
            "for i in $(seq 600); do test -e FOLDER/go && exit; sleep 0.1; done; exit 1"
"""


@pytest.fixture
def meeting():
    """A folder that jobs see too: their /tmp is another."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        yield Path(name)


def test_a_late_attempt_changes_nothing_of_a_later_ones(workflow, meeting):
    workflow.write("Snakefile", LATE.replace("FOLDER", str(meeting)))
    output = []
    run = threading.Thread(
        target=lambda: output.append(workflow.fail("--keep-going", "--keep-incomplete"))
    )
    run.start()
    while not all((meeting / mode).exists() for mode in ("direct", "snakemake")):
        assert run.is_alive()
        time.sleep(0.1)
    later = fence.Stamp(int(time.time() * 1000), 1, "later-job", "u").text()
    s3, prefix = workflow.client("s3"), workflow.prefix.removeprefix("s3://hutchbatch/")
    files = [f"{mode}.{kind}" for mode in ("direct", "snakemake") for kind in ("txt", "log")]
    for name in files:
        s3.put_object(
            Bucket="hutchbatch",
            Key=f"{prefix}/{name}",
            Body=b"later",
            Metadata={"hutchbatch-fence": later},
        )
    (meeting / "go").touch()
    run.join()
    assert {workflow.text(name) for name in files} == {"later"}
    sentence = "was stored by a later attempt of this job (attempt 1 of job later-job)"
    assert output[0].count(sentence) >= 2
