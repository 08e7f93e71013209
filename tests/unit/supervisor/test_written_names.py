"""Links from the author's names to a job's files."""

from pathlib import Path

from snakemake_executor_plugin_hutchbatch.supervisor import written_names

MOUNTS = """\
22 1 0:21 / / rw,relatime - overlay overlay rw
23 22 0:22 / /proc rw - proc proc rw
24 22 8:1 /docker_scratch /tmp rw - ext4 /dev/sda rw
25 22 8:1 /fh\\040fast /fh\\040fast rw - ext4 /dev/sda rw
"""


def staged(tmp_path, *paths):
    """A job's folder with these files; its working directory."""
    work = tmp_path / "own" / "work"
    for path in paths:
        (work / "store" / path).parent.mkdir(parents=True, exist_ok=True)
        (work / "store" / path).write_text(path)
    return work


def lead(tmp_path, names, private=True):
    own = tmp_path / "own"
    return written_names.lead(names, str(own / "work"), str(own), lambda folder: private)


def test_one_link_leads_to_all_files_of_a_folder_that_does_not_exist(tmp_path):
    top = str(tmp_path / "fh")
    files = [f"{top}/lab/ref.fa".lstrip("/"), f"{top}/lab/x/b.txt".lstrip("/")]
    staged(tmp_path, *files)
    names = {f"/{file}": f"store/{file}" for file in files}
    names[f"{top}/out"] = f"store{top}/out"  # which the command makes
    assert lead(tmp_path, names) == (top,)
    assert [Path(f"/{file}").read_text() for file in files] == files
    (tmp_path / "own/work/store" / f"{top}/out".lstrip("/")).mkdir()
    assert Path(f"{top}/out").is_dir()
    assert lead(tmp_path, names) == ()


def test_what_exists_is_not_touched(tmp_path):
    here = tmp_path / "data"
    here.mkdir()
    (here / "a.fa").write_text("own")
    files = [f"{here}/{name}".lstrip("/") for name in ("a.fa", "b.fa")]
    staged(tmp_path, *files)
    assert lead(tmp_path, {f"/{file}": f"store/{file}" for file in files}) == (f"{here}/b.fa",)
    assert (here / "a.fa").read_text() == "own"
    assert (here / "b.fa").read_text() == files[1]


def test_names_through_folders_above_lead_to_the_files_in_the_jobs_own_folder_alone(tmp_path):
    staged(tmp_path, ".above-1/data/x.txt", ".above-3/y.txt")
    names = {
        "../data/x.txt": "store/.above-1/data/x.txt",
        "../../../y.txt": "store/.above-3/y.txt",
    }
    assert lead(tmp_path, names, private=False) == (str(tmp_path / "own/data"),)
    assert (tmp_path / "own/data/x.txt").read_text() == ".above-1/data/x.txt"


def test_no_link_leads_out_of_the_job_or_to_a_folder_of_another_name(tmp_path):
    staged(tmp_path, "x.txt")
    top = tmp_path / "fh"
    assert lead(tmp_path, {f"{top}/x.txt": "store/x.txt"}) == ()
    assert lead(tmp_path, {f"{top}/x.txt": f"../..{top}/x.txt"}) == ()


def test_without_the_right_nothing_is_made_and_nothing_fails(tmp_path):
    (tmp_path / "file").write_text("")
    name = f"{tmp_path}/file/x.txt"  # no folder can be made there
    staged(tmp_path, name.lstrip("/"))
    assert lead(tmp_path, {name: f"store{name}"}) == ()
    assert lead(tmp_path, {f"{tmp_path}/fh": f"store{tmp_path}/fh"}, private=False) == ()


def test_only_the_disk_of_the_jobs_own_container_is_its_own(tmp_path):
    first, mounts = tmp_path / "environ", tmp_path / "mountinfo"
    first.write_bytes(b"A=1\0AWS_BATCH_JOB_ID=job-1\0B=2\0")
    mounts.write_text(MOUNTS)
    given = (str(first), str(mounts))
    mine = written_names.in_own_container("job-1", "/scratch", *given)
    for folder in ("/", "/data", "/fh", "/fh fast 2"):
        assert mine(folder), folder
    for folder in ("/tmp", "/tmp/x", "/fh fast/lab", "/usr/bin", "/etc", "/scratch/x"):
        assert not mine(folder), folder
    assert not written_names.in_own_container("job-2", "/scratch", *given)("/data")
    missing = str(tmp_path / "none")
    assert not written_names.in_own_container("job-1", "/tmp", missing, given[1])("/data")
