"""Real Snakemake runs on the embedded cloud, where jobs really run."""

import pytest
from workflows import end_live_jobs


@pytest.fixture(autouse=True)
def quiet_cloud(request):
    """Neither faults nor jobs of one test reach the next."""
    yield
    if "cloud" in request.fixturenames or "workflow" in request.fixturenames:
        cloud = request.getfixturevalue("cloud")
        cloud.reset()
        end_live_jobs(cloud)
