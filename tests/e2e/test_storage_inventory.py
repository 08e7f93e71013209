"""The inventory against the embedded S3: few calls, and never a wrong answer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.storage.inventory import Inventory


class Counted:
    """A client's calls by operation. ``denied``: operations that this user may not call."""

    def __init__(self, s3, *denied):
        self.made = []
        self.denied = denied
        s3.meta.events.register("before-call.s3", self._count)

    def _count(self, model, **_):
        self.made.append(model.name)
        if model.name in self.denied:
            answer = {"Error": {"Code": "AccessDenied"}}
            answer["ResponseMetadata"] = {"HTTPStatusCode": 403}
            raise ClientError(answer, model.name)

    def take(self):
        made, self.made = self.made, []
        return {name: made.count(name) for name in sorted(set(made))}


@pytest.fixture
def place(workflow):
    workflow.stored.mkdir(parents=True)

    def write(key, text=""):
        path = workflow.stored / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return f"{workflow.prefix}/{key}"

    return write


def test_many_questions_in_one_folder_are_few_calls(workflow, place):
    there = [place(f"in/{n}.txt", str(n)) for n in range(1500)]
    place("in/tree/deep/file", "12345")
    s3 = workflow.client("s3")
    calls, inventory = Counted(s3), Inventory(s3)
    assert all(inventory.exists(url) for url in there)
    assert not any(inventory.exists(f"{workflow.prefix}/in/no{n}") for n in range(500))
    assert inventory.find(there[1200]).size == 4
    assert inventory.is_directory(f"{workflow.prefix}/in/tree")
    made = calls.take()
    assert made["HeadObject"] <= 8
    assert made["ListObjectsV2"] <= 3
    head = s3.head_object(Bucket="hutchbatch", Key=there[7].removeprefix("s3://hutchbatch/"))
    assert inventory.find(there[7]).modified == head["LastModified"].timestamp()
    assert inventory.find(f"{workflow.prefix}/in/tree").size == 5


def test_identities_change_with_content(workflow, place):
    inventory = Inventory(workflow.client("s3"))
    files = [place(f"{n}.txt", "old") for n in range(20)]
    place("tree/a", "1")
    tree = f"{workflow.prefix}/tree"
    before = [inventory.identity(url) for url in [*files, tree]]
    assert None not in before
    place("3.txt", "newer")
    place("tree/b", "2")
    other = Inventory(workflow.client("s3"))
    after = [other.identity(url) for url in [*files, tree]]
    assert [n for n, pair in enumerate(zip(before, after, strict=True)) if len(set(pair)) > 1] == [
        3,
        20,
    ]
    assert other.identity(f"{workflow.prefix}/none") is None


def test_what_jobs_made_is_found_by_a_look(workflow, place):
    s3 = workflow.client("s3")
    calls, inventory = Counted(s3), Inventory(s3)
    for n in range(0, 3000, 2):
        place(f"out/{n:04}.txt")
    names = [f"{workflow.prefix}/out/{n:04}.txt" for n in range(1, 401, 2)]
    assert not any(inventory.exists(url) for url in names)
    for url in names[:-1]:
        place(url.removeprefix(f"{workflow.prefix}/"), "made")
    trees = [f"{workflow.prefix}/out/{name}" for name in ("tree", "0100-tree")]
    place("out/tree/x")
    place("out/0100-tree/a/b/x")
    calls.take()
    with ThreadPoolExecutor(4) as pool:
        inventory.look([*names, *trees], pool)
        assert sum(calls.take().values()) <= 8
        assert [inventory.exists(url) for url in names] == [True] * (len(names) - 1) + [False]
        assert all(inventory.is_directory(url) for url in trees)
        assert inventory.find(names[5]).size == 4
        calls.take()
        inventory.look(names[:1], pool)
        assert calls.take() == {"HeadObject": 1}


def test_what_was_listed_is_not_listed_again_with_what_is_around_it(workflow, place):
    inputs = [place(f"in/{n:04}.txt") for n in range(3500)]
    place("later/1.txt", "here")
    s3 = workflow.client("s3")
    calls, inventory = Counted(s3), Inventory(s3)
    assert all(inventory.exists(url) for url in inputs)
    assert calls.take()["ListObjectsV2"] == 4
    assert not any(inventory.exists(f"{workflow.prefix}/out/{n}.txt") for n in range(3500))
    assert not inventory.exists(f"{workflow.prefix}/in/none.txt")
    assert inventory.find(f"{workflow.prefix}/later/1.txt").size == 4
    assert calls.take() == {"ListObjectsV2": 2}  # the first page, and what is behind the folder


def test_questions_in_any_order_list_each_part_of_a_large_folder_once(workflow, place):
    inputs = [place(f"in/{n}.txt") for n in range(12_500)]
    s3 = workflow.client("s3")
    calls, inventory = Counted(s3), Inventory(s3)
    assert all(inventory.exists(url) for url in inputs)  # 7.txt comes after 12499.txt in S3
    assert calls.take()["ListObjectsV2"] <= 13 + 1


def test_what_was_asked_since_the_jobs_ended_is_not_asked_again(workflow, place):
    s3 = workflow.client("s3")
    calls, inventory = Counted(s3), Inventory(s3, clock=iter(range(1, 10**6)).__next__)
    outputs = [place(f"out/{n:04}.txt") for n in range(900)]
    inventory.look(outputs, since=1)
    assert calls.take() == {"ListObjectsV2": 1}
    inventory.look(outputs, since=1)
    assert calls.take() == {}
    inventory.look(outputs)
    assert calls.take() == {"ListObjectsV2": 1}


def test_outputs_of_several_rules_are_found_without_what_lies_between(workflow, place):
    s3 = workflow.client("s3")
    calls, inventory = Counted(s3), Inventory(s3)
    shown = []
    s3.meta.events.register(
        "after-call.s3.ListObjectsV2", lambda parsed, **_: shown.extend(parsed.get("Contents", ()))
    )
    everything = [place(f"{step}/{n:04}.txt") for step in (1, 2, 3) for n in range(900)]
    between = [place(f"2-other/{n:04}.txt") for n in range(1500)]
    wanted = [url for url in everything if url.endswith(("3.txt", "8.txt"))][:460]
    missing = [f"{workflow.prefix}/{step}/none.txt" for step in (1, 2, 3)]
    inventory.look([*wanted, *missing])
    assert all(inventory.find(url) for url in wanted)
    assert not any(inventory.exists(url) for url in missing)
    assert calls.take() == {"ListObjectsV2": 3}
    assert not {item["Key"] for item in shown} & {url[len("s3://hutchbatch/") :] for url in between}


def test_addresses_far_apart_are_asked_one_by_one(workflow, place):
    s3 = workflow.client("s3")
    calls, inventory = Counted(s3), Inventory(s3)
    urls = []
    for n in range(12):
        for other in range(130):
            place(f"{n:02}/{other:04}")
        urls.append(place(f"{n:02}/0001.txt", "x"))
    inventory.look(urls)
    made = calls.take()
    assert made["ListObjectsV2"] <= 6
    assert all(inventory.find(url).size == 1 for url in urls)
    assert sum(made.values()) + sum(calls.take().values()) <= 18


def test_a_role_that_may_not_list_asks_one_by_one(workflow, place):
    s3 = workflow.client("s3")
    calls, inventory = Counted(s3, "ListObjectsV2"), Inventory(s3)
    urls = [place(f"{n}.txt", "x") for n in range(30)]
    assert all(inventory.exists(url) for url in urls)
    inventory.look(urls)
    assert all(inventory.find(url).size == 1 for url in urls)
    assert calls.take()["HeadObject"] == 60


def test_while_jobs_run_absence_is_asked_again(workflow, place):
    now = [1.0]
    s3 = workflow.client("s3")
    calls, inventory = Counted(s3), Inventory(s3, clock=lambda: now[0])
    place("a.txt")
    late = f"{workflow.prefix}/late.txt"
    assert not inventory.exists(late)
    now[0] += 1000
    assert not inventory.exists(late)
    inventory.follow(s3, None)
    place("late.txt")
    assert inventory.exists(late)
    calls.take()
    now[0] += 1000
    assert inventory.exists(late)
    assert calls.take() == {}
    (workflow.stored / "late.txt").unlink()
    inventory.forget([late])
    assert not inventory.exists(late)
