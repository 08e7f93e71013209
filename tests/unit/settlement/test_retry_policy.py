"""Which endings are tried again, where, and how often."""

import dataclasses

from sample_plan import PLAN

from snakemake_executor_plugin_hutchbatch.planning.plan import Budgets
from snakemake_executor_plugin_hutchbatch.planning.work import History
from snakemake_executor_plugin_hutchbatch.queues.choice import Ladder
from snakemake_executor_plugin_hutchbatch.queues.queue import Queue
from snakemake_executor_plugin_hutchbatch.settlement import retry_policy
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, Failure, Problem
from snakemake_executor_plugin_hutchbatch.settlement.retry_policy import Resubmit

RUNGS = ("cpu-spot-30", "cpu-spot-40", "cpu-spot-50")
QUEUES = {n: Queue(n, instance_types=("r5.large",)) for n in RUNGS}


def plan(**values):
    ladder = Ladder(RUNGS, "policy capacity")
    return dataclasses.replace(PLAN, queue=RUNGS[0], ladder=ladder, **{"gpus": 0, **values})


def after(cause, budgets=None, history=None, problem=None, attempts=1, words="", **values):
    failure = Failure(cause, "it went wrong", 1, problem, attempts, words)
    wanted = plan(budgets=budgets or Budgets(), **values)
    return retry_policy.after(failure, wanted, history or History(), QUEUES)


def test_a_job_that_lost_its_spot_machines_moves_up_the_ladder():
    step = after(Cause.SPOT)
    assert isinstance(step, Resubmit)
    assert step.plan.queue == "cpu-spot-40"
    assert step.history == History(rung=1, submissions=2)
    assert "cpu-spot-30 to cpu-spot-40" in step.line


def test_at_the_top_of_the_ladder_a_lost_machine_is_a_failure_that_says_what_to_do():
    step = after(Cause.SPOT, history=History(rung=2))
    assert isinstance(step, Failure)
    assert "--hutchbatch-spot-attempts" in step.sentence


def test_a_host_that_fails_has_its_own_budget_on_the_same_queue():
    budgets = Budgets(host_attempts=3)
    first = after(Cause.HOST, budgets)
    assert isinstance(first, Resubmit)
    assert first.plan.queue == "cpu-spot-30"
    second = after(Cause.HOST, budgets, first.history)
    assert isinstance(second, Resubmit)
    third = after(Cause.HOST, budgets, second.history)
    assert isinstance(third, Failure)
    assert "3 times" in third.sentence


def test_a_job_whose_shared_input_was_changed_is_repeated_with_its_own():
    step = after(Cause.HOST, problem=Problem.SHARED_CHANGED)
    assert isinstance(step, Resubmit)
    assert step.plan.own_copies
    assert step.plan.key != plan().key, "not in one array with jobs that share"
    assert not after(Cause.HOST).plan.own_copies


def test_a_job_killed_for_memory_is_not_tried_again_unless_asked():
    assert isinstance(after(Cause.OUT_OF_MEMORY), Failure)


def test_a_job_killed_for_memory_gets_more_up_to_the_largest_machine():
    budgets = Budgets(oom_memory_factor=2.0)
    step = after(Cause.OUT_OF_MEMORY, budgets, memory=4000)
    assert isinstance(step, Resubmit)
    assert step.plan.memory == 8000
    step = after(Cause.OUT_OF_MEMORY, budgets, memory=14_000)
    assert isinstance(step, Resubmit)
    assert 14_000 < step.plan.memory < 16_384
    step = after(Cause.OUT_OF_MEMORY, budgets, memory=step.plan.memory)
    assert isinstance(step, Failure)
    assert "no machine with more memory" in step.sentence


def test_a_command_an_image_and_missing_files_are_never_tried_again():
    again = {Cause.SPOT, Cause.HOST, Cause.OUT_OF_MEMORY, Cause.CAPACITY}
    for cause in set(Cause) - again:
        assert isinstance(after(cause, Budgets(oom_memory_factor=2.0)), Failure), cause


def test_a_machine_that_gave_notice_counts_against_the_attempts_on_its_queue():
    budgets = Budgets(spot_attempts=3)
    step = after(Cause.SPOT, budgets, problem=Problem.STOPPED)
    assert isinstance(step, Resubmit)
    assert (step.plan.queue, step.history) == (RUNGS[0], History(submissions=2, spot_losses=1))
    # Batch itself tried again before: two attempts in one submission.
    step = after(Cause.SPOT, budgets, step.history, Problem.STOPPED, attempts=2)
    assert isinstance(step, Resubmit)
    assert (step.plan.queue, step.history) == (RUNGS[1], History(rung=1, submissions=3))


def test_what_batch_itself_gave_up_moves_at_once():
    step = after(Cause.SPOT, Budgets(spot_attempts=9), problem=Problem.SPOT_LOST, attempts=2)
    assert isinstance(step, Resubmit)
    assert step.plan.queue == RUNGS[1]


def test_a_queue_without_machines_in_time_is_left_for_the_next():
    step = after(Cause.CAPACITY)
    assert isinstance(step, Resubmit)
    assert step.plan.queue == RUNGS[1]
    step = after(Cause.CAPACITY, history=History(rung=2))
    assert isinstance(step, Failure)
    assert step.cause is Cause.CAPACITY
    assert "--hutchbatch-queue" in step.sentence


def test_a_job_that_its_queue_cannot_hold_fails_with_what_would_fit():
    words = "Canceled by JobStateTimeLimit action due to reason: MISCONFIGURATION:"
    step = after(
        Cause.REJECTED,
        problem=Problem.MISFIT,
        words=words + "JOB_RESOURCE_REQUIREMENT",
        memory=999_999,
        gpus=0,
    )
    assert isinstance(step, Failure)
    assert " MB " in step.sentence
    assert "it can never start" in step.sentence
    step = after(
        Cause.REJECTED,
        problem=Problem.MISFIT,
        words=words + "EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
        history=History(rung=2),
        gpus=0,
    )
    assert isinstance(step, Failure)
    assert "misconfigured" in step.sentence


def test_where_the_policy_itself_fails_lost_machines_are_tried_again_a_few_times():
    history = History()
    for cause in (Cause.SPOT, Cause.HOST):
        step = retry_policy.by_default(Failure(cause, "it was lost"), plan(), history)
        assert isinstance(step, Resubmit)
        assert (step.plan, step.history.submissions) == (plan(), 2)
        last = History(submissions=retry_policy.BY_DEFAULT)
        assert isinstance(
            retry_policy.by_default(Failure(cause, "it was lost"), plan(), last), Failure
        )
    for cause in set(Cause) - {Cause.SPOT, Cause.HOST}:
        assert isinstance(retry_policy.by_default(Failure(cause, "x"), plan(), history), Failure)


def test_siblings_of_a_starved_job_start_higher_for_a_while():
    begun, history = retry_policy.start(plan(), {"cpu-spot-30": 100.0}, now=200.0)
    assert begun.queue == "cpu-spot-40"
    assert history.rung == 1
    begun, history = retry_policy.start(plan(), {"cpu-spot-30": 100.0}, now=100.0 + 3600)
    assert begun.queue == "cpu-spot-30"
    assert history.rung == 0


def test_where_every_queue_starves_a_job_starts_at_the_top():
    begun, _ = retry_policy.start(plan(), dict.fromkeys(RUNGS, 100.0), now=101.0)
    assert begun.queue == "cpu-spot-50"


def starving(**values):
    return retry_policy.is_starving(**{"minutes": 10, "waited": 900, "still": 900, **values})


def test_a_job_starves_only_in_a_queue_that_does_not_move():
    assert starving()
    assert not starving(still=60)
    assert not starving(waited=60)
    assert not starving(minutes=0)


def test_a_job_whose_memory_has_grown_moves_only_to_queues_that_can_hold_it():
    small = Queue("cpu-spot-40", instance_types=("r5.large",))
    large = Queue("cpu-spot-50", instance_types=("r5.4xlarge",))
    wanted, queues = plan(memory=60_000), {each.name: each for each in (small, large)}
    assert retry_policy.next_rung(wanted, History(), queues) == 2
    assert retry_policy.next_rung(wanted, History(), {**queues, large.name: small}) is None
    assert retry_policy.next_rung(wanted, History(), {}) == 1, "of other queues nothing is known"
    assert retry_policy.next_rung(wanted, History(rung=2), queues) is None
    off = dataclasses.replace(large, takes_jobs=False)
    assert retry_policy.next_rung(wanted, History(), {**queues, large.name: off}) is None


def test_what_a_queue_cancels_as_too_large_moves_to_one_that_can_hold_it():
    step = after(Cause.REJECTED, problem=Problem.MISFIT, words="MISCONFIGURATION:X")
    assert isinstance(step, Resubmit)
    assert step.plan.queue == RUNGS[1]


def test_an_image_for_another_processor_fails_with_what_the_machines_of_its_queue_are():
    wanted = dataclasses.replace(plan(), queue="arm")
    failure = Failure(Cause.IMAGE, "it is for another", 1, Problem.PROCESSOR)
    arm = {"arm": Queue("arm", instance_types=("default_arm64",))}
    step = retry_policy.after(failure, wanted, History(), arm)
    assert isinstance(step, Failure)
    assert "queue arm are Arm (arm64)" in step.sentence
    assert retry_policy.after(failure, wanted, History(), {}) == failure


def test_a_job_that_was_started_below_its_request_gets_all_of_it_next():
    budgets = Budgets(oom_memory_factor=1.5)
    step = after(Cause.OUT_OF_MEMORY, budgets, memory=500, asked_memory=8000)
    assert isinstance(step, Resubmit)
    assert step.plan.memory == 8000
    step = after(Cause.OUT_OF_MEMORY, budgets, step.history, memory=8000, asked_memory=8000)
    assert isinstance(step, Resubmit)
    assert step.plan.memory == 12_000
