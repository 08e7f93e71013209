"""Snakemake's features, each run for real: the rows of the table in docs/snakemake-features.md.

A run costs seconds, so many rules share one: ``snakefiles/`` has a folder for each run.
"""

import shutil
from pathlib import Path

import pytest
from workflows import Workflow

SNAKEFILES = Path(__file__).parent / "snakefiles"


@pytest.fixture(scope="session")
def flow(cloud, tmp_path_factory):
    """A copy of one of the folders in ``snakefiles/``, with a place in S3 of its own."""

    def copy(name: str) -> Workflow:
        folder = tmp_path_factory.mktemp(name)
        shutil.copytree(SNAKEFILES / name, folder, dirs_exist_ok=True)
        return Workflow(cloud, folder, f"features-{name}")

    return copy


@pytest.fixture(autouse=True, scope="module")
def forgetful_cloud(cloud):
    """Calls counted here do not count in the next file."""
    yield
    cloud.reset()
