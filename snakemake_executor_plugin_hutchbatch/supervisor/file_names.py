"""Gives files under the default storage prefix the names that the workflow's author wrote.

Snakemake calls ``results/a.txt`` under a default storage ``.snakemake/storage/s3/bucket/prefix/
results/a.txt``. Here the object's local path is ``results/a.txt``, and code of Snakemake that
recognises a stored file by its changed name recognises it by its flag instead. Used on the
controller, and by Snakemake in a container, beside ``patched_s3_storage``: standard library and
Snakemake only.

``snakemake_patches/shared_table.py`` lists what is patched in Snakemake 9, and why. What an older
version lacks is skipped.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Iterable, Optional, Sequence, Tuple

from . import controller_folders, launch_folder, listed_files, shipped_code

if TYPE_CHECKING:
    from ..snakemake_types import (
        Flagged,
        Flags,
        Method,
        PathModifier,
        Rule,
        StorageObject,
        Workflow,
    )

STORED = "storage_object"
MODIFIED = "path_modified"

#: Flags that messages show behind a file's name.
_WITH_A_NOTE = {
    *("sourcecache_entry", "pipe", "service", "nodelocal", "update", "before_update"),
    *("access_pattern", "checkpoint_target"),
}

#: The rule whose files are being named.
_now = threading.local()


def name_of(stored: StorageObject) -> Optional[str]:
    """The author's name of an object under the default prefix; None for any other object."""
    prefix = getattr(stored.provider, "hutchbatch_prefix", None)
    query = str(stored.query)
    return query[len(prefix) :] if prefix and query.startswith(prefix) else None


#: Stands in keys for the folders above the launch folder, with how many of them: keys must not lead
#: out of the default prefix.
ABOVE = ".above-"


def key_of(name: str, prefix: str) -> str:
    """The key of a name of the author's below a prefix of keys (empty, or with a slash at its end).

    ``/fh/x`` → ``fh/x``, ``../../x`` → ``.above-2/x``. S3 takes no ``..``.
    """
    parts = posixpath.normpath(name).lstrip("/").split("/")
    above = 0
    while above < len(parts) and parts[above] == "..":
        above += 1
    if above:
        parts = [ABOVE + str(above), *parts[above:]]
    return posixpath.normpath(prefix + "/".join(parts))


def path_of(key: str) -> str:
    """A relative path for a key, another for each: the empty parts of ``a//b``, which a path does
    not have, become ``%``."""
    if "%" not in key and "//" not in key and key[:1] != "/" and key[-1:] not in ("/", ""):
        return key
    return "/".join(part if part.strip("%") else part + "%" for part in key.split("/"))


def is_named(value: object) -> bool:
    """Whether a string or file of Snakemake is under the default prefix."""
    stored = (getattr(value, "flags", None) or {}).get(STORED)
    return stored is not None and name_of(stored) is not None


def reaches_out(name: str) -> bool:
    """Whether a name is outside the working directory."""
    return os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == os.pardir


def place_in_job(name: str, folders: Tuple[str, ...], work: str) -> Optional[str]:
    """Where a job has a file. None for a name outside its working directory: a job must not write
    there, and Snakemake's own local path is used."""
    inside = launch_folder.inside(name, folders)
    if inside != name:
        return os.path.join(work, inside)
    return None if reaches_out(name) else name


def name_objects(plugin: ModuleType, in_job: bool) -> None:
    """Patches the storage plugin's objects; Snakemake need not be fully imported yet."""
    cls = plugin.StorageObject
    plain = cls.local_path
    folders, work = controller_folders.launch_folders(), controller_folders.work_folder()

    def local_path(self: StorageObject) -> Path:
        name = None if self._overwrite_local_path else name_of(self)
        path = place_in_job(name, folders, work) if name and in_job else name
        return Path(path) if path else plain(self)

    def print_query(self: StorageObject) -> str:
        return name_of(self) or self.__dict__["print_query"]

    def set_print_query(self: StorageObject, text: str) -> None:
        self.__dict__["print_query"] = text

    cls.local_path = local_path
    cls.hutchbatch_plain_path = plain
    cls.print_query = property(print_query, set_print_query)


def keep_names(in_job: bool) -> None:
    """Patches Snakemake, once; it must be imported."""
    from snakemake import io, path_modifier, rules

    if getattr(path_modifier.PathModifier, "_hutchbatch", False):
        return
    path_modifier.PathModifier._hutchbatch = True
    _flag_by_name(path_modifier, in_job)
    _remember_rules(rules)
    _expand_by_name(io)
    _refer_by_name(rules, io)
    _print_by_name(io)
    if in_job:
        from snakemake import workflow

        folders = controller_folders.launch_folders()
        shipped_code.use(folders)
        listed_files.use(folders)
        _configure_here(workflow, folders)
        _remove_before_the_run()


def _configure_here(workflow: ModuleType, folders: Tuple[str, ...]) -> None:
    """In a job: replaces the launch folder by the working directory in the configuration."""
    cls = workflow.Workflow

    def translated(plain: Method) -> Method:
        def read(self: Workflow, *args: object, **kwargs: object) -> object:
            self.globals["config"] = controller_folders.everywhere(self.globals["config"], folders)
            found = plain(self, *args, **kwargs)
            self.globals["config"] = controller_folders.everywhere(self.config, folders)
            return found

        return read

    cls.configfile = translated(cls.configfile)
    cls.include = translated(cls.include)


def _remove_before_the_run() -> None:
    """In a job: removes files that came with the workflow's code and have an output's name."""
    from snakemake.io import is_flagged
    from snakemake.jobs import Job

    plain = Job.remove_existing_output

    async def remove_existing_output(self: Job) -> None:
        await plain(self)
        for file in [*self.output, *self.log]:
            if is_named(file) and not is_flagged(file, "update"):
                remove_here(str(file))

    Job.remove_existing_output = remove_existing_output


def remove_here(path: str) -> None:
    """Removes a file, a link or a whole directory, if there is one."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def _flag_by_name(path_modifier: ModuleType, in_job: bool) -> None:
    cls = path_modifier.PathModifier
    plain_apply, plain_modify = cls.apply_default_storage, cls.modify
    folders = controller_folders.launch_folders() if in_job else ()

    def apply_default_storage(self: PathModifier, path: object) -> object:
        settings = self.workflow.storage_settings
        provider = self.workflow.storage_registry.default_storage_provider
        if settings.default_storage_provider == "s3" and settings.default_storage_prefix:
            provider.hutchbatch_prefix = settings.default_storage_prefix.rstrip("/") + "/"
        path = _resolved(path)
        if folders and isinstance(path, str) and os.path.isabs(path):
            # In S3 it has the name that the controller gave it.
            path = _with_text(path, controller_folders.there(str(path), folders))
        return plain_apply(self, path)

    def modify(self: PathModifier, path: object, property: object = None) -> object:
        modified = plain_modify(self, path, property)
        if STORED in getattr(modified, "flags", {}) or not isinstance(modified, str):
            return modified
        flagged = self.apply_default_storage(modified)
        if not is_named(flagged):
            return modified
        flagged.flags[MODIFIED] = True
        return flagged

    cls.apply_default_storage = apply_default_storage
    cls.modify = modify


def _resolved(path: object) -> object:
    """A name with its own rule's path variables; Snakemake would use the workflow's."""
    pathvars = getattr(getattr(_now, "rule", None), "pathvars", None)
    if pathvars is None or not isinstance(path, str) or "<" not in path:
        return path
    return _with_text(path, pathvars.apply(str(path)))


def _with_text(path: str, changed: str) -> str:
    """Another text with the flags of ``path``."""
    from snakemake.io import AnnotatedString

    if changed == str(path):
        return path
    text: str = AnnotatedString(changed)
    text.flags.update(getattr(path, "flags", {}))  # type: ignore[attr-defined]
    text.callable = getattr(path, "callable", None)  # type: ignore[attr-defined]
    return text


def _remember_rules(rules: ModuleType) -> None:
    cls = rules.Rule
    plain = cls.apply_path_modifier

    def apply_path_modifier(self: Rule, *args: object, **kwargs: object) -> object:
        before, _now.rule = getattr(_now, "rule", None), self
        try:
            return plain(self, *args, **kwargs)
        finally:
            _now.rule = before

    cls.apply_path_modifier = apply_path_modifier


def unflagged(value: object) -> object:
    """A string or file under the default prefix without its storage, as in plain Snakemake."""
    if not is_named(value):
        return value
    from snakemake.io import AnnotatedString

    flags: Flags = getattr(value, "flags", {})

    text = AnnotatedString(str(value))
    text.flags.update({k: v for k, v in flags.items() if k != STORED})
    return text


def _expand_by_name(io: ModuleType) -> None:
    plain_expand = io.expand

    def expand(*args: object, **wildcards: object) -> object:
        given = args[0]
        patterns = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
        return plain_expand([unflagged(p) for p in patterns], *args[1:], **wildcards)

    _replace_everywhere("expand", plain_expand, expand)
    mixin = getattr(io, "AnnotatedStringFormatMixin", None)
    if mixin is None:
        return
    plain_format = mixin.format

    def format(self: str, *args: object, **kwargs: object) -> object:
        return plain_format(unflagged(self), *args, **kwargs)

    mixin.format = format


def _refer_by_name(rules: ModuleType, io: ModuleType) -> None:
    """Gives ``rules.a.output`` its storage where it is used."""
    cls = rules.RuleProxy
    plain = cls._to_iofile

    def to_iofile(self: object, files: Sequence[object]) -> Sequence[Flagged]:
        cleaned: Sequence[Flagged] = plain(self, files)
        for old, new in zip(files, cleaned):
            if is_named(new):
                del new.flags[STORED]
            if io.is_flagged(old, "local"):
                new.flags["local"] = True
        return cleaned

    cls._to_iofile = to_iofile


def _print_by_name(io: ModuleType) -> None:
    try:
        from snakemake.io import fmt
    except ImportError:
        return
    plain = fmt.fmt_iofile

    def fmt_iofile(file: object, *args: object, **kwargs: object) -> object:
        if is_named(file):
            if _WITH_A_NOTE.isdisjoint(getattr(file, "flags", ())):
                return str(file)
            file = io.IOFile(unflagged(file))
        return plain(file, *args, **kwargs)

    _replace_everywhere("fmt_iofile", plain, fmt_iofile)


def _replace_everywhere(name: str, plain: object, ours: object) -> None:
    """Replaces a function in all of Snakemake's modules, which import it by name."""
    for module in list(sys.modules.values()):
        if str(getattr(module, "__name__", "")).partition(".")[0] == "snakemake":
            for attribute in (name, "collect") if name == "expand" else (name,):
                if module.__dict__.get(attribute) is plain:
                    setattr(module, attribute, ours)
