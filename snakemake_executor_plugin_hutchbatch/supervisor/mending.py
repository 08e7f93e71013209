"""Puts the mended S3 storage (``storage_plugin.py``) before the image's own, for one command."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Dict, Mapping

from .errors import LocalError


def with_mended_storage(environ: Mapping[str, str], folder: str) -> Dict[str, str]:
    """The environment in which Snakemake finds the mended storage, which is written below
    ``folder``."""
    # By its source: the module is for Snakemake's Python, not for this one.
    name = __name__.rpartition(".")[0] + ".storage_plugin"
    spec = find_spec(name)
    source = spec.loader.get_source(name) if spec and spec.loader else ""  # type: ignore[attr-defined]
    package = os.path.join(folder, "snakemake_storage_plugin_s3")
    path = os.path.join(package, "__init__.py")
    try:
        os.makedirs(package)
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
    except OSError as error:
        raise LocalError(error, path) from error
    kept = environ.get("PYTHONPATH")
    return {**environ, "PYTHONPATH": folder + (os.pathsep + kept if kept else "")}
