"""``from snakemake.script import snakemake``."""

import hutchbatch_script

from ..iocontainers import Snakemake


def __getattr__(name):
    if name == "snakemake":
        return hutchbatch_script.current
    return hutchbatch_script.missing(__name__, name)


if hutchbatch_script.current is not None:  # Python 3.6 has no __getattr__ of modules
    snakemake = hutchbatch_script.current

__all__ = ["Snakemake"]
