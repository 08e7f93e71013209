"""The local cloud's folder is its user's, and only its own processes end with it."""

import os
import stat
import subprocess
import sys

import pytest

from snakemake_executor_plugin_hutchbatch.local.cloud import DirectoryInUse, LocalCloud
from snakemake_executor_plugin_hutchbatch.local.hosts import container_processes
from snakemake_executor_plugin_hutchbatch.local.hosts.terminal import printable


def test_its_folder_is_private_and_no_link_in_it_is_followed(tmp_path):
    victim, folder = tmp_path / "victim", tmp_path / "cloud"
    victim.write_text("precious")
    folder.mkdir(mode=0o755)
    (folder / "lock").symlink_to(victim)
    (folder / ".gitignore").symlink_to(tmp_path / "nothing")
    with pytest.raises(OSError, match="lock"):
        LocalCloud(folder).start()
    assert victim.read_text() == "precious"
    (folder / "lock").unlink()
    with LocalCloud(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (tmp_path / "nothing").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    folder = tmp_path / "cloud"
    folder.mkdir()
    for each in (tmp_path, *tmp_path.parents):
        if not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o011)
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            LocalCloud(folder).start()
        except DirectoryInUse:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def sleepers():
    """Two processes that are not children of this one."""
    made = [
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={"MARK": name})
        for name in ("ours", "theirs")
    ]
    yield made
    for each in made:
        each.kill()
        each.wait()


def test_without_marks_nothing_is_taken_for_a_containers(sleepers):
    ours, theirs = sleepers
    assert container_processes.descendants(ours.pid, [b"MARK=ours"]) == []
    assert container_processes.descendants(theirs.pid, [b"MARK=ours"]) == [ours.pid]
    assert container_processes.descendants(theirs.pid, []) == []


@pytest.mark.parametrize("system", ["as it is", "without pidfd"])
def test_only_what_is_still_a_containers_is_killed(sleepers, monkeypatch, system):
    if system == "without pidfd":
        monkeypatch.delattr(os, "pidfd_open")
    ours, theirs = sleepers
    container_processes.kill_those([ours.pid, theirs.pid], lambda: [ours.pid])
    assert ours.wait(60) == -9
    assert theirs.poll() is None


def test_what_it_says_is_one_line():
    assert printable("no such image\x1b[2J\nhutchbatch: \u202efine\r\n") == (
        "no such image?[2J?hutchbatch: ?fine"
    )
