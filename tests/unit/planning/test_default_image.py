"""The image of jobs whose rule names none."""

import pytest
from snakemake.common import get_container_image

from snakemake_executor_plugin_hutchbatch.planning import default_image


def test_it_is_a_small_python_of_the_controllers_minor_version():
    assert default_image.image((3, 12)) == "public.ecr.aws/docker/library/python:3.12-slim"
    assert default_image.of_run(get_container_image()) == default_image.image()
    assert default_image.of_run(None) == default_image.image()
    assert default_image.is_default(default_image.image())


def test_the_persons_own_word_counts():
    assert default_image.of_run("docker://lab/tools:1") == "docker://lab/tools:1"
    assert not default_image.is_default("lab/tools:1")


@pytest.mark.parametrize(
    ("name", "is_python"),
    [
        ("python:3.11-slim", True),
        ("docker.io/library/python:3.11.9", True),
        ("public.ecr.aws/docker/library/python:3.11-slim", True),
        ("python:3.11", True),
        ("python:3.11-alpine", False),
        ("python:3.110", False),
        ("python:3.1", False),
        ("python:3.12-slim", False),
        ("lab/mypython:3.11", False),
    ],
)
def test_pythons_of_that_version_are_known_by_their_names(name, is_python):
    assert default_image.is_python(name, (3, 11)) == is_python
