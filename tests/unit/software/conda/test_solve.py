"""Locks are made of real solves with real channels, all of stand-ins."""

import asyncio
import hashlib
import importlib.util
from dataclasses import replace

import conda_channel
import pytest
from conda_channel import ChannelServer, Package

from snakemake_executor_plugin_hutchbatch.software.conda import lock as locks
from snakemake_executor_plugin_hutchbatch.software.conda import virtual
from snakemake_executor_plugin_hutchbatch.software.conda.access import Access
from snakemake_executor_plugin_hutchbatch.software.conda.description import Description, Pin
from snakemake_executor_plugin_hutchbatch.software.conda.solve import Measured, Solver
from snakemake_executor_plugin_hutchbatch.software.conda.unsolved import (
    Denied,
    NotHere,
    Unreachable,
    Unsatisfiable,
)


def described(server, *specs, channels=("stand-ins",), **more):
    urls = tuple(f"{server.url}/{name}" for name in channels)
    more.setdefault("virtual", virtual.packages(gpu=False, variables={}))
    return Description("envs/a.yaml", urls, specs, **more)


@pytest.fixture
def solver(tmp_path):
    with Solver(Access(), tmp_path / "cache") as made:
        yield made


def versions(lock):
    return {package.name: package.version for package in lock.packages}


def refusal(solver, description, kind=Unsatisfiable):
    with pytest.raises(kind) as refused:
        solver.lock(description)
    return str(refused.value)


# what a lock has


def test_a_lock_has_the_channels_urls_hashes_and_sizes(channel, server, solver):
    lock = solver.lock(described(server, "addon", "wordlist"))
    assert versions(lock) == {"addon": "2.0", "tool": "2.0", "wordlist": "2024"}
    for package in lock.packages:
        content = channel.path(f"{package.name}-{package.version}").read_bytes()
        assert package.sha256 == hashlib.sha256(content).hexdigest()
        assert package.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert package.size == len(content)
        url = f"{server.url}/stand-ins/{package.subdir}/{package.filename}"
        assert package.url == url
    assert lock.packages[2].subdir == "noarch"
    assert not server.downloads()
    assert locks.loads(locks.dumps(lock)) == lock


def test_pip_variables_and_the_script_are_in_the_lock(server, solver):
    lock = solver.lock(
        described(server, "tool", pip=("a==1",), post_deploy="exit 0", variables={"A": "1"})
    )
    assert (lock.pip, lock.post_deploy, lock.variables) == (("a==1",), "exit 0", {"A": "1"})


def test_an_environment_of_nothing_is_one(server, solver):
    assert solver.lock(described(server)).packages == ()


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("tool", "2.0"),
        ("tool=1", "1.5"),
        ("tool = 1.0", "1.0"),
        ("tool==1.0", "1.0"),
        ("tool 1.0", "1.0"),
        ("tool >= 1.0, < 2", "1.5"),
        ("tool<1.5|>=3", "1.0"),
        ("tool=1.0=h1_0", "1.0"),
        ("tool!=2.0", "1.5"),
        ("Tool 1.*", "1.5"),
        ('tool[version=">=1,<2"]', "1.5"),
    ],
)
def test_versions_are_written_as_conda_has_them(server, solver, spec, version):
    assert versions(solver.lock(described(server, spec))) == {"tool": version}


def test_several_environments_read_the_channel_once(server, solver):
    solver.lock(described(server, "addon"))
    before = len(server.requests)
    solver.lock(described(server, "wordlist"))
    assert len(server.requests) == before


def test_it_can_be_solved_while_an_event_loop_runs(server, solver):
    async def inside():
        return solver.lock(described(server, "tool"))

    assert versions(asyncio.run(inside())) == {"tool": "2.0"}


# channels


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A channel ``first`` with an old tool only; ``second`` has a newer one, and what needs it."""
    root = tmp_path_factory.mktemp("two")
    first, second = (conda_channel.Channel(root / name) for name in ("first", "second"))
    first.add(Package("tool", "1.0"))
    second.add(Package("tool", "3.0"))
    second.add(Package("needs-new", depends=("tool >=3",)))
    first.index()
    second.index()
    with ChannelServer(root) as running:
        yield running


def test_a_package_comes_only_from_the_first_channel_that_has_it(two, solver):
    both = ("first", "second")
    assert versions(solver.lock(described(two, "tool", channels=both))) == {"tool": "1.0"}
    assert versions(solver.lock(described(two, "tool", channels=both[::-1]))) == {"tool": "3.0"}
    said = refusal(solver, described(two, "needs-new", channels=both))
    assert "needs-new 1.0" in said
    assert "channel priority is strict" in said
    assert "Change the order of channels:" in said
    flexible = described(two, "needs-new", channels=both, strict=False)
    assert versions(solver.lock(flexible)) == {"needs-new": "1.0", "tool": "3.0"}


def test_a_package_can_be_asked_for_from_one_channel(two, solver):
    spec = f"{two.url}/second::tool"
    lock = solver.lock(described(two, spec, channels=("first", "second")))
    assert versions(lock) == {"tool": "3.0"}


# what cannot be had


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["nothere"], "envs/a.yaml cannot be solved: no channel has nothere (channels"),
        (["tool=9"], "envs/a.yaml cannot be solved: no channel has tool 9.* (channels"),
        (
            ["unmeetable"],
            "unmeetable fails: unmeetable 1.0 would require nobody-makes-this >=3, which no "
            "channel has",
        ),
        (
            ["addon=1.0", "tool>=2"],
            "addon 1.0 would require tool <2, and the file itself asks for tool>=2",
        ),
        (["newsystem"], "jobs are taken to have glibc 2.28, which CONDA_OVERRIDE_GLIBC changes"),
        (["graphics"], "jobs without a GPU have no CUDA"),
        (["add*"], "'add*' is not how conda names packages"),
        (["tool >1.x.>2"], "is not how conda names packages"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(server, solver, specs, words):
    said = refusal(solver, described(server, *specs))
    assert words in said
    assert "\n" not in said
    assert not said.endswith(".")


def test_virtual_packages_are_those_of_jobs_not_of_this_machine(server, solver):
    graphics = described(server, "graphics", virtual=virtual.packages(True, {}))
    assert versions(solver.lock(graphics)) == {"graphics": "1.0"}
    newer = virtual.packages(False, {"CONDA_OVERRIDE_GLIBC": "2.99"})
    lock = solver.lock(described(server, "newsystem", virtual=newer))
    assert versions(lock) == {"newsystem": "1.0"}


def test_a_channel_that_does_not_exist_is_named(server, solver):
    said = refusal(solver, described(server, "tool", channels=("stand-ins", "nowhere")))
    assert said == f"envs/a.yaml cannot be solved: there is no channel {server.url}/nowhere"


def test_a_channel_that_cannot_be_reached_is_another_sentence(solver):
    nobody = Description("envs/a.yaml", ("http://127.0.0.1:9/conda-forge",), ("tool",))
    said = refusal(solver, nobody, Unreachable)
    assert said.startswith("envs/a.yaml cannot be solved: http://127.0.0.1:9/conda-forge cannot be")
    assert "refused" in said


def test_a_channel_that_fails_for_a_moment_is_asked_again(channel, tmp_path):
    with ChannelServer(channel.folder.parent) as server, Solver(Access(), tmp_path) as solver:
        server.broken["linux-64/repodata.json.zst"] = (503, 1)
        assert versions(solver.lock(described(server, "tool"))) == {"tool": "2.0"}


# logins


def test_a_token_is_used_and_is_not_in_the_lock(channel, tmp_path):
    with ChannelServer(channel.folder.parent, token="SECRET") as server:
        access = Access(tokens={f"{server.url}/": f"{server.url}/t/SECRET/"})
        with Solver(access, tmp_path / "with") as solver:
            spec = f"{server.url}/stand-ins::tool"
            lock = solver.lock(described(server, "addon", spec))
        assert versions(lock) == {"addon": "2.0", "tool": "2.0"}
        assert b"SECRET" not in locks.dumps(lock)
        wrong = Access(tokens={f"{server.url}/": f"{server.url}/t/OTHER/"})
        with Solver(wrong, tmp_path / "wrong") as solver:
            said = refusal(solver, described(server, "tool"), Denied)
        assert "answers 403, so it needs a login or token" in said
        assert "OTHER" not in said


@pytest.mark.parametrize(
    ("wants", "login"),
    [
        ({"user": ("me", "p@w")}, {"BasicHTTP": {"username": "me", "password": "p@w"}}),
        ({"bearer": "SECRET"}, {"BearerToken": "SECRET"}),
    ],
)
def test_logins_are_used(channel, tmp_path, wants, login):
    with ChannelServer(channel.folder.parent, **wants) as server:
        with Solver(Access(hosts={"127.0.0.1": login}), tmp_path / "with") as solver:
            assert versions(solver.lock(described(server, "tool"))) == {"tool": "2.0"}
        with Solver(Access(), tmp_path / "without") as solver:
            said = refusal(solver, described(server, "tool"), Denied)
        assert "answers 401" in said


# pins


def pinned(server, *files, **more):
    pins = tuple(
        Pin(f"{server.url}/stand-ins/{file}", **more) if isinstance(file, str) else file
        for file in files
    )
    return Description("envs/a.yaml", pins=pins)


TOOL, WORDS = "linux-64/tool-1.5-h1_0.tar.bz2", "noarch/wordlist-2024-hd_0.conda"


def test_pins_need_no_solver_and_get_their_hashes_from_the_channel(channel, server, solver):
    lock = solver.lock(pinned(server, TOOL, WORDS))
    assert versions(lock) == {"tool": "1.5", "wordlist": "2024"}
    content = channel.path("tool-1.5").read_bytes()
    assert lock.packages[0].sha256 == hashlib.sha256(content).hexdigest()
    assert lock.packages[0].size == len(content)
    assert not server.downloads()


def test_pins_that_do_not_fit_together_are_taken_as_they_are(server, solver):
    lock = solver.lock(pinned(server, TOOL, "linux-64/addon-2.0-h1_0.conda"))
    assert versions(lock) == {"addon": "2.0", "tool": "1.5"}


def test_a_pin_with_a_hash_needs_no_channel(solver):
    pin = Pin("http://127.0.0.1:9/c/linux-64/x-1-0.conda", md5="a" * 32)
    lock = solver.lock(Description("envs/a.yaml", pins=(pin,)))
    assert lock.packages[0].content == "md5:" + "a" * 32


def test_a_pin_with_another_hash_than_the_channels_is_refused(server, solver):
    said = refusal(solver, pinned(server, TOOL, md5="a" * 32))
    assert "has another content than its pin says" in said


def test_what_only_a_download_can_tell_is_left_to_the_building_job(server, solver, tmp_path):
    gone = pinned(server, "linux-64/gone-1-0.conda")
    with pytest.raises(NotHere, match="no channel has the hash of http"):
        solver.lock(gone)
    with pytest.raises(NotHere, match="cannot be reached"):
        solver.lock(Description("a", pins=(Pin("http://127.0.0.1:9/c/noarch/x-1-0.conda"),)))
    asked = []

    def measure(url):
        asked.append(url)
        return Measured("b" * 64, "c" * 32, 7)

    with Solver(Access(), tmp_path / "there", measure=measure) as there:
        both = replace(gone, pins=(*gone.pins, *pinned(server, TOOL).pins))
        lock = there.lock(both)
    assert asked == [gone.pins[0].url]
    package = lock.packages[0]
    assert (package.sha256, package.md5, package.size) == ("b" * 64, "c" * 32, 7)


def test_without_rattler_the_building_job_solves(server, solver, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "rattler" else found(name)
    )
    with pytest.raises(NotHere, match="py-rattler is not installed here"):
        solver.lock(described(server, "tool"))
