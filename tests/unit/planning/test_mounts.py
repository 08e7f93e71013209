"""What containers see of their machine's folders."""

import pytest

from snakemake_executor_plugin_hutchbatch.planning.plan import check_mounts
from snakemake_executor_plugin_hutchbatch.planning.requirements import PlanError
from snakemake_executor_plugin_hutchbatch.settings.values import Mount

SCRATCH = Mount("/docker_scratch", "/tmp")
CLI = "/home/ec2-user/miniconda"


@pytest.mark.parametrize(
    "volumes",
    [
        (Mount("/data", "/tmp"),),
        (Mount("/data", "/ref/../tmp"),),
        (Mount("/data", CLI),),
        (Mount("/a", "/ref"), Mount("/b", "/ref")),
        (Mount("/a", "/ref"), Mount("/a", "/ref")),
    ],
)
def test_two_mounts_at_one_path_are_refused(volumes):
    with pytest.raises(PlanError, match="both mounted at"):
        check_mounts(SCRATCH, CLI, volumes)


def test_mounts_may_lie_inside_one_another():
    check_mounts(SCRATCH, CLI, (Mount("/data", "/tmp/data"), Mount("/data", "/ref")))
    check_mounts(SCRATCH, None, (Mount("/data", CLI),))
