"""Two attempts of a job that live at once: what the later one has stored stays, in every order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor import fence, multipart, upload
from snakemake_executor_plugin_hutchbatch.supervisor.errors import Failure
from snakemake_executor_plugin_hutchbatch.supervisor.fence import Stamp
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3
from snakemake_executor_plugin_hutchbatch.supervisor.store import Store, Superseded
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Benchmark, Log, Output, Step

from .conftest import ACCESS, BUCKET, REGION, SECRET, Container, Ended
from .conftest import Store as Bucket
from .faults import Proxy, first
from .tiny import TinyS3

JOB = "3f1c0000-aaaa-bbbb-cccc-000000000001"
#: Submission and attempt of the earlier one and of the later one.
PAIRS = {
    "the next attempt": (Stamp(7, 1, JOB), Stamp(7, 2, JOB)),
    "the next submission": (Stamp(7, 3, JOB), Stamp(8, 1, "another-job")),
    "attempts of no known submission": (Stamp(0, 1, JOB), Stamp(0, 2, JOB)),
}


def client(endpoint: str) -> S3:
    environ = {
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "HUTCHBATCH_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
    }
    return S3(environ, sleep=lambda seconds: None)


class Attempt:
    """One that stores a file, and a directory in which each attempt names one file differently."""

    def __init__(self, endpoint: str, bucket: Bucket, folder: Path, own: Stamp, name: str) -> None:
        self.name, self.own, self.s3 = name, own, client(endpoint)
        self.s3.get(bucket.put("any", "1"))  # as every job begins: who answers is known
        self.work = folder / name
        (self.work / "d/sub").mkdir(parents=True)
        self.result = f"by {name}".encode()
        for path in ("a", "b", "d/same", f"d/sub/only-{name}"):
            (self.work / path).write_bytes(self.result)
        self.outputs = [
            Output("a", bucket.url("a")),
            Output("b", bucket.url("b")),
            Output("d", bucket.url("d"), directory=True),
        ]
        self.failure: Failure | None = None

    def store(self) -> None:
        try:
            upload.stage_out(self.s3, self.outputs, str(self.work), threading.Event(), self.own)
        except Failure as failure:
            self.failure = failure

    def is_all_there_is(self, bucket: Bucket) -> bool:
        bucket.client.delete_object(Bucket=BUCKET, Key=bucket.prefix + "any")
        found = {key: bucket.get(key) for key in bucket.keys("")}
        wanted = ("a", "b", "d/same", f"d/sub/only-{self.name}")
        return found == dict.fromkeys(wanted, self.result)


def attempts(endpoint: str, bucket: Bucket, folder: Path, pair: str) -> tuple[Attempt, Attempt]:
    earlier, later = PAIRS[pair]
    return (
        Attempt(endpoint, bucket, folder, earlier, "earlier"),
        Attempt(endpoint, bucket, folder, later, "later"),
    )


@pytest.mark.parametrize("pair", PAIRS)
def test_an_attempt_that_ends_after_a_later_one_stores_nothing(
    endpoint: str, store: Bucket, tmp_path: Path, pair: str
) -> None:
    earlier, later = attempts(endpoint, store, tmp_path, pair)
    later.store()
    earlier.store()
    assert later.failure is None
    assert later.is_all_there_is(store)
    assert earlier.failure is not None
    assert "was stored by a later attempt of this job (attempt" in earlier.failure.line()
    assert earlier.failure.exit_code == 212


@pytest.mark.parametrize("pair", PAIRS)
def test_the_later_attempt_replaces_what_an_earlier_one_has_stored(
    endpoint: str, store: Bucket, tmp_path: Path, pair: str
) -> None:
    store.put("d/old", "of last week")
    store.put("a", "of last week")
    earlier, later = attempts(endpoint, store, tmp_path, pair)
    earlier.store()
    later.store()
    assert (earlier.failure, later.failure) == (None, None)
    assert later.is_all_there_is(store)


def interrupted(attempt: Attempt, number: int, then: Callable[[], None]) -> int:
    """Lets it store, and calls ``then`` before a request of its; how many it makes."""
    plain, count = attempt.s3.request, 0
    attempt.s3.threads = 1

    def request(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == number:
            then()
        return plain(*args, **options)

    attempt.s3.request = request  # type: ignore[method-assign]
    attempt.store()
    return count


@pytest.mark.parametrize("between", ["the earlier's", "the later's"])
@pytest.mark.parametrize("kind", ["all", "a directory without a common name"])
def test_an_attempt_that_does_all_between_two_requests_of_the_other_changes_nothing(
    endpoint: str, store: Bucket, tmp_path: Path, between: str, kind: str
) -> None:
    """For each two requests."""
    for number in range(1, 40):
        bucket = Bucket(store.client, f"{store.prefix}{number}/")
        folder = tmp_path / str(number)
        earlier, later = attempts(endpoint, bucket, folder, "the next attempt")
        if kind != "all":
            for attempt in (earlier, later):
                attempt.outputs = attempt.outputs[2:]
                (attempt.work / "d/same").unlink()
        one, other = (earlier, later) if between == "the earlier's" else (later, earlier)
        requests = interrupted(one, number, other.store)
        if requests < number:
            assert number > 3
            return
        assert later.failure is None
        bucket.client.delete_object(Bucket=BUCKET, Key=bucket.prefix + "any")
        assert {bucket.get(key) for key in bucket.keys("")} == {later.result}
        assert f"d/sub/only-{later.name}" in bucket.keys("")
    raise AssertionError("it never ends")


class Turns:
    """Lets two attempts make their requests in one order: ``True`` is the later one's turn."""

    def __init__(self, order: list[bool]) -> None:
        self._order = order
        self._over = {False: False, True: False}
        self._condition = threading.Condition()

    def _is_on(self, who: bool) -> bool:
        while self._order and self._over[self._order[0]]:
            self._order.pop(0)
        return not self._order or self._order[0] == who

    def watch(self, attempt: Attempt, who: bool) -> None:
        plain = attempt.s3.request
        attempt.s3.threads = 1

        def request(*args: Any, **options: Any) -> Any:
            with self._condition:
                self._condition.wait_for(lambda: self._is_on(who))
                try:
                    return plain(*args, **options)
                finally:
                    if self._order:
                        self._order.pop(0)
                    self._condition.notify_all()

        attempt.s3.request = request  # type: ignore[method-assign]

    def run(self, attempt: Attempt, who: bool) -> None:
        attempt.store()
        with self._condition:
            self._over[who] = True
            self._condition.notify_all()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_order_of_their_requests_the_later_attempts_results_stay(
    endpoint: str, store: Bucket, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    if seed % 2:
        store.put("d/old", "of last week")
        store.put("a", "of last week")
    pair = dice.choice(sorted(PAIRS))
    earlier, later = attempts(endpoint, store, tmp_path, pair)
    turns = Turns([dice.random() < dice.choice((0.2, 0.5, 0.8)) for _ in range(80)])
    threads = []
    for attempt, who in ((earlier, False), (later, True)):
        turns.watch(attempt, who)
        threads.append(threading.Thread(target=turns.run, args=(attempt, who)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert later.failure is None
    assert later.is_all_there_is(store)


def test_attempts_with_equal_results_leave_all_of_them(
    endpoint: str, store: Bucket, tmp_path: Path
) -> None:
    """Equal content has equal ETags: the stamp decides."""
    earlier, later = attempts(endpoint, store, tmp_path, "the next attempt")
    for path in ("a", "b", "d/same"):
        (earlier.work / path).write_bytes(later.result)
    later.store()
    earlier.store()
    assert earlier.failure is not None
    assert later.is_all_there_is(store)


def test_an_earlier_attempt_cannot_remove_what_a_later_one_has_stored(
    endpoint: str, store: Bucket, tmp_path: Path
) -> None:
    earlier, later = attempts(endpoint, store, tmp_path, "the next attempt")
    later.store()
    with pytest.raises(Superseded, match="attempt 2"):
        Store(earlier.s3, earlier.own).remove(BUCKET, store.prefix + "d/same")
    assert later.is_all_there_is(store)


def containers(container: Container, number: str = "7") -> tuple[Container, Container]:
    def of(attempt: str) -> Container:
        variables = {"AWS_BATCH_JOB_ATTEMPT": attempt, "HUTCHBATCH_FENCE": number}
        return container.with_(environ=variables)

    return of("1"), of("2")


def late_step(store: Bucket, folder: Path, who: str) -> Step:
    """Says that it is there, and ends when it is told to."""
    return Step(
        "rule_x",
        f"echo {who} | tee a d-{who} log; mkdir d; cp a d/{who}; cp a d/same; touch {folder}/{who};"
        f" while ! test -e {folder}/end-{who}; do sleep 0.05; done; echo end >> log",
        outputs=(Output("a", store.url("a")), Output("d", store.url("d"), directory=True)),
        logs=(Log("log", store.url("log")),),
        benchmark=Benchmark("bench.txt", store.url("bench.txt")),
    )


def stamps(store: Bucket) -> set[str]:
    """Attempts whose objects lie there, but for tasks, statuses and the supervisor."""
    own = ("tasks/", "status/", "supervisor/")
    keys = [key for key in store.keys("") if not key.startswith(own)]
    heads = (store.client.head_object(Bucket=BUCKET, Key=store.prefix + key) for key in keys)
    return {head["Metadata"]["hutchbatch-fence"].split(".")[1] for head in heads}


def test_two_containers_at_once_leave_the_results_and_logs_of_the_later(
    container: Container, store: Bucket, tmp_path: Path
) -> None:
    one, two = containers(container)
    started = [
        (who, each, each.start(each.task(steps=(late_step(store, tmp_path, who),))))
        for who, each in (("one", one), ("two", two))
    ]
    ended: dict[str, Ended] = {}
    for who, each, process in reversed(started):
        (tmp_path / f"end-{who}").touch()
        ended[who] = each.finish(process)
    assert ended["two"].code == 0, ended["two"].err
    assert ended["one"].code == 212
    assert "attempt 2 of job" in ended["one"].err
    assert store.get("a") == b"two\n"
    assert store.keys("d/") == ["d/same", "d/two"]
    assert store.get("log") == b"two\nend\n"
    assert stamps(store) == {"2"}


def test_a_late_failure_does_not_replace_the_log_of_a_later_success(
    container: Container, store: Bucket
) -> None:
    one, two = containers(container)
    log = (Log("log", store.url("log")),)
    two.run(two.task(steps=(Step("rule_x", "echo fine > log", logs=log),)))
    ended = one.run(one.task(steps=(Step("rule_x", "echo bad > log; exit 3", logs=log),)))
    assert ended.code == 3
    assert store.get("log") == b"fine\n"


# What is not as on AWS


@pytest.fixture
def proxies() -> Iterator[list[Proxy]]:
    made: list[Proxy] = []
    yield made
    for proxy in made:
        proxy.close()


def test_a_server_without_conditions_is_looked_at_before_each_write(
    tiny: TinyS3, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny.without_conditions = True
    work = tmp_path / "w"
    (work / "d").mkdir(parents=True)
    outputs = [Output("a", f"s3://{BUCKET}/a"), Output("d", f"s3://{BUCKET}/d", directory=True)]
    for attempt, content in ((2, "two"), (3, "three"), (1, "one")):
        for name in ("a", "d/x"):
            (work / name).write_text(content)
        try:
            own = Stamp(7, attempt, JOB)
            upload.stage_out(client(tiny.endpoint), outputs, str(work), threading.Event(), own)
        except Failure:
            assert attempt == 1
    assert tiny.objects == {f"/{BUCKET}/a": b"three", f"/{BUCKET}/d/x": b"three"}
    assert "does not support conditional requests" in capfd.readouterr().err


def test_a_role_that_may_not_read_stores_all_the_same(
    tiny: TinyS3, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tiny.refuse = lambda method, path: (403, "AccessDenied", {}) if method == "HEAD" else None
    (tmp_path / "a").write_text("new")
    tiny.objects[f"/{BUCKET}/a"] = b"old"
    outputs = [Output("a", f"s3://{BUCKET}/a")]
    upload.stage_out(client(tiny.endpoint), outputs, str(tmp_path), threading.Event())
    assert tiny.objects == {f"/{BUCKET}/a": b"new"}
    assert "no permission to read" in capfd.readouterr().err


def test_a_conflict_is_waited_for(tiny: TinyS3, tmp_path: Path) -> None:
    left = [3]

    def refuse(method: str, path: str) -> tuple[int, str, dict[str, str]] | None:
        left[0] -= method == "PUT"
        conflict = method == "PUT" and left[0] >= 0
        return (409, "ConditionalRequestConflict", {}) if conflict else None

    tiny.refuse = refuse
    (tmp_path / "a").write_text("new")
    outputs = [Output("a", f"s3://{BUCKET}/a")]
    upload.stage_out(client(tiny.endpoint), outputs, str(tmp_path), threading.Event())
    assert tiny.objects == {f"/{BUCKET}/a": b"new"}


# Answers that are lost


@pytest.mark.parametrize("before", [None, b"older"])
@pytest.mark.parametrize("fault", ["lost", 500])
def test_a_write_whose_answer_is_lost_is_known_by_its_stamp(
    endpoint: str,
    store: Bucket,
    tmp_path: Path,
    proxies: list[Proxy],
    before: bytes | None,
    fault: str | int,
) -> None:
    if before:
        store.put("a", before)
    how = "lost" if fault == "lost" else "performed-500"
    proxies.append(Proxy(endpoint, first(1 if before is None else 2, how, "/a", "PUT")))
    (tmp_path / "a").write_text("newer")
    outputs = [Output("a", store.url("a"))]
    s3 = client(proxies[0].endpoint)
    upload.stage_out(s3, outputs, str(tmp_path), threading.Event(), Stamp(7, 1, JOB))
    assert store.get("a") == b"newer"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large is what is over 6 MB, in parts of 5 MiB, the least that S3 takes."""
    monkeypatch.setattr(upload, "MULTIPART", 6_000_000)
    monkeypatch.setattr(multipart, "PART", 5 * 1024 * 1024)


LARGE = bytes(range(256)) * 4096 * 12


def store_large(
    endpoint: str,
    store: Bucket,
    folder: Path,
    own: Stamp = Stamp(7, 1, JOB),  # noqa: B008
) -> None:
    (folder / "big").write_bytes(LARGE)
    outputs = [Output("big", store.url("big"))]
    upload.stage_out(client(endpoint), outputs, str(folder), threading.Event(), own)


def unfinished(store: Bucket) -> list[str]:
    answer = store.client.list_multipart_uploads(Bucket=BUCKET)
    return [item["Key"] for item in answer.get("Uploads", []) if store.prefix in item["Key"]]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("how", ["lost", "performed-404", "performed-empty", "performed-500"])
def test_a_completion_whose_answer_is_lost_is_known_by_its_stamp(
    endpoint: str, store: Bucket, tmp_path: Path, proxies: list[Proxy], how: str
) -> None:
    store.put("big", LARGE[::-1])
    proxies.append(Proxy(endpoint, first(1, how, "uploadId=", "POST")))
    store_large(proxies[0].endpoint, store, tmp_path)
    assert store.get("big") == LARGE
    assert unfinished(store) == []


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("how", [404, "empty", "error", "html"])
def test_an_older_object_of_the_same_size_never_passes_for_the_upload(
    endpoint: str, store: Bucket, tmp_path: Path, proxies: list[Proxy], how: int | str
) -> None:
    """Answers for completions that never happen."""
    stale = LARGE[::-1]
    store.put("big", stale)
    proxies.append(Proxy(endpoint, first(99, how, "uploadId=", "POST")))
    with pytest.raises(Failure, match=r"s3://.*/big"):
        store_large(proxies[0].endpoint, store, tmp_path)
    assert store.get("big") == stale
    assert unfinished(store) == []


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("how", [404, "empty", "error", "html"])
def test_a_completion_that_did_not_happen_is_asked_for_again(
    endpoint: str, store: Bucket, tmp_path: Path, proxies: list[Proxy], how: int | str
) -> None:
    store.put("big", LARGE[::-1])
    proxies.append(Proxy(endpoint, first(1, how, "uploadId=", "POST")))
    store_large(proxies[0].endpoint, store, tmp_path)
    assert store.get("big") == LARGE
    assert unfinished(store) == []


@pytest.mark.usefixtures("small_parts")
def test_a_late_large_upload_sends_nothing_and_one_that_began_before_stores_nothing(
    endpoint: str, store: Bucket, tmp_path: Path, proxies: list[Proxy]
) -> None:
    store_large(endpoint, store, tmp_path, Stamp(7, 2, JOB))
    proxies.append(Proxy(endpoint, lambda method, path: None))
    with pytest.raises(Failure, match="later attempt"):
        store_large(proxies[0].endpoint, store, tmp_path)
    assert not any(method in ("PUT", "POST") for method, _ in proxies[0].seen)

    store.client.delete_object(Bucket=BUCKET, Key=store.prefix + "big")
    later = (Stamp(7, 2, JOB).text() + "u", b"later")

    def overtake(method: str, path: str) -> None:
        if (method, "uploadId=" in path) == ("POST", True):
            store.client.put_object(
                Bucket=BUCKET,
                Key=store.prefix + "big",
                Body=later[1],
                Metadata={"hutchbatch-fence": later[0]},
            )

    proxies.append(Proxy(endpoint, overtake))
    with pytest.raises(Failure, match="later attempt"):
        store_large(proxies[1].endpoint, store, tmp_path)
    assert store.get("big") == b"later"
    assert unfinished(store) == []


def test_the_stamp_is_not_in_the_way_of_a_later_run(
    endpoint: str, store: Bucket, tmp_path: Path
) -> None:
    """One that AWS's own client has copied there with its metadata."""
    stamp = {fence.HEADER.removeprefix("x-amz-meta-"): Stamp(7, 9, JOB).text()}
    store.client.put_object(Bucket=BUCKET, Key=store.prefix + "a", Body=b"copied", Metadata=stamp)
    (tmp_path / "a").write_text("new")
    own = Stamp(8, 1, "another")
    outputs = [Output("a", store.url("a"))]
    upload.stage_out(client(endpoint), outputs, str(tmp_path), threading.Event(), own)
    assert store.get("a") == b"new"
