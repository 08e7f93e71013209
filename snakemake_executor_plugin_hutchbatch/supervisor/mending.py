"""Puts the mended S3 storage (``storage_plugin.py``) before the image's own, for one command."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Dict, Mapping

from .errors import LocalError

#: Modules that Snakemake's Python gets, and their files.
MODULES = {
    "storage_plugin": "__init__.py",
    "file_names": "file_names.py",
    "launch_folder": "launch_folder.py",
}


def _source(module: str) -> str:
    name = __name__.rpartition(".")[0] + "." + module
    spec = find_spec(name)
    return str(spec.loader.get_source(name)) if spec and spec.loader else ""  # type: ignore[attr-defined]


def with_mended_storage(environ: Mapping[str, str], folder: str) -> Dict[str, str]:
    """The environment in which Snakemake finds the mended storage, which is written below
    ``folder``."""
    package = os.path.join(folder, "snakemake_storage_plugin_s3")
    path = package
    try:
        os.makedirs(package)
        for module, name in MODULES.items():
            path = os.path.join(package, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(_source(module))
    except OSError as error:
        raise LocalError(error, path) from error
    kept = environ.get("PYTHONPATH")
    return {**environ, "PYTHONPATH": folder + (os.pathsep + kept if kept else "")}
