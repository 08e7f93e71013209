"""The road to AWS on its bad days: a run goes on, and no job fails or runs twice."""

import subprocess
import threading
import time

import pytest

CHAIN = """
    rule all:
        input: "all.txt"
    rule a:
        output: "{x}.txt"
        resources: mem_mb=50
        shell: "echo {wildcards.x} > {output}; sleep 1"
    rule both:
        input: expand("{x}.txt", x=range(4))
        output: "all.txt"
        resources: mem_mb=50
        shell: "cat {input} > {output}"
"""
#: Seconds for what should come soon, and always does when all is well.
DEADLINE = 120


@pytest.fixture
def chain(workflow):
    workflow.write("Snakefile", CHAIN)
    return workflow


def _right(workflow):
    assert workflow.text("all.txt") == "0\n1\n2\n3\n"
    workflow.cloud.reset()  # what follows is the test's own call
    listed = workflow.client("batch").list_jobs(
        jobQueue="cpu-spot-50", filters=[{"name": "JOB_NAME", "values": ["*"]}]
    )["jobSummaryList"]
    names = [job["jobName"] for job in listed]
    assert len(names) == len(set(names)), "a lost answer was taken for a lost job"


class Meanwhile:
    """Does something once jobs have been submitted; its error is the test's."""

    def __init__(self, workflow, do):
        self._workflow, self._do = workflow, do
        self._over = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        end = time.monotonic() + DEADLINE
        try:
            while not self._over.wait(0.05) and not self._workflow.submissions():
                assert time.monotonic() < end, "nothing was submitted"
            self._do()
        except BaseException as error:
            self._error = error

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        if self._error:
            raise self._error


@pytest.mark.parametrize("hours", [-5, pytest.param(5, marks=pytest.mark.thorough)])
def test_a_clock_hours_off_hinders_neither_the_controller_nor_the_jobs(chain, hours):
    chain.cloud.fault(kind="skew", seconds=hours * 3600.0)
    chain.succeed("--retries", "0")
    _right(chain)


@pytest.mark.thorough
def test_a_network_that_is_gone_in_mid_run_fails_nothing(chain):
    with Meanwhile(chain, lambda: chain.cloud.fault(kind="outage", seconds=15)):
        chain.succeed("--retries", "0")
    _right(chain)


@pytest.mark.thorough
@pytest.mark.long
def test_cut_connections_and_a_slow_s3_fail_nothing(chain):
    cloud = chain.cloud
    cloud.fault(kind="slow_down", fraction=0.2, seed=3)
    cloud.fault(kind="slow_down", fraction=0.1, seed=4, code="InternalError")
    cloud.fault(kind="reset", service="s3", calls=None, fraction=0.2, seed=5)
    cloud.fault(kind="reset", service="s3", calls=None, fraction=0.1, seed=6, performed=True)
    cloud.fault(kind="reset", service="batch", calls=None, fraction=0.2, seed=7)
    cloud.fault(kind="reset", service="batch", calls=None, fraction=0.2, seed=8, performed=True)
    chain.succeed("--retries", "0")
    _right(chain)


def test_expired_keys_are_waited_for_and_renewed_ones_taken(chain, tmp_path):
    """The run has its keys from variables, which nobody can renew from outside; the file helps."""
    cloud = chain.cloud
    file = tmp_path / "credentials"
    log = tmp_path / "said.txt"

    def renew():
        cloud.fault(kind="expire", key=cloud.user.access_key)
        end = time.monotonic() + DEADLINE
        while "have expired" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        file.write_text(
            f"[default]\naws_access_key_id = {cloud.renewed.access_key}\n"
            f"aws_secret_access_key = {cloud.renewed.secret_key}\n"
        )

    log.write_text("")
    with Meanwhile(chain, renew), log.open("w") as into:
        code = subprocess.run(
            chain.command("--retries", "0"),
            cwd=chain.folder,
            env=chain.environment(AWS_SHARED_CREDENTIALS_FILE=str(file)),
            stdout=into,
            stderr=subprocess.STDOUT,
            timeout=240,
            check=False,
        ).returncode
    said = log.read_text()
    assert code == 0, said[-4000:]
    assert f"new keys in {file} under [default]" in said
    assert "Your AWS credentials are renewed; the run goes on." in said
    assert said.count("have expired") == 1
    _right(chain)


def test_keys_that_have_expired_before_the_run_are_reported_at_once(chain):
    chain.cloud.fault(kind="expire")
    output = chain.fail()
    assert "Your AWS credentials have expired" in " ".join(output.split())
    assert chain.submissions() == 0
