"""Whether a detached run keeps another one away, also where AWS did not answer at first."""

from types import SimpleNamespace

import pytest
from aws_doubles import refused

from snakemake_executor_plugin_hutchbatch.controller import earlier_runs
from snakemake_executor_plugin_hutchbatch.controller.earlier_runs import EarlierRuns

LIVES = SimpleNamespace(
    outcome=None,
    is_led=True,
    request=SimpleNamespace(id="run-1", user="jdoe", host="laptop", folder="/x"),
)


@pytest.fixture
def looked(monkeypatch, tmp_path):
    """Looks while S3 gives these answers, one after another."""

    def look(*answers):
        waiting = list(answers)

        def of_results(s3, work, prefix):
            answer = waiting.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(earlier_runs, "of_results", of_results)
        monkeypatch.setattr(earlier_runs, "take_site", lambda settings, prefix: None)
        monkeypatch.setattr(
            earlier_runs, "control_prefix", lambda settings, prefix: "s3://bucket/w/"
        )
        provider = SimpleNamespace(s3c=SimpleNamespace(meta=SimpleNamespace(client=None)))
        given = {"default_storage_provider": "s3", "default_storage_prefix": "s3://bucket/x"}
        workflow = SimpleNamespace(
            storage_settings=SimpleNamespace(**given),
            storage_registry=SimpleNamespace(default_storage_provider=provider),
            persistence=SimpleNamespace(path=str(tmp_path)),
        )
        found = EarlierRuns(None, print)
        found.look(SimpleNamespace(workflow=workflow))
        return found

    return look


def test_a_run_that_lives_keeps_others_away(looked):
    assert "run-1" in looked([LIVES]).refusal(None)
    assert looked([]).refusal(None) is None


def test_where_s3_did_not_answer_it_is_asked_again_before_a_job_is_sent(looked):
    slow = refused("SlowDown", 503)
    assert "run-1" in looked(slow, [LIVES]).refusal(None)
    asked = looked(slow, slow, [LIVES])
    with pytest.raises(type(slow)):
        asked.refusal(None)
    assert "run-1" in asked.refusal(None)


def test_who_may_not_look_is_not_kept_away(looked):
    assert looked(refused("AccessDenied", 403)).refusal(None) is None
