"""Questions of many threads: asked once, and nobody waits for what he does not need."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from aws_doubles import Time

from snakemake_executor_plugin_hutchbatch.recovery.single_flight import SingleFlight
from snakemake_executor_plugin_hutchbatch.submission.delay_queue import DelayQueue


class Slow:
    """Answers to all but ``held``, for which it waits."""

    def __init__(self, held):
        self.held = held
        self.reached, self.gate = threading.Event(), threading.Event()
        self.asked = []
        self.fails = False

    def __call__(self, keys):
        self.asked.append(tuple(keys))
        if self.held in keys and not self.gate.is_set():
            self.reached.set()
            assert self.gate.wait(30)
            if self.fails:
                raise OSError("gone")
        return {key: key.upper() for key in keys}


@pytest.mark.parametrize("fails", [False, True])
def test_only_who_needs_an_answer_waits_for_it(fails):
    slow = Slow("a")
    slow.fails = fails
    flight = SingleFlight(slow, 10, Time().clock)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flight.get, ["a"], 5)
        assert slow.reached.wait(30)
        waiting = pool.submit(flight.get, ["a", "b"], 5)
        assert flight.get(["b", "c"], 5)["c"].value == "C"
        assert not first.done()
        assert not waiting.done()
        slow.gate.set()
        assert waiting.result(30)["a"].value == "A"
        if fails:  # that is its own trouble: the others ask for themselves
            with pytest.raises(OSError, match="gone"):
                first.result(30)
    assert sum("a" in keys for keys in slow.asked) == (2 if fails else 1)


def test_what_is_left_out_keeps_its_last_answer_and_its_age():
    time, answers = Time(), {"a": 1}
    flight = SingleFlight(
        lambda keys: {k: answers[k] for k in keys if k in answers}, 10, time.clock
    )
    assert flight.get(["a", "b"], 5)["b"].silent_since == 0
    answers.clear()
    time.sleep(10)
    assert flight.get(["a"], 5)["a"].silent_since == 0
    time.sleep(10)
    found = flight.get(["a"], 5)["a"]
    assert (found.value, found.asked, found.silent_since) == (1, 20, 0)
    answers["a"] = 2
    time.sleep(10)
    assert flight.get(["a"], 5)["a"].silent_since is None


def test_what_is_looked_at_again_comes_back_in_its_order_until_it_is_stopped():
    back, all_back = [], threading.Event()

    def take(item):
        back.append(item)
        if item == 2:
            all_back.set()

    queue = DelayQueue(take, 0.01)
    for item in range(3):
        queue.add(item)
    assert all_back.wait(30)
    assert back == [0, 1, 2]
    held = DelayQueue(take, 3600)
    held.add(9)
    assert len(held) == 1
    held.stop()
    held.add(9)
    assert (len(held), back) == (0, [0, 1, 2])
