"""Files bear the names that the author of the workflow gave them, here and in jobs."""

import os
import time

NAMES = """
    from pathlib import Path
    import os
    configfile: "config.yaml"
    rule all:
        input: "results/direct.txt", "results/snakemake.txt", "results/used.txt",
               "results/parts.txt", "in_module/copy.txt", f"{os.getcwd()}/results/absolute.txt"
    rule base:
        output: a="results/{x}/a.txt", b="results/{x}/b.txt"
        log: "logs/{x}.log"
        params: folder="results/", beside=lambda w, output: os.path.dirname(output[0])
        shell:
            "echo {output} {log} {params.beside} > {output.a};"
            "mkdir -p {params.folder}{wildcards.x}/t; echo logged > {log};"
            "echo by hand > {params.folder}{wildcards.x}/t/tmp;"
            "cat results/{wildcards.x}/t/tmp > {output.b}"
    rule direct:
        input: expand(rules.base.output.a, x=["1", "2"]), rules.base.output.b.format(x="1")
        output: "results/direct.txt"
        params: stem=lambda w, input: Path(input[0]).stem, part=lambda w, input: subpath(input[0])
        shell: "echo {input} {params.stem} $(pwd) > {output}; python scripts/beside.py >> {output}"
    rule snakemake:
        input: rules.base.output.a.format(x="1")
        output: "results/snakemake.txt"
        params: mine=config["mine"]
        run:
            shell("echo {input} {output} > {output}; cat results/1/a.txt scripts/word >> {output}")
            with open(output[0], "a") as file:
                print(params.mine == os.path.join(os.getcwd(), "data"), config["url"], file=file)
    localrules: used, late
    rule used:
        input: "results/1/b.txt", "results/here.txt"
        output: "results/used.txt"
        shell: "cat {input} > {output}; echo {output} $(basename $(pwd)) >> {output}"
    rule here:
        output: "results/here.txt"
        shell: "echo from a job > {output}"
    checkpoint split:
        output: directory("parts")
        shell: "mkdir parts; echo x > parts/x.txt; echo y > {output}/y.txt"
    def parts(wildcards):
        folder = checkpoints.split.get().output[0]
        assert folder == "parts"
        return sorted(f"parts/{x}.txt" for x in glob_wildcards("parts/{x}.txt").x)
    rule late:
        input: "parts", files=parts
        output: "results/parts.txt"
        run:
            with open("results/parts.txt", "w") as file:
                file.writelines(open(name).read() for name in input.files)
    rule absolute:
        output: f"{os.getcwd()}/results/absolute.txt"
        shell: "echo {output} > {output}; cat results/absolute.txt"
    module copies:
        snakefile: "copies.smk"
        prefix: "in_module"
    use rule * from copies as copies_*
    use rule copy from copies as copies_copy with:
        input: "results/1/b.txt"
"""


def write_all(workflow):
    workflow.write("Snakefile", NAMES)
    workflow.write("config.yaml", f"mine: {workflow.folder}/data\nurl: https://x.org/data\n")
    workflow.write("scripts/beside.py", "print(open('results/1/a.txt').read() != '')\n")
    workflow.write("scripts/word", "beside\n")
    workflow.write(
        "copies.smk", 'rule copy:\n    output: "copy.txt"\n    shell: "cp {input} {output}"\n'
    )


def test_names_are_the_authors_and_what_lies_here_stays(workflow):
    write_all(workflow)
    old = time.time() - 1000
    mine = {name: f"my own {name}\n" for name in ("results/here.txt", "results/1/a.txt", "parts/z")}
    for name in (*mine, "results/used.txt"):
        workflow.write(name, f"my own {name}\n")
        os.utime(workflow.folder / name, (old, old))
    before = here(workflow.folder)
    output = workflow.succeed()
    assert here(workflow.folder) == before

    assert workflow.text("results/1/a.txt") == (
        "results/1/a.txt results/1/b.txt logs/1.log results/1\n"
    )
    first, second = workflow.text("results/direct.txt").splitlines()
    assert first.startswith("results/1/a.txt results/2/a.txt results/1/b.txt a /tmp/hutchbatch-")
    assert second == "True"
    assert workflow.text("results/snakemake.txt").splitlines() == [
        "results/1/a.txt results/snakemake.txt",
        "results/1/a.txt results/1/b.txt logs/1.log results/1",
        "beside",
        "True https://x.org/data",
    ]
    assert workflow.text("results/used.txt") == (
        f"by hand\nfrom a job\nresults/used.txt {workflow.folder.name}\n"
    )
    assert workflow.text("results/parts.txt") == "x\ny\n"
    assert workflow.text("in_module/copy.txt") == "by hand\n"
    absolute = f"{workflow.folder}/results/absolute.txt".lstrip("/")
    assert workflow.text(absolute).startswith("/tmp/hutchbatch-")
    assert "output: results/1/a.txt, results/1/b.txt" in output
    assert ".snakemake/storage" not in output

    # What is here is no result, and what a job of an earlier version made is one.
    assert "Nothing to be done" in workflow.succeed()
    assert here(workflow.folder) == before


def here(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and ".snakemake" not in path.parts and "__pycache__" not in path.parts
    }


def test_a_newer_file_here_that_differs_stops_the_job_that_needs_it(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            shell: "echo a > {output}"
        rule b:
            input: "a.txt"
            output: "b.txt"
            localrule: True
            shell: "cat {input} > {output}"
        """,
    )
    workflow.succeed("a.txt")
    workflow.write("a.txt", "mine\n")
    future = time.time() + 1000
    os.utime(workflow.folder / "a.txt", (future, future))
    output = workflow.fail("b.txt")
    assert "a.txt here differs from s3://" in output
    assert (workflow.folder / "a.txt").read_text() == "mine\n"
    assert not (workflow.stored / "b.txt").exists()
