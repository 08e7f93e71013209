"""A script's file and what comes with it, as one object in S3: the same for all jobs of a script.

The form is that of ``supervisor/scripts.py``, which reads it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from snakemake import __version__ as snakemake_version

#: Text, or the number of a job's value that stands there.
Piece = str | int
_SHIM = Path(__file__).with_name("shim")


@functools.cache
def shim_files() -> Mapping[str, bytes]:
    """What stands for Snakemake in a Python script: by path below the shim's folder."""
    return {
        path.relative_to(_SHIM).as_posix(): path.read_text()
        .replace("@VERSION@", snakemake_version)
        .encode()
        for path in sorted(_SHIM.rglob("*.py"))
    }


def name_of(files: Mapping[str, bytes]) -> str:
    """A name for a folder with these files, by their content."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(json.dumps([path, hashlib.sha256(content).hexdigest()]).encode())
    return digest.hexdigest()[:16]


def packed(pieces: Sequence[Piece], files: Mapping[str, bytes]) -> bytes:
    """``files``: by path, relative to the job's working directory."""
    held = {path: base64.b64encode(content).decode() for path, content in sorted(files.items())}
    text = json.dumps({"pieces": list(pieces), "files": held}, ensure_ascii=False)
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 6)
