"""Jobs that share a host's scratch, in real containers."""

from dataclasses import replace

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Input, Output, Step, TaskSpec


def task(straight, command: str, name: str) -> TaskSpec:
    output = Output(f"{name}.txt", f"{straight.url}/{name}.txt")
    return TaskSpec(name, "", (Step(name, command, outputs=(output,)),))


def directories(cloud) -> set[str]:
    scratch = cloud.directory / "hosts" / "host" / "docker_scratch"
    return {path.name for path in scratch.glob("hutchbatch-*")}


def kill(straight, engine, job: str) -> None:
    """SIGKILL, as when a machine's kernel or its owner does it: nothing is cleaned up."""
    names = engine.run("ps", "--format={{.Names}}").stdout.split()
    (name,) = (name for name in names if job in name)
    assert engine.run("kill", "--signal=KILL", name).returncode == 0
    assert straight.ended(job)["container"]["exitCode"] == 137


def test_jobs_of_one_host_do_not_meet_and_the_dead_ones_places_are_taken_back(
    straight, images, engine
):
    """Long-lived jobs, killed ones and short ones that sweep, all on one scratch."""
    cloud = straight.cloud
    wait = "echo $$ > {name}.txt; pwd; echo up; until [ -e /tmp/go-{key} ]; do sleep 0.1; done; ls"
    key = straight.folder
    names = ["live-0", "live-1"]
    live = {
        name: straight.submit(
            images["plain"], task(straight, wait.format(name=name, key=key), name)
        )
        for name in names
    }
    for job in live.values():
        straight.until_line(job, "up")
    own = {name: straight.lines(job)[0] for name, job in live.items()}
    assert len(set(own.values())) == len(names)
    for _ in range(3):
        dead = [
            straight.submit(images["plain"], task(straight, "echo up; sleep 1000", "dead"))
            for _ in range(2)
        ]
        for job in dead:
            straight.until_line(job, "up")
        for job in dead:
            kill(straight, engine, job)
        assert all(any(job in name for name in directories(cloud)) for job in dead)
        # A later job removes what they left while it runs, and nothing else.
        gone = "until ! ls -d {} 2> /dev/null; do sleep 0.1; done; echo > swept.txt"
        left = " ".join(f"/tmp/hutchbatch-{job}-*" for job in dead)
        sweeping = straight.submit(images["plain"], task(straight, gone.format(left), "swept"))
        assert straight.ended(sweeping)["status"] == "SUCCEEDED", straight.lines(sweeping)
        assert not any(job in name for name in directories(cloud) for job in dead)
        assert all(any(job in name for name in directories(cloud)) for job in live.values())
    (cloud.directory / "hosts" / "host" / "docker_scratch" / f"go-{key}").touch()
    for name, job in live.items():
        assert straight.ended(job)["status"] == "SUCCEEDED", straight.lines(job)
        # Its own file and nobody else's.
        assert straight.lines(job)[2:] == [f"{name}.txt"]
    assert not any(job in name for name in directories(cloud) for job in live.values())


CLOSED = """
container: "docker://{image}"
rule all:
    input: "root.txt", "named.txt", "refused.txt"
rule root:
    output: "root.txt"
    resources: mem_mb=300
    shell: "id -u > {{output}}; stat -c '%u %a' /tmp >> {{output}}"
rule named:
    output: "named.txt"
    resources: mem_mb=300, hutchbatch_container_user="image", hutchbatch_scratch="/open:/tmp"
    shell: "id -u > {{output}}"
rule refused:
    output: "refused.txt"
    resources: mem_mb=300, hutchbatch_container_user="image", hutchbatch_host_attempts=1
    shell: "id -u > {{output}}"
"""


def test_jobs_work_on_a_scratch_of_root_alone_in_an_image_with_another_user(workflow, images):
    """A user who is not root sees what helps; the folder's disk is reported once."""
    host = workflow.cloud.directory / "hosts" / "host"
    (host / "closed").mkdir(mode=0o755)
    (workflow.folder / "Snakefile").write_text(CLOSED.format(image=images["user"]))
    output = workflow.fail("--keep-going", "--hutchbatch-scratch", "/closed:/tmp")
    assert workflow.text("root.txt") == "0\n0 755\n"
    assert workflow.text("named.txt") == "1000\n"
    assert "(Permission denied): check --hutchbatch-scratch, and --hutchbatch-con" in output
    assert output.count("/closed on Batch's machines, is a folder of the machine's root disk") == 1
    assert list((host / "closed").iterdir()) == []


def test_containers_of_one_host_share_an_input_and_each_user_has_a_copy(straight, images):
    """Two as root, one as another user, one after the other: whose links are whose."""
    straight.put("genome.fa", b"ACGT\n")

    def sharing(name: str) -> TaskSpec:
        shared = Input(f"{straight.url}/genome.fa", "ref/genome.fa", shared=True)
        command = f"id -u > {name}.txt; cat ref/genome.fa >> {name}.txt"
        return replace(task(straight, command, name), inputs=(shared,))

    fetched = {}
    for name, image in (("one", "plain"), ("two", "plain"), ("other", "user"), ("three", "plain")):
        job = straight.submit(images[image], sharing(name))
        assert straight.ended(job)["status"] == "SUCCEEDED", straight.lines(job)
        user = "1000" if image == "user" else "0"
        assert (straight.stored / f"{name}.txt").read_text() == f"{user}\nACGT\n"
        fetched[name] = straight.status(job).bytes_in
    assert fetched == {"one": 5, "two": 0, "other": 5, "three": 0}
    scratch = straight.cloud.directory / "hosts" / "host" / "docker_scratch"
    assert len(list((scratch / "hutchbatch-cache").iterdir())) == 2
