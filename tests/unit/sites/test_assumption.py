"""Which site an account is assumed to be."""

import pytest

from snakemake_executor_plugin_hutchbatch.settings.values import Mount
from snakemake_executor_plugin_hutchbatch.sites import site
from snakemake_executor_plugin_hutchbatch.sites.assumption import assume

HUTCH, LAB = SITES = site.shipped()
DOCKER_SCRATCH, DOCKER_DISK = Mount("/docker_scratch", "/tmp"), Mount("/var/lib/docker", "/tmp")


@pytest.mark.parametrize(
    ("queues", "mounts", "name", "scratch"),
    [
        # the queues decide
        (HUTCH.queues, {}, "hutch", DOCKER_SCRATCH),
        (["default"], {}, "hutch-lab", DOCKER_DISK),
        (["default", "big"], {}, "hutch-lab", DOCKER_DISK),
        ([*HUTCH.queues, "default"], {}, "hutch", DOCKER_SCRATCH),
        (["default", "mixed", "cpu-spot-50"], {}, "hutch-lab", DOCKER_DISK),
        (["cpu-spot-50", "mixed"], {}, "hutch", DOCKER_SCRATCH),
        # the definitions know where the scratch is
        (HUTCH.queues, {DOCKER_DISK: 3}, "hutch", DOCKER_DISK),
        (["default"], {DOCKER_SCRATCH: 3, DOCKER_DISK: 1}, "hutch-lab", DOCKER_SCRATCH),
        (["default"], {Mount("/mnt/nvme", "/tmp"): 2}, "hutch-lab", Mount("/mnt/nvme", "/tmp")),
        # the definitions decide
        (["own"], {DOCKER_DISK: 1}, "hutch-lab", DOCKER_DISK),
        ([], {DOCKER_DISK: 1}, "hutch-lab", DOCKER_DISK),
        # nothing decides
        ([], {}, "hutch", DOCKER_SCRATCH),
        (["own"], {}, "hutch", DOCKER_SCRATCH),
        (["default"], {DOCKER_SCRATCH: 1, DOCKER_DISK: 1}, "hutch-lab", DOCKER_DISK),
        # what is no scratch
        (["default"], {Mount("/docker_scratch", "/data"): 9}, "hutch-lab", DOCKER_DISK),
        (["default"], {Mount("/docker_scratch", "/tmp", True): 9}, "hutch-lab", DOCKER_DISK),
    ],
)
def test_queues_name_the_site_and_definitions_the_scratch(queues, mounts, name, scratch):
    found = assume(SITES, queues, mounts)
    assert found.site.name == name
    assert found.values()["scratch"] == scratch


@pytest.mark.parametrize(
    ("queues", "mounts"),
    [
        (HUTCH.queues, {}),
        (HUTCH.queues, {DOCKER_SCRATCH: 1}),
        (["own"], {DOCKER_SCRATCH: 1}),
        ([], {}),
    ],
)
def test_plain_hutch_is_not_mentioned(queues, mounts):
    assert assume(SITES, queues, mounts).sentence is None


@pytest.mark.parametrize(
    ("queues", "mounts", "words"),
    [
        (["default"], {}, ("hutch-lab", "/var/lib/docker:/tmp", "the queue default")),
        (
            ["default"],
            {DOCKER_DISK: 1},
            ("the queue default and job definitions that mount /var/lib/docker at /tmp",),
        ),
        (HUTCH.queues, {DOCKER_DISK: 1}, ("Site hutch ", "scratch /var/lib/docker:/tmp")),
        (["own"], {}, ("Site hutch ", "scratch /docker_scratch:/tmp", "neither a queue of")),
    ],
)
def test_anything_else_is_one_sentence_with_its_reason(queues, mounts, words):
    sentence = assume(SITES, queues, mounts).sentence
    assert all(word in sentence for word in (*words, "--hutchbatch-site"))


def test_a_scratch_that_the_user_has_set_is_not_assumed():
    assert assume(SITES, ["own"], {}, has_scratch=True).sentence is None
    sentence = assume(SITES, ["default"], {}, has_scratch=True).sentence
    assert "hutch-lab" in sentence
    assert "scratch" not in sentence
