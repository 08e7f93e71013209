"""Scripts in direct mode that fail, and scripts from elsewhere."""

import functools
import http.server
import subprocess
import threading

import pytest

FAILING = """
rule all:
    input: "python.txt", "julia.txt", "lambda.txt", "notebook.txt", "fine.txt"
rule python:
    output: "python.txt"
    log: "logs/python.log"
    script: "scripts/fail.py"
rule julia:
    output: "julia.txt"
    script: "scripts/plot.jl"
rule function:
    output: "lambda.txt"
    params: table={"of": abs, "own": print.__self__}
    script: "scripts/fine.py"
rule notebook:
    output: "notebook.txt"
    log: notebook="logs/notebook.ipynb"
    notebook: "fail.py.ipynb"
rule fine:
    output: "fine.txt"
    script: "scripts/fine.py"
"""
NOTEBOOK = """{
 "cells": [
  {"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [],
   "source": ["print('begun')"]},
  {"cell_type": "code", "execution_count": null, "metadata": {}, "outputs": [],
   "source": ["raise ValueError('in a cell')"]}
 ],
 "metadata": {
  "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
  "language_info": {"name": "python"}
 },
 "nbformat": 4, "nbformat_minor": 4
}"""


def test_failing_scripts_say_why_and_leave_their_logs(workflow):
    workflow.write("Snakefile", FAILING)
    workflow.write("fail.py.ipynb", NOTEBOOK)
    workflow.write("scripts/fine.py", 'open(snakemake.output[0], "w").write("fine")')
    workflow.write("scripts/plot.jl", 'write(snakemake.output[1], "x")')
    workflow.write(
        "scripts/fail.py",
        """
        open(snakemake.log[0], "w").write("no such chromosome")
        def inner():
            raise ValueError("on purpose")
        inner()
        """,
    )
    output = workflow.fail("--keep-going")
    assert workflow.text("fine.txt") == "fine"
    assert workflow.text("logs/python.log") == "no such chromosome"
    assert "python failed: the command of rule python ended with exit code 1" in output
    assert "ValueError: on purpose" in output
    # As in plain Snakemake: the script's lines begin behind three of the preamble.
    assert '.fail.py", line 7, in inner' in output
    assert " has no julia, which the script of rule julia needs" in output
    assert "in a cell" in workflow.text("logs/notebook.ipynb")
    assert '"begun\\n"' in workflow.text("logs/notebook.ipynb")


@pytest.fixture
def web(tmp_path_factory):
    """A web server with a wrapper."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "tool").mkdir()
    (folder / "tool" / "wrapper.py").write_text(
        "from snakemake.shell import shell\n"
        "shell('echo {snakemake.params.word} > {snakemake.output}')\n"
    )
    (folder / "tool" / "environment.yaml").write_text("dependencies: []\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_scripts_from_the_web_git_and_other_folders_come_with_what_lies_beside_them(
    workflow, web, tmp_path_factory
):
    repository = tmp_path_factory.mktemp("repository")
    outside = tmp_path_factory.mktemp("outside")
    for folder in (repository, outside):
        (folder / "scripts").mkdir()
        (folder / "scripts" / "write.py").write_text(
            "import os\nfrom beside import WORD\n"
            "assert os.path.dirname(__file__) == snakemake.scriptdir\n"
            "open(snakemake.output[0], 'w').write(WORD + snakemake.config['word'])\n"
        )
        (folder / "scripts" / "beside.py").write_text(f"WORD = {folder.name[:7]!r}\n")
    (repository / "Snakefile").write_text(
        'rule a:\n    output: "git.txt"\n    script: "scripts/write.py"\n'
    )
    git = ["git", "-c", "user.name=us", "-c", "user.email=us@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v1"]):
        subprocess.run([*git, *command], cwd=repository, check=True)
    cache = tmp_path_factory.mktemp("cache")
    cached = cache / "snakemake/snakemake/source-cache/snakemake-git-cache/github.com/us/tools"
    subprocess.run(["git", "clone", "-q", "--bare", repository, cached], check=True)
    workflow.write(
        "Snakefile",
        f"""
        config["word"] = "!"
        rule all:
            input: "git.txt", "outside.txt", expand("web{{n}}.txt", n=[1, 2, 3]), "here.txt"
            default_target: True
        module gits:
            snakefile: github("us/tools", path="Snakefile", tag="v1")
            config: config
        use rule * from gits as gits_*
        rule outside:
            output: "outside.txt"
            script: "{outside}/scripts/write.py"
        rule web:
            output: "web{{n}}.txt"
            params: word="a web"
            wrapper: "tool"
        rule here:
            output: "here.txt"
            params: script="here"
            script: f"own folder/{{'it'}}'s.py"
        """,
    )
    workflow.write("own folder/it's.py", "open(snakemake.output[0], 'w').write(__file__)")
    output = workflow.succeed("--wrapper-prefix", web, XDG_CACHE_HOME=str(cache))
    assert "under Snakemake" not in output
    assert workflow.text("git.txt") == "reposit!"
    assert workflow.text("outside.txt") == "outside!"
    assert [workflow.text(f"web{n}.txt") for n in (1, 2, 3)] == ["a web\n"] * 3
    assert workflow.text("here.txt").endswith("/own folder/it's.py")
    # One object for each script, whatever the number of its jobs.
    stored = {path.name for path in workflow.stored.rglob("scripts/*") if path.is_file()}
    assert len(stored) == 4


def test_a_configuration_that_a_language_cannot_hold_fails_only_the_jobs_in_that_language(workflow):
    """As in plain Snakemake: Python's scripts get a pickle, bash's whatever ``str()`` makes."""
    workflow.write(
        "Snakefile",
        """
        config["function"] = lambda: None
        rule all:
            input: "python.txt", "bash.txt", "shell.txt"
        rule python:
            output: "python.txt"
            script: "write.py"
        rule bash:
            output: "bash.txt"
            script: "write.sh"
        rule shell:
            output: "shell.txt"
            shell: "echo fine > {output}"
        """,
    )
    workflow.write("write.py", "open(snakemake.output[0], 'w')")
    workflow.write("write.sh", 'echo "${snakemake_config[function]}" > "${snakemake_output[0]}"')
    output = workflow.fail("--keep-going")
    assert "gives to the script write.py cannot be written for it: " in output
    assert workflow.text("bash.txt").startswith("<function <lambda>")
    assert workflow.text("shell.txt") == "fine\n"
    assert not (workflow.stored / "python.txt").exists()
