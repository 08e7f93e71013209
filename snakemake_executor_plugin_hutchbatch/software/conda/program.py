"""What of hutchbatch runs in the job that builds environments: modules by their own names.

The files keep their places in the package, below empty ``__init__`` modules, so that their relative
imports hold: unpacked into a folder that is on ``PYTHONPATH``, beside py-rattler, they run as
``python -m snakemake_executor_plugin_hutchbatch.software.conda.NAME``. Standard library and
py-rattler only, Python 3.10 or newer.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]
#: Of this package, what makes a lock. The builder's own come on top (``files``).
MODULES = ("access", "description", "lock", "pins", "solve", "unsolved", "usable")
#: What these import of the rest.
SHARED = ("supervisor/strict_json.py", "supervisor/typed_json.py")


def files(more: Iterable[str] = ()) -> dict[str, bytes]:
    """The program's files: content by path. ``more``: further modules, by their paths below the
    top package (``software/conda/build.py``)."""
    inner = [f"software/conda/{name}.py" for name in MODULES]
    found = {
        f"{_PACKAGE.name}/{path}": (_PACKAGE / path).read_bytes()
        for path in (*SHARED, *inner, *more)
    }
    folders = {str(parent) for path in found for parent in Path(path).parents} - {"."}
    return {**{f"{folder}/__init__.py": b"" for folder in folders}, **found}
