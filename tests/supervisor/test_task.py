"""Tasks through the real container command against a real S3 server."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.planning import supervisor_bundle
from snakemake_executor_plugin_hutchbatch.supervisor import status_names
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Benchmark,
    Input,
    Log,
    Output,
    Sources,
    Step,
    TaskSpec,
    dumps,
    load_status,
)

from .conftest import BUCKET, Container, Ended, Store
from .faults import Fault, Proxy, first
from .tiny import TinyS3

STRICT = "set -euo pipefail; "


def step(command: str, **parts: object) -> Step:
    return Step("rule_x", STRICT + command, **parts)  # type: ignore[arg-type]


def test_a_task_fetches_runs_and_stores(container: Container, store: Store) -> None:
    task = container.task(
        inputs=(Input(store.put("in/a.txt", "hello"), "in/a.txt"),),
        steps=(
            step(
                "tr a-z A-Z < in/a.txt > out/b.txt; echo said",
                outputs=(Output("out/b.txt", store.url("out/b.txt")),),
                logs=(Log("logs/x.log", store.url("logs/x.log")),),
            ),
        ),
    )
    ended = container.run(task)
    assert (ended.code, ended.out, ended.err) == (0, "said\n", "")
    assert store.get("out/b.txt") == b"HELLO"
    assert store.get("logs/x.log") == b""
    assert ended.status is not None
    assert (ended.status.phase, ended.status.exit_code, ended.status.cause) == ("done", 0, None)
    assert (ended.status.files_in, ended.status.bytes_in) == (1, 5)
    assert (ended.status.files_out, ended.status.bytes_out) == (1, 5)
    assert set(ended.status.seconds) == {"start", "stage_in", "run", "stage_out"}
    assert ended.status.cpu_seconds
    assert list(container.scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("exit 3", 3, "ended with exit code 3"),
        ("no-such-program", 127, "command not found"),
        ("kill -9 $$", 137, "often for lack of memory"),
        ("kill -SEGV $$", 139, "SIGSEGV"),
    ],
)
def test_a_failing_command_keeps_its_code_and_its_log_but_stores_no_output(
    container: Container, store: Store, command: str, code: int, words: str
) -> None:
    made = step(
        f"echo made > out; echo why > log; {command}",
        outputs=(Output("out", store.url("out")),),
        logs=(Log("log", store.url("log")), Log("never", store.url("never"))),
    )
    ended = container.run(container.task(steps=(made,)))
    assert ended.code == code
    assert words in ended.said
    assert "rule_x" in ended.said
    assert f"hutchbatch: failed [COMMAND exited; exit_code={code}; rule=rule_x]" in ended.err
    assert ended.err.count("hutchbatch") == 1
    assert store.get("log") == b"why\n"
    assert not {"out", "never"} & set(store.keys())
    assert ended.status is not None
    assert (ended.status.cause, ended.status.phase, ended.status.step) == (
        "COMMAND",
        "run",
        "rule_x",
    )
    assert list(container.scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "command", "words"),
    [
        (Output("o"), "true", "o is missing"),
        (Output("o"), "ln -s nowhere o", "o is a broken link"),
        (Output("o"), "mkdir o", "is a directory"),
        (Output("o", directory=True), "touch o", "is a file, not a directory"),
        (Output("o", non_empty=True), "touch o", "o is empty"),
        (Output("o", checksum="md5:00"), "touch o", "md5 checksum d41d8cd9"),
        (Output("o", checksum="what:00"), "touch o", "unknown kind"),
    ],
)
def test_an_output_that_is_not_as_declared_fails_the_job_and_stores_nothing(
    container: Container, store: Store, output: Output, command: str, words: str
) -> None:
    other = Output("fine", store.url("fine"))
    made = step(f"touch fine; {command}", outputs=(other, output))
    ended = container.run(container.task(steps=(made,)))
    assert ended.code == 213
    assert words in ended.said
    assert ended.status is not None
    assert ended.status.cause == "MISSING_OUTPUT"
    assert "fine" not in store.keys("fine")


def test_touched_and_checked_outputs_are_made_and_accepted(
    container: Container, store: Store
) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    made = step(
        "printf x > sum; : > between",
        outputs=(
            Output("deep/flag", store.url("deep/flag"), touch=True),
            Output("sum", store.url("sum"), non_empty=True, checksum="sha256:" + digest),
            Output("between"),
        ),
    )
    ended = container.run(container.task(steps=(made, Step("next", "test -e between", level=1))))
    assert (ended.code, ended.err) == (0, "")
    assert store.get("deep/flag") == b""
    assert store.get("sum") == b"x"
    assert store.keys("between") == []


NAMES = [
    "with space.txt",
    "hash#1.txt",
    "plus+percent%41.txt",
    "quote'double\".txt",
    "question?.txt",
    "ünï/cödé-日本.txt",
    "-dash.txt",
    "a&b=c;d,e@f:g$h!~(*).txt",
]


def run_on_tiny(container: Container, tiny: TinyS3, task: TaskSpec) -> Ended:
    text = tiny.objects[f"/{BUCKET}/task"] = dumps(task).encode()
    environment = container.environment(f"s3://{BUCKET}/task", hashlib.sha256(text).hexdigest())
    tiny.objects["/" + environment["HUTCHBATCH_SUPERVISOR"][5:]] = supervisor_bundle.bundle()
    environment["HUTCHBATCH_S3_ENDPOINT"] = tiny.endpoint
    command = supervisor_bundle.container_command(container.cli_prefix)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return Ended(ended.returncode, ended.stdout, ended.stderr, None)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_fetched_and_stored_as_it_is(
    container: Container, tiny: TinyS3, name: str
) -> None:
    made = Step(
        "names",
        'cat "./$NAME" > "./$NAME.out"; cp -r x y',
        environment={"NAME": name},
        outputs=(
            Output(name + ".out", f"s3://{BUCKET}/" + name + ".out"),
            Output("y", f"s3://{BUCKET}/y", directory=True),
        ),
    )
    inputs = (Input(f"s3://{BUCKET}/{name}", name), Input(f"s3://{BUCKET}/x", "x"))
    tiny.objects[f"/{BUCKET}/{name}"] = name.encode()
    for i in range(8):  # three pages
        tiny.objects[f"/{BUCKET}/x/{i}{name}"] = b"%d" % i
    ended = run_on_tiny(container, tiny, container.task(inputs=inputs, steps=(made,)))
    assert (ended.code, ended.err) == (0, "")
    assert tiny.objects[f"/{BUCKET}/{name}.out"].decode() == name
    assert [tiny.objects[f"/{BUCKET}/y/{i}{name}"] for i in range(8)] == [
        b"%d" % i for i in range(8)
    ]


def test_a_bucket_that_asks_for_checksums_gets_them(container: Container, tiny: TinyS3) -> None:
    """Object Lock does."""
    tiny.wants_checksums = True
    url = f"s3://{BUCKET}/"
    made = step(
        "mkdir d; head -c 70000000 /dev/zero > d/big; mkdir e; echo 1 > a; echo 2 > log",
        outputs=(
            Output("a", url + "a"),
            Output("d", url + "d", directory=True),
            Output("e", url + "e", directory=True),
        ),
        logs=(Log("log", url + "log"),),
    )
    ended = run_on_tiny(container, tiny, container.task(steps=(made,)))
    assert (ended.code, ended.err) == (0, "")
    stored = {f"/{BUCKET}/{key}" for key in ("a", "d/big", "e/.snakemake_timestamp", "log")}
    assert stored <= set(tiny.objects)
    assert any("/status/" in key for key in tiny.objects)


def test_a_directory_is_fetched_whole_and_an_old_one_is_replaced(
    container: Container, store: Store
) -> None:
    for name in ("a", "deep/b #1", "deep/er/c"):
        store.put("in/" + name, name)
    for name in ("old", "deep/older"):
        store.put("out/" + name, "stale")
    store.put("out.txt", "neighbour")
    made = step(
        "cp -r in out; ln -s a out/link; ln -s deep out/folder; ln -s . out/deep/loop",
        outputs=(Output("out", store.url("out"), directory=True),),
    )
    ended = container.run(container.task(inputs=(Input(store.url("in"), "in"),), steps=(made,)))
    assert ended.code == 0
    assert ended.err.startswith(
        "hutchbatch: not stored from out: deep/loop (a link to a folder that"
    )
    assert ended.err.count("\n") == 1
    assert store.keys("out/") == [
        "out/a",
        "out/deep/b #1",
        "out/deep/er/c",
        "out/folder/b #1",
        "out/folder/er/c",
        "out/link",
    ]
    assert store.get("out/link") == b"a"
    assert store.get("out.txt") == b"neighbour"


def test_a_folder_with_two_names_is_stored_by_both_and_links_may_lead_anywhere(
    container: Container, store: Store
) -> None:
    made = step(
        "mkdir -p out/run1 out/empty real $TMPDIR/far; echo 1 > out/run1/m; ln -s run1 out/latest;"
        "echo 2 > $TMPDIR/far/x; ln -s $TMPDIR/far out/far; ln -s nowhere out/gone;"
        "ln -s loop out/loop; echo 3 > real/r; ln -s real link; ln -s real/r file",
        outputs=(
            Output("out", store.url("out"), directory=True),
            Output("link", store.url("link"), directory=True),
            Output("file", store.url("file")),
        ),
    )
    ended = container.run(container.task(steps=(made,)))
    assert (ended.code, ended.err) == (
        0,
        "hutchbatch: not stored from out: gone (a broken link), loop (a link to itself).\n",
    )
    found = {key: store.get(key) for key in store.keys("out/")}
    assert found == {
        "out/run1/m": b"1\n",
        "out/latest/m": b"1\n",
        "out/far/x": b"2\n",
        "out/empty/.snakemake_timestamp": b"",
    }
    assert (store.get("link/r"), store.get("file")) == (b"3\n", b"3\n")
    then = step("cat in/latest/m in/run1/m in/far/x; cd in; find . -type d | sort; ls -A empty")
    task = container.task(inputs=(Input(store.url("out"), "in"),), steps=(then,))
    again = container.run(task)
    assert again.out.split() == ["1", "1", "2", ".", "./empty", "./far", "./latest", "./run1"]


def test_a_name_that_s3_cannot_hold_is_named(container: Container, store: Store) -> None:
    made = step(
        "mkdir d; printf x > \"d/$(printf 'caf\\351').txt\"",
        outputs=(Output("d", store.url("d"), directory=True),),
    )
    ended = container.run(container.task(steps=(made,)))
    assert ended.code == 212
    assert "in d, the name caf\\xe9.txt is not UTF-8" in ended.said
    assert ended.status is not None


def test_an_empty_directory_travels(container: Container, store: Store) -> None:
    made = step("mkdir empty", outputs=(Output("empty", store.url("empty"), directory=True),))
    assert container.run(container.task(steps=(made,))).code == 0
    then = step('test -d e; test -z "$(ls e)"')
    again = container.run(container.task(inputs=(Input(store.url("empty"), "e"),), steps=(then,)))
    assert (again.code, again.err) == (0, "")


def test_a_missing_input_is_named(container: Container, store: Store) -> None:
    task = container.task(
        inputs=(Input(store.url("not/there.bam"), "x"),), steps=(step("touch ran"),)
    )
    ended = container.run(task)
    assert ended.code == 211
    assert store.url("not/there.bam") in ended.said
    assert ended.status is not None
    assert (ended.status.cause, ended.status.phase) == ("STAGE_IN", "stage_in")


def test_inputs_are_as_old_as_their_objects(container: Container, store: Store) -> None:
    made = step("touch new; test new -nt a || test ! a -nt new; stat -c %Y a; date +%s")
    task = container.task(inputs=(Input(store.put("a", "a"), "a"),), steps=(made,))
    ended = container.run(task)
    assert ended.code == 0, ended.err
    age, now = map(int, ended.out.split())
    assert age <= now


def test_large_files_go_in_parts_both_ways(container: Container, store: Store) -> None:
    data = os.urandom(1024 * 1024) * 70 + b"end"
    made = step("cp in out", outputs=(Output("out", store.url("big.out")),))
    task = container.task(inputs=(Input(store.put("big", data), "in"),), steps=(made,))
    ended = container.run(task)
    assert (ended.code, ended.err) == (0, "")
    assert hashlib.sha256(store.get("big.out")).digest() == hashlib.sha256(data).digest()
    assert ended.status is not None
    assert ended.status.bytes_in == ended.status.bytes_out == len(data)


@pytest.fixture
def proxied(container: Container) -> Iterator[object]:
    made: list[Proxy] = []

    def start(fault: Fault) -> tuple[Container, Proxy]:
        proxy = Proxy(container.endpoint, fault)
        made.append(proxy)
        return container.with_(endpoint=proxy.endpoint), proxy

    yield start
    for proxy in made:
        proxy.close()


#: Each fault once, and each way: the others vary these.
OFTEN = {("GET", "big", "cut"), ("PUT", "out", 503), ("GET", "tasks/", 500)}
OFTEN |= {("GET", "supervisor/", "reset")}


@pytest.mark.parametrize(
    ("method", "part", "fault"),
    [
        pytest.param(*way, fault, marks=() if (*way, fault) in OFTEN else pytest.mark.thorough)
        for way in (("GET", "big"), ("PUT", "out"), ("GET", "tasks/"), ("GET", "supervisor/"))
        for fault in (503, 500, "reset", "cut")
    ],
)
def test_a_fault_on_the_way_is_survived(
    proxied: object, store: Store, fault: int | str, method: str, part: str
) -> None:
    data = os.urandom(20 * 1024 * 1024)
    digest = hashlib.sha256(data).hexdigest()
    container, _ = proxied(first(2, fault, part, method))  # type: ignore[operator]
    made = step(
        f"echo '{digest}  big' | sha256sum -c --quiet; cp big out; ls -A",
        outputs=(Output("out", store.url("out")),),
    )
    task = container.task(inputs=(Input(store.put("big", data), "big"),), steps=(made,))
    ended = container.run(task)
    assert (ended.code, ended.out, ended.err) == (0, "big\nout\n", "")
    assert store.get("out") == data


def test_an_output_that_cannot_be_stored_is_named(proxied: object, store: Store) -> None:
    def refuse(method: str, path: str) -> int | None:
        return 403 if method == "PUT" and path.endswith("/out") else None

    container, _ = proxied(refuse)  # type: ignore[operator]
    made = step("touch out", outputs=(Output("out", store.url("out")),))
    ended = container.run(container.task(steps=(made,)))
    assert ended.code == 212
    assert store.url("out") in ended.said
    assert "job role" in ended.said
    assert ended.status is not None
    assert ended.status.facts is not None
    assert (ended.status.cause, ended.status.facts.http_status) == ("STAGE_OUT", 403)


def test_an_arrays_child_says_in_a_name_that_it_succeeded(
    container: Container, store: Store
) -> None:
    """And all the rest in the object; a failure's words stay out of names."""
    parent = container.job_id
    for child, command in ((3, "true"), (4, "echo SECRET >&2; exit 7")):
        task = container.task(steps=(step(command),), listed=True)
        container.with_(job_id=f"{parent}:{child}").run(task)
    good, bad = store.keys(f"status/{parent}/")
    name = status_names.read(good.rpartition("/")[2])
    assert name is not None
    status = status_names.status_in(parent, name)
    assert (status.job_id, status.exit_code) == (f"{parent}:3", 0)
    assert status.seconds["run"] > 0
    assert load_status(store.get(good).decode()) == status
    assert bad.endswith("/000004.1.json")
    assert load_status(store.get(bad).decode()).exit_code == 7


def test_a_single_job_with_a_number_says_in_a_name_that_it_succeeded(
    container: Container, store: Store
) -> None:
    numbered = container.with_(environ={status_names.VARIABLE: "42"})
    good = numbered.run(numbered.task(steps=(step("true"),), listed=True))
    assert good.status is None  # not where it can be guessed
    (key,) = store.keys("status/single/")
    name = status_names.read(key.partition("status/single/")[2])
    assert name is not None
    assert (name.number, name.job, name.attempt) == (42, container.job_id, 1)
    status = status_names.status_in(status_names.SINGLE, name)
    assert load_status(store.get(key).decode()) == status
    bad = numbered.run(numbered.task(steps=(step("exit 7"),), listed=True))
    assert bad.status is not None
    assert bad.status.exit_code == 7


def test_a_status_that_cannot_be_stored_keeps_the_exit_code(proxied: object, store: Store) -> None:
    def refuse(method: str, path: str) -> int | None:
        return 403 if method == "PUT" and "/status/" in path else None

    container, _ = proxied(refuse)  # type: ignore[operator]
    ended = container.run(container.task(steps=(step("exit 5"),)))
    assert ended.code == 5
    assert "status could not be stored" in ended.err
    # The log has it in its place.
    assert ended.status is None
    assert ended.reported is not None
    assert (ended.reported.exit_code, ended.reported.cause, ended.reported.step) == (
        5,
        "COMMAND",
        "rule_x",
    )


def test_a_stopped_job_ends_its_command_and_keeps_its_log(
    container: Container, store: Store
) -> None:
    made = Step(
        "long",
        "trap 'echo asked >> log; exit 9' TERM; echo begun > log; echo go; "
        "while :; do sleep 0.1; done",
        outputs=(Output("out", store.url("out")),),
        logs=(Log("log", store.url("log")),),
    )
    process = container.start(container.task(steps=(made,)))
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    process.send_signal(signal.SIGTERM)
    ended = container.finish(process)
    assert ended.code == 143
    assert store.get("log") == b"begun\nasked\n"
    assert ended.status is not None
    assert ended.status.cause == "TERMINATED"
    assert list(container.scratch.iterdir()) == []


def test_a_job_stopped_while_it_waits_for_s3_ends_at_once(proxied: object, store: Store) -> None:
    container, proxy = proxied(first(9, "hang", "/slow"))  # type: ignore[operator]
    task = container.task(inputs=(Input(store.put("slow", "x"), "x"),), steps=(step("true"),))
    process = container.start(task)
    while not any("/slow" in path for method, path in proxy.seen if method == "GET"):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    ended = container.finish(process)
    assert ended.code == 143
    assert ended.status is not None
    assert (ended.status.cause, ended.status.phase) == ("TERMINATED", "stage_in")


def test_nothing_of_the_command_is_left_when_outputs_are_stored(
    container: Container, store: Store
) -> None:
    made = step(
        "(sleep 300 &) ; setsid sleep 300 & echo $! > pid; (sleep 0.3; echo late > late) &",
        outputs=(Output("pid", store.url("pid")),),
    )
    again = Step("late", "cat late", level=1)
    ended = container.run(container.task(steps=(made, again)))
    assert (ended.code, ended.out) == (0, "late\n"), ended.err
    assert not Path(f"/proc/{int(store.get('pid'))}").exists()


def test_steps_run_by_level_and_side_by_side(container: Container, store: Store) -> None:
    # Two that wait for each other can only end if they run at once.
    def meet(me: str, other: str) -> Step:
        text = f"touch {me}; for i in $(seq 300); do test -e {other} && exit 0; sleep 0.1; done"
        return Step(me, text + "; exit 1")

    last = Step("last", "test -e a; test -e b; echo both", level=3)
    ended = container.run(container.task(cpus=2, steps=(last, meet("a", "b"), meet("b", "a"))))
    assert (ended.code, ended.out) == (0, "both\n"), ended.err


def test_steps_that_do_not_fit_together_run_one_after_another(container: Container) -> None:
    text = "test ! -e busy; touch busy; sleep 0.2; rm busy"
    steps = tuple(step(text, threads=2) for _ in range(3))
    ended = container.run(container.task(cpus=3, steps=steps))
    assert ended.code == 0, ended.err


def test_a_failing_step_stops_the_others_and_later_levels(container: Container) -> None:
    steps = (
        Step("bad", "sleep 0.3; exit 7"),
        Step("long", "exec sleep 300"),
        Step("never", "echo never", level=1),
    )
    ended = container.run(container.task(cpus=2, steps=steps))
    assert (ended.code, ended.out) == (7, "")
    assert ended.status is not None
    assert ended.status.step == "bad"


def test_the_command_sees_the_containers_environment_and_nothing_of_ours(
    container: Container,
) -> None:
    variables = {
        "PYTHONHOME": "/nowhere",
        "PYTHONPATH": "/nowhere",
        "LD_LIBRARY_PATH": "/nowhere:/with  two spaces/*",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x",
        "USER_S": "it's $HOME",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    task = container.task(
        steps=(
            Step(
                "env",
                "env -0 | tr '\\0' '\\n'; echo; pwd; cat; echo in TMP_HERE",
                threads=3,
                environment={"MINE": "TMP_HERE/x", "OMP_NUM_THREADS": "1"},
            ),
        ),
        tmpdir_token="TMP_HERE",
    )
    ended = container.with_(environ=variables).run(task)
    assert ended.code == 0, ended.err
    seen = dict(line.split("=", 1) for line in ended.out.split("\n\n")[0].splitlines())
    for name, value in variables.items():
        assert seen[name] == value
    assert seen["AWS_REGION"] == "us-west-2"
    assert seen["AWS_BATCH_JOB_ID"] == container.job_id
    assert seen["GOTO_NUM_THREADS"] == "3"
    assert seen["OMP_NUM_THREADS"] == "1"
    assert seen["TMPDIR"] == seen["TMP"] == seen["TEMP"] == seen["TEMPDIR"]
    assert seen["MINE"] == seen["TMPDIR"] + "/x"
    assert f"in {seen['TMPDIR']}\n" in ended.out
    assert not [name for name in seen if name.startswith("HUTCHBATCH") or name == "LC_CTYPE"]


def test_variables_of_the_description_are_the_containers_own(container: Container) -> None:
    long = "x" * 20_000
    task = container.task(
        steps=(step("echo ${#LONG} $LAB"),), environment={"LONG": long, "LAB": "x"}
    )
    ended = container.with_(environ={"LAB": "the image's"}).run(task)
    assert (ended.code, ended.out) == (0, "20000 x\n")


def test_a_very_long_command_runs(container: Container) -> None:
    ended = container.run(container.task(steps=(step("x='" + "y" * 300_000 + "'; echo ${#x}"),)))
    assert (ended.code, ended.out) == (0, "300000\n")


def test_a_shell_is_found_by_its_name(container: Container) -> None:
    made = Step("s", "echo $0", shell="/opt/conda/bin/bash")
    ended = container.run(container.task(steps=(made,)))
    assert ended.code == 0
    assert ended.out.strip().endswith("/bash")


def test_an_image_without_the_shell_is_reported_as_such(container: Container) -> None:
    ended = container.run(container.task(steps=(Step("s", "true", shell="zsh-of-nowhere"),)))
    assert ended.code == 215
    assert "this image has no zsh-of-nowhere" in ended.said
    assert ended.status is not None
    assert ended.status.cause == "IMAGE"


def archive(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_sources_are_deployed_for_relative_paths(container: Container, store: Store) -> None:
    info = tarfile.TarInfo("scripts/x.sh")
    info.mode = 0o755
    data = archive([(info, b"#!/bin/sh\necho from source\n")])
    sources = Sources(store.put("src.tar.xz", data), hashlib.sha256(data).hexdigest())
    ended = container.run(container.task(sources=sources, steps=(step("scripts/x.sh"),)))
    assert (ended.code, ended.out) == (0, "from source\n"), ended.err


@pytest.mark.parametrize("kind", ["digest", "gone", "outside", "link", "damaged"])
def test_bad_sources_fail_the_job(
    container: Container, store: Store, kind: str, tmp_path: Path
) -> None:
    info = tarfile.TarInfo("../../../escaped" if kind == "outside" else "x")
    data = archive([(info, b"x")])
    if kind == "link":
        link = tarfile.TarInfo("l")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        data = archive([(link, b""), (tarfile.TarInfo("l/escaped"), b"x")])
    if kind == "damaged":
        data = data[: len(data) // 2]
    digest = hashlib.sha256(data).hexdigest() if kind != "digest" else "0" * 64
    url = store.put("src", data) if kind != "gone" else store.url("gone")
    ended = container.run(container.task(sources=Sources(url, digest), steps=(step("echo never"),)))
    assert (ended.code, ended.out) == (219 if kind == "digest" else 211, "")
    assert "source archive" in ended.said
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("text", ["{", '{"version": 2}', '{"version":1,"name":"x"}'])
def test_a_task_that_cannot_be_understood_is_reported_as_such(
    container: Container, text: str
) -> None:
    ended = container.run(text)
    assert ended.code == 210
    assert "the task's description" in ended.said
    assert ended.reported is not None
    assert (ended.reported.cause, ended.reported.problem) == ("STAGE_IN", "task")


def test_a_benchmark_has_snakemakes_columns_and_a_line_for_each_run(
    container: Container, store: Store
) -> None:
    made = step(
        "echo run >> runs; sleep 0.7",
        benchmark=Benchmark("b/x.tsv", store.url("x.tsv"), repeats=2),
    )
    rows = step("true", benchmark=Benchmark("b/x.jsonl", store.url("x.jsonl")))
    count = Step("count", "wc -l < runs", level=1)
    ended = container.run(container.task(steps=(made, rows, count)))
    assert (ended.code, ended.out.strip()) == (0, "2"), ended.err
    lines = [line.split("\t") for line in store.get("x.tsv").decode().splitlines()]
    assert lines[0] == [
        "s",
        "h:m:s",
        "max_rss",
        "max_vms",
        "max_uss",
        "max_pss",
        "io_in",
        "io_out",
        "mean_load",
        "cpu_time",
    ]
    assert len(lines) == 3
    assert all(float(line[0]) > 0.5 and line[1] == "0:00:00" for line in lines[1:])
    assert all(float(line[2]) > 0 for line in lines[1:])
    assert store.get("x.jsonl").startswith(b'{"cpu_time": ')


def test_a_scratch_that_cannot_be_written_is_reported_as_such(
    container: Container, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    ended = container.run(container.task(scratch=str(file / "x"), steps=(step("true"),)))
    assert ended.code == 216
    assert "no folder could be created on the machine's scratch disk" in ended.said
    assert ended.status is not None
    assert ended.status.cause == "HOST"


def test_without_a_container_of_its_own_a_job_makes_no_links_outside_of_its_folder(
    container: Container, store: Store
) -> None:
    """This machine's disk is not the job's; its own folder is."""
    container.run(
        container.task(
            inputs=(
                Input(store.put("a", "a"), "kept/no-such-folder/a"),
                Input(store.put("b", "b"), "kept/.above-1/beside/b"),
            ),
            names={
                "/no-such-folder/a": "kept/no-such-folder/a",
                "../beside/b": "kept/.above-1/beside/b",
            },
            steps=(
                step(
                    "test ! -e /no-such-folder; cat ../beside/b > out",
                    outputs=(Output("out", store.url("out")),),
                ),
            ),
        )
    )
    assert store.get("out") == b"b"
    assert not os.path.lexists("/no-such-folder")
    assert list(container.scratch.iterdir()) == []


def test_an_input_that_was_archived_after_the_start_is_explained(container: Container) -> None:
    store = container.store
    key = f"{store.prefix}cold"
    store.client.put_object(Bucket=BUCKET, Key=key, Body=b"1", StorageClass="GLACIER")
    task = container.task(steps=(Step("s", "true"),), inputs=(Input(store.url("cold"), "cold"),))
    ended = container.run(task)
    assert ended.status is not None
    assert (ended.code, ended.status.phase) == (211, "stage_in")
    assert "It is archived" in ended.said
    assert "restore-object" in ended.said
