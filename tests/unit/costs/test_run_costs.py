"""What containers and runs cost, by their machines."""

from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.costs import containers
from snakemake_executor_plugin_hutchbatch.costs.containers import Ask, Sum, rate
from snakemake_executor_plugin_hutchbatch.costs.machine_prices import Market, QueueMachines, share
from snakemake_executor_plugin_hutchbatch.costs.span import Span, dollars, shown
from snakemake_executor_plugin_hutchbatch.queues.prices import PriceList
from snakemake_executor_plugin_hutchbatch.reporting.attempt_table import Row

HOUR = 3600.0
LIST = PriceList(
    "us-west-2",
    "2024-02-21",
    {"m5.xlarge": 0.2, "m5.2xlarge": 0.4, "c5.xlarge": 0.16, "m6g.xlarge": 0.12, "p3.8xlarge": 12},
)
SPOT50 = QueueMachines(True, 50, ("m5",))
MARKET = Market(
    "us-west-2",
    {
        "spot": SPOT50,
        "plain": QueueMachines(False, None, ("m5", "c5")),
        "both": QueueMachines(None, None, ("m5",)),
        "arm": QueueMachines(False, None, ("m6g",)),
        "gpu": QueueMachines(True, 50, ("p3",)),
        "unpriced": QueueMachines(True, 50, ("r5",)),
        "new": QueueMachines(True, 50, ("m99z",)),
    },
    on_demand=LIST,
)


def row(queue="plain", instance_type="m5.xlarge", hours=1.0, **more):
    plain = {
        "rule": "align",
        "queue": queue,
        "instance_type": instance_type,
        "vcpus": 2,
        "memory_mib": 1000,
        "gpus": 0,
        "started": 1000.0,
        "stopped": 1000.0 + hours * HOUR,
    }
    return replace(Row(), **{**plain, **more})


def cost(*rows, market=MARKET, since=0.0, until=1e9):
    return containers.so_far(rows, market, since, until)


def test_a_job_costs_the_larger_of_its_shares_for_as_long_as_it_ran():
    # Half of the vCPUs, then half of what jobs can have of the memory, then all of it.
    assert cost(row(hours=2)).total.cost == Span(0.2, 0.2)
    half = cost(row(vcpus=1, memory_mib=8052)).total.cost
    assert half.high == pytest.approx(0.1, rel=0.01)
    assert cost(row(memory_mib=16_384)).total.cost == Span(0.2, 0.2)


def test_a_gpu_is_a_share_too():
    assert share("p3.8xlarge", 1, 1000, 2) == pytest.approx(0.5)
    assert share("p3.8xlarge", 1, 1000, 0) == pytest.approx(1 / 32)
    found = cost(row("gpu", "p3.8xlarge", gpus=1, vcpus=1, capacity="on-demand"))
    assert found.total.cost == Span(3, 3)


def test_spot_machines_cost_at_most_the_bid_where_aws_was_not_asked():
    found = cost(row("spot")).total
    assert (found.cost, found.capped, found.asked) == (Span(0, 0.05), 1, 0)


def test_awss_spot_prices_count_but_never_more_than_the_bid():
    asked = replace(MARKET, spot={"m5.xlarge": Span(0.06, 0.15)})
    found = cost(row("spot"), market=asked).total
    assert found.cost == Span(0.03, 0.05)  # 0.15 is above 50 % of 0.2
    assert (found.capped, found.asked) == (0, 1)
    # Of a type whose on-demand price is not known as well.
    new = replace(MARKET, spot={"c8a.xlarge": Span(0.06, 0.08)})
    assert cost(row("spot", "c8a.xlarge"), market=new).total.cost == Span(0.03, 0.04)


def test_what_ec2_told_the_container_counts_more_than_the_queue():
    assert cost(row("spot", capacity="on-demand")).total.cost == Span(0.1, 0.1)
    assert cost(row("plain", capacity="spot")).total.cost == Span(0, 0.1)


def test_a_queue_with_both_kinds_costs_at_most_the_on_demand_price():
    found = cost(row("both")).total
    assert (found.cost, found.capped) == (Span(0, 0.1), 1)


def test_on_demand_and_spot_in_one_run_add_up():
    found = cost(row("spot", rule="sort"), row("plain"), row("arm", "m6g.xlarge"))
    assert (found.total.cost.low, found.total.cost.high) == pytest.approx((0.16, 0.21))
    assert list(found.rules) == ["sort", "align"]
    assert found.rules["sort"].cost == Span(0, 0.05)


def test_what_went_with_spot_machines_is_part_of_it():
    found = cost(row("spot", cause="SPOT"), row("spot"), row("plain", cause="HOST"))
    assert found.total.cost.high == pytest.approx(0.2)
    assert found.total.lost == Span(0, 0.05)


def test_a_machine_of_unknown_type_is_one_of_its_queue_that_could_hold_the_job():
    # c5.xlarge and m5.2xlarge: 2 of 4, 2 of 8 vCPUs; other sizes have no price in this list.
    found = cost(row("plain", None)).total
    assert (found.cost, found.guessed) == (Span(0.08, 0.1), 1)
    # 20,000 MiB fit in m5.2xlarge alone.
    part = share("m5.2xlarge", 2, 20_000, 0)
    large = cost(row("plain", None, memory_mib=20_000)).total
    assert large.cost.high == pytest.approx(0.4 * part)


def test_a_machine_whose_type_another_job_on_it_knows_is_of_that_type():
    lost = row("plain", None, instance_id="i-0a", cause="SPOT")
    found = cost(lost, row("plain", "c5.xlarge", instance_id="i-0a")).total
    assert (found.cost, found.guessed) == (Span(0.16, 0.16), 0)


@pytest.mark.parametrize(
    ("attempt", "market", "reason"),
    [
        (row("spot", "x99.large"), MARKET, "x99.large has no known price"),
        (row("plain", "m5.24xlarge"), MARKET, "m5.24xlarge has no known price"),
        (row("new", None), MARKET, "their machines are not known"),
        (row("nowhere", None), MARKET, "their machines are not known"),
        (row("unpriced", None), MARKET, "no machine of unpriced has a known price"),
        (
            row(),
            replace(MARKET, region="eu-west-1"),
            "only prices of us-west-2 come along, not of eu-west-1",
        ),
    ],
)
def test_what_has_no_price_is_counted_with_the_reason(attempt, market, reason):
    found = cost(attempt, market=market).total
    assert found == Sum(unpriced=1, unpriced_hours=1.0, reasons={reason: 1})


def test_a_job_that_was_taken_over_counts_from_the_start_of_the_run():
    earlier = row(hours=4)
    assert cost(earlier, since=1000 + 3 * HOUR).total.cost == Span(0.1, 0.1)
    assert cost(earlier, since=1000 + 5 * HOUR).total == Sum()


def test_a_job_that_runs_counts_up_to_now_and_one_that_waits_not():
    running = row(stopped=None)
    assert cost(running, until=1000 + 2 * HOUR).total.cost == Span(0.2, 0.2)
    assert cost(row(started=None, stopped=None)).total == Sum()


def test_a_rate_is_that_of_an_hour():
    assert rate(Ask("plain", "m5.xlarge", None, 4, 1000, 0), MARKET).hour == Span(0.2, 0.2)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Span(3.1, 4.4), "about $3.10 to $4.40"),
        (Span(3.1, 3.1), "about $3.10"),
        (Span(0, 4.4), "at most about $4.40"),
        (Span(0.001, 4.4), "at most about $4.40"),
        (Span(0, 0.004), "less than $0.01"),
        (Span(1200, 12345.6), "about $1,200 to $12,346"),
    ],
)
def test_amounts_are_shown_as_far_as_they_are_known(span, text):
    assert shown(span) == text


def test_nothing_costs_nothing():
    assert dollars(0) == "$0.00"
