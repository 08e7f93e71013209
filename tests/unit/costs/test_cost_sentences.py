"""What is said about costs at the end of a run."""

from snakemake_executor_plugin_hutchbatch.costs.containers import Sum
from snakemake_executor_plugin_hutchbatch.costs.sentences import of_run, of_storage
from snakemake_executor_plugin_hutchbatch.costs.span import Span

DAY = "2024-02-21"


def test_a_run_on_spot_machines_whose_prices_aws_told():
    total = Sum(priced=9, cost=Span(3.1, 4.4), lost=Span(0.4, 0.4), asked=9)
    assert of_run(total, DAY) == (
        "Cost: about $3.10 to $4.40, of it $0.40 lost with spot machines (each job's share of its "
        "machine, without idle time; AWS's spot prices during the run)."
    )


def test_a_run_on_spot_machines_whose_prices_nobody_could_ask_for():
    total = Sum(priced=9, cost=Span(0, 4.4), lost=Span(0, 0.4), capped=9)
    assert of_run(total, DAY) == (
        "Cost: at most about $4.40, of it at most $0.40 lost with spot machines (each job's share "
        "of its machine, without idle time; spot machines at the most that they may cost, their "
        "bid; EC2's on-demand prices of 2024-02-21)."
    )


def test_what_has_no_price_is_said():
    total = Sum(priced=1, cost=Span(1, 1), unpriced=2, reasons={"x9.large has no known price": 2})
    assert of_run(total, DAY).endswith(
        "2024-02-21). 2 containers are not in it: x9.large has no known price."
    )
    assert of_run(Sum(unpriced=1, reasons={"their machines are not known": 1}), DAY) == (
        "Cost: not known (their machines are not known)."
    )


def test_machines_of_unknown_types_are_said_to_be_so():
    assert "1 container on unknown machines, by what the queue may have" in of_run(
        Sum(priced=1, cost=Span(1, 2), guessed=1), DAY
    )


def test_a_run_whose_jobs_never_ran_says_nothing():
    assert of_run(Sum(), DAY) is None


def test_what_is_not_aws_costs_nothing_and_nothing_is_said_to_have_been_paid():
    said = of_run(Sum(priced=1, cost=Span(1, 2), asked=1), DAY, "http://127.0.0.1:4321")
    assert said.startswith(
        "Cost: none (http://127.0.0.1:4321 is not AWS). On AWS, such machines would"
    )
    assert of_run(Sum(unpriced=1, reasons={"x": 1}), DAY, "http://127.0.0.1:4321") is None


def test_storage_is_shown_from_half_a_cent_a_month_on():
    assert of_storage(1e12, "us-west-2") == (
        "Stored by its jobs: 1 TB, about $21.42 a month in S3 while they stay there (price of "
        "2026-05-04); 'hutchbatch cleanup' shows what may go."
    )
    assert of_storage(2e8, "us-west-2") is None
    assert of_storage(1e12, "eu-west-1") is None
    assert of_storage(1e12, "us-west-2", "GLACIER") is None
