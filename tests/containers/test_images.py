"""Which images work, and what is said of those that do not. Direct mode unless named.

| image | what happens | what the user reads |
|---|---|---|
| bash and coreutils, no Python | works, with the host's Python | |
| Python without botocore | works, with the host's Python; without one, with the image's own | |
| musl, no Python | ends at once, cause IMAGE | no Python runs in the container: … |
| musl with a python3 | works, with the image's own Python | |
| ENTRYPOINT that hands on (``exec "$@"``) | works | |
| another ENTRYPOINT (a tool, ``sh -c``) | cause IMAGE | its image's ENTRYPOINT did not run the … |
| USER other than root | works, as root or, if asked for, as that user | |
| sh but no bash | cause IMAGE | this image has no bash, which the rule's command needs … |
| not even sh | cause IMAGE | its image has no /bin/sh … |
| read-only root | works: everything is written below /tmp | |
| of ``snakemake --containerize`` | works: the rule's environment is activated | |
| Snakemake, nothing of ours | Snakemake mode works | |
| the controller's Python, glibc | Snakemake mode works: Snakemake comes along | |
| the controller's Python, glibc | scripts import what comes along | |
| another Python, or none | in Snakemake mode cause IMAGE | its image … has no Python, … |

The musl images here have no glibc and a static bash, which to the host's Python is the same: there
is no loader for it. The Python of the second one brings its own.
"""

import re

import pytest
from container_images import ENVIRONMENT

from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Input,
    Log,
    Output,
    Step,
    TaskSpec,
)

WORKING = ("plain", "python", "musl-python", "entrypoint", "user")
ALL_WORKING = (*WORKING, "read-only")
#: Those in which the supervisor starts in ways of their own.
STOPPED = ("plain", "musl-python", "entrypoint")

RULE = """
rule {name}:
    input: "in/data.txt", "in/tree"
    output: "{image}/sum.txt", directory("{image}/made")
    log: "{image}/rule.log"
    container: "docker://{container}"
    resources: mem_mb=300
    shell:
        "exec 2> {{log}}; echo started >&2; id -u >> {{output[0]}}; "
        "cat {{input[0]}} {{input[1]}}/a/x {{input[1]}}/y >> {{output[0]}}; "
        "mkdir -p '{{output[1]}}/deep er'; echo 1 > '{{output[1]}}/deep er/x y'; "
        "echo 2 > {{output[1]}}/z; echo said"
"""


def test_files_folders_and_logs_come_and_go_in_every_image_that_works(workflow, images):
    text = "rule all:\n    input: expand('{image}/sum.txt', image=" + repr(WORKING) + ")\n"
    text += (
        'rule data:\n    output: "in/data.txt", directory("in/tree")\n    resources: mem_mb=200\n'
        f'    container: "docker://{images["plain"]}"\n'
        '    shell: "echo data > {output[0]}; mkdir -p {output[1]}/a;"\n'
        '        " echo x > {output[1]}/a/x; echo y > {output[1]}/y"\n'
    )
    for image in WORKING:
        name = "r_" + image.replace("-", "_")
        text += RULE.format(name=name, image=image, container=images[image])
    (workflow.folder / "Snakefile").write_text(text)
    output = workflow.succeed()
    for image in WORKING:
        assert workflow.text(f"{image}/sum.txt") == "0\ndata\nx\ny\n"
        assert workflow.text(f"{image}/made/deep er/x y") == "1\n"
        assert workflow.text(f"{image}/made/z") == "2\n"
        assert workflow.text(f"{image}/rule.log") == "started\n"
    jobs = workflow.jobs(output)
    assert {job["container"]["image"] for job in jobs.values()} == {images[i] for i in WORKING}


CONTAINERIZED = """
containerized: "docker://{image}"
rule all:
    input: "tool.txt"
rule tool:
    output: "tool.txt"
    conda: "envs/tool.yaml"
    resources: mem_mb=300
    shell: "tool > {{output}}"
"""


@pytest.mark.parametrize(
    "method",
    [("--sdm", "apptainer", "env-modules"), pytest.param((), marks=pytest.mark.thorough)],
)
def test_a_containerized_image_activates_the_environment_that_it_holds(workflow, images, method):
    (workflow.folder / "Snakefile").write_text(CONTAINERIZED.format(image=images["containerized"]))
    (workflow.folder / "envs").mkdir()
    (workflow.folder / "envs" / "tool.yaml").write_text(ENVIRONMENT)
    output = workflow.succeed(*method)
    assert "Jobs of tool run directly" in output
    assert "conda: is ignored" not in output
    assert re.fullmatch(r"tool in /conda-envs/\w{32} with a\n", workflow.text("tool.txt"))


FAILING = """
rule {name}:
    output: "{name}.txt"
    log: "{name}.log"
    container: "docker://{container}"
    resources: mem_mb={memory}
    shell: "{command}"
"""
#: Rule → image, command, what the user reads.
ENDINGS = {
    "failing": ("plain", "echo why > {log}; echo oh dear >&2; exit 3", "exit code 3 [COMMAND]"),
    "unknown": ("plain", "samtools sort > {output}", "command not found in the image"),
    "musl": ("musl", "echo > {output}", "no Python runs in the container"),
    "tool": ("tool", "echo > {output}", "ENTRYPOINT did not run the job"),
    "silent": ("shell-entrypoint", "echo > {output}", "ENTRYPOINT did not run the job"),
    "bashless": ("no-bash", "echo > {output}", "this image has no bash"),
    "empty": ("empty", "echo > {output}", "its image has no /bin/sh"),
    "big": (
        "plain",
        "a=x; while :; do a=$a$a; done",
        "it needed more memory than the 200 MB requested",
    ),
    "absent": ("localhost:1/none:1", "echo > {output}", "could not be pulled"),
}
# A registry that cannot be reached ("absent") may be back in a minute: not the image's fault.
IMAGE_CAUSES = ("musl", "tool", "silent", "bashless", "empty")


def test_what_cannot_work_ends_with_the_sentence_that_helps(workflow, images):
    text = f"rule all:\n    input: expand('{{name}}.txt', name={list(ENDINGS)})\n"
    for name, (image, command, _) in ENDINGS.items():
        container = image if "/" in image else images[image]
        text += FAILING.format(name=name, container=container, command=command, memory=200)
    (workflow.folder / "Snakefile").write_text(text)
    output = workflow.fail("--keep-going")
    for name, (_, _, sentence) in ENDINGS.items():
        reported = output.partition(f"Error in rule {name}:")[2].partition("Error in rule")[0]
        assert sentence in reported, (name, reported)
        assert ("[IMAGE]" in reported) == (name in IMAGE_CAUSES), reported
    assert "oh dear" in output
    assert workflow.text("failing.log") == "why\n"
    assert not list(workflow.stored.glob("*.txt"))


def test_an_images_own_python_serves_where_the_hosts_is_not_to_be_used(workflow, images):
    workflow.write(
        "Snakefile",
        f"""
        rule a:
            output: "a.txt"
            container: "docker://{images["python"]}"
            resources: mem_mb=300
            shell: "python3 -c 'import botocore' 2> /dev/null || echo without > {{output}}"
        """,
    )
    workflow.succeed("--hutchbatch-aws-cli-path", "none")
    assert workflow.text("a.txt") == "without\n"


def test_snakemake_mode_needs_snakemake_in_the_image_and_nothing_of_ours(workflow, images):
    workflow.write(
        "Snakefile",
        f"""
        rule script:
            output: "script.txt"
            log: "script.log"
            container: "docker://{images["snakemake"]}"
            resources: mem_mb=1000, hutchbatch_mode="snakemake"
            script: "scripts/write.py"
        """,
    )
    workflow.write(
        "scripts/write.py",
        """
        import importlib.util
        import snakemake_interface_executor_plugins
        found = importlib.util.find_spec("snakemake_executor_plugin_hutchbatch")
        open(snakemake.log[0], "w").write("written")
        open(snakemake.output[0], "w").write(str(found))
        """,
    )
    output = workflow.succeed()
    assert "Jobs of script run under Snakemake" in output
    assert workflow.text("script.txt") == "None"
    assert workflow.text("script.log") == "written"


def test_snakemake_comes_along_where_the_image_has_a_python(workflow, images):
    workflow.write(
        "Snakefile",
        f"""
        import yaml
        from tabulate import tabulate
        rule all:
            input: "a.txt", "b.txt"
        rule a:
            output: "a.txt"
            container: "docker://{images["python"]}"
            resources: mem_mb=1000
            run:
                import snakemake
                text = tabulate([[yaml.safe_load("[1]")]], tablefmt="plain")
                open(output[0], "w").write(f"{{text}} {{snakemake.__file__}}")
        rule b:
            output: "b.txt"
            container: "docker://{images["plain"]}"
            resources: mem_mb=1000
            run: open(output[0], "w").write("never")
        """,
    )
    output = workflow.fail("--keep-going")
    assert workflow.text("a.txt").startswith("[1] /tmp/hutchbatch-cache/0/")
    assert "has no Python, and the rule runs under Snakemake" in output
    assert output.count("[IMAGE]") >= 1


@pytest.mark.thorough
def test_a_python_script_imports_what_is_installed_beside_snakemake(workflow, images):
    workflow.write(
        "Snakefile",
        f"""
        container: "docker://{images["python"]}"
        rule all:
            input: "a.txt", "b.txt"
        rule a:
            output: "a.txt"
            resources: mem_mb=500
            script: "scripts/a.py"
        rule b:
            output: "b.txt"
            resources: mem_mb=500
            script: "scripts/b.py"
        """,
    )
    workflow.write(
        "scripts/a.py",
        """
        import importlib.util
        import beside
        found = importlib.util.find_spec("pytest")
        open(snakemake.output[0], "w").write(f"{beside.text} {beside.place} {found}")
        """,
    )
    workflow.write(
        "scripts/beside.py",
        """
        import yaml
        from tabulate import tabulate
        text, place = tabulate([[yaml.safe_load("[1]")]], tablefmt="plain"), yaml.__file__
        """,
    )
    workflow.write("scripts/b.py", "import hb_absent\n")
    output = workflow.fail("--keep-going")
    text, place, found = workflow.text("a.txt").split()
    assert (text, found) == ("[1]", "None")
    assert place.startswith("/tmp/hutchbatch-cache/0/")
    assert "has no module hb_absent. Install it beside Snakemake" in output


def sleeping(straight) -> TaskSpec:
    command = "echo up; echo noted > a.log; sleep 1000"
    log = Log("a.log", f"{straight.url}/a.log")
    output = Output("a.txt", f"{straight.url}/a.txt")
    return TaskSpec("job", "", (Step("a", command, outputs=(output,), logs=(log,)),))


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(each, marks=() if each in STOPPED else pytest.mark.thorough)
        for each in ALL_WORKING
    ],
)
def test_a_terminated_job_stores_its_logs_and_its_status(straight, images, image):
    more = {}
    if image == "read-only":
        image, more = "plain", {"readonlyRootFilesystem": True}
    job = straight.submit(images[image], sleeping(straight), **more)
    straight.until_line(job, "up")
    straight.batch.terminate_job(jobId=job, reason="enough")
    ended = straight.ended(job)
    assert ended["container"]["exitCode"] == 143
    assert straight.status(job).cause == "TERMINATED"
    assert (straight.stored / "a.log").read_text() == "noted\n"
    assert not (straight.stored / "a.txt").exists()


def test_a_read_only_root_is_enough(straight, images):
    straight.put("in", b"data\n")
    step = Step(
        "a",
        "mkdir out; cat fh/in > out/copy; touch /x || echo refused >&2; test ! -e /fh",
        outputs=(Output("out", f"{straight.url}/out", directory=True),),
        logs=(Log("log", f"{straight.url}/log"),),
    )
    inputs = (Input(f"{straight.url}/in", "fh/in"),)
    task = TaskSpec("job", "", (step,), inputs=inputs, names={"/fh/in": "fh/in"})
    job = straight.submit(images["plain"], task, readonlyRootFilesystem=True)
    assert straight.ended(job)["status"] == "SUCCEEDED", straight.lines(job)
    assert (straight.stored / "out" / "copy").read_text() == "data\n"
    assert "refused" in straight.lines(job)


@pytest.mark.thorough
def test_outputs_of_an_earlier_run_do_not_make_a_job_that_never_ran_a_success(workflow, images):
    snakefile = """
        rule a:
            output: "a.txt"
            container: "docker://{}"
            resources: mem_mb=200
            shell: "echo made > {{output}}"
        """
    workflow.write("Snakefile", snakefile.format(images["plain"]))
    workflow.succeed()
    workflow.write("Snakefile", snakefile.format(images["shell-entrypoint"]))
    assert "ENTRYPOINT did not run the job" in workflow.fail("--forceall")


@pytest.mark.thorough
def test_a_rule_without_outputs_is_no_success_where_its_command_never_ran(workflow, images):
    workflow.write(
        "Snakefile",
        f"""
        rule a:
            container: "docker://{images["shell-entrypoint"]}"
            resources: mem_mb=200
            shell: "false"
        """,
    )
    assert "ENTRYPOINT did not run the job" in workflow.fail()
