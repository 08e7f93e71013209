"""Locks: what is written can be read; what others wrote there is checked."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.software.conda import lock as locks
from snakemake_executor_plugin_hutchbatch.software.conda.lock import Lock, LockedPackage, LockError

CHANNEL = "https://conda.anaconda.org/bioconda"
BWA = LockedPackage(
    url=f"{CHANNEL}/linux-64/bwa-0.7.18-he4a0461_0.tar.bz2",
    name="bwa",
    version="0.7.18",
    build="he4a0461_0",
    sha256="a" * 64,
    md5="b" * 32,
    size=600_000,
)
TOOL = LockedPackage(
    url=f"{CHANNEL}/noarch/tool-1!2.0+x-py_0.conda",
    name="tool",
    version="1!2.0+x",
    build="py_0",
    md5="c" * 32,
)


def written(**changes) -> bytes:
    """The JSON of a lock with one package, changed."""
    package = {**asdict(BWA), **changes.pop("package", {})}
    lock = {
        "version": 1,
        "platform": "linux-64",
        "name": "envs/bwa.yaml",
        "packages": [package],
        "pip": [],
        "post_deploy": None,
        "variables": {},
        **changes,
    }
    return json.dumps(lock).encode()


def test_what_is_written_is_read_again():
    deploy, variables = "set -e\nexit 0\n", {"A": "1 2", "_b": ""}
    pip = ("a==1", "--no-deps b")
    lock = locks.made("envs/bwa.yaml", (TOOL, BWA), pip, deploy, variables)
    assert locks.loads(locks.dumps(lock)) == lock
    assert [package.name for package in lock.packages] == ["bwa", "tool"]


def test_the_json_is_canonical():
    lock = locks.made("bwa", (BWA,))
    assert locks.dumps(locks.loads(written(name="bwa"))) == locks.dumps(lock)


def test_a_package_knows_its_file_subdir_and_channel():
    quoted = replace(TOOL, url=TOOL.url.replace("!", "%21"))
    locks.check_package(quoted)
    assert (quoted.filename, quoted.subdir, quoted.channel) == (
        "tool-1!2.0+x-py_0.conda",
        "noarch",
        f"{CHANNEL}/",
    )
    assert (BWA.content, TOOL.content) == ("sha256:" + "a" * 64, "md5:" + "c" * 32)


def test_the_key_stands_for_the_content_not_for_the_name():
    lock = locks.made("envs/bwa.yaml", (BWA, TOOL), ("a==1",), "exit 0")
    assert len(lock.key) == 32
    assert replace(lock, name="other/bwa.yml").key == lock.key
    other = replace(BWA, sha256="d" * 64)
    different = [
        replace(lock, packages=(other, TOOL)),
        replace(lock, packages=(TOOL,)),
        replace(lock, pip=("a==2",)),
        replace(lock, pip=()),
        replace(lock, post_deploy=None),
        replace(lock, post_deploy=""),
        replace(lock, variables={"A": "1"}),
    ]
    assert len({lock.key, *(each.key for each in different)}) == 1 + len(different)


def test_another_way_of_building_is_another_key(monkeypatch):
    lock = locks.made("bwa", (BWA,))
    before = lock.key
    monkeypatch.setattr(locks, "BUILDER", locks.BUILDER + 1)
    assert lock.key != before


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 2}, "version 2"),
        ({"version": True}, "version True"),
        ({"platform": "osx-64"}, "for 'osx-64'"),
        ({"more": 1}, "unknown field 'more'"),
        ({"name": 1}, "must be strings"),
        ({"name": "a\x1b[2J"}, "not printable"),
        ({"name": "n" * 1001}, "too long"),
        ({"packages": {}}, "not a list"),
        ({"packages": ["bwa"]}, "not an object"),
        ({"packages": [asdict(BWA)] * 2}, "twice"),
        ({"packages": [asdict(TOOL), asdict(BWA)]}, "not in order"),
        ({"packages": [0] * 5001}, "more than 5,000 packages"),
        ({"pip": ["a\nb"]}, "pip section"),
        ({"pip": [1]}, "not a list of strings"),
        ({"pip": ["a"] * 1001}, "pip section"),
        ({"variables": []}, "variables: not an object"),
        ({"variables": {"A": 1}}, "not all of them are strings"),
        ({"variables": {"A-B": "1"}}, "no variables of a shell"),
        ({"variables": {"A": "\0"}}, "no variables of a shell"),
        ({"variables": {f"A{n}": "" for n in range(1001)}}, "too many"),
        ({"post_deploy": 1}, "post_deploy"),
        ({"post_deploy": "a\0"}, "post-deploy"),
        ({"post_deploy": "#" * 1_000_001}, "post-deploy"),
    ],
)
def test_a_lock_of_another_form_is_refused(changes, why):
    with pytest.raises(LockError, match=why):
        locks.loads(written(**changes))


@pytest.mark.parametrize(
    ("package", "why"),
    [
        ({"url": "ftp://h/c/linux-64/bwa-0.7.18-he4a0461_0.conda"}, "plain"),
        ({"url": "file:///c/linux-64/bwa-0.7.18-he4a0461_0.conda"}, "plain"),
        ({"url": "https://u:p@h/c/linux-64/bwa-0.7.18-he4a0461_0.conda"}, "plain"),
        ({"url": "https://h/c/linux-64/bwa-0.7.18-he4a0461_0.conda?x=1"}, "plain"),
        ({"url": "https://h/c/linux-64/bwa-0.7.18-he4a0461_0.conda#x"}, "plain"),
        ({"url": "https://h/c/linux-64/bwa-0.7.18-he4a0461_0.conda\n"}, "plain"),
        ({"url": f"https://h/{'c' * 2000}/linux-64/bwa-0.7.18-he4a0461_0.conda"}, "plain"),
        ({"url": "https://h/t/SECRET/c/linux-64/bwa-0.7.18-he4a0461_0.conda"}, "token"),
        ({"url": "https://h/%74/SECRET/c/linux-64/bwa-0.7.18-he4a0461_0.conda"}, "token"),
        ({"url": "https://h/c/../linux-64/bwa-0.7.18-he4a0461_0.conda"}, "not the address"),
        ({"url": "https://h/c/%2e%2e/linux-64/bwa-0.7.18-he4a0461_0.conda"}, "not the address"),
        ({"url": "https://h/c/%0a/linux-64/bwa-0.7.18-he4a0461_0.conda"}, "not the address"),
        ({"url": "https://h/c/osx-64/bwa-0.7.18-he4a0461_0.conda"}, "neither for linux-64"),
        ({"url": "https://h/bwa-0.7.18-he4a0461_0.conda"}, "neither for linux-64"),
        ({"url": "https://h/c/linux-64/bwa-0.7.17-he4a0461_0.conda"}, "is not bwa-0.7.18"),
        ({"url": "https://h/c/linux-64/bwa-0.7.18-he4a0461_0.zip"}, "is not bwa-0.7.18"),
        ({"url": "https://h/c/linux-64/x%2fbwa-0.7.18-he4a0461_0.conda"}, "is not bwa"),
        ({"name": "../bwa"}, "no name"),
        ({"name": "BWA"}, "no name"),
        ({"version": "1-2"}, "no version"),
        ({"version": ""}, "no version"),
        ({"build": "a/b"}, "no build"),
        ({"build": 1}, "expected str"),
        ({"sha256": "A" * 64}, "no SHA-256"),
        ({"sha256": "a" * 63}, "no SHA-256"),
        ({"md5": "b" * 33}, "no MD5"),
        ({"sha256": None, "md5": None}, "has no hash"),
        ({"size": 0}, "no size"),
        ({"size": 10**12}, "no size"),
        ({"size": "12"}, "size"),
        ({"size": True}, "size"),
        ({"more": 1}, "unknown field"),
    ],
)
def test_a_package_that_no_channel_can_have_is_refused(package, why):
    with pytest.raises(LockError, match=why):
        locks.loads(written(package=package))


def test_a_token_is_not_shown_in_the_message():
    with pytest.raises(LockError) as refused:
        locks.check_url("https://me:SECRET@h/c/linux-64/bwa-1-0.conda")
    assert "SECRET" not in str(refused.value)


def test_a_lock_of_unlikely_length_is_not_parsed():
    with pytest.raises(LockError, match="more than 8,000,000 bytes"):
        locks.loads(b"[" * 8_000_001)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"version":1,"version":1}', b"\xff"])
def test_what_is_no_lock_is_refused(content):
    with pytest.raises(LockError):
        locks.loads(content)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_stands_in_a_field_only_lock_errors_come(value):
    for name in ("version", "platform", "name", "packages", "pip", "post_deploy", "variables"):
        try:
            lock = locks.loads(written(**{name: value}))
        except LockError:
            continue
        assert isinstance(lock, Lock)
        assert locks.loads(locks.dumps(lock)) == lock
    for name in ("url", "name", "version", "build", "sha256", "md5", "size"):
        try:
            locks.loads(written(package={name: value}))
        except LockError:
            continue
        assert value == asdict(BWA)[name] or name in {"sha256", "md5", "size"}
