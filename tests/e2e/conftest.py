"""Real Snakemake runs on the embedded cloud, where jobs really run."""

import pytest
from workflows import end_live_jobs


@pytest.fixture(autouse=True)
def quiet_cloud(request):
    """Neither faults nor jobs nor counts of calls of one test reach the next, whatever folder the
    one before is in."""
    used = "cloud" in request.fixturenames or "workflow" in request.fixturenames
    if used:
        request.getfixturevalue("cloud").reset()
    yield
    if used:
        cloud = request.getfixturevalue("cloud")
        cloud.reset()
        end_live_jobs(cloud)
