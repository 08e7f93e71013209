"""The queue of the job in which Snakemake runs."""

import pytest

from snakemake_executor_plugin_hutchbatch.queues import for_controllers
from snakemake_executor_plugin_hutchbatch.queues.choice import QueueError
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue

SPOT = (Queue("cheap", spot=True, bid=30), Queue("dear", spot=True, bid=50))


def chosen(*queues, wanted=None, share=None):
    known = {queue.name: queue for queue in queues}
    ladder, note = for_controllers.ladder(wanted, known, share, trust=False)
    return ladder.rungs, bool(note)


def test_a_queue_that_is_never_taken_back_comes_first():
    assert chosen(*SPOT, Queue("steady", spot=False)) == (("steady",), False)
    assert chosen(*SPOT, Queue("a", spot=False), Queue("default", spot=False))[0] == ("default",)
    assert chosen(*SPOT, Queue("mixed")) == (("mixed",), False)


def test_spot_is_used_where_there_is_nothing_else_and_that_is_said():
    assert chosen(*SPOT) == (("dear",), True)
    gpus = Queue("gpu", spot=False, instance_types=("p3.16xlarge",))
    arm = Queue("arm", spot=False, instance_types=("m7g.large",))
    shared = Queue("shared", spot=False, fair_share=True)
    assert chosen(*SPOT, gpus, arm, shared) == (("dear",), True)
    assert chosen(*SPOT, shared, share="me") == (("shared",), False)


def test_the_users_word_counts():
    assert chosen(*SPOT, Queue("steady", spot=False), wanted="cheap") == (("cheap",), False)
    with pytest.raises(QueueError, match="There is no Batch queue"):
        chosen(*SPOT, wanted="other")
