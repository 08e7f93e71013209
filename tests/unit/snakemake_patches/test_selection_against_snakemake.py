"""What is chosen without a linear program is as good as what Snakemake chooses with one."""

import logging
import sys
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from snakemake.scheduling import milp

from snakemake_executor_plugin_hutchbatch.snakemake_patches import job_selection

# PuLP's own: it announces what its version 4 will not have.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@dataclass(eq=False)
class Job:
    priority: int
    scheduler_resources: dict
    input: list = field(default_factory=list)


def cores(job):
    return job.scheduler_resources["_cores"]


def jobs_of(needs):
    """Jobs that differ in priority and vCPUs; each needs one node and the same of ``disk``."""
    return st.lists(
        st.builds(
            lambda priority, cores: Job(
                priority, {"_cores": cores, "_nodes": 1, "_job_count": 1, **needs}
            ),
            st.integers(0, 4),
            st.integers(1, 8),
        ),
        min_size=1,
        max_size=7,
    )


cases = st.integers(0, 3).flatmap(
    lambda disk: st.tuples(
        jobs_of({"disk": disk}),
        st.fixed_dictionaries(
            {
                "_nodes": st.integers(1, 9),
                "_job_count": st.integers(1, 9),
                "disk": st.integers(0, 24),
                "_cores": st.one_of(st.just(sys.maxsize), st.integers(1, 60)),
            }
        ),
    )
)


def snakemakes(jobs, left):
    scheduler = milp.Scheduler(None, milp.SchedulerSettings(), logging.getLogger("test"))
    return scheduler.select_jobs(jobs, jobs, left, {}) or []


@settings(max_examples=60, deadline=None)
@given(cases)
def test_as_many_jobs_of_the_same_priorities_and_vcpus_start_as_in_snakemake(case):
    jobs, left = case
    number = job_selection.how_many((job.scheduler_resources for job in jobs), left)
    assume(number is not None)  # otherwise Snakemake chooses itself
    chosen = job_selection.first(jobs, number, job_selection._order)
    for name, available in left.items():
        assert sum(job.scheduler_resources[name] for job in chosen) <= available
    assert len(set(map(id, chosen))) == len(chosen)
    theirs = snakemakes(jobs, left)
    assert len(chosen) == len(theirs)
    assert sorted(job.priority for job in chosen) == sorted(job.priority for job in theirs)
    assert sum(map(cores, chosen)) == sum(map(cores, theirs))


@settings(max_examples=60, deadline=None)
@given(cases)
def test_everything_that_fits_starts_at_once(case):
    jobs, left = case
    fits = all(
        sum(job.scheduler_resources[name] for job in jobs) <= available
        for name, available in left.items()
    )
    if fits:
        number = job_selection.how_many((job.scheduler_resources for job in jobs), left)
        assert number == len(jobs)
