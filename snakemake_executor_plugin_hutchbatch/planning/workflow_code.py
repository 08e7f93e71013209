"""What Snakemake's objects say about a workflow's code: Snakefiles, scripts, environments,
wrappers, configuration. Those of other repositories are fetched here (``used_sources``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from snakemake import wrapper
from snakemake.sourcecache import LocalSourceFile, infer_source_file
from snakemake.sourcecache import SourceFile as SnakemakeSource

from ..snakemake_types import Rule, SourceFile, Workflow
from .code_files import Code
from .layout import canonical


def code_of(workflow: Workflow, opened: Iterable[str]) -> Code:
    """The code of a workflow. ``opened``: what its Snakefiles have read."""
    launch = str(Path.cwd())

    def here(path: object) -> str:
        return canonical(str(Path(launch, str(path))), launch)

    snakefiles = [here(each) for each in workflow.included if isinstance(each, LocalSourceFile)]
    files = [here(path) for path in workflow.configfiles]
    given = {here(path) for path in workflow.config_settings.configfiles}
    files = [path for path in files if path not in given]  # their values travel apart
    folders: list[str] = []
    for rule in workflow.rules:
        for source in _scripts(rule):
            if isinstance(source, LocalSourceFile):
                files.append(here(source))
                folders.append(str(Path(files[-1]).parent))
        for source in _environments(rule):
            if isinstance(source, LocalSourceFile):
                files += _with_pins(here(source))
        found = _wrapper(workflow, rule)
        if isinstance(found, LocalSourceFile):
            path = here(found)
            folders.append(str(Path(path).parent) if wrapper.is_script(found) else path)
    known = {path for path in opened if path not in given}
    return Code(launch, _once(snakefiles), _once([*files, *sorted(known)]), _once(folders))


def _once(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paths))


def _scripts(rule: Rule) -> Iterator[SourceFile]:
    for given in (rule.script, rule.notebook):
        if given and not callable(given) and "{" not in str(given):
            with suppress(Exception):  # what Snakemake cannot read, either
                yield infer_source_file(given, rule.basedir)


def _environments(rule: Rule) -> Iterator[SourceFile]:
    given = rule.conda_env
    if given and not callable(given) and str(given).endswith((".yaml", ".yml")):
        with suppress(Exception):
            yield infer_source_file(given, rule.basedir)


def _wrapper(workflow: Workflow, rule: Rule) -> SourceFile | None:
    """Where a rule's wrapper is; None without one."""
    if rule.wrapper:
        with suppress(Exception):
            prefix = workflow.workflow_settings.wrapper_prefix
            found: SourceFile = wrapper.get_path(rule.wrapper, prefix)
            return found
    return None


def _with_pins(environment: str) -> list[str]:
    """An environment's file, and those that belong to it."""
    stem = environment.rsplit(".", 1)[0]
    found = [environment, f"{stem}.post-deploy.sh"]
    return found + [str(path) for path in Path(stem).parent.glob(f"{Path(stem).name}.*.pin.txt")]


def remote_scripts(workflow: Workflow, rule: Rule) -> Iterator[SourceFile]:
    """Scripts, notebooks and wrappers' scripts of other repositories."""
    found = _wrapper(workflow, rule)
    sources = list(_scripts(rule))
    if found is not None and not isinstance(found, LocalSourceFile):
        with suppress(Exception):
            prefix = workflow.workflow_settings.wrapper_prefix
            script = wrapper.get_script(rule.wrapper, workflow.sourcecache, prefix=prefix)
            sources += [script] if isinstance(script, SnakemakeSource) else []
    for source in sources:
        if not isinstance(source, LocalSourceFile):
            yield source


def fetch_remote(workflow: Workflow, rules: Iterable[Rule]) -> None:
    """Has the scripts, notebooks, environments and wrappers of ``rules`` that lie in other
    repositories in Snakemake's cache. What cannot be had is left to the job, which says why."""
    cache = workflow.sourcecache
    for rule in rules:
        sources = [*_scripts(rule), *_environments(rule)]
        found = _wrapper(workflow, rule)
        if found is not None and not isinstance(found, LocalSourceFile):
            with suppress(Exception):
                prefix = workflow.workflow_settings.wrapper_prefix
                sources += [wrapper.get_script(rule.wrapper, cache, prefix=prefix)]
                sources += [wrapper.get_conda_env(rule.wrapper, prefix)]
        for source in sources:
            if not isinstance(source, LocalSourceFile):
                cache.exists(source)
                for suffix in (".linux-64.pin.txt", ".post-deploy.sh"):
                    beside = source.replace_suffix([".yaml", ".yml"], suffix)
                    if beside is not None:
                        cache.exists(beside)


def texts(snakefiles: Iterable[str]) -> list[str]:
    """What the Snakefiles here hold."""
    found = []
    for path in snakefiles:
        with suppress(OSError):
            found.append(Path(path).read_text("utf-8", "replace"))
    return found
