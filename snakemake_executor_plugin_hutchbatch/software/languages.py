"""A script's file, made by Snakemake's own classes, with holes for what differs from job to job.

What Snakemake would write is made once for each script, with stand-ins for the job's values; where
they came out are the holes. A job brings the values, encoded by the same classes.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from snakemake import notebook, script
from snakemake.iocontainers import (
    InputFiles,
    Log,
    OutputFiles,
    Params,
    ResourceList,
    Wildcards,
)
from snakemake.utils import format as formatted

from ..supervisor.taskspec import (
    SCRIPT_BROUGHT,
    SCRIPT_PYTHON,
    SCRIPT_TMPDIR,
    SCRIPT_WORKDIR,
)
from . import pickles
from .frames import Piece
from .parts import Parts
from .source import Source

CLASSES: Mapping[str, type[script.ScriptBase]] = {
    "python": script.PythonScript,
    "r": script.RScript,
    "rmarkdown": script.RMarkdown,
    "julia": script.JuliaScript,
    "rust": script.RustScript,
    "bash": script.BashScript,
    "xonsh": script.XonshScript,
    "hy": script.HyScript,
    "jupyter_python": notebook.PythonJupyterNotebook,
    "jupyter_r": notebook.RJupyterNotebook,
}
Config = Mapping[str, object]
#: Languages whose ``snakemake`` object is a pickle.
PICKLED = ("python", "xonsh", "hy", "jupyter_python")
#: What each needs in its image, besides bash.
INTERPRETERS: Mapping[str, str] = {
    "python": "python",
    "r": "Rscript",
    "rmarkdown": "Rscript",
    "julia": "julia",
    "rust": "rust-script",
    "bash": "bash",
    "xonsh": "xonsh",
    "hy": "hy",
    "jupyter_python": "jupyter-nbconvert",
    "jupyter_r": "jupyter-nbconvert",
}

_HOLE = "HUTCHBATCH-HOLE-{}-7d1c"
_THREADS = 918_720_455_101
_FIELDS = ("input", "output", "params", "wildcards", "log", "resources", "rule", "threads")


class Unsupported(Exception):
    """Snakemake writes this in a way that is not known here; the message says what."""


def _hole(name: str) -> str:
    return _HOLE.format(name)


def _stand_ins() -> Parts:
    return Parts(
        input=InputFiles([_hole("input")]),
        output=OutputFiles([_hole("output")]),
        params=Params([_hole("params")]),
        wildcards=Wildcards([_hole("wildcards")]),
        threads=_THREADS,
        resources=ResourceList(fromdict={_hole("resources"): None}),
        log=Log([_hole("log")]),
        rule=_hole("rule"),
        bench_iteration=None,
    )


def written(source: Source, parts: Parts, config: Config) -> script.ScriptBase:
    """Snakemake's own object for a script. It is made without its ``__init__``, whose arguments
    differ between versions."""
    kind = CLASSES.get(source.language)
    if kind is None:
        raise Unsupported(f"{source.filename} is in no language that Snakemake knows for scripts")
    made: script.ScriptBase = object.__new__(kind)
    vars(made).update(
        {
            **{field: getattr(parts, field) for field in _FIELDS if field != "rule"},
            "path": _Path(source),
            "cache_path": None,
            "source": source.text,
            "basedir": "",
            "config": config,
            "rulename": parts.rule,
            "bench_iteration": parts.bench_iteration,
            "conda_env": None,
            "conda_base_path": None,
            "container_img": "the job's own",  # Python is then called "python"
            "singularity_args": "",
            "env_modules": None,
            "bench_record": None,
            "jobid": None,
            "cleanup_scripts": True,
            "shadow_dir": None,
            "is_local": False,
            "runtime_paths": None,
        }
    )
    return made


class _Path:
    """What Snakemake's classes ask a script's path."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def get_basedir(self) -> _Path:
        return self

    def get_path_or_uri(self, secret_free: bool) -> str:
        return self._source.scriptdir

    def get_filename(self) -> str:
        return self._source.filename


# The file


def frame(
    source: Source,
    config: Config,
    packed: str,
    bench_iteration: int | None,
    shim: str,
    brings: bool = False,
) -> list[Piece]:
    """The file with holes. ``config``: with the job's own paths; ``packed``: the same for Python;
    ``shim``: the folder of the shim in the job; ``brings``: packages may come along. Raises
    ``Unsupported``."""
    parts = replace(_stand_ins(), bench_iteration=bench_iteration)
    family = _family(source.language)
    made = written(source, parts, config)
    if family == "pickled":
        preamble = _python_preamble(source, packed, bench_iteration, shim, brings)
    elif family == "whole":
        preamble = ["", 0, _encoded_config(source.language, config), 1, ""]
        if source.language == "rust":
            preamble = _rust_preamble(made, preamble)
    else:
        with pickles.without_new_imports("numpy"):
            text = _preamble(made)
        preamble = _split(text, _encoded(source.language, parts))
    return _around(made, source, preamble)


def values(source: Source, parts: Parts, packed: str | None) -> tuple[str, ...]:
    """What fills the holes for one job: ``parts`` with the job's own paths, or, for Python,
    ``packed``. Raises ``ValueError`` for a value that the language cannot have."""
    family = _family(source.language)
    if family == "pickled":
        found: list[str] = [packed or ""]
    elif family == "whole":
        found = _whole(source, parts)
    else:
        found = _encoded(source.language, parts)
    if source.language.startswith("jupyter"):
        found = [_in_json(text) for text in found]
    return tuple(found)


def _family(language: str) -> str:
    if language in PICKLED:
        return "pickled"
    return "whole" if language in ("bash", "rust") else "fields"


def _encoded(language: str, parts: Parts) -> list[str]:
    """The fields, each as Snakemake writes it into the script."""
    encoder: Any = script.JuliaEncoder if language == "julia" else script.REncoder
    lists = (parts.input, parts.output, parts.params, parts.wildcards, parts.log)
    threads = encoder.encode_value(parts.threads) if language == "julia" else str(parts.threads)
    return [
        *map(encoder.encode_namedlist, lists),
        encoder.encode_namedlist(parts.shown_resources()),
        encoder.encode_value(parts.rule),
        threads,
    ]


def _encoded_config(language: str, config: Config) -> str:
    if language == "bash":
        return str(script.BashEncoder.dict_to_aa(config))
    items = list(config.items())
    positional = [value for key, value in items if not key]
    return json.dumps(dict(positional=positional, **{k: v for k, v in items if k}))


def _whole(source: Source, parts: Parts) -> list[str]:
    """The whole preamble, or for Rust its JSON, divided where the configuration stands."""
    marker = {_hole("config"): None}
    made = written(source, parts, marker)
    with pickles.without_new_imports("pandas", "numpy", "polars"):
        text = _preamble(made)
    if source.language == "rust":
        text = _rust_json(text)
    around = text.split(_encoded_config(source.language, marker))
    if len(around) != 2:
        raise Unsupported(f"the preamble of {source.language} scripts")
    return around


def _preamble(made: script.ScriptBase) -> str:
    text = made.get_preamble()
    if isinstance(made, notebook.RJupyterNotebook):
        text = text.replace(f"setwd('{Path.cwd()}')", f"setwd('{SCRIPT_WORKDIR}')")
    return str(text)


_RUST_BEGIN, _RUST_END = 'r###"', '"###'


def _rust_json(text: str) -> str:
    begin = text.index(_RUST_BEGIN) + len(_RUST_BEGIN)
    return text[begin : text.index(_RUST_END, begin)]


def _rust_preamble(made: script.ScriptBase, json_text: list[Piece]) -> list[Piece]:
    text = _preamble(made)
    found: list[Piece] = []
    # It stands behind the manifest, without a line between.
    for number, part in enumerate(text.lstrip("\r\n").split(_rust_json(text))):
        found += [*(json_text if number else []), part]
    return found


def _python_preamble(
    source: Source, config: str, bench_iteration: int | None, shim: str, brings: bool
) -> list[Piece]:
    """One line, as Snakemake's own: the script's lines keep their numbers."""
    if source.language == "jupyter_python":
        last = f"import os; os.chdir(r'{SCRIPT_WORKDIR}');"
    else:
        last = f"__real_file__ = __file__; __file__ = {source.path!r};"
    shell_exec = source.shell_exec
    if shell_exec:
        last = f"from snakemake.shell import shell; shell.executable({shell_exec!r}); {last}"
    begin = (
        f"import sys; sys.path.insert(0, {shim!r}); import hutchbatch_script; "
        f"sys.path.remove({shim!r}); sys.path.extend({list(source.searchpaths)!r}); "
        f"{f'hutchbatch_script.bring({SCRIPT_BROUGHT}); ' if brings else ''}import pickle; "
        "snakemake = hutchbatch_script.load('"
    )
    end = (
        f"', '{config}', {[SCRIPT_TMPDIR, SCRIPT_WORKDIR]!r}, {bench_iteration!r}); "
        "from snakemake.logging import logger; from snakemake.iocontainers import Snakemake; "
        f"{last}"
    )
    return [f"{_BEGIN}\n{begin}", 0, f"{end}\n{_END}\n"]


_BEGIN = "######## snakemake preamble start (automatically inserted, do not edit) ########"
_END = "######## snakemake preamble end #########"


def _around(made: script.ScriptBase, source: Source, preamble: list[Piece]) -> list[Piece]:
    """The whole file, with the script's own text."""
    stand_in = _hole("preamble")
    if source.language.startswith("jupyter"):
        text = _notebook(made, source, stand_in)
        preamble = [_in_json(p) if isinstance(p, str) else p for p in preamble]
    else:
        if source.language == "rmarkdown":  # its indentation depends on the preamble's
            stand_in = f"\n{stand_in}\n"
        file = io.BytesIO()
        try:
            made.write_script(stand_in, file)
        except StopIteration:
            raise Unsupported(f"{source.filename} has no header between two lines ---") from None
        text = file.getvalue().decode()
    before, found, after = text.partition(stand_in)
    if not found:
        raise Unsupported(f"the file of {source.language} scripts")
    return [before, *preamble, after]


def _notebook(made: script.ScriptBase, source: Source, preamble: str) -> str:
    import nbformat  # noqa: PLC0415 - a fifth of a second, and few workflows have notebooks

    parsed = nbformat.reads(source.text, as_version=notebook.NBFORMAT_VERSION)
    made.remove_preamble_cell(parsed)
    made.insert_preamble_cell(preamble, parsed)
    parsed["cells"][0]["id"] = "snakemake-job-properties"  # a random one otherwise
    return str(nbformat.writes(parsed, version=notebook.NBFORMAT_VERSION))


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _split(text: str, holes: list[str]) -> list[Piece]:
    """``text`` with the numbers of ``holes`` where they stand."""
    found: list[Piece] = [text]
    for number, hole in enumerate(holes):
        divided: list[Piece] = []
        for piece in found:
            if not isinstance(piece, str):
                divided.append(piece)
                continue
            for place, part in enumerate(piece.split(hole)):
                divided += [*([number] if place else []), part]
        if len(divided) == len(found):
            raise Unsupported(f"{_FIELDS[number]} in the preamble of scripts")
        found = divided
    return found


# The command


def command(source: Source, parts: Parts, path: str) -> str:
    """What Snakemake would run for the file at ``path``. Raises Snakemake's ``WorkflowError``."""
    made = written(source, parts, {})
    if source.language.startswith("jupyter"):
        papermill, nbconvert = (_in_tmpdir(_asked(made, path, has)) for has in (True, False))
        return f"if {_ASKED} > /dev/null 2>&1; then {papermill}; else {nbconvert}; fi"
    text = _asked(made, path)
    return SCRIPT_PYTHON + text[len("python") :] if text.startswith("python ") else text


_ASKED = "papermill --version"
#: A notebook that nobody keeps. (Snakemake writes it into a folder that is gone by now.)
NOTEBOOK = SCRIPT_TMPDIR + "/notebook.ipynb"


def _asked(made: script.ScriptBase, path: str, has_papermill: bool = False) -> str:
    """The command by which Snakemake would run a script or notebook."""
    commands: list[str] = []

    def run(text: str, **known: object) -> None:
        commands.append(str(formatted(text, **known)))
        if text == _ASKED and not has_papermill:
            raise subprocess.CalledProcessError(127, text)

    vars(made)["_execute_cmd"] = run
    made.execute_script(path, edit=None)
    return commands[-1]


def _in_tmpdir(text: str) -> str:
    return re.sub(r"--output '/[^']*/notebook\.ipynb'", f"--output '{NOTEBOOK}'", text)
