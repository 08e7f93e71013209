"""Files that are programs can be run where they arrive, as on a disk that jobs share."""

import os

import warm_start

PROGRAMS = """
MODES = ("direct", "snakemake")
rule all:
    input: expand("{mode}/ran.txt", mode=MODES), "here.txt"
rule build:
    output: program="{mode}/pro gram", plain="{mode}/plain", folder=directory("{mode}/folder")
    resources: hutchbatch_mode=lambda wildcards: wildcards.mode
    shell:
        "printf '#!/bin/sh\\necho built\\n' > {output.plain}; mkdir -p {output.folder};"
        "cp {output.plain} {output.program:q}; chmod +x {output.program:q};"
        "cp {output.program:q} {output.folder}/p"
rule use:
    input: "tools/own", program="{mode}/pro gram", plain="{mode}/plain", folder="{mode}/folder"
    output: "{mode}/ran.txt"
    resources: hutchbatch_mode=lambda wildcards: wildcards.mode
    shell:
        "exec > {output}; tools/own; {input.program:q}; {input.folder}/p;"
        "test -x {input.plain} || echo no program"
rule here:
    localrule: True
    input: "direct/pro gram", "tools/own"
    output: "here.txt"
    shell: "{input[0]:q} > {output}; {input[1]} >> {output}"
"""


def test_programs_that_jobs_make_or_that_lie_here_can_be_run_where_they_arrive(workflow):
    workflow.write("Snakefile", PROGRAMS)
    workflow.write("tools/own", "#!/bin/sh\necho own\n")
    (workflow.folder / "tools/own").chmod(0o755)
    workflow.succeed()
    for mode in ("direct", "snakemake"):
        assert workflow.text(f"{mode}/ran.txt") == "own\nbuilt\nbuilt\nno program\n"
    assert workflow.text("here.txt") == "built\nown\n"

    done = warm_start.hutchbatch(
        "download", "direct/*", cwd=workflow.folder, env=workflow.environment()
    )
    assert done.returncode == 0, done.stderr
    assert os.access(workflow.folder / "direct/pro gram", os.X_OK)
    assert not os.access(workflow.folder / "direct/plain", os.X_OK)
