"""The example workflow, as a newcomer runs it, with its results checked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "example_workflow"


@pytest.mark.thorough
def test_the_example_finds_every_planted_mutation_and_reports_every_sample(tmp_path):
    folder = tmp_path / "example"
    shutil.copytree(
        EXAMPLE, folder, ignore=shutil.ignore_patterns(".snakemake", ".hutchbatch-local")
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    hutchbatch = Path(sys.executable).with_name("hutchbatch")
    command = [
        *(str(hutchbatch), "local", "--", sys.executable, "-m", "snakemake"),
        *("--workflow-profile", "profiles/local"),
    ]
    for expected in ("steps (100%) done", "Nothing to be done"):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, output[-4000:]
        assert expected in output
    # What its jobs wrote is kept for the next local cloud.
    asked = [str(hutchbatch), "logs", "summarise"]
    done = subprocess.run(
        asked, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    advice = "hutchbatch local -- hutchbatch logs summarise"
    assert f"on the local cloud, which has ended; it keeps what jobs wrote: {advice}" in done.stderr
    results = folder / ".hutchbatch-local/s3/hutchbatch/example"
    checked = subprocess.run(
        [sys.executable, "check_results.py", str(results)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
