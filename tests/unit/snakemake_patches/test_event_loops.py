"""Coroutines that functions of resources run share a loop, and behave as in Snakemake."""

import asyncio
import threading

import pytest
from snakemake import common
from snakemake.iocontainers import InputFiles

from snakemake_executor_plugin_hutchbatch.snakemake_patches import event_loops


async def loop_of():
    return asyncio.get_running_loop()


def test_a_threads_coroutines_share_a_loop_and_threads_do_not():
    run = event_loops.async_run(common.async_run)
    found = [run(loop_of()), run(loop_of())]
    thread = threading.Thread(target=lambda: found.append(run(loop_of())))
    thread.start()
    thread.join()
    assert found[0] is found[1]
    assert found[2] is not found[0]


def test_after_an_error_the_next_one_runs():
    run = event_loops.async_run(common.async_run)

    async def fails():
        raise OSError("no such object")

    with pytest.raises(OSError, match="no such object"):
        run(fails())
    assert run(asyncio.sleep(0, "after it")) == "after it"


def test_a_loop_within_a_loop_is_refused_in_snakemakes_words():
    run = event_loops.async_run(common.async_run)

    async def within():
        inner = loop_of()
        try:
            run(inner)
        finally:
            inner.close()

    with pytest.raises(common.NestedCoroutineError):
        run(within())


def test_snakemake_asks_for_the_sizes_of_inputs_through_it(monkeypatch):
    class File(str):
        async def size(self):
            sizes.append(asyncio.get_running_loop())
            return 2**20

    sizes = []
    monkeypatch.setattr(common, "async_run", event_loops.async_run(common.async_run))
    files = InputFiles(fromdict={})
    files.extend([File("a"), File("b")])
    assert [files.size_mb, files.size_mb] == [2, 2]
    assert len(set(sizes)) == 1
