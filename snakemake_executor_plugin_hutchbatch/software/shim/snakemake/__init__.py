"""What scripts use of Snakemake, where Snakemake itself is not installed."""

import hutchbatch_script

hutchbatch_script.install()

from .common import __version__
from .shell import shell

__all__ = ["__version__", "shell"]
