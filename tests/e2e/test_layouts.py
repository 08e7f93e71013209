"""Workflows whose files do not all lie below the folder in which Snakemake works."""

import subprocess

import pytest
from workflows import Workflow, slug

COMMON = """
    import csv, glob, os
    from pathlib import Path
    from snakemake.utils import validate

    with open(config["samples"]) as sheet:
        samples = [row["sample"] for row in csv.DictReader(sheet, delimiter="\\t")]
    validate(config, schema="../schemas/config.schema.yaml")
    reads = sorted(os.path.basename(name) for name in glob.glob("reads/*.fq"))
    listed = sorted(name for name in os.listdir("reads") if os.path.isfile(f"reads/{name}"))
    (walked,) = glob_wildcards("reads/{x}.fq")
    assert reads == listed == sorted(f"{x}.fq" for x in walked)
"""
SNAKEFILE = """
    configfile: "config/config.yaml"
    include: "rules/common.smk"
    include: "../../lab/more.smk"
    rule all:
        default_target: True
        input: expand("results/{s}.txt", s=samples), expand("results/{r}.copy", r=reads), "late.txt"
    rule direct:
        output: "results/{s}.txt"
        params: code=Path(workflow.snakefile).parent, base=workflow.basedir,
                found=workflow.source_path("scripts/say.sh"),
                near=os.path.relpath(os.path.join(workflow.basedir, "scripts/say.sh")),
        shell:
            "sh {params.code}/scripts/say.sh 1 > {output};"
            "sh {params.base}/scripts/say.sh 2 >> {output};"
            "sh {params.found} 3 >> {output}; sh {params.near} 4 >> {output};"
            "sh ../workflow/scripts/say.sh 5 >> {output}; cat config/samples.tsv >> {output}"
    rule under:
        output: "results/{r}.copy"
        run:
            # The files that were listed stay where they are.
            where = os.getcwd() == workflow.workdir_init
            sheet = open("config/samples.tsv").read().strip()
            with open(output[0], "w") as file:
                there = os.path.exists("reads/" + wildcards.r)
                print(reads, there, where, config["word"], sheet, file=file)
"""
SCHEMA = """\
    $schema: "https://json-schema.org/draft/2020-12/schema"
    type: object
    required: [samples]
"""
SHARED = """
    rule late:
        output: "late.txt"
        params: here=workflow.basedir
        shell: "cat {params.here}/../../lab/word.txt > {output}"
"""


@pytest.fixture
def project(cloud, tmp_path, request):
    """A workflow in ``project``, beside which lie other folders."""
    flow = Workflow(cloud, tmp_path / "project", slug(request.node.name))
    flow.folder.mkdir()
    return flow


def at_home(tmp_path):
    """The home folder is none of the project's."""
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home")}


def test_the_usual_test_layout_finds_code_beside_its_folder(project, tmp_path):
    project.write("workflow/Snakefile", SNAKEFILE)
    project.write("workflow/rules/common.smk", COMMON)
    project.write("workflow/schemas/config.schema.yaml", SCHEMA)
    project.write("workflow/scripts/say.sh", "echo said $1\n")
    project.write("../lab/more.smk", SHARED)
    project.write("../lab/word.txt", "shared\n")
    project.write(".test/config/config.yaml", "samples: config/samples.tsv\nword: here\n")
    project.write(".test/config/samples.tsv", "sample\nA\nB\n")
    for name in ("x", "y"):
        project.write(f".test/reads/{name}.fq", "@\n")
    for number in range(50):
        project.write(f"data/{number}.bam", "reads\n")
    (project.folder / "data" / "large.bam").write_bytes(b"\0" * 11_000_000)
    output = project.succeed(
        *("--directory", ".test", "-s", "workflow/Snakefile"), **at_home(tmp_path)
    )
    said = "".join(f"said {number}\n" for number in range(1, 6))
    assert project.text("results/A.txt") == said + "sample\nA\nB\n"
    assert project.text("results/x.fq.copy") == "['x.fq', 'y.fq'] False True here sample\nA\nB\n"
    assert project.text("late.txt") == "shared\n"
    assert "are not sent" not in output
    assert "rule direct has" not in output


def commit(folder):
    who = ("-c", "user.name=Jane", "-c", "user.email=jane@example.org")
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "1"], ["tag", "v1"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


ELSEWHERE = """
    import os
    include: "{far}/far.smk"
    module other:
        snakefile: gitfile("{repository}", path="workflow/Snakefile", tag="v1")
    use rule * from other as other_*
    rule all:
        default_target: True
        input: "run.txt", "shell.txt", "wrapped.txt", "far.txt", "{folder}/absolute.txt"
    rule wrapped:
        output: "wrapped.txt"
        wrapper: "v1/say"
    rule absolute:
        output: "{folder}/absolute.txt"
        run:
            with open(output[0], "w") as file:
                print(config["one"], config["two"], file=file)
"""
FAR = """
    rule far:
        output: "far.txt"
        shell: "pwd > {output}"
"""
OTHER = """
    rule shell:
        output: "shell.txt"
        params: script=workflow.source_path("scripts/say.sh")
        shell: "sh {params.script} > {output}"
    rule run:
        output: "run.txt"
        run:
            shell("echo from a module > {output}")
"""


def test_modules_from_git_wrappers_and_configuration_come_from_where_they_lie(project, tmp_path):
    """Jobs see another /tmp, and so neither the repository nor the wrappers."""
    repository, far = tmp_path / "repository", tmp_path / "far"
    project.write("../repository/workflow/Snakefile", OTHER)
    project.write("../repository/workflow/scripts/say.sh", "echo script of a module\n")
    commit(repository)
    project.write("../wrappers/v1/say/wrapper.py", "open(snakemake.output[0], 'w').write('said')\n")
    project.write("../wrappers/v1/say/environment.yaml", "dependencies: []\n")
    for number in range(30):
        project.write(f"../wrappers/v1/{number}/wrapper.py", "x" * 400_000)
    project.write(
        "../far/far.smk", 'rule far:\n    output: "far.txt"\n    shell: "pwd > {output}"\n'
    )
    project.write("../one.yaml", "one: 1\n")
    project.write("../two.yaml", "two: 2\n")
    places = {"far": far, "repository": repository, "folder": project.folder}
    text = ELSEWHERE
    for name, path in places.items():
        text = text.replace(f"{{{name}}}", str(path))
    project.write("Snakefile", text)
    output = project.succeed(
        *("--wrapper-prefix", f"file://{tmp_path}/wrappers/"),
        *("--configfile", "../one.yaml", "../two.yaml"),
        **at_home(tmp_path),
    )
    assert project.text("run.txt") == "from a module\n"
    assert project.text("shell.txt") == "script of a module\n"
    assert project.text("wrapped.txt") == "said"
    assert project.text(f"{project.folder}/absolute.txt".lstrip("/")) == "1 2\n"
    assert "are not sent" not in output
