"""The image of jobs whose rule names none. Pure.

Snakemake's own default, ``snakemake/snakemake``, is large (its conda included), lacks the S3
storage, and is on Docker Hub, which allows an address 100 pulls in six hours without an account
(https://docs.docker.com/docker-hub/usage/): a fleet of new machines behind one address is soon
refused. A small Python of the controller's minor version is pulled in a few seconds, runs what
comes along with a job, and scripts in Python as well. AWS keeps a copy of Docker's official images
(https://docs.aws.amazon.com/AmazonECR/latest/public/docker-official-images.html).
"""

from __future__ import annotations

import re
import sys

from snakemake.common import get_container_image

IMAGE = "public.ecr.aws/docker/library/python:{}.{}-slim"


def image(version: tuple[int, ...] = sys.version_info[:2]) -> str:
    """The image for a controller with this Python."""
    return IMAGE.format(*version[:2])


def of_run(container_image: str | None) -> str:
    """The image of jobs whose rule names none. ``container_image``: what Snakemake says it is,
    which is the person's word where it is not Snakemake's own default."""
    if not container_image or container_image == get_container_image():
        return image()
    return container_image


def python(version: tuple[int, ...] = sys.version_info[:2]) -> str:
    """The Python that an image must have so that Snakemake can come along: ``Python 3.11``."""
    return "Python {}.{}".format(*version[:2])


def is_python(name: str, version: tuple[int, ...] = sys.version_info[:2]) -> bool:
    """Whether an image is the official one of that Python, by its name; musl's cannot be used."""
    number = r"{}\.{}".format(*version[:2])
    found = re.search(rf"(?:^|/)python:{number}(?:[.\-@].*)?$", name)
    return found is not None and "alpine" not in name


def serves_arm(name: str) -> bool:
    """Whether an image is known to run on Arm machines: Docker's official images are made for both
    processors, and some images say so in their names."""
    return is_default(name) or bool(re.search(r"arm64|aarch64", name))


def is_default(name: str) -> bool:
    return name == image()
