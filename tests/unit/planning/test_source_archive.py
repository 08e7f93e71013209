"""How the workflow's code is packed."""

import io
import tarfile

from snakemake_executor_plugin_hutchbatch.planning import source_archive


def test_names_contents_and_permissions_are_packed(tmp_path):
    script = tmp_path / "größe.py"
    script.write_text("print(1)\n")
    script.chmod(0o755)
    content = source_archive.pack({"scripts/größe.py": script, "index.json": b"{}"})
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames() == ["index.json", "scripts/größe.py"]
        assert archive.getmember("scripts/größe.py").mode == 0o755
        assert archive.extractfile("index.json").read() == b"{}"


def test_a_link_is_packed_as_what_it_leads_to(tmp_path):
    (tmp_path / "here.py").write_text("print(1)\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "here.py")
    content = source_archive.pack({"link.py": tmp_path / "link.py"})
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getmember("link.py").isreg()
        assert archive.extractfile("link.py").read() == b"print(1)\n"


def test_equal_contents_give_equal_archives(tmp_path):
    packed = []
    for name in ("a", "b"):
        file = tmp_path / name
        file.write_text("the same\n")
        packed.append(source_archive.pack({"x.py": file}))
    assert packed[0] == packed[1]
