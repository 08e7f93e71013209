"""Snakemake in a container takes the conda environments that came with its job: neither are they
made there, nor does its image need conda.

Snakemake asks for environments by their files, which it reads itself; what they say leads to the
environment that was built for it (``digest``).
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Mapping, Optional

from . import activation
from .activation import Ready

if TYPE_CHECKING:
    from snakemake.deployment.conda import Conda, Env

#: The file that names the environments, for Snakemake's process.
VARIABLE, FILE = "HUTCHBATCH_ENVIRONMENTS", "environments.json"
#: As conda calls the jobs' machines.
PLATFORM = "linux-64"


def digest(environment: bytes, pins: Optional[bytes], deploy: Optional[bytes]) -> str:
    """Of what an environment's files say, by whatever name: the file itself, its pins for the jobs'
    platform, and the script that runs once it is there. Pure."""
    each = [part and hashlib.sha256(part).hexdigest() for part in (environment, pins, deploy)]
    return hashlib.sha256(json.dumps(each).encode()).hexdigest()


def dumps(known: Mapping[str, Ready]) -> str:
    """For the file that ``use`` reads: environments by their digests."""
    return json.dumps({files: list(each) for files, each in known.items()})


def use() -> None:
    """Patches Snakemake, where environments came with the job."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return
    from snakemake.deployment import conda

    if hasattr(conda.Env, "_hutchbatch"):
        return
    with open(path, encoding="utf-8") as file:
        known = {files: Ready(*each) for files, each in json.load(file).items()}
    by_prefix = {each.prefix: each for each in known.values()}
    plain_address, plain_shellcmd = conda.Env.address.fget, conda.Conda.shellcmd

    def of(env: Env) -> Optional[Ready]:
        if env.file is None:
            return None
        return known.get(digest(env.content, env.content_pin, env.content_deploy))

    def address(self: Env) -> str:
        found = of(self)
        return found.prefix if found else str(plain_address(self))

    def create(self: Env, dryrun: bool = False) -> str:
        if of(self) is None:
            raise conda.CreateCondaEnvironmentException(
                f"the conda environment {self.file or self.address} is none of those that were "
                "made for this job"
            )
        return str(self.address)

    def init(self: Conda, *_: object, **__: object) -> None:
        # Else it starts conda, which need not be there.
        self.container_img, self.info = None, {}
        self.prefix_path, self.platform = "/", PLATFORM

    def shellcmd(self: Conda, env_address: str, cmd: str) -> str:
        found = by_prefix.get(env_address)
        if found is None:
            return str(plain_shellcmd(self, env_address, cmd))
        change = activation.change(found.prefix, found.variables, os.environ)
        return activation.text(change) + cmd

    conda.Env._hutchbatch = True
    conda.Env.address, conda.Env.create = property(address), create
    conda.Conda.__init__, conda.Conda.shellcmd = init, shellcmd
