"""Names that the author wrote lead to the job's files, in params and in sample sheets, too."""

import tempfile
from pathlib import Path

import pytest

SNAKEFILE = """
OUT = config["outside"]
rule all:
    input: "direct.txt", "under.txt", OUT + "/made/a.txt"
rule direct:
    input: OUT + "/ref.fa", OUT + "/folder", "sheet.tsv", "../above/x.txt"
    output: "direct.txt", OUT + "/made/a.txt"
    params: ref=[OUT, "ref.fa"], made=OUT + "/made", up="../above"
    container: "docker://{plain}"
    resources: mem_mb=300
    shell:
        "cat $(cat sheet.tsv) > {{output[0]}};"
        "cat {{params.ref[0]}}/{{params.ref[1]}} {{params.up}}/x.txt >> {{output[0]}};"
        "echo made > {{params.made}}/a.txt; echo lost > {{params.made}}/b.txt"
rule under:
    input: OUT + "/ref.fa", "../above/x.txt"
    output: "under.txt"
    container: "docker://{python}"
    resources: mem_mb=1000
    run:
        with open(output[0], "w") as file:
            for name in (OUT + "/ref.fa", "../above/x.txt"):
                file.write(open(name).read())
"""


@pytest.fixture
def outside():
    """Not below /tmp, which is the host's scratch disk in a job."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.mark.thorough
def test_absolute_names_and_names_through_folders_above_lead_to_inputs(workflow, images, outside):
    workflow.folder = workflow.folder / "project"
    named = {name: images[name] for name in ("plain", "python")}
    workflow.write("Snakefile", SNAKEFILE.format(**named))
    workflow.write("../above/x.txt", "above\n")
    workflow.write("sheet.tsv", f"{outside}/ref.fa\n{outside}/folder/y.txt\n")
    (outside / "ref.fa").write_text(">a\n")
    (outside / "folder").mkdir()
    (outside / "folder" / "y.txt").write_text("y\n")
    workflow.succeed("--config", f"outside={outside}")
    assert workflow.text("direct.txt") == ">a\ny\n>a\nabove\n"
    assert workflow.text(f"{outside}/made/a.txt".lstrip("/")) == "made\n"
    assert workflow.text("under.txt") == ">a\nabove\n"
