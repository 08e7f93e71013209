"""What the folders of tests share. This folder is on the path: ``workflows`` can be imported."""

import gc
import os
import shutil
import signal
import sys
import tempfile

import hypothesis
import pytest
import warm_start
from workflows import Workflow, slug

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("hutchbatch", deadline=None)
hypothesis.settings.load_profile("hutchbatch")


def pytest_addoption(parser):
    parser.addoption(
        "--thorough",
        action="store_true",
        help="also run tests marked thorough: more of what cheaper tests show, or rare",
    )


def pytest_configure(config):
    """Where tests are started in the background of a script, or with nohup, signals are ignored,
    and processes inherit that: those that tests start must heed them. Where the environment forbids
    Python to keep what it has compiled, each of the hundreds of Pythons that tests start would
    compile all of hutchbatch: that is lifted."""
    # The tests themselves are hundreds of thousands of objects, which stay.
    gc.set_threshold(20_000, 10, 50)
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        shared = os.environ[warm_start.SHARED] = tempfile.mkdtemp(prefix="warm-")
        config.add_cleanup(lambda: shutil.rmtree(shared, ignore_errors=True))
    config.addinivalue_line("markers", "long: takes more than half a minute, mostly waiting")
    config.addinivalue_line("markers", "thorough: runs with --thorough only, as CI does at night")
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    with LocalCloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def workflow(cloud, tmp_path, request):
    return Workflow(cloud, tmp_path, slug(request.node.name))


def pytest_collection_modifyitems(config, items):
    """What takes long starts first: else the whole suite waits for it in the end. What is marked
    thorough needs ``--thorough``."""
    if not config.getoption("--thorough"):
        left = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
    items.sort(key=lambda item: not (_is_shared(item.nodeid) or item.get_closest_marker("long")))


def pytest_collection_finish():
    """What is there now need not be looked through for what is not used any more."""
    gc.collect()
    gc.freeze()


#: Files whose tests look at one run, at the same pages, or use one server, or images, that are slow
#: to make.
_SHARED = (
    "features/",
    "tests/containers/",
    "e2e/test_submit.py",
    "e2e/test_submit_software.py",
    "e2e/test_rerun_command.py",
    "e2e/test_script_files.py",
    "e2e/test_queues_of_all_kinds.py",
    "report/test_report_page.py",
    "supervisor/test_conda_building_job.py",
    "second_opinion/test_second_s3.py",
)


def _is_shared(nodeid):
    """Whether the tests of this one's file share what takes long to make."""
    return any(part in nodeid for part in _SHARED)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The tests of some files share a run: they stay with one worker.

    (pytest-xdist's own groups do not work with pytest 9.2, which renamed what they set.)
    """
    config.option.loadscopereorder = False  # see above
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return nodeid.split("::")[0] if _is_shared(nodeid) else nodeid

    return Together(config, log)
