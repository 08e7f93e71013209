"""Archives of packages: of what is installed, and of wheels from a folder."""

import importlib.metadata
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.software import pack, wheels
from snakemake_executor_plugin_hutchbatch.software.installed import Package, Target, closure

TARGET = Target(*sys.version_info[:2], "x86_64", pack.this_machine("x86_64"))
OF_PYTHON = f"cp{sys.version_info[0]}{sys.version_info[1]}"


def wheel(folder, name, version="1.0", tag="py3-none-any", more=()):
    """A wheel of one module."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        about = f"{name}-{version}.dist-info"
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
        )
        archive.writestr(f"{about}/RECORD", "")
        for path in more:
            archive.writestr(path, "x = 1\n")


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A folder of wheels, and pip set to it and to no index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "house"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (tmp_path / "house").mkdir()
    return tmp_path / "house"


def fetched(name, version="1.0", specifier=""):
    return Package(name, version, "fetched", specifier=specifier)


def contents(made):
    with tarfile.open(fileobj=io.BytesIO(made.path.read_bytes())) as archive:
        return {member.name: member for member in archive}


def test_wheels_come_from_the_index_that_pip_is_set_to(house, tmp_path):
    # The machine and Python of the container, not of this one.
    wheel(house, "hb_arm", tag=f"{OF_PYTHON}-{OF_PYTHON}-manylinux_2_17_aarch64")
    wheel(house, "hb_arm", tag=f"{OF_PYTHON}-{OF_PYTHON}-manylinux_2_17_x86_64", version="1.0")
    wheel(house, "hb_abi", tag="cp38-abi3-manylinux2014_aarch64")
    wheel(house, "hb_pure", version="2.0")
    wheel(house, "hb_pure", version="3.0")
    arm = Target(*sys.version_info[:2], "aarch64", here=False)
    wanted = [fetched("hb-arm"), fetched("hb-abi"), fetched("hb-pure", "", ">=2,<3")]
    found = wheels.download(wanted, arm, tmp_path / "wheels")
    assert [path.name for path in found] == [
        "hb_abi-1.0-cp38-abi3-manylinux2014_aarch64.whl",
        f"hb_arm-1.0-{OF_PYTHON}-{OF_PYTHON}-manylinux_2_17_aarch64.whl",
        "hb_pure-2.0-py3-none-any.whl",
    ]


def test_packages_without_a_wheel_are_named(house, tmp_path):
    wheel(house, "hb_there")
    wheel(house, "hb_mac", tag=f"{OF_PYTHON}-{OF_PYTHON}-macosx_11_0_arm64")
    with pytest.raises(wheels.NoWheels, match=r"no wheel for Linux \(x86_64\)") as error:
        wheels.download(
            [fetched("hb-there"), fetched("hb-mac"), fetched("hb-none")], TARGET, tmp_path / "w"
        )
    assert [package.name for package in error.value.packages] == ["hb-mac", "hb-none"]
    assert "hb-mac==1.0, hb-none==1.0" in str(error.value)


def test_an_archive_has_modules_compiled_and_nothing_of_this_machine(house, tmp_path):
    wheel(house, "hb_one", more=("hb_one-1.0.data/purelib/hb_two.py", "hb_one-1.0.data/scripts/x"))
    packages = [*closure(["tabulate"], TARGET), fetched("hb-one")]
    made = pack.made(packages, TARGET, folder=tmp_path / "kept")
    names = contents(made)
    cached = f"__pycache__/tabulate.cpython-{sys.version_info[0]}{sys.version_info[1]}.pyc"
    assert {"hb_one.py", "hb_two.py"} <= names.keys()
    assert any(name.endswith("tabulate/__init__.py") or name == "tabulate.py" for name in names)
    assert any(name.endswith(".pyc") for name in names), cached
    assert not [n for n in names if n.endswith(("RECORD", "INSTALLER", "REQUESTED", ".pth"))]
    assert not [n for n in names if n.startswith(("bin/", "..")) or "scripts" in n]
    assert made.size == sum(member.size for member in names.values())
    with tarfile.open(made.path) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    text = "import hb_one, hb_two, tabulate; print(hb_one.version, tabulate.__cached__)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", text],
        env={"PYTHONPATH": str(tmp_path / "out"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"1.0 {tmp_path / 'out'}")
    version = importlib.metadata.version("tabulate")
    assert f"tabulate-{version}.dist-info/METADATA" in names


def test_equal_packages_give_equal_archives_and_are_packed_once(tmp_path, monkeypatch):
    packages = closure(["tabulate", "pyyaml"], TARGET)
    first = pack.made(packages, TARGET, folder=tmp_path / "one")
    assert pack.made(packages, TARGET, folder=tmp_path / "two").sha256 == first.sha256
    monkeypatch.setattr(pack, "_archive", None)
    assert pack.made(packages, TARGET, folder=tmp_path / "one") == first
    assert pack.is_kept(packages, TARGET, (), tmp_path / "one")
    assert not pack.is_kept(packages[:1], TARGET, (), tmp_path / "one")


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(b"x"), lambda p: p.unlink()])
def test_a_kept_archive_that_was_changed_is_not_used(tmp_path, damage):
    packages = closure(["tabulate"], TARGET)
    first = pack.made(packages, TARGET, folder=tmp_path)
    damage(first.path)
    again = pack.made(packages, TARGET, folder=tmp_path)
    assert again == first
    assert again.path.stat().st_size > 1000


def test_only_the_last_used_archives_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "KEPT", 2)
    packages = closure(["tabulate"], TARGET)
    for number in range(4):
        also = {"own.py": f"number = {number}\n".encode()}
        made = pack.made(packages, TARGET, folder=tmp_path / "kept", also=also)
        os.utime(made.path, (number, number))
    assert made.path.exists()
    assert len(list((tmp_path / "kept").glob("*.tar.gz"))) == 2
    assert len(list((tmp_path / "kept").glob("*.json"))) == 2


def test_what_snakemake_does_not_use_is_left_out_unless_the_workflow_does(tmp_path):
    for name in (
        *("botocore/data/s3/1/a.gz", "botocore/data/rds/1/a.gz", "botocore/data/endpoints.json"),
        *("pulp/solverdir/cbc/linux/i64/cbc", "pulp/solverdir/cbc/win/i64/cbc.exe", "x.pth"),
        "pulp/solverdir/cbc/linux/arm64/cbc",
    ):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    tree = tmp_path / "tree"

    def left():
        return {p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file()}

    before = left()
    pack._prune(tree, TARGET, {"boto3", "pulp"}, leads=False)
    assert left() == before - {"x.pth"}
    pack._prune(tree, TARGET, (), leads=False)
    assert left() == {
        *("botocore/data/s3/1/a.gz", "botocore/data/endpoints.json"),
        "pulp/solverdir/cbc/linux/i64/cbc",
    }


def test_files_of_our_own_are_packed_beside_packages(house, tmp_path):
    def made(also):
        return pack.made([fetched("hb-one")], TARGET, folder=tmp_path / "kept", also=also)

    wheel(house, "hb_one")
    first = made({"own/__init__.py": b"", "own/tool.py": b"x = 1\n"})
    with tarfile.open(first.path) as archive:
        names = archive.getnames()
        assert archive.extractfile("own/tool.py").read() == b"x = 1\n"
    assert "hb_one.py" in names
    assert any(name.startswith("own/__pycache__/tool.") for name in names)
    assert made({"own/__init__.py": b"", "own/tool.py": b"x = 2\n"}).sha256 != first.sha256
    assert made({}).sha256 != first.sha256
    assert made({"own/__init__.py": b"", "own/tool.py": b"x = 1\n"}) == first


def test_a_submitted_run_has_the_services_of_aws_that_hutchbatch_calls():
    package = Path(pack.__file__).parents[1]
    elsewhere = ("local", "cli")
    files = [p for p in package.rglob("*.py") if p.relative_to(package).parts[0] not in elsewhere]
    made = re.compile(r"""(?:\.client\(|_beside\(\w+,|\.resource\()\s*"([\w-]+)\"""")
    called = {name for path in files for name in made.findall(path.read_text())}
    assert {"batch", "s3", "logs", "service-quotas", "sts"} <= called
    assert called <= pack._SERVICES | pack._OF_CONTROLLERS
