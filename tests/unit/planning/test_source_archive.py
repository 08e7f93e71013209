"""Which files travel with the workflow's code."""

import io
import tarfile

from snakemake_executor_plugin_hutchbatch.planning import source_archive


def fill(root, *names, size=3):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def test_what_lies_beside_the_code_comes_along_and_data_folders_do_not(tmp_path):
    fill(tmp_path, "Snakefile", "helper.py", "config/samples.tsv", "workflow/lib/a.py")
    fill(tmp_path, "results/huge.bam", ".snakemake/log", "config/.hidden", ".git/config")
    assert list(source_archive.beside(tmp_path)) == [
        "Snakefile",
        "config/samples.tsv",
        "helper.py",
        "workflow/lib/a.py",
    ]


def test_files_too_large_or_outside_are_named_in_one_warning(tmp_path):
    fill(tmp_path, "Snakefile")
    fill(tmp_path, "model.bin", size=source_archive.MAX_FILE + 1)
    chosen = source_archive.select(
        tmp_path, ["Snakefile", "../other/x.smk"], ["Snakefile", "model.bin"]
    )
    assert chosen.files == ("Snakefile",)
    told = source_archive.warning(chosen.left_out)
    assert told is not None
    assert "model.bin (over 10 MB)" in told
    assert "../other/x.smk (outside" in told


def test_a_tracked_file_that_is_gone_is_passed_over(tmp_path):
    fill(tmp_path, "Snakefile")
    assert source_archive.select(tmp_path, ["Snakefile", "gone.py"], []).files == ("Snakefile",)


def test_names_that_are_not_ascii_are_packed(tmp_path):
    fill(tmp_path, "Snakefile", "scripts/größe.py")
    chosen = source_archive.select(tmp_path, ["Snakefile"], source_archive.beside(tmp_path))
    with tarfile.open(fileobj=io.BytesIO(source_archive.pack(tmp_path, chosen.files))) as archive:
        assert archive.getnames() == ["Snakefile", "scripts/größe.py"]


def test_equal_contents_give_equal_archives(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / name, "Snakefile", "scripts/x.py")
    names = ["Snakefile", "scripts/x.py"]
    assert source_archive.pack(tmp_path / "a", names) == source_archive.pack(tmp_path / "b", names)


def test_nothing_left_out_needs_no_warning():
    assert source_archive.warning([]) is None
