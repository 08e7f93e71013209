"""Which disk a scratch is on, as mountinfo shows it in a container; and what that means."""

from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.settings.values import Mount
from snakemake_executor_plugin_hutchbatch.settlement import scratch_report, sentences
from snakemake_executor_plugin_hutchbatch.settlement.problem_context import ProblemContext
from snakemake_executor_plugin_hutchbatch.supervisor import scratch_disk, scratch_use
from snakemake_executor_plugin_hutchbatch.supervisor.problems import Facts, Holder, Problem
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Status, dumps, load_status
from snakemake_executor_plugin_hutchbatch.supervisor.typed_json import TaskSpecError

ROOT = "600 500 0:52 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a,upperdir=/b"
#: Docker's own file: with its folder on the root disk, and on a disk mounted at /var/lib/docker.
ON_ROOT = "/var/lib/docker/containers/4f2a/hosts"
ON_OWN = "/containers/4f2a/hosts"


def mountinfo(root, device="259:1", kind="xfs", source="/dev/nvme0n1p1", hosts=ON_ROOT, at="/tmp"):
    hosts_source = source if kind == "btrfs" else "/dev/nvme0n1p1"
    return "\n".join(
        (
            ROOT,
            "601 600 0:55 / /proc rw,nosuid - proc proc rw",
            f"620 600 {device} {root} {at} rw,noatime - {kind} {source} rw",
            f"621 600 259:1 {hosts} /etc/hosts rw - {kind} {hosts_source} rw",
            "garbage",
        )
    )


def seen(text, path="/tmp"):
    return scratch_disk.described(scratch_disk.mounts(text), path, 500_000_000_000, 1_000)


@pytest.mark.parametrize(
    ("source", "text", "verdict"),
    [
        # A disk that is mounted at the folder: ext4, LVM, btrfs that grows.
        ("/docker_scratch", mountinfo("/", "259:5"), "own disk"),
        ("/docker_scratch", mountinfo("/", "253:0", source="/dev/mapper/vg-scratch"), "own disk"),
        ("/docker_scratch", mountinfo("/", "0:48", "btrfs", "/dev/nvme1n1"), "own disk"),
        # The folder that Docker creates on the root disk, wherever Docker's own files are.
        ("/docker_scratch", mountinfo("/docker_scratch"), "root disk"),
        ("/docker_scratch/", mountinfo("/docker_scratch", hosts=ON_OWN), "root disk"),
        ("/docker_scratch", mountinfo("/docker_scratch//deleted"), "root disk"),
        ("/docker scratch", mountinfo("/docker\\040scratch"), "root disk"),
        ("/docker_scratch", mountinfo("/@/docker_scratch", "0:48", "btrfs"), "root disk"),
        # Docker's own folder: a disk, or a folder.
        ("/var/lib/docker", mountinfo("/", hosts=ON_OWN), "own disk"),
        ("/var/lib/docker", mountinfo("/var/lib/docker"), "root disk"),
        # A folder of another disk, also where Docker is on that disk; a link to one on the root.
        ("/data/scratch", mountinfo("/scratch", "259:7"), "own disk"),
        ("/data/scratch", mountinfo("/scratch", hosts="/docker/containers/4f2a/hosts"), "own disk"),
        ("/docker_scratch", mountinfo("/mnt/scratch"), "root disk"),
        ("/docker_scratch", mountinfo("/mnt/scratch", "259:7"), "unknown"),
        ("/", mountinfo("/"), "root disk"),
        # Nothing is mounted there.
        ("/docker_scratch", mountinfo("/", at="/tmpfoo"), "unknown"),
        ("/docker_scratch", "", "unknown"),
    ],
)
def test_a_folder_of_the_root_disk_is_told_from_a_disk_of_its_own(source, text, verdict):
    disk = seen(text)
    assert scratch_report.verdict(disk, source) == verdict
    warning = scratch_report.warning(disk, Mount(source, "/tmp"))
    assert (warning is not None) == (verdict == "root disk")
    if warning:
        assert "500.0 GB" in warning[0]
        assert "--hutchbatch-scratch" in warning[1]


def test_of_mounts_over_each_other_the_last_one_counts_and_of_nested_ones_the_longest():
    text = "\n".join((mountinfo("/docker_scratch"), mountinfo("/", "259:9").splitlines()[2]))
    assert seen(text).root == "/"
    assert seen(mountinfo("/sub", at="/tmp/deep"), "/tmp/deep/er").root == "/sub"
    assert seen(mountinfo("/sub", at="/tmp/deep"), "/tmp/deeper").root is None


def test_what_cannot_be_read_is_not_guessed(tmp_path):
    assert scratch_disk.look(str(tmp_path / "absent")) is None
    assert scratch_disk.look(str(tmp_path), str(tmp_path / "absent")) is None
    disk = scratch_disk.look(str(tmp_path))
    assert disk is not None
    assert 0 <= disk.free <= disk.size


def test_of_a_huge_tree_only_so_much_is_counted_and_the_others_are_counted_meanwhile(tmp_path):
    huge = tmp_path / "huge"
    for number in range(40):
        (huge / str(number)).mkdir(parents=True)
        for name in range(20):
            (huge / str(number) / str(name)).touch()
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    found = {each.name: each for each in scratch_use.largest(str(tmp_path), most_files=500)}
    assert found["huge"].more
    assert not found["large"].more
    assert found["large"].size >= 3_000_000


def test_a_status_has_it_bounded_and_a_strange_one_is_refused():
    disk = seen(mountinfo("/x" * 400))
    status = Status("j", 1, "done", 0, scratch=disk)
    read = load_status(dumps(status))
    assert read == status
    assert len(read.scratch.root) == 200
    for strange in ("[]", '{"size":-1,"free":0}', '{"size":1}', '{"size":1,"free":0,"x":1}'):
        text = dumps(replace(status, scratch=None))[:-1] + f',"scratch":{strange}}}'
        with pytest.raises(TaskSpecError):
            load_status(text)


def test_a_full_disk_of_dockers_own_names_dockers_folders_as_such():
    def reported(*holders):
        context = ProblemContext(facts=Facts(activity="start", file="/tmp", holders=holders))
        return sentences.sentence(Problem.DISK_FULL, context)

    dockers = Holder("overlay2", 9_000_000_000, more=True)
    assert reported(dockers).endswith("not of hutchbatch: overlay2 (at least 9.0 GB, of Docker)")
    both = reported(dockers, Holder("nxf", 2_000_000, owner=1000))
    assert "nxf (2.0 MB, of user 1000). What nothing uses any more, SciComp can remove" in both


def test_the_warning_names_the_site_whose_machines_have_their_disk_elsewhere():
    disk = seen(mountinfo("/docker_scratch"))
    warning = scratch_report.warning(disk, Mount("/docker_scratch", "/tmp"))
    assert "/var/lib/docker:/tmp, as with --hutchbatch-site hutch-lab" in warning[1]
    assert "--hutchbatch-site hutch)" not in warning[1]
