"""Which queue is taken, and the question asked when none can be."""

import pytest

from snakemake_executor_plugin_hutchbatch.queues import Queue, QueueError, choose


def queues(*names, off=()):
    arn = "arn:aws:batch:us-west-2:1:job-queue/"
    return {n: Queue(n, arn + n, n not in off, "it is disabled" if n in off else "") for n in names}


WHERE = "--hutchbatch-queue"


def test_mixed_is_taken_if_the_account_has_it():
    assert choose(None, queues("cpu-spot-50", "mixed"), WHERE) == "mixed"


def test_the_only_queue_is_taken():
    assert choose(None, queues("default"), WHERE) == "default"


def test_a_disabled_mixed_leaves_the_only_other_queue():
    assert choose(None, queues("mixed", "default", off=["mixed"]), WHERE) == "default"


def test_several_queues_without_mixed_are_asked_about():
    with pytest.raises(QueueError, match=r"a, b.*--hutchbatch-queue"):
        choose(None, queues("a", "b"), WHERE)


def test_an_account_without_queues_is_told_whom_to_ask():
    with pytest.raises(QueueError, match="SciComp"):
        choose(None, {}, WHERE)


def test_a_mistyped_queue_is_answered_with_the_nearest():
    with pytest.raises(QueueError, match="Did you mean --hutchbatch-queue mixed"):
        choose("mixd", queues("mixed", "cpu-spot-50"), WHERE)


def test_a_disabled_queue_is_refused_with_those_that_work():
    with pytest.raises(QueueError, match=r"takes no jobs now, it is disabled.*default"):
        choose("mixed", queues("mixed", "default", off=["mixed"]), WHERE)


def test_an_arn_is_accepted():
    arn = "arn:aws:batch:us-west-2:1:job-queue/mixed"
    assert choose(arn, queues("mixed"), WHERE) == arn


def test_without_permission_to_list_a_named_queue_is_trusted():
    assert choose("anything", None, WHERE) == "anything"


def test_without_permission_to_list_a_queue_must_be_named():
    with pytest.raises(QueueError, match="say which one"):
        choose(None, None, WHERE)
