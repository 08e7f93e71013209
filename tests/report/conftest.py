"""Records on disk, and a real browser to look at what is made of them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import synthetic_runs
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from snakemake_executor_plugin_hutchbatch.record import run_record
from snakemake_executor_plugin_hutchbatch.record.journal import Journal
from snakemake_executor_plugin_hutchbatch.record.reader import Reader
from snakemake_executor_plugin_hutchbatch.record.run_record import Record

ARTIFACTS = Path(os.environ.get("HUTCHBATCH_ARTIFACTS") or Path(__file__).parents[1] / "artifacts")


def stored(folder: Path, *records: object) -> Record:
    """What is read of a run after its records have been on disk."""
    path = folder / "journal.sqlite"
    journal = Journal(path)
    journal.put(*records)
    assert journal.flush(120)
    journal.close()
    with Reader(path) as reader:
        return run_record.read(reader, run_record.choose(reader, None))


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> dict[int, Record]:
    """Records of runs of about so many jobs."""
    return {
        jobs: stored(tmp_path_factory.mktemp("run"), *synthetic_runs.records(jobs))
        for jobs in (5, 300, 5000)
    }


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[webdriver.Chrome]:
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    driver = shutil.which("chromedriver")
    if not program or not driver:
        sentence = "needs chromium and chromedriver (Debian: chromium, chromium-driver)"
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "disable-dev-shm-usage",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.set_capability("unhandledPromptBehavior", "ignore")  # a dialog must be seen
    made = webdriver.Chrome(options=options, service=Service(driver))
    made.set_page_load_timeout(120)
    made.set_script_timeout(120)
    yield made
    made.quit()
