"""The table of patches is true: its targets exist, and nothing else of others' code is changed."""

import ast
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from snakemake_interface_common.exceptions import ApiError

import snakemake_executor_plugin_hutchbatch
from snakemake_executor_plugin_hutchbatch.snakemake_patches import apply, table
from snakemake_executor_plugin_hutchbatch.snakemake_patches.patch import Patch
from snakemake_executor_plugin_hutchbatch.snakemake_patches.shared_table import SHARED
from snakemake_executor_plugin_hutchbatch.snakemake_patches.table import RUN

PACKAGE = Path(snakemake_executor_plugin_hutchbatch.__file__).parent
NAME = PACKAGE.name


@pytest.mark.parametrize("patch", RUN + SHARED, ids=lambda patch: patch.target)
def test_every_target_exists_in_the_installed_versions(patch):
    import_module("snakemake.api")
    assert not apply.missing([patch])
    if patch.may_lack:
        assert apply.exists(patch), "not in the installed version either: who needs the patch?"


@pytest.mark.parametrize("patch", RUN + SHARED, ids=lambda patch: patch.target)
def test_every_replacement_is_a_function_of_its_place(patch):
    package = "snakemake_patches" if patch in RUN else "supervisor"
    module, _, function = patch.replacement.partition(":")
    assert callable(getattr(import_module(f"{NAME}.{package}.{module}"), function))
    assert patch.reason
    assert patch.versions


@pytest.mark.parametrize("patches", [RUN, SHARED], ids=["run", "shared"])
def test_no_target_stands_twice(patches):
    targets = [patch.target for patch in patches]
    assert len(targets) == len(set(targets))


def test_a_version_without_a_target_is_reported_and_nothing_is_patched(monkeypatch):
    strange = Patch("snakemake.jobs", "Job.not_there", "locks:lock", "a test")
    monkeypatch.setattr(table, "RUN", (strange,))
    before = set(apply._applied)
    with pytest.raises(ApiError, match=r"has no snakemake\.jobs\.Job\.not_there.*pip install"):
        apply.apply(print)
    assert apply._applied == before


#: Prints what is otherwise in others' modules and classes after the patches: each place, with the
#: one from which what was there had been imported.
PROBE = """
import inspect, json, sys
import boto3, botocore.auth, snakemake.api, snakemake.checkpoints, snakemake.executors.local
import snakemake.io.fmt, snakemake.persistence.file, snakemake_storage_plugin_s3 as plugin
import snakemake_interface_executor_plugins.utils, snakemake.storage, snakemake.workflow
from pathlib import Path

OTHERS = ("snakemake", "botocore", "boto3", "s3transfer")

def modules():
    for name, module in sorted(sys.modules.items()):
        top = name.partition(".")[0]
        if top.startswith(OTHERS) and top != "snakemake_executor_plugin_hutchbatch":
            yield name, module

def state():
    found = {}
    for name, module in modules():
        for key, value in list(vars(module).items()):
            if callable(value) or key.startswith("hutchbatch"):
                found[name, key] = value
            if inspect.isclass(value) and value.__module__ == name:
                for attribute, of in list(vars(value).items()):
                    found[name, f"{key}.{attribute}"] = of
    return found

before = state()
%s
from snakemake_storage_plugin_s3 import StorageProvider, StorageProviderSettings
import logging
logger = logging.getLogger()
StorageProvider(
    local_prefix=Path("local"), logger=logger, wait_for_free_local_storage=False,
    settings=StorageProviderSettings(), is_default=True,
)
after = state()
names = {name for name, _ in before}  # others came with what the provider imports
changed = [p for p in after if p[0] in names and after[p] is not before.get(p)]
PYTHONS = ("__doc__", "_abc_impl", "__annotations__", "__slotnames__")
changed = [p for p in changed if not p[1].endswith(PYTHONS)]
origin = {}
for place in changed:
    old = before.get(place)
    origin[place] = next((q for q in changed if old is not None and before.get(q) is old
        and getattr(old, "__module__", "") == q[0]), place)
print(json.dumps({".".join(p): ".".join(q) for p, q in origin.items()}))
"""
IN_RUN = f"import {NAME}; {NAME}.ExecutorSettings(); {NAME}.ExecutorSettings()"
IN_JOB = (
    f"from {NAME}.supervisor.patched_s3_storage import patch_storage; "
    "patch_storage(plugin, in_job=True)"
)


@pytest.mark.parametrize(
    ("what", "patches"),
    [
        (IN_RUN, [*RUN, *(patch for patch in SHARED if not patch.in_job_only)]),
        (IN_JOB, SHARED),
    ],
    ids=["run", "job"],
)
def test_what_is_changed_is_what_the_table_says(what, patches, tmp_path):
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}
    environments = tmp_path / "environments.json"
    environments.write_text("{}")
    keys["HUTCHBATCH_ENVIRONMENTS"] = str(environments)
    keys["HUTCHBATCH_STORE_BELOW"] = ""
    run = subprocess.run(
        [sys.executable, "-c", PROBE % what],
        env={**os.environ, **keys, "AWS_DEFAULT_REGION": "us-west-2"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    changed = json.loads(run.stdout)
    assert set(changed.values()) == {patch.target for patch in patches}
    copies = {origin for place, origin in changed.items() if place != origin}
    assert copies == {patch.target for patch in patches if patch.everywhere}


#: Modules that may: the one function that patches, and what goes into containers.
MAY_PATCH = {
    "snakemake_patches/apply.py",
    "supervisor/patched_conda.py",
    "supervisor/patched_s3_storage.py",
    "supervisor/fetched_inputs.py",
    "supervisor/file_names.py",
    "supervisor/listed_files.py",
    "supervisor/refused_outputs.py",
    "supervisor/results_apart.py",
    "supervisor/shipped_code.py",
    "supervisor/unfinished.py",
}
#: Values that are meant to be set, put back at once; no code.
VALUES = {
    # What each new session of botocore registers: handlers of events, for all clients to come.
    "aws/lease_gate.py": {"handlers.BUILTIN_HANDLERS = …"},
    # Python's own stat, while Snakefiles are parsed: what they ask about is noted; then put back.
    "planning/opened_files.py": {"setattr(os, …)"},
    "planning/snakemake_command.py": {"setattr(settings, …)"},
    # https://docs.python.org/3/library/tempfile.html#tempfile.tempdir
    "planning/shell_commands.py": {"tempfile.tempdir = …"},
    # https://docs.python.org/3/library/sys.html#sys.excepthook
    "software/shim/hutchbatch_script.py": {"sys.excepthook = …"},
    # A class of its own, of which jobs know only this one.
    "software/shim/snakemake/shell.py": {"cls._process_prefix = …", "cls._process_suffix = …"},
}


def patches_in(source: str) -> set[str]:
    """Where a module's text sets attributes of others' modules or classes, as far as text shows."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    foreign, own = {"cls", "plugin", "module", "mixin"}, set()
    for node in nodes:
        if isinstance(node, ast.Import):
            foreign |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            ours = node.level > 0 or (node.module or "").startswith(NAME)
            (own if ours else foreign).update(a.asname or a.name for a in node.names)
        elif isinstance(node, ast.ClassDef):
            own.add(node.name)
    return set(filter(None, (set_here(node, foreign, own) for node in nodes)))


def set_here(node: ast.AST, foreign: set[str], own: set[str]) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
        names = ast.unparse(node.value).split(".")
        is_class = any(name.lstrip("_")[:1].isupper() for name in names)
        if names[0] not in own and (names[0] in foreign or is_class):
            return f"{ast.unparse(node)} = …"
    if isinstance(node, ast.Call) and node.args:
        called = ast.unparse(node.func).rpartition(".")[2]
        first = ast.unparse(node.args[0])
        if called in ("setattr", "delattr", "__setattr__") and first != "self":
            return f"{called}({first}, …)"
    return None


@pytest.mark.parametrize(
    "text",
    [
        "from snakemake.jobs import Job\nJob.run = ours",
        "def f():\n    from snakemake import io\n    io._IOFile.open = ours",
        "import botocore.auth\nbotocore.auth.get_current_datetime = ours",
        "import botocore.auth as a\na.x, a.y = 1, 2",
        "def f(cls):\n    cls.size = ours",
        "def f(plugin):\n    plugin.StorageObject.size = ours",
        "from snakemake.jobs import Job\nsetattr(Job, 'run', ours)",
        "from snakemake.jobs import Job\ndel Job.run",
    ],
)
def test_a_patch_is_seen_in_a_text(text):
    assert patches_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "from .jobs import Job\nJob.count = 1",
        "class Own:\n    def f(self):\n        self.x = 1\nOwn.y = 2",
        "def f(job):\n    job._resources = None",
    ],
)
def test_what_is_no_patch_is_none(text):
    assert not patches_in(text)


def test_nothing_outside_of_the_package_patches_others_code():
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in MAY_PATCH:
            rest = patches_in(path.read_text(encoding="utf-8")) - VALUES.get(name, set())
            if rest:
                found[name] = rest
    assert not found
