"""Whether the wrappers of a checkout of snakemake-wrappers run without Snakemake in their jobs.

By hand: ``python tests/snakemake_wrappers.py FOLDER``, with a checkout (a bare repository will do)
of https://github.com/snakemake/snakemake-wrappers. Each folder with a wrapper is resolved as a
rule's ``wrapper:`` would be, its file is made, and what it, and each Python file beside it, imports
of ``snakemake`` is looked up in the shim. Names each that is not there, and then ends with 1.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from snakemake.sourcecache import SourceCache

from snakemake_executor_plugin_hutchbatch.software import frames, languages, source

#: How a folder's wrapper may be called (``snakemake/wrapper.py``).
NAMES = frozenset(("wrapper.py", "wrapper.R", "wrapper.Rmd", "wrapper.jl"))


def checked_out(repository: Path, folder: Path) -> Path:
    """A folder with the wrappers and what is beside them, but no test data."""
    ask = ["git", "-C", str(repository), "ls-tree", "-r", "--name-only", "HEAD"]
    names = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.splitlines()
    folders = {str(Path(n).parent) for n in names if Path(n).name in NAMES}
    wanted = [n for n in names if str(Path(n).parent) in folders and "/test/" not in n]
    for name in wanted:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        show = ["git", "-C", str(repository), "show", f"HEAD:{name}"]
        target.write_bytes(subprocess.run(show, check=True, capture_output=True).stdout)
    return folder


def imports(text: str) -> Iterator[tuple[str, str | None]]:
    """Modules of ``snakemake`` that a Python file imports, and names of them."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((each.name, None) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, each.name) for each in node.names)


def absent(found: list[tuple[str, str | None]]) -> list[str]:
    """Those that the shim lacks, asked in a Python of its own, which has no other Snakemake."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in frames.shim_files().items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        code = (
            f"import sys; sys.path.insert(0, {folder!r})\n"
            "import hutchbatch_script, importlib\nhutchbatch_script.install()\n"
            f"for module, name in {sorted(set(found), key=str)!r}:\n"
            "    try:\n"
            "        loaded = importlib.import_module(module)\n"
            "        if name and not hasattr(loaded, name):\n"
            "            importlib.import_module(module + '.' + name)\n"
            "    except ImportError:\n"
            "        print(module, name or '')\n"
        )
        done = subprocess.run(
            [sys.executable, "-ISc", code], capture_output=True, text=True, check=True
        )
    return done.stdout.splitlines()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", type=Path, help="a checkout of snakemake-wrappers")
    with tempfile.TemporaryDirectory() as folder:
        tree = checked_out(parser.parse_args().repository, Path(folder, "wrappers"))
        cache = SourceCache(Path(folder, "cache"))
        wrappers = sorted({path.parent for path in tree.rglob("wrapper.*") if path.name in NAMES})
        kinds: Counter[str] = Counter()
        found: dict[tuple[str, str | None], list[str]] = {}
        failed = []
        for place in wrappers:
            name = str(place.relative_to(tree))
            try:
                script = source.wrapper_script(f"file:{place}", cache, None)
                made = source.resolve(script, None, cache, lambda path: None, set())
                languages.frame(made, {}, "", None, "/shim")
            except Exception as error:  # whatever it is: it is to be shown
                failed.append(f"{name}: {type(error).__name__}: {error}")
                continue
            kinds[made.language] += 1
            texts = [made.text] if made.language == "python" else []
            texts += [f.read().decode() for n, f in made.beside.items() if n.endswith(".py")]
            for each in {i for text in texts for i in imports(text)}:
                if each[0].split(".")[0] == "snakemake":
                    found.setdefault(each, []).append(name)
    missing = absent(list(found))
    print(f"{len(wrappers)} wrappers: {dict(kinds)}")
    for (module, name), users in sorted(found.items(), key=lambda item: -len(item[1])):
        lacks = f"{module} {name or ''}" in missing
        print(f"{'MISSING ' if lacks else ''}{module} {name or ''}: {len(users)} ({users[0]}, …)")
    for line in failed:
        print(f"FAILED {line}")
    return 1 if missing or failed else 0


if __name__ == "__main__":
    sys.exit(main())
