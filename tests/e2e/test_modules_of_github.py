"""Modules and scripts of repositories on GitHub: fetched here, never by a job."""

import subprocess

#: The address leads to a repository here by git's configuration of the home folder, which jobs do
#: not have: a job that asked git or the network would find nothing.
SNAKEFILE = """
module other:
    snakefile: github("lab/other", path="workflow/Snakefile", tag="v1")
use rule * from other as other_*
rule all:
    default_target: True
    input: "run.txt", "shell.txt"
"""
OTHER = """
include: "rules/more.smk"
rule shell:
    output: "shell.txt"
    params: script=workflow.source_path("scripts/say.sh")
    shell: "sh {params.script} > {output}"
"""
MORE = """
rule run:
    output: "run.txt"
    run:
        with open(output[0], "w") as file:
            file.write("from a module\\n")
"""


def git(folder, *arguments):
    who = ("-c", "user.name=Jane", "-c", "user.email=jane@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(repositories, name, tag, home):
    """Makes a repository of a folder, to which the address of GitHub's leads."""
    folder = repositories / name
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    git(folder, "tag", tag)
    (home / ".gitconfig").write_text(
        f'[url "file://{repositories}/"]\n    insteadOf = https://github.com/\n'
    )


def test_a_module_of_github_needs_neither_git_nor_the_network_in_jobs(workflow):
    top = workflow.folder
    workflow.folder = top / "project"
    workflow.write("Snakefile", SNAKEFILE)
    workflow.write("../repositories/lab/other/workflow/Snakefile", OTHER)
    workflow.write("../repositories/lab/other/workflow/rules/more.smk", MORE)
    workflow.write("../repositories/lab/other/workflow/scripts/say.sh", "echo a script\n")
    (top / "home").mkdir()
    commit(top / "repositories", "lab/other", "v1", top / "home")
    workflow.succeed(HOME=str(top / "home"))
    assert workflow.text("run.txt") == "from a module\n"
    assert workflow.text("shell.txt") == "a script\n"
