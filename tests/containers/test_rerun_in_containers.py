"""A job that is run again here is so in its image."""

from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.cli import main

RULE = """
rule all:
    input: expand("{name}/out.txt", name={names})
"""
ONE = """
rule {rule}:
    input: "in.txt"
    output: "{name}/out.txt"
    container: "docker://{image}"
    resources: mem_mb=300
    shell: "cat {{input}} > {{output}}; tr a-z A-Z < {{input}} | tee -a {{output}}; pwd >&2; exit 5"
"""


@pytest.mark.thorough
def test_a_job_runs_again_in_its_image_with_a_python_that_it_may_lack(
    workflow, images, engine, monkeypatch, capfd
):
    names = ("plain", "musl-python", "entrypoint")
    text = RULE.replace("{names}", repr(names))
    for name in names:
        rule = "r_" + name.replace("-", "_")
        text += ONE.format(rule=rule, name=name, image=images[name])
    workflow.write("Snakefile", text)
    workflow.write("in.txt", "abc\n")
    done = workflow.run("--keep-going")
    assert done.code == 1, done.output[-3000:]
    for name, value in workflow.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(workflow.folder)
    for name in names:
        capfd.readouterr()
        code = main.main(["rerun", f"{name}/out.txt", "--engine", engine.program])
        said = capfd.readouterr()
        assert code == 5, said.err
        assert f"with {engine.program}" in said.err
        made = Path("hutchbatch-rerun", "r_" + name.replace("-", "_")).absolute()
        assert "ABC" in said.out + said.err
        assert (made / "work" / name / "out.txt").read_text() == "abc\nABC\n"
        assert str(made / "work") in said.err
