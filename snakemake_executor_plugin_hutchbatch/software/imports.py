"""Which modules the code of a workflow imports.

Snakefiles are not Python, but their tokens are: an import stands at the beginning of a statement,
in ``run:`` blocks and functions as well. What is imported by a name that is computed is not found.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import sys
import tokenize
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_BREAKS = (
    *(tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING),
    tokenize.COMMENT,
)
#: Folders of packages that were installed, as against code of the user's own.
INSTALLED = ("site-packages", "dist-packages")
#: Those that are there wherever Snakemake is.
_ALWAYS = frozenset({"snakemake", "snakemake_executor_plugin_hutchbatch", "__main__"})


def imported(source: str) -> set[str]:
    """The top-level names that a Snakefile or module imports absolutely."""
    return {
        name.partition(".")[0] for statement in _statements(source) for name in _names(statement)
    }


def _statements(source: str) -> Iterable[str]:
    """The texts of import statements."""
    words: list[str] | None = None
    fresh = True
    depth = 0
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            ends = token.type in _BREAKS and not (words and depth)
            if ends or (token.string == ";" and not depth):
                if words:
                    found.append(" ".join(words))
                words, fresh = None, True
                continue
            depth += (token.string in ("(", "[", "{")) - (token.string in (")", "]", "}"))
            if words is not None:
                if token.type in (tokenize.NAME, tokenize.OP):
                    words.append(token.string)
            elif fresh and token.string in ("import", "from"):
                words = [token.string]
            # "try: import x" on one line
            fresh = token.string == ":" and not depth
    except (tokenize.TokenError, SyntaxError):
        pass  # Snakemake would have said so, if it mattered
    return found


def _names(statement: str) -> list[str]:
    try:
        tree = ast.parse(statement.replace(" . ", "."))
    except SyntaxError:
        return []
    names = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.append(node.module)
    return names


@dataclass(frozen=True)
class Modules:
    """Top-level modules that a workflow needs. ``installed``: from packages; ``outside``: the
    user's own that do not travel with the workflow's code, with their files."""

    installed: frozenset[str]
    outside: tuple[tuple[str, str], ...] = ()


def of_script(
    text: str,
    beside: Mapping[str, Callable[[], str]],
    elsewhere: Mapping[str, Callable[[], str]],
    root: Path,
    packaged: Container[str] = (),
) -> Modules:
    """What a Python script needs, with the modules beside it that it imports. ``beside``: texts by
    path below the script's folder; ``elsewhere``: others of the workflow's code, by path, of which
    the script may put some on its path itself."""
    sources, own, seen, waiting = [], set[str](), set[str](), [text]
    while waiting:
        sources.append(waiting.pop())
        for name in sorted(imported(sources[-1]) - seen):
            seen.add(name)
            if name in sys.stdlib_module_names:
                continue
            found = [path for path in beside if _is_of(name, path)]
            waiting += [beside[path]() for path in found]
            if f"{name}.py" in found or f"{name}/__init__.py" in found:
                own.add(name)
            elif _place(name) is None:
                more = [path for path in elsewhere if _is_of(name, path, anywhere=True)]
                waiting += [elsewhere[path]() for path in more]
    return needed(sources, root, packaged, own)


def _is_of(name: str, path: str, *, anywhere: bool = False) -> bool:
    """Whether a file belongs to a top-level module of the folder, or of any folder in it."""
    *folders, last = path.split("/")
    if not last.endswith(".py"):
        return False
    if anywhere:
        return name in folders or last == f"{name}.py"
    return folders[0] == name if folders else last == f"{name}.py"


def needed(
    sources: Iterable[str],
    root: Path,
    packaged: Container[str] = (),
    own: Collection[str] = (),
    all_travel: bool = False,
) -> Modules:
    """What these Snakefiles need, with what the modules of the user's own need in turn. ``root``:
    the folder in which Snakemake was started, whose code travels; ``packaged``: modules of packages
    (those in other places than the usual ones are known by it); ``own``: modules that are known to
    travel, whose sources are among these; ``all_travel``: those from outside of ``root``, too."""
    waiting = {name for source in sources for name in imported(source)} - set(own)
    seen: set[str] = set()
    installed: set[str] = set()
    outside: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in seen or name in _ALWAYS or name in sys.stdlib_module_names:
            continue
        seen.add(name)
        place = _place(name)
        if place is None:
            continue  # optional, or only there in the image
        if any(part in INSTALLED for part in place.parts):
            installed.add(name)
            continue
        if not place.resolve().is_relative_to(root.resolve()):
            if name in packaged:
                installed.add(name)
            else:
                outside[name] = str(place)
            if name in packaged or not all_travel:
                continue
        files = place.rglob("*.py") if place.is_dir() else [place]
        for file in files:
            waiting |= imported(_text(file))
    return Modules(frozenset(installed), tuple(sorted(outside.items())))


def _place(name: str) -> Path | None:
    """The file of a module, or the folder of a package; None where it cannot be imported here."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin and spec.has_location else None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
