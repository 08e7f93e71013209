"""What runs a job's image here."""

import pytest

from snakemake_executor_plugin_hutchbatch.containers.engines import Engine, NoEngine
from snakemake_executor_plugin_hutchbatch.rerun.engine import choose
from snakemake_executor_plugin_hutchbatch.rerun.errors import RerunError


def nothing(wanted: str) -> Engine:
    raise NoEngine(f"{wanted} is not installed")


def test_what_works_is_used_in_this_order():
    assert choose("auto", Engine, lambda name: None).name == "auto"
    on_cluster = choose("auto", nothing, {"apptainer": "/bin/a"}.get)
    assert (on_cluster.name, on_cluster.engine) == ("apptainer", None)
    alone = choose("auto", nothing, lambda name: None)
    assert alone.name == ""
    assert "auto is not installed" in alone.why


def test_what_was_asked_for_and_does_not_work_is_said():
    with pytest.raises(RerunError, match="no docker here that works: docker is not installed"):
        choose("docker", nothing, lambda name: None)
    with pytest.raises(RerunError, match="singularity is not installed here"):
        choose("singularity", nothing, lambda name: None)
    assert choose("none", nothing, lambda name: None).name == ""
