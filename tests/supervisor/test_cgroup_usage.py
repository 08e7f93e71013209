"""The container's figures, read from cgroup files as the kernel writes them."""

from __future__ import annotations

import time
from pathlib import Path

from snakemake_executor_plugin_hutchbatch.supervisor.cgroup_usage import Usage
from snakemake_executor_plugin_hutchbatch.supervisor.memory_watch import MemoryWatch


def usage(tmp_path: Path, own: str, files: dict[str, str]) -> Usage:
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "cgroup").write_text(own)
    return Usage(str(tmp_path / "fs"), str(tmp_path / "cgroup"))


def test_version_2_as_a_container_sees_it(tmp_path: Path) -> None:
    files = {
        "cgroup.type": "domain\n",
        "memory.peak": "123456\n",
        "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
        "memory.events": "low 0\noom 1\noom_kill 2\n",
    }
    seen = usage(tmp_path, "0::/\n", files)
    assert (seen.peak_memory(), seen.cpu_seconds(), seen.out_of_memory_kills()) == (123456, 2.5, 2)


def test_version_1_with_the_hosts_paths_shining_through(tmp_path: Path) -> None:
    files = {
        "memory/memory.max_usage_in_bytes": "99\n",
        "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "cpuacct/cpuacct.usage": "1500000000\n",
    }
    seen = usage(
        tmp_path, "4:memory:/ecs/task/container\n3:cpu,cpuacct:/ecs/task/container\n", files
    )
    assert (seen.peak_memory(), seen.cpu_seconds(), seen.out_of_memory_kills()) == (99, 1.5, 1)


def test_cached_files_are_not_in_use_but_tmpfs_is(tmp_path: Path) -> None:
    stat = "anon 5000\nfile 90000\nshmem 2000\nslab_reclaimable 1000\n"
    files = {"cgroup.type": "domain\n", "memory.current": "100000\n", "memory.stat": stat}
    assert usage(tmp_path, "0::/\n", files).used_memory() == 100000 - 88000 - 1000
    older = {
        "memory/memory.usage_in_bytes": "100000\n",
        "memory/memory.stat": "cache 1\ntotal_cache 90000\ntotal_shmem 2000\n",
    }
    assert usage(tmp_path, "4:memory:/ecs/task\n", older).used_memory() == 12000
    assert usage(tmp_path, "", {}).used_memory() is None


def test_the_highest_memory_in_use_is_kept(tmp_path: Path) -> None:
    files = {"cgroup.type": "domain\n", "memory.current": "500\n", "memory.stat": "file 100\n"}
    watch = MemoryWatch(usage(tmp_path, "0::/\n", files))
    watch.start()
    deadline = time.monotonic() + 20
    while watch.highest is None and time.monotonic() < deadline:
        time.sleep(0.01)
    (tmp_path / "fs/memory.current").write_text("300\n")
    watch.stop()
    assert watch.highest == 400


def test_the_machines_own_root_is_not_the_jobs(tmp_path: Path) -> None:
    files = {
        "memory/memory.max_usage_in_bytes": "98765432109876\n",
        "memory/release_agent": "",
        "cpu.stat": "usage_usec 98765432109876\n",
    }
    seen = usage(tmp_path, "4:memory:/\n0::/\n", files)
    assert (seen.peak_memory() or 0) < 98765432109876
    assert (seen.cpu_seconds() or 0) < 98765432
    assert seen.out_of_memory_kills() == 0


def test_without_any_cgroup_the_process_figures_serve(tmp_path: Path) -> None:
    seen = usage(tmp_path, "", {})
    assert seen.cpu_seconds() is not None
    assert seen.out_of_memory_kills() == 0
