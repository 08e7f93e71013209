"""What of a script and its job makes the result. Pure.

A script's text counts, those files beside it that it can use, what the rule gives to it, and the
configuration if it speaks of one. Threads and resources do not: they say how fast and where.
"""

from __future__ import annotations

import ast
import hashlib
import json
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from snakemake.iocontainers import Namedlist

from .parts import Parts
from .source import Files

#: Ways to use files whose names are not written out: then all of a folder counts.
_BY_OTHER_NAMES = re.compile(
    r"importlib|__import__|pkgutil|runpy|listdir|scandir|\bglob\b|iterdir|list\.files|readdir"
)
#: Names of Python's modules that are put together, or that another Python runs.
_COMPOSED = re.compile(r"""["'}]\.py\b|["'\s]-m\b|\bexec\b""")
#: Bytes of a file that is read for the names in it.
_MOST = 1_000_000


def usable(script: str, files: Files, *, python: bool = False) -> list[str]:
    """Those of ``files`` (by path, relative to the script's folder) that a script, or one of those
    that it uses, names: with or without their suffix, or by a folder of theirs. Python's modules
    must be imported, or named with their suffix, by Python (``python``: the script is)."""
    if _BY_OTHER_NAMES.search(script):
        return sorted(files)
    found: dict[str, None] = {}
    texts = [(script, python)]
    while texts:
        text, is_python = texts.pop()
        words = set(re.findall(r"\w[\w-]*", text))
        words |= {part for word in words for part in word.split("-")}
        imported = _imported(text) if is_python else None
        for name in sorted(files):
            if name in found or not _uses(name, text, words, imported):
                continue
            found[name] = None
            if files[name].size <= _MOST:
                more = files[name].read().decode("utf-8", "replace")
                if _BY_OTHER_NAMES.search(more):
                    return sorted(files)
                texts.append((more, name.endswith(".py")))
    return sorted(found)


def _uses(name: str, text: str, words: set[str], imported: set[str] | None) -> bool:
    if imported is None or not name.endswith(".py"):
        return bool(_names(name) & words)
    return bool(_names(name) & imported) or PurePath(name).name in text


def _imported(text: str) -> set[str] | None:
    """Parts of the names that a Python text imports; None where modules may be named otherwise, or
    it is in no syntax of this Python."""
    if _COMPOSED.search(text):
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in (getattr(node, "module", None) or "", *(a.name for a in node.names)):
                found.update(name.split("."))
    return found


def _names(path: str) -> set[str]:
    *folders, name = path.split("/")
    return {*folders, name.split(".")[0]} - {""}


def of_values(parts: Parts) -> str:
    """A text that is equal for jobs to whose scripts the rule gives the same."""
    given = (parts.input, parts.output, parts.params, parts.wildcards, parts.log)
    known = [*map(canonical, given), parts.bench_iteration is not None]
    return json.dumps(known, ensure_ascii=False)


def canonical(value: object) -> object:
    """A value in JSON's terms, the same in each run."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, PurePath):
        return {"path": str(value)}
    if isinstance(value, Namedlist):
        return {"names": {n: list(span) for n, span in value._get_names()}, "items": _list(value)}
    if isinstance(value, Mapping):
        return {"map": [[canonical(k), canonical(v)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return _list(value)
    if isinstance(value, (set, frozenset)):
        return {"set": sorted(json.dumps(item) for item in _list(value))}
    if isinstance(value, float):
        return {"float": repr(value)}
    try:
        content = pickle.dumps(value, protocol=4)
    except Exception:  # it says itself why not, where it is needed
        content = type(value).__qualname__.encode()
    return {"other": hashlib.sha256(content).hexdigest()}


def _list(values: Iterable[object]) -> list[object]:
    return [canonical(item) for item in values]


def digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()
