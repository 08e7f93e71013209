"""``hutchbatch queues`` against the embedded cloud."""

import os
import subprocess
import sys
from pathlib import Path

HUTCHBATCH = str(Path(sys.executable).with_name("hutchbatch"))


def queues(environment, *arguments):
    return subprocess.run(
        [HUTCHBATCH, "queues", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_queues_are_shown_with_their_live_state_and_each_policys_ladder(cloud):
    named = {"SNAKEMAKE_HUTCHBATCH_QUEUE": "mixed,cpu-spot-50"}
    done = queues(cloud.environment_for({**os.environ, **named}))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "jobs go to: mixed, then cpu-spot-50 (set by you); without that" in lines
    assert lines[0].startswith("queue  ")
    (spot,) = (line for line in lines if line.startswith("cpu-spot-30"))
    assert spot.split() == ["cpu-spot-30", "spot", "30", "1,000", "optimal", "accepts", "jobs"]
    assert "policy capacity: cpu-spot-30, then cpu-spot-40, then cpu-spot-50" in lines


def test_without_credentials_one_sentence_says_what_to_do(cloud):
    environment = cloud.environment_for(os.environ)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del environment[name]
    done = queues(environment)
    assert done.returncode == 1
    assert done.stderr.startswith("hutchbatch: No AWS credentials were found")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_catalogue_is_reported_with_its_line(cloud, tmp_path):
    wrong = tmp_path / "site.yaml"
    wrong.write_text("queues:\n  lab:\n    bid: 3\n")
    done = queues(cloud.environment_for(os.environ), "--catalog", str(wrong))
    assert done.returncode == 1
    assert "line 3: queue lab has no field bid" in done.stderr
