"""The code of a workflow reaches its jobs: whatever its files are called, whoever else runs it."""

import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import warm_start


def git(workflow, *arguments):
    who = ("-c", "user.name=Jane", "-c", "user.email=jane@example.org")
    subprocess.run(["git", *who, *arguments], cwd=workflow.folder, check=True, capture_output=True)


@pytest.fixture
def flags():
    """A folder that jobs see as well: their /tmp is another."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def test_files_that_snakemake_would_not_ship_travel_or_are_named(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            shell: "sh helper.sh > {output}; sh 'scripts/größe 1.sh' >> {output}; ls >> {output};"
                "test ! -e big.bin"
        """,
    )
    workflow.write("scripts/größe 1.sh", "echo tracked, with an odd name\n")
    workflow.write("gone.sh", "echo\n")
    git(workflow, "init", "--quiet")
    git(workflow, "add", ".")
    git(workflow, "commit", "--quiet", "--message", "first")
    (workflow.folder / "gone.sh").unlink()
    workflow.write("helper.sh", "echo untracked, beside the Snakefile\n")
    for name in ("big.bin", "unused.bin"):
        (workflow.folder / name).write_bytes(b"\0" * 10_000_001)
    output = " ".join(workflow.succeed().split())
    lines = workflow.text("a.txt").splitlines()
    assert lines[:2] == ["untracked, beside the Snakefile", "tracked, with an odd name"]
    assert "big.bin" not in lines
    assert "These files are not sent with the workflow's code: big.bin (over 10 MB)." in output
    assert output.count("are not sent with") == 1


def test_two_runs_from_one_folder_keep_each_others_code(workflow, flags):
    """The first run's jobs start while the second goes on, and after it has ended."""
    workflow.write(
        "Snakefile",
        """
        rule quick:
            output: "quick.txt"
            shell: "sh helper.sh quick > {output}"
        rule wait:
            output: "waited.txt"
            params: flags=config["flags"]
            shell: "touch {params.flags}/waiting; "
                "timeout 120 sh -c "
                "'until [ -e {params.flags}/go ]; do sleep 0.1; done'; "
                "sh helper.sh waited > {output}"
        rule late:
            input: "waited.txt"
            output: "late.txt"
            shell: "sh helper.sh late > {output}"
        """,
    )
    workflow.write("helper.sh", "echo helped $1\n")
    config = ("--config", f"flags={flags}")
    first = warm_start.start(
        workflow.command("late.txt", "--nolock", *config),
        cwd=workflow.folder,
        env=workflow.environment(),
    )
    deadline = time.monotonic() + 120
    while not (flags / "waiting").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    workflow.succeed("quick.txt", "--nolock", *config)
    (flags / "go").touch()
    output, _ = first.communicate(timeout=240)
    assert first.returncode == 0, output
    assert workflow.text("quick.txt") == "helped quick\n"
    assert workflow.text("late.txt") == "helped late\n"
