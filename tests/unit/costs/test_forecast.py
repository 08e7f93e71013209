"""What a plan will cost, by how long earlier jobs of its rules took."""

from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.costs.forecast import Forecast, Wanted, forecast, took
from snakemake_executor_plugin_hutchbatch.costs.machine_prices import Market, QueueMachines
from snakemake_executor_plugin_hutchbatch.costs.span import Span
from snakemake_executor_plugin_hutchbatch.queues.prices import PriceList
from snakemake_executor_plugin_hutchbatch.reporting import forecast_of_plan
from snakemake_executor_plugin_hutchbatch.reporting.attempt_table import Row

LIST = PriceList("us-west-2", "2024-02-21", {"m5.xlarge": 0.2, "c5.xlarge": 0.16})
MARKET = Market(
    "us-west-2",
    {
        "plain": QueueMachines(False, None, ("m5", "c5")),
        "spot": QueueMachines(True, 50, ("m5",)),
        "new": QueueMachines(True, 50, ("m99z",)),
    },
    on_demand=LIST,
)
HOUR = 3600.0


def attempt(job, hours, state="done", **more):
    plain = {
        "rule": "align",
        "job": job,
        "state": state,
        "queue": "plain",
        "instance_type": "m5.xlarge",
        "started": 0.0,
        "stopped": hours * HOUR,
    }
    return "r1", replace(Row(), **{**plain, **more})


def wanted(rule="align", jobs=10, queue="plain", vcpus=(2, 2), memory=(1000, 1000), gpus=0):
    return Wanted(rule, jobs, queue, vcpus, memory, gpus)


def test_a_job_takes_what_earlier_ones_took_with_the_attempts_that_were_lost():
    earlier = took([attempt(1, 1), attempt(2, 1, "lost"), attempt(2, 2)])
    assert (earlier["align"].jobs, earlier["align"].hours) == (2, 2.0)
    found = forecast([wanted()], earlier, MARKET)
    assert found.cost.high == pytest.approx(10 * 2 * 0.1)
    assert (found.jobs, found.unknown, found.unpriced) == (2, (), ())


def test_the_same_job_of_two_runs_counts_twice():
    assert took([attempt(1, 1), ("r2", attempt(1, 3)[1])])["align"].hours == 2.0


def test_the_smallest_and_the_largest_job_give_the_range():
    found = forecast([wanted(jobs=1, vcpus=(1, 4))], took([attempt(1, 1)]), MARKET)
    assert (found.cost.low, found.cost.high) == pytest.approx((0.05, 0.2), rel=0.01)


def test_in_another_queue_machines_may_be_any_that_it_has():
    elsewhere = took([attempt(1, 1, queue="spot")])
    found = forecast([wanted(jobs=1)], elsewhere, MARKET)
    assert found.cost == Span(0.08, 0.1)
    assert forecast([wanted(jobs=1, queue="spot")], elsewhere, MARKET).cost == Span(0, 0.05)


def test_what_never_ran_here_or_has_no_price_is_named():
    earlier = took([attempt(1, 1), attempt(2, 1, rule="sort", instance_type=None)])
    rules = [wanted(), wanted("plot"), wanted("sort", queue="new")]
    found = forecast(rules, earlier, MARKET)
    assert (found.unknown, found.unpriced, list(found.rules)) == (("plot",), ("sort",), ["align"])
    assert forecast_of_plan.sentence(found) == (
        "Cost: about $1.00, if jobs take as long as the last 1 job of the same rules here (each "
        "job's share of its machine, without idle time). Not in it, because never run here: plot. "
        "Without a known price: sort."
    )


def test_a_rule_whose_jobs_all_failed_is_not_known():
    found = forecast([wanted()], took([attempt(1, 1, "failed")]), MARKET)
    assert found == Forecast(unknown=("align",))
