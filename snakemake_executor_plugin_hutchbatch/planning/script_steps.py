"""A rule's script as a step's command and file: Snakemake's own way, with what only the job knows
left out for the supervisor to fill in.

What jobs share (the script's text, the configuration, the files beside it) is made and stored once
for each script of a run; of a job only its values travel.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from snakemake.exceptions import WorkflowError
from snakemake.iocontainers import ResourceList
from snakemake.sourcecache import SourceFile
from snakemake.utils import format as formatted

from ..snakemake_types import Job, Workflow
from ..software import call, frames, identity, imports, languages, pickles, script_packages
from ..software.imports import Modules
from ..software.parts import Parts, everywhere
from ..software.source import BROUGHT, Source, resolve, wrapper_script
from ..supervisor import file_names, launch_folder
from ..supervisor.taskspec import SCRIPT_BENCH, SCRIPT_TMPDIR, SCRIPT_WORKDIR, Script
from . import detached_tree, fingerprint
from .job_paths import JobPaths, Tokens, job_paths
from .layout import Layout
from .requirements import PlanError
from .shell_commands import NeedsSnakemake, own_tmpdir
from .snakemake_jobs import TO_BE_DETERMINED, files_of

_TOKENS = Tokens(SCRIPT_TMPDIR, SCRIPT_WORKDIR, SCRIPT_WORKDIR)


def script_paths(layout: Layout, cache: Mapping[str, str]) -> JobPaths:
    """Where scripts find files. ``cache``: folders of Snakemake's source cache, and their places in
    a job's tree."""
    above = "/.." * len([part for part in layout.directory.split("/") if part])
    token = Tokens(SCRIPT_TMPDIR, SCRIPT_WORKDIR, f"{SCRIPT_WORKDIR}{above}")
    return job_paths(layout, token, cache)


@dataclass(frozen=True)
class _Shared:
    """What jobs of one script have in common. ``code``: a digest of all that makes its result but
    the values; ``config``: of Python's, whose parts a job's pickle may name; ``imports``: modules
    of packages that it imports, and ``classes``: of which the configuration holds values."""

    source: Source
    url: str
    sha256: str
    code: str
    config: pickles.Config | None
    imports: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Config:
    """One module's configuration, made ready once. ``text``: the same in each run, where it is."""

    known: pickles.Config
    localized: Mapping[str, object]
    text: str


class ScriptStore:
    """Makes and stores what the scripts of a run need. Used by Snakemake's own thread only.

    ``where``: the paths of scripts; ``store``: puts an object into S3, apart from others where it
    holds a secret, and says its URL; ``holds_secret``: of a text; ``shipped``:
    SHA-256 by name of the workflow's files that jobs have.
    """

    def __init__(
        self,
        workflow: Workflow,
        where: JobPaths,
        shipped: Mapping[str, str],
        store: Callable[[bytes, bool], str],
        holds_secret: Callable[[str], bool],
    ) -> None:
        self._workflow, self._where, self._shipped = workflow, where, shipped
        self._folders = where.folders
        self._store, self._holds_secret = store, holds_secret
        self._configs: dict[int, _Config] = {}
        self._packed_configs: dict[int, tuple[str, frozenset[str]]] = {}
        self._shared: dict[tuple[object, ...], _Shared] = {}
        self._sources: dict[tuple[object, ...], Source] = {}
        self._outside: dict[str, tuple[tuple[str, str], ...]] = {}
        self._of_values: dict[frozenset[str], frozenset[str]] = {}

    def script(self, job: Job, where: JobPaths) -> tuple[str, Script]:
        """The command of a job, without the shell's prefix, and its script.

        ``where``: the job's paths. Raises ``NeedsSnakemake``, ``PlanError``, and botocore's errors.
        """
        try:
            return self._script(job, where)
        except languages.Unsupported as reason:
            raise NeedsSnakemake(
                f"rule {job.rule.name} has a script that only Snakemake can start ({reason})"
            ) from reason
        except pickles.NotPlain as reason:
            raise NeedsSnakemake(
                f"rule {job.rule.name} gives its script a value that only Snakemake can read "
                f"({reason})"
            ) from reason

    def _script(self, job: Job, where: JobPaths) -> tuple[str, Script]:
        paths = _Paths(self._where, job)
        parts = _parts(job, self._folders)
        shared = self._of(_call(job, parts), parts, job)
        source = shared.source
        _check_known(parts, job)
        path = source.written_at(json.dumps([job.rule.name, *map(str, job.output)]))
        with _written(source):
            packed, classes = None, set(shared.classes)
            local = parts.localized(paths.text)
            if shared.config:
                made = pickles.script_object(parts, shared.config.value, source.scriptdir)
                packed = pickles.packed(made, paths.text, shared.config.known, classes)
            values = languages.values(source, local, packed)
            command = languages.command(source, local, f"{SCRIPT_WORKDIR}/{path}")
        given = identity.of_values(local)
        command = where.in_text(command, files_of(job)).replace(SCRIPT_WORKDIR, where.work)
        script = Script(
            url=shared.url,
            sha256=shared.sha256,
            path=path,
            interpreter=languages.INTERPRETERS[source.language],
            identity=identity.digest(shared.code, given),
            values=values,
            private=self._holds_secret(given),
            imports=self._all_imports(source, shared, frozenset(classes)),
        )
        return command, script

    def outside(self, script: Script) -> tuple[tuple[str, str], ...]:
        """The modules that a script imports and that do not travel, with their files."""
        return self._outside[script.sha256]

    def _all_imports(
        self, source: Source, shared: _Shared, classes: frozenset[str]
    ) -> tuple[str, ...]:
        """What it imports of packages, with those of which it is given values."""
        if source.language != "python":
            return ()
        if classes not in self._of_values:
            statements = [f"import {name}" for name in classes]
            found = imports.needed(statements, Path.cwd(), script_packages.Packaged())
            self._of_values[classes] = found.installed
        return tuple(sorted(shared.imports | self._of_values[classes]))

    # What jobs share

    def _of(self, called: call.Call, parts: Parts, job: Job) -> _Shared:
        source = self._source(called, parts, job)
        bench = parts.bench_iteration
        key = (source.path, source.text, source.shell_exec, bench, id(called.config))
        found = self._shared.get(key)
        if found is None:
            with _written(source):
                config = self._config(called.config)
                python = source.language in languages.PICKLED
                shim = frames.shim_files() if python else {}
                modules = self._needed(source)
                top = f"{BROUGHT}/{frames.name_of(shim)}"
                packed, classes = self._packed(config) if python else ("", frozenset())
                pieces = languages.frame(
                    source,
                    config.localized,
                    packed,
                    bench,
                    f"{SCRIPT_WORKDIR}/{top}",
                    brings=source.language == "python",
                )
            files = {**source.brought, **{f"{top}/{name}": text for name, text in shim.items()}}
            content = frames.packed(pieces, files)
            digest = hashlib.sha256(content).hexdigest()
            self._outside[digest] = modules.outside
            found = self._shared[key] = _Shared(
                source=source,
                url=self._store(content, self._holds_secret(config.text)),
                sha256=digest,
                code=self._code(source, config),
                config=config.known if python else None,
                imports=modules.installed,
                classes=classes,
            )
        return found

    def _needed(self, source: Source) -> Modules:
        if source.language != "python":
            return Modules(frozenset())
        root = Path.cwd()
        return imports.of_script(
            source.text,
            {name: _text_of(file.read) for name, file in source.beside.items()},
            {name: _text_of((root / name).read_bytes) for name in self._shipped},
            root,
            script_packages.Packaged(),
        )

    def _source(self, called: call.Call, parts: Parts, job: Job) -> Source:
        path = called.path
        if called.kind != "wrapper":
            path = _filled_in(path, parts)
        key = (called.kind, str(path), str(called.basedir), called.prefix)
        found = self._sources.get(key)
        if found is None:
            cache = self._workflow.sourcecache
            try:
                if called.kind == "wrapper":
                    path = wrapper_script(path, cache, called.prefix)
                found = resolve(
                    *(path, called.basedir, cache, self._inside, set(self._shipped)),
                    detached_tree.sources(),
                )
            except (WorkflowError, OSError, ValueError) as error:
                raise PlanError(f"its {called.kind}: {called.path} cannot be read: {error}") from (
                    error
                )
            self._sources[key] = found
        shell = job.resources.get("shell_exec")
        return replace(found, shell_exec=str(shell)) if shell else found

    def _inside(self, path: str) -> str | None:
        inside = launch_folder.inside(path, self._folders)
        return None if file_names.reaches_out(inside) or inside.startswith("/") else inside

    def _config(self, value: object) -> _Config:
        found = self._configs.get(id(value))
        if found is None:

            def text(written: str) -> str:
                return self._where.in_text(written)

            localized = cast(Mapping[str, object], everywhere(value, text))
            found = self._configs[id(value)] = _Config(
                known=pickles.Config.of(value),
                localized=localized,
                text=json.dumps(identity.canonical(localized), ensure_ascii=False),
            )
        return found

    def _packed(self, config: _Config) -> tuple[str, frozenset[str]]:
        """With the modules of its classes. For Python only: other languages take values that cannot
        be pickled."""
        key = id(config.known.value)
        if key not in self._packed_configs:
            classes: set[str] = set()
            packed = pickles.packed(config.known.value, self._where.in_text, {}, classes)
            self._packed_configs[key] = packed, frozenset(classes)
        return self._packed_configs[key]

    def _code(self, source: Source, config: _Config) -> str:
        """A digest of the script, what it uses of the workflow's code, and the configuration where
        one of them speaks of it."""
        used = identity.usable(source.text, source.beside, python=source.language == "python")
        texts = [source.text]
        digests: dict[str, str] = {}
        for name in used:
            content = source.beside[name].read()
            digests[name] = hashlib.sha256(content).hexdigest()
            texts.append(content.decode("utf-8", "replace"))
        whole = "\n".join(texts)
        for name in fingerprint.named_themselves(whole, self._shipped):
            digests[f"/{name}"] = self._shipped[name]
        about = config.text if "config" in whole else ""
        return identity.digest(
            source.language, source.text, json.dumps(sorted(digests.items())), about
        )


def _text_of(read: Callable[[], bytes]) -> Callable[[], str]:
    def text() -> str:
        try:
            return read().decode("utf-8", "replace")
        except OSError:
            return ""

    return text


@contextmanager
def _written(source: Source) -> Iterator[None]:
    """Says of what fails within that it is this job's fault: what users give may be anything."""
    try:
        yield
    except (languages.Unsupported, pickles.NotPlain):
        raise
    except WorkflowError as error:
        raise PlanError(f"its script cannot be started: {error}") from error
    except Exception as error:
        raise PlanError(
            f"what its rule gives to the script {source.filename} cannot be written for it: {error}"
        ) from error


class _Paths:
    """The job's paths in place of this machine's."""

    def __init__(self, where: JobPaths, job: Job) -> None:
        self._where = where
        # Only files that are called otherwise there: each costs a look at each text.
        self._odd = {
            str(file): f"{where.work}/{path}"
            for file in files_of(job)
            if (path := where.path(file)) != str(file)
            and launch_folder.inside(str(file), where.folders) == str(file)
        }
        self._files = [file for file in files_of(job) if str(file) in self._odd]

    def text(self, text: str) -> str:
        if not self._odd and "/" not in text and ".." not in text:
            return text  # names no folder: most texts of an object, which has a hundred or more
        return self._odd.get(text) or self._where.in_text(text, self._files)


def _parts(job: Job, folders: tuple[str, ...]) -> Parts:
    tmpdir = own_tmpdir(job, _TOKENS, folders) or SCRIPT_TMPDIR
    return Parts(
        input=job.input._plainstrings(),
        output=job.output._plainstrings(),
        params=job.params,
        wildcards=job.wildcards,
        threads=int(job.threads),
        resources=ResourceList(fromdict={**dict(job.resources.items()), "tmpdir": tmpdir}),
        log=job.log._plainstrings(),
        rule=job.rule.name,
        bench_iteration=SCRIPT_BENCH if job.benchmark else None,
    )


def _call(job: Job, parts: Parts) -> call.Call:
    variables = {
        **{name: getattr(parts, name) for name in ("input", "output", "params", "wildcards")},
        "threads": parts.threads,
        "resources": parts.resources,
        "log": parts.log,
        "rule": parts.rule,
        "jobid": job.jobid,
        "basedir": job.rule.basedir,
    }
    try:
        found = call.calls(job.rule.run_func, variables)
    except Exception as error:  # an expression of the user's own
        raise PlanError(f"the path of its script cannot be evaluated: {error}") from error
    if len(found) != 1:
        raise NeedsSnakemake(f"rule {job.rule.name} does not have one script")
    return found[0]


def _filled_in(path: object, parts: Parts) -> object:
    """A path with the job's wildcards and parameters, as Snakemake does it."""
    known = {"wildcards": parts.wildcards, "params": parts.params}
    try:
        if isinstance(path, SourceFile):
            return path.format(**known)
        return formatted(str(path), **known)
    except Exception as error:  # whatever stands between the braces
        raise PlanError(f"the path of its script, {path}, cannot be filled in: {error}") from error


def _check_known(parts: Parts, job: Job) -> None:
    """Raises ``NeedsSnakemake`` for a value that only exists inside the job."""

    def look(text: str) -> str:
        if text == TO_BE_DETERMINED:
            raise NeedsSnakemake(
                f"the script of rule {job.rule.name} needs a value that is only known inside the "
                "job"
            )
        return text

    for value in (parts.params, parts.resources):
        everywhere(value, look)
