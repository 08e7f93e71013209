"""A detached run whose controllers are killed or stopped at random moments, until one gets to the
end. By hand: ``SEEDS=1,2,3 pytest tests/chaos/lost_controllers.py``"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from workflows import Workflow

sys.path.append(str(Path(__file__).parents[1] / "e2e"))
import test_detached
import test_survival

from snakemake_executor_plugin_hutchbatch.controller import state_restore
from snakemake_executor_plugin_hutchbatch.storage.run_layout import WorkLayout

SNAKEFILE = """
    import os
    FOLDER = os.environ["TRACES"]
    def noted(name, command):
        trace = "{FOLDER}/" + name
        return f"echo begin $(date +%s%N) >> {trace}; {command}; echo end $(date +%s%N) >> {trace}"
    rule all:
        input: "end.txt"
    rule one:
        output: "{x}.one.txt"
        resources: mem_mb=50
        shell: noted("one.{wildcards.x}", "sleep 2; echo {wildcards.x} > {output}")
    rule two:
        input: "{x}.one.txt"
        output: "{x}.two.txt"
        resources: mem_mb=50
        shell: noted("two.{wildcards.x}", "sleep 1; cat {input} {input} > {output}")
    rule end:
        input: expand("{x}.two.txt", x=list("abcdef"))
        output: "end.txt"
        resources: mem_mb=50
        shell: noted("end", "cat {input} > {output}")
"""
JOBS = [*(f"{rule}.{x}" for rule in ("one", "two") for x in "abcdef"), "end"]
#: Starts that are cut, and the seconds after which that happens.
CUT, SECONDS = 12, (3.5, 9.0)


@pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("SEEDS", "1").split(",")])
def test_no_job_runs_twice_and_nothing_is_forgotten(cloud, tmp_path, seed, monkeypatch):
    monkeypatch.setattr(test_survival, "SNAKEFILE", SNAKEFILE)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        workflow = Workflow(cloud, tmp_path, f"lost-{seed}-{tmp_path.name}")
        run = test_detached.Detached(workflow, Path(folder))
        while not run.document("outcome"):
            assert run.starts <= CUT
            with run.started() as process:
                try:
                    process.wait(chance.uniform(*SECONDS) if run.starts <= CUT else 120)
                except subprocess.TimeoutExpired:
                    process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
                    process.wait(60)
            if run.document("lease"):
                run.lease_expires()
        assert run.document("outcome")["exit_code"] == 0
        assert run.text() == "".join(f"{x}\n{x}\n" for x in "abcdef")
        assert {name: run.began(name) for name in JOBS} == dict.fromkeys(JOBS, 1)
        layout = WorkLayout(run.work).detached(test_detached.ID)
        state_restore.fetch(workflow.client("s3"), layout, test_detached.ID, run.place)
        known = [json.loads(p.read_text())["rule"] for p in (run.place / "metadata").iterdir()]
        assert sorted(known) == sorted(name.partition(".")[0] for name in JOBS)
