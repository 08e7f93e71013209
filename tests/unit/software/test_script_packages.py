"""What comes along with Python scripts: packed once for each set, and what cannot is said once."""

from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.aws.retry import Retrier
from snakemake_executor_plugin_hutchbatch.software import (
    pack,
    pack_store,
    script_packages,
    wheels,
)
from snakemake_executor_plugin_hutchbatch.software.installed import Package
from snakemake_executor_plugin_hutchbatch.software.script_packages import ScriptPackages
from snakemake_executor_plugin_hutchbatch.software.snakemake_packages import target
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Packages, Script

SCRIPT = Script("s3://b/s", "1" * 64, ".snakemake/scripts/tmp1a2b.plot.py", "python", "i")
HERE = target("x86_64")


@pytest.fixture
def said():
    return []


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """Packs nothing really; the names of what it was asked for."""
    asked = []

    def made(packages, wanted, whole=(), folder=None):
        asked.append({package.name for package in packages})
        assert set(whole) == asked[-1]
        return pack.Pack(tmp_path / "archive", wanted.machine, 99, "2.17")

    monkeypatch.setattr(pack, "made", made)
    monkeypatch.setattr(pack, "is_kept", lambda *_: False)
    monkeypatch.setattr(pack_store, "store", lambda s3, prefix, retrier, made, what: prefix + "x")
    return asked


@pytest.fixture
def packages(said):
    return ScriptPackages(None, "s3://b/w/", Retrier(said.append), said.append)


def importing(*names):
    return replace(SCRIPT, imports=names)


def test_a_script_gets_what_it_imports_with_all_that_this_requires(packages, packed, said):
    given = packages.given(importing("pytest", "yaml"), (), {"x86_64"})
    assert given.imports == ("pytest", "yaml")
    assert given.packages == (Packages("s3://b/w/x", "x86_64", 99, HERE.suffix, "2.17"),)
    assert {"pyyaml", "pytest", "pluggy", "iniconfig"} <= packed[0]
    (line,) = said
    assert line.startswith("Packing what Python scripts import for their jobs: pytest, pyyaml, and")


def test_one_set_is_packed_once_for_each_processor(packages, packed):
    for _ in range(2):
        packages.given(importing("yaml"), (), {"x86_64", "arm64"})
    assert packed == [{"pyyaml"}, {"pyyaml"}]


def test_a_script_without_imports_of_packages_is_left_as_it_is(packages, packed, said):
    assert packages.given(importing(), (), {"x86_64"}) == SCRIPT
    assert packed == said == []


def test_what_cannot_come_along_is_said_once_and_the_rest_comes(
    packages, packed, said, monkeypatch
):
    def closure(roots, wanted):
        stays = Package("built", "1", "stays", "it is installed in editable mode")
        return [Package("pyyaml", "6", "copied"), Package("far", "1", "fetched"), stays]

    def made(chosen, *more):
        if any(package.name == "far" for package in chosen):
            raise wheels.NoWheels("no wheel of far", [Package("far", "1", "fetched")])
        return taken(chosen, *more)

    taken = pack.made
    monkeypatch.setattr(script_packages, "closure", closure)
    monkeypatch.setattr(pack, "made", made)
    for _ in range(2):
        given = packages.given(importing("yaml"), [("lab", "/x/lab.py")], {"x86_64"})
        assert len(given.packages) == 1
    assert packed == [{"pyyaml"}]
    warned = [line for line in said if not line.startswith("Packing")]
    assert len(warned) == 3
    assert "plot.py imports lab" in warned[0]
    assert "built, which the script plot.py needs, cannot come along" in warned[1]
    assert "For the script plot.py, no wheel of far" in warned[2]
    assert all("beside the script" in line or "container:" in line for line in warned)
