"""Puts the patched S3 storage (``patched_s3_storage.py``) before the image's own, for one
command."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Dict, Mapping

from . import fence, refused_outputs, s3_terms
from .errors import LocalError
from .fence import Stamp
from .s3_terms import Terms

PLUGIN = "snakemake_storage_plugin_s3"
#: The package under which Snakemake's Python finds the supervisor, and the modules in it.
HOME = "hutchbatch_supervisor"
NEEDED = (
    "activation",
    "body",
    "boto",
    "checksum",
    "connection",
    "controller_folders",
    "download",
    "errors",
    "fence",
    "fetched_inputs",
    "file_names",
    "input_lookup",
    "launch_folder",
    "listed_files",
    "multipart",
    "openfiles",
    "output_checks",
    "patched_conda",
    "patched_s3_storage",
    "problems",
    "refused_outputs",
    "removal",
    "results_apart",
    "s3",
    "s3_address",
    "s3_answers",
    "s3_bootstrap",
    "s3_terms",
    "scratch_disk",
    "shipped_code",
    "store",
    "strict_json",
    "taskspec",
    "thread_pool",
    "times",
    "tree",
    "typed_json",
    "unfinished",
    "upload",
)
#: Of botocore's, which asks for the machine's role once, and waits a second.
METADATA_PATIENCE = {
    "AWS_METADATA_SERVICE_TIMEOUT": "2",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "10",
}
PLACEHOLDER = f"""\
import os
from {HOME}.patched_s3_storage import replace_plugin
replace_plugin(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""


def with_patched_storage(
    environ: Mapping[str, str],
    folder: str,
    own: Stamp,
    also: Mapping[str, str],
    terms: Terms = s3_terms.USUAL,
) -> Dict[str, str]:
    """The environment in which Snakemake finds the patched storage, which is written below
    ``folder``, this attempt's stamp and the ``terms`` of what it stores. ``also``: more files for
    that folder."""
    files = {f"{PLUGIN}/__init__.py": PLACEHOLDER, f"{HOME}/__init__.py": "", **also}
    files.update({f"{HOME}/{name}.py": _source(name) for name in NEEDED})
    for name, text in files.items():
        path = os.path.join(folder, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise LocalError(error, path) from error
    kept = environ.get("PYTHONPATH")
    path = folder + (os.pathsep + kept if kept else "")
    return {
        **METADATA_PATIENCE,
        **environ,
        "PYTHONPATH": path,
        fence.STAMP: own.text(),
        s3_terms.VARIABLE: terms.text(),
        refused_outputs.VARIABLE: refused_file(folder),
    }


def refused_file(folder: str) -> str:
    """The file in which Snakemake reports outputs that it refuses."""
    return os.path.join(folder, "refused-outputs.json")


def _source(name: str) -> str:
    """A module's source: it is for Snakemake's Python, not for this one."""
    module = __name__.rpartition(".")[0] + "." + name
    # In a container from the bundle, which has one loader for all; some have other names here.
    loader = __spec__.loader if __spec__ else None
    if not hasattr(loader, "data"):
        spec = find_spec(module)
        loader = spec.loader if spec else None
    return str(loader.get_source(module))  # type: ignore[union-attr]
