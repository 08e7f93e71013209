"""The virtual packages of the machines that jobs run on: what packages may take for granted there.

Jobs are solved for elsewhere, so they are declared, not found out; conda's own variables change
them (https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-virtual.html).
"""

from __future__ import annotations

from collections.abc import Mapping

#: What conda-forge's own packages need at most (its images for building have AlmaLinux 8's), and
#: what images of Debian 10, Ubuntu 20.04 and later have.
#: https://conda-forge.org/docs/maintainer/knowledge_base/#requiring-newer-linux-sysroots
GLIBC = "2.28"
#: Kernel of Amazon Linux 2, the older of the systems that Batch's hosts have.
LINUX = "5.10"
#: All families of Batch's ``optimal`` and ``default_x86_64`` have AVX2 (m4, c4, r4 and later).
ARCHSPEC = "x86_64_v3"
#: Of NVIDIA's driver 550, the oldest that AWS's images for GPU instances of 2025 have.
CUDA = "12.4"


def packages(gpu: bool, variables: Mapping[str, str]) -> tuple[str, ...]:
    """``name=version=build`` of each. ``gpu``: the job has one. ``variables``: of the process."""
    cuda = _override(variables, "CUDA", CUDA if gpu else "")
    found = {
        "__archspec": ("1", _override(variables, "ARCHSPEC", ARCHSPEC)),
        "__cuda": (cuda, "0" if cuda else ""),
        "__glibc": (_override(variables, "GLIBC", GLIBC), "0"),
        "__linux": (_override(variables, "LINUX", LINUX), "0"),
        "__unix": ("0", "0"),
    }
    return tuple(
        f"{name}={version}={build}" for name, (version, build) in found.items() if version and build
    )


def _override(variables: Mapping[str, str], name: str, otherwise: str) -> str:
    """An empty value says that there is none, as with conda."""
    return variables.get(f"CONDA_OVERRIDE_{name}", otherwise).strip()
