"""What travels to the building job runs there: on its own, with the standard library."""

import json
import subprocess
import sys
from pathlib import Path

import rattler

from snakemake_executor_plugin_hutchbatch.software.conda import description, program
from snakemake_executor_plugin_hutchbatch.software.conda.description import Description

_RUN = """\
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
before = set(sys.modules)
from snakemake_executor_plugin_hutchbatch.software.conda import description, lock, solve
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(new - sys.stdlib_module_names))
wanted = description.loads(Path(sys.argv[3]).read_bytes())
with solve.Solver(solve.Access(), Path(sys.argv[4])) as solver:
    print(lock.dumps(solver.lock(wanted)).decode())
"""


def test_the_program_solves_without_the_rest_of_hutchbatch(server, tmp_path):
    for path, content in program.files().items():
        target = tmp_path / "program" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    # rattler as it comes along: its folder alone, not what else is installed here
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/rattler").symlink_to(Path(rattler.__file__).parent)
    wanted = Description("envs/a.yaml", (f"{server.url}/stand-ins",), ("addon",))
    (tmp_path / "wanted.json").write_bytes(description.dumps(wanted))
    names = ("program", "packages", "wanted.json", "cache")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _RUN, *(tmp_path / name for name in names)],
        check=True,
        capture_output=True,
        text=True,
    )
    imported, lock = done.stdout.splitlines()
    assert imported == "['snakemake_executor_plugin_hutchbatch']"
    assert [package["name"] for package in json.loads(lock)["packages"]] == ["addon", "tool"]
