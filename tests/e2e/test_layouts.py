"""Workflows whose files do not all lie below the folder in which Snakemake works."""

import subprocess
import tarfile

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
    # Only asked about: neither is sent.
    asked = os.path.exists("raw/a.bam"), Path("../data/large.bam").is_file(), os.path.isdir("raw")
    assert asked == (True, True, True)
    assert os.path.getsize("../data/large.bam") == 11_000_000
    assert not os.path.exists("raw/b.bam")
    # Keys stay here, whatever is done with them.
    for secret in (Path.home() / ".aws/credentials", Path(".env"), Path(".env.local")):
        if secret.exists():
            secret.read_text()
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
            import shutil
            os.symlink("nowhere", "link")
            shutil.copy("link", "copy", follow_symlinks=False)
            with open(output[0], "w") as file:
                there = os.path.exists("reads/" + wildcards.r) or os.path.exists("raw/a.bam")
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
    (tmp_path / "home").mkdir(exist_ok=True)
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
    project.write(".test/raw/a.bam", "")
    project.write(".test/.env", "TOKEN=sesame\n")
    project.write(".test/.env.local", "TOKEN=sesame\n")
    project.write("../home/.aws/credentials", "sesame\n")
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
    assert not {name for name in sent(project) if "/.env" in name or ".aws" in name}
    assert "project/.test/config/samples.tsv" in sent(project)


def sent(flow):
    """Names of what came to jobs as the workflow's code."""
    found = set()
    for archive in flow.stored.glob(".hutchbatch/**/*.tar.xz"):
        with tarfile.open(archive) as files:
            found |= set(files.getnames())
    return found


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


@pytest.mark.thorough
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


GROUP = """
    configfile: "config.yaml"
    workdir: config["where"]
    rule all:
        input: expand("out/{s}.txt", s=("a", "b"))
    rule first:
        input: "in/{s}.txt", config["where"] + "/in/more.txt"
        output: "mid/{s}.txt"
        group: "both"
        params: where=config["where"]
        shell: "cat {input:q} {params.where:q}/in/more.txt > {output}"
    rule second:
        input: "mid/{s}.txt", "in/more.txt"
        output: "out/{s}.txt"
        group: "both"
        shell: "cat {input} in/{wildcards.s}.txt > {output}"
    rule under:
        input: "in/a.txt"
        output: "under.txt"
        run:
            import yaml
            project = yaml.safe_load(open(config["pep"]))
            with open(output[0], "w") as file:
                print(os.path.basename(os.getcwd()), project["name"], SAMPLES, file=file)
                file.write(open(input[0]).read())
    import csv, os, yaml
    with open(config["pep"]) as file:
        PEP = yaml.safe_load(file)
    with open(os.path.join(os.path.dirname(config["pep"]), PEP["sample_table"])) as file:
        SAMPLES = [row["sample_name"] for row in csv.DictReader(file)]
"""


@pytest.mark.parametrize("how", ["workdir", pytest.param("directory", marks=pytest.mark.thorough)])
def test_groups_and_their_inputs_lie_where_snakemake_works(project, tmp_path, how):
    """With a `workdir:` in the Snakefile, and with --directory."""
    where = project.folder / "data dir" if how == "workdir" else project.folder / "elsewhere"
    text = GROUP if how == "workdir" else GROUP.replace('workdir: config["where"]', "")
    project.write("Snakefile", text)
    project.write("pep/project.yaml", "name: pep\nsample_table: samples.csv\n")
    project.write("pep/samples.csv", "sample_name\na\nb\n")
    config = f"where: {where}\npep: {project.folder}/pep/project.yaml\n"
    (project.folder / "config.yaml").write_text(config)
    for name in ("a", "b", "more"):
        project.write(f"{where.name}/in/{name}.txt", f"{name}\n")
    given = ()
    if how == "directory":
        (where / "config.yaml").write_text(config)
        given = ("--directory", where.name)
    output = project.succeed("all", "under.txt", *given, **at_home(tmp_path))
    assert project.text("out/a.txt") == "a\nmore\nmore\nmore\na\n"
    assert project.text("out/b.txt") == "b\nmore\nmore\nmore\nb\n"
    assert project.text("under.txt") == f"{where.name} pep ['a', 'b']\na\n"
    assert (project.stored / "in/a.txt").read_text() == "a\n"
    assert "Uploading 4 files" in output
