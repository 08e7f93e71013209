"""What the builder of environments decides without doing anything."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.software.conda.builder import (
    commands,
    install,
    order,
    place,
    relocate,
    variables,
)
from snakemake_executor_plugin_hutchbatch.software.conda.builder.errors import last
from snakemake_executor_plugin_hutchbatch.supervisor.conda_manifest import prefix_of

FINAL = prefix_of("0123456789abcdef" * 2)


def test_an_environment_is_built_at_a_path_as_long_as_the_final_one():
    folder = "/tmp/hutchbatch-b-1-0123456789abcdef"
    assert len(place.prefix_in(folder, len(FINAL))) == len(FINAL)
    assert place.prefix_in(folder, len(FINAL)).startswith(folder + "/p")
    with pytest.raises(ValueError, match="no path of"):
        place.prefix_in("/a" * 27, len(FINAL))


def test_a_disk_whose_path_is_too_long_gives_way_to_another(tmp_path: Path):
    long = str(tmp_path / ("x" * 60))
    Path(long).mkdir()
    assert place.root_of([long, "/tmp"], len(FINAL)) == os.path.realpath("/tmp")
    assert place.root_of([long], len(FINAL)) is None
    assert place.root_of([str(tmp_path / "none")], len(FINAL) + 200) is None


def test_link_scripts_run_after_those_of_what_their_package_needs():
    def record(name: str, *depends: str) -> dict[str, object]:
        return {"name": name, "depends": list(depends)}

    found = install.in_order(
        [
            record("a", "z >=1", "m 2.0 h1_0"),
            record("m", "z", "__glibc >=2.17", "not-there"),
            record("z", "circle"),
            record("circle", "z"),
            record("b"),
        ]
    )
    names = [each["name"] for each in found]
    assert sorted(names) == ["a", "b", "circle", "m", "z"]
    assert names.index("z") < names.index("m") < names.index("a")


def test_variables_of_an_env_file_are_kept_where_conda_keeps_them(tmp_path: Path):
    (tmp_path / "conda-meta").mkdir()
    state = tmp_path / "conda-meta/state"
    variables.declare(str(tmp_path), {})
    assert not state.exists()
    state.write_text(json.dumps({"env_vars": {"OWN": "é", "GONE": "***unset***"}, "more": 1}))
    variables.declare(str(tmp_path), {"NEW": "1"})
    assert json.loads(state.read_text())["more"] == 1
    assert variables.variables(str(tmp_path)) == {"OWN": "é", "NEW": "1"}
    state.write_text("no JSON")
    variables.declare(str(tmp_path), {"NEW": "1"})
    assert variables.variables(str(tmp_path)) == {"NEW": "1"}


def test_what_is_the_builders_own_is_not_the_environments(tmp_path: Path):
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": "/x",
        "PYTHONHOME": "/y",
        "R_LIBS": "/r",
        "HUTCHBATCH_TOOLS": "/t",
        "PIP_INDEX_URL": "https://pip.example",
    }
    done = commands.run("env", given, str(tmp_path), str(tmp_path), {"PKG_NAME": "tool"})
    seen = dict(line.split("=", 1) for line in done.output.splitlines())
    assert seen["PATH"] == f"{tmp_path}/bin:{os.environ['PATH']}"
    assert seen["CONDA_PREFIX"] == seen["CONDA_DEFAULT_ENV"] == str(tmp_path)
    assert (seen["PKG_NAME"], seen["PIP_INDEX_URL"]) == ("tool", "https://pip.example")
    assert not {"PYTHONPATH", "PYTHONHOME", "R_LIBS", "HUTCHBATCH_TOOLS"} & seen.keys()


def test_of_long_outputs_the_end_is_told():
    assert last("") == ""
    assert last("a\n\n  b  \n") == "a\nb"
    assert last("first\n" + "x" * 600) == "x" * 500
    assert last("\n".join(f"line {n}" for n in range(1000))).endswith("line 998\nline 999")


def test_an_order_is_read_as_it_was_written():
    wanted = order.Order("é", "s3://b/l", "s3://b/p/", "s3://b/e/", "/tmp", 2)
    assert order.loads(order.dumps(wanted)) == wanted
    for wrong in ('{"more": 1}', order.dumps(wanted).replace('"key":null', '"key":1'), "[]"):
        with pytest.raises(ValueError, match=r"unknown field|order"):
            order.loads(wrong)


def test_the_path_is_replaced_everywhere_and_nothing_else_changes(tmp_path: Path):
    old = str(tmp_path / "env")
    final = "/" + "f" * (len(old) - 1)
    env = Path(old)
    (env / "lib").mkdir(parents=True)
    (env / "text").write_text(f"{old}/a:{old}/b:{old}")
    (env / "binary").write_bytes(b"\0" + old.encode() + b"/x\0" + old.encode())
    (env / "lib/m.pyc").write_bytes(b"\0" + old.encode())
    (env / "other").write_text("/elsewhere")
    (env / "read-only").write_text(old)
    (env / "read-only").chmod(0o444)
    (env / "link").symlink_to(f"{old}/text")
    (env / "relative").symlink_to("text")
    (env / "folder-link").symlink_to(old)
    (env / "away").symlink_to(f"{old}-other/text")
    (env / os.fsdecode(b"\xff")).write_text(old)
    os.utime(env / "text", ns=(1, 1_600_000_000_123_456_789))
    found = {each.path: each.kind for each in relocate.relocate(old, final)}
    assert found == {
        "text": "text",
        "binary": "binary",
        "lib/m.pyc": "bytecode",
        "read-only": "text",
        "link": "link",
        "folder-link": "link",
    }
    assert (env / "text").read_text() == f"{final}/a:{final}/b:{final}"
    assert (env / "text").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert (env / "binary").read_bytes() == b"\0" + final.encode() + b"/x\0" + final.encode()
    assert (env / "read-only").stat().st_mode & 0o777 == 0o444
    assert (env / "link").readlink() == Path(final, "text")
    assert (env / "folder-link").readlink() == Path(final)
    assert (env / "away").readlink() == Path(f"{old}-other/text")
    assert (env / os.fsdecode(b"\xff")).read_text() == final
    with pytest.raises(ValueError, match="not of one length"):
        relocate.relocate(old, "/short")
