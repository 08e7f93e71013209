"""The channel that tests build is one that conda's own tools can use."""

import asyncio
import hashlib
import http.client
import subprocess

import conda_channel
import pytest
import rattler
from conda_channel import ChannelServer


def solve(url, specs, cache):
    gateway = rattler.Gateway(cache_dir=cache)
    return asyncio.run(
        rattler.solve(
            [rattler.Channel(url)], specs, gateway=gateway, platforms=["linux-64", "noarch"]
        )
    )


@pytest.fixture(scope="module")
def environment(channel, tmp_path_factory):
    """An environment with most stand-ins, installed by rattler."""
    folder = tmp_path_factory.mktemp("environment")
    names = ["addon", "greetings", "wordlist", "activated", "linked", "pip"]
    with ChannelServer(channel.folder.parent) as server:
        records = solve(f"{server.url}/stand-ins", names, folder / "cache")
        asyncio.run(
            rattler.install(
                records,
                target_prefix=folder / "env",
                cache_dir=folder / "packages",
                execute_link_scripts=True,
                show_progress=False,
            )
        )
    return folder / "env"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_prefixes_are_replaced_in_text_and_in_a_binary(environment):
    assert output(environment / "bin/tool") == f"tool 2.0 in {environment}"
    settings = (environment / "share/tool/settings.ini").read_text()
    assert settings == f"data = {environment}/share/tool/data\n"
    library = (environment / "lib/libtool.so").read_bytes()
    assert f"RUNPATH={environment}/lib:\0".encode() in library
    assert len(library) == len(conda_channel.tool("2.0").files["lib/libtool.so"].content)


def test_a_command_of_a_noarch_package_runs_in_the_environment(environment):
    assert output(environment / "bin/greet") == f"greetings from {environment}"


def test_pip_installs_a_wheel_into_the_environment(environment, tmp_path):
    conda_channel.wheel(tmp_path)
    pip = [environment / "bin/python", "-m", "pip", "install", "-q", "--no-index"]
    output(*pip, "--find-links", tmp_path, "pippet")
    assert output(environment / "bin/pippet") == "pippet 1.0"
    assert (environment / conda_channel.SITE / "pippet.py").exists()


def test_link_scripts_run(environment):
    assert (environment / "share/linked/after.txt").read_text() == f"{environment} linked 1.0 0\n"


def test_versions_can_be_solved(server, tmp_path):
    records = solve(f"{server.url}/stand-ins", ["addon ==1.0", "tool"], tmp_path)
    assert {r.name.normalized: str(r.version) for r in records} == {"addon": "1.0", "tool": "1.5"}


@pytest.mark.parametrize("name", ["corrupt", "truncated"])
def test_damaged_packages_are_not_what_the_channel_says(channel, name):
    (record,) = [r for n, r in channel.repodata("linux-64").items() if n.startswith(name)]
    content = channel.path(name).read_bytes()
    assert hashlib.sha256(content).hexdigest() != record["sha256"]
    assert (len(content) == record["size"]) == (name == "corrupt")


def status(server, path, **headers):
    """Of a request."""
    connection = http.client.HTTPConnection(*server.address)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().status


def test_the_server_notes_downloads_and_keeps_to_its_folder(server):
    assert status(server, "/stand-ins/linux-64/addon-1.0-h1_0.conda") == 200
    assert server.downloads("addon") == ["addon-1.0-h1_0.conda"]
    assert status(server, "/../../etc/passwd") == 404


def test_the_server_wants_the_token_or_the_password(channel):
    root, path = channel.folder.parent, "/stand-ins/noarch/repodata.json"
    with ChannelServer(root, token="abc") as server:
        assert (status(server, "/t/abc" + path), status(server, path)) == (200, 403)
    with ChannelServer(root, user=("me", "pw")) as server:
        assert status(server, path) == 401
        assert status(server, path, Authorization="Basic bWU6cHc=") == 200


def test_the_server_can_fail_for_a_while(channel):
    path = "/stand-ins/noarch/repodata.json"
    with ChannelServer(channel.folder.parent) as server:
        server.broken["repodata.json"] = (503, 1)
        assert [status(server, path), status(server, path)] == [503, 200]
