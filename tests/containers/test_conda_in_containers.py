"""Conda environments in real containers: one prefix on the host, seen by all of them."""

import pytest
from conda_trees import KEY, Tree

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Output, Step, TaskSpec

PREFIX = f"/hutchbatch/0/{KEY}/content"
WAIT = "until [ -e /tmp/go-{key} ]; do sleep 0.1; done"


@pytest.fixture
def environment(straight):
    def put(key, data):
        straight.put(key, data)
        return f"{straight.url}/{key}"

    return Tree().stored(put)


def task(straight, environment, command, name="job"):
    output = Output(f"{name}.txt", f"{straight.url}/{name}.txt")
    step = Step(name, f"set -eu; {{ {command}; }} > {name}.txt", outputs=(output,), conda=KEY)
    return TaskSpec(name, "", (step,), environments=(environment,))


def text(straight, name="job"):
    return (straight.stored / f"{name}.txt").read_text().splitlines()


def cache(cloud):
    return cloud.directory / "hosts" / "host" / "docker_scratch" / "hutchbatch-cache"


def forget(straight):
    """Takes the environment out of S3: what runs now has it from its host."""
    for path in (straight.stored / "conda").rglob("*.*"):
        path.unlink()


def test_containers_of_different_images_see_one_prefix(straight, images, environment):
    shown = "tool; echo $CONDA_PREFIX; stat -c %i $CONDA_PREFIX/lib/data; echo up >&2"
    names = ("plain", "python", "entrypoint", "read-only")
    jobs = {}
    for name in names:
        more = {"readonlyRootFilesystem": True} if name == "read-only" else {}
        image = images["plain" if name == "read-only" else name]
        waits = f"{shown}; " + WAIT.format(key=straight.folder)
        jobs[name] = straight.submit(image, task(straight, environment, waits, name), **more)
    for job in jobs.values():
        straight.until_line(job, "up")
    forget(straight)
    jobs["late"] = straight.submit(images["plain"], task(straight, environment, shown, "late"))
    (cache(straight.cloud).parent / f"go-{straight.folder}").touch()
    for name, job in jobs.items():
        assert straight.ended(job)["status"] == "SUCCEEDED", straight.lines(job)
        assert straight.lines(job) == ["up"]
        assert text(straight, name)[:2] == [f"tool of {PREFIX}", PREFIX]
    assert len({text(straight, name)[2] for name in jobs}) == 1
    place = cache(straight.cloud) / "0" / KEY
    assert {path.name for path in place.iterdir()} == {"content", "manifest.json", "seal"}
    assert oct(cache(straight.cloud).stat().st_mode & 0o7777) == "0o1777"


def test_a_user_who_is_not_root_has_a_copy_at_a_short_path(straight, images, environment):
    shown = "tool; id -u"
    for number in range(2):
        name = f"job{number}"
        job = straight.submit(images["user"], task(straight, environment, shown, name))
        assert straight.ended(job)["status"] == "SUCCEEDED", straight.lines(job)
        assert straight.lines(job) == []
        reported, user = text(straight, name)
        assert reported.startswith(f"tool of /hutchbatch/{user}/r")
        assert user == "1000"
        forget(straight)


@pytest.mark.parametrize(
    ("image", "code", "problem"), [("musl-python", 220, "no_glibc"), ("no-bash", 215, "no_shell")]
)
def test_an_image_that_cannot_run_it_says_why(straight, images, environment, image, code, problem):
    job = straight.submit(images[image], task(straight, environment, "tool; echo never >&2"))
    assert straight.ended(job)["container"]["exitCode"] == code
    status = straight.status(job)
    assert (status.cause, status.problem) == ("IMAGE", problem)
    assert "never" not in straight.lines(job)
