"""Folders and Snakefiles may be called anything that a disk takes."""

from workflows import Workflow

from snakemake_executor_plugin_hutchbatch.cli import main

SNAKEFILE = """
    rule all:
        input: "a.txt"
    rule a:
        output: "a.txt"
        resources: mem_mb=50
        shell: "echo fine > {output}"
"""


def test_a_folder_and_a_snakefile_may_have_names_that_are_not_utf8(cloud, tmp_path):
    workflow = Workflow(cloud, tmp_path / "caf\udce9", "names-of-folders")
    workflow.write("Snak\udcffile", SNAKEFILE)
    output = workflow.succeed("-s", "Snak\udcffile")
    assert workflow.text("a.txt") == "fine\n"
    assert "Traceback" not in output
    assert "record" not in output  # nothing is said of it: it is written
    folder = ["-d", str(workflow.folder)]
    for command in (["runs"], ["status"], ["report", "-o", str(tmp_path / "report.html")]):
        assert main.main([*command, *folder]) == 0
    assert "caf\\xe9" in (tmp_path / "report.html").read_text()
