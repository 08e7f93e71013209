"""What is no workflow's at first sight is not looked at twice."""

from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.planning import opened_files


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (".snakemake/metadata/b3V0", True),
        ("{here}/.snakemake/metadata/b3V0", True),
        ("/proc/1/stat", True),
        ("samples.tsv", False),
        ("{here}/samples.tsv", False),
        # A workflow's own: the launch folder may itself be in another run's.
        ("/data/.snakemake/samples.tsv", False),
        (".snakemake/../samples.tsv", False),
        (Path("samples.tsv"), False),
        (3, False),
    ],
)
def test_snakemakes_own_files_in_the_launch_folder_and_the_systems_are_passed_over(
    path, known, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    watch = opened_files._Watch()
    watch.begin()
    watch.active = False
    watch.restore_stat()
    given = path.format(here=Path.cwd()) if isinstance(path, str) else path
    assert watch._is_library(given) is known
