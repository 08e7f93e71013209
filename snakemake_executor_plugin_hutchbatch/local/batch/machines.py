"""The machines that the local cloud says its jobs are on: a few of the types that AWS has. Pure.

A job's own machine is whatever it runs on here. Programs that ask EC2's metadata service get an
answer nevertheless, as on AWS: the smallest of these that the environment may have and that holds
the job.
"""

from __future__ import annotations

from .fleet import AGENT, OFFERED, ComputeEnvironment

#: Type, vCPUs, MiB and GPUs (https://aws.amazon.com/ec2/instance-types/), the smallest first.
MACHINES = (
    ("c6i.large", 2, 4_096, 0),
    ("m6i.large", 2, 8_192, 0),
    ("m6g.large", 2, 8_192, 0),
    ("r6i.large", 2, 16_384, 0),
    ("m6i.2xlarge", 8, 32_768, 0),
    ("m6g.2xlarge", 8, 32_768, 0),
    ("r6i.2xlarge", 8, 65_536, 0),
    ("m6i.8xlarge", 32, 131_072, 0),
    ("m6g.8xlarge", 32, 131_072, 0),
    ("r6i.8xlarge", 32, 262_144, 0),
    ("p3.16xlarge", 64, 499_712, 8),
    ("m6i.32xlarge", 128, 524_288, 0),
    ("r6i.32xlarge", 128, 1_048_576, 0),
)
_BUNDLES = {
    "optimal": ("c6i", "m6i", "r6i"),
    "default_x86_64": ("c6i", "m6i", "r6i"),
    "default_arm64": ("m6g",),
}


def instance_type(
    environment: ComputeEnvironment, vcpus: int, memory: int, gpus: int = 0
) -> str | None:
    """The machine of a job; ``memory`` in MiB. None if none of these is in the environment and
    large enough."""
    names = {part for each in environment.instance_types for part in _BUNDLES.get(each, (each,))}
    for name, most_vcpus, mib, most_gpus in MACHINES:
        fits = vcpus <= most_vcpus and memory <= mib * OFFERED - AGENT and gpus <= most_gpus
        if fits and (name in names or name.partition(".")[0] in names):
            return name
    return None


def life_cycle(environment: ComputeEnvironment) -> str:
    """EC2's ``instance-life-cycle``."""
    return "spot" if environment.type.endswith("SPOT") else "on-demand"
