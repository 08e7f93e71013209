"""Real Snakemake runs on the embedded cloud, where jobs really run."""

import pytest


@pytest.fixture(autouse=True)
def quiet_cloud(request):
    """Faults of one test do not reach the next."""
    yield
    if "cloud" in request.fixturenames or "workflow" in request.fixturenames:
        request.getfixturevalue("cloud").reset()
