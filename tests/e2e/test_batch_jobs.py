"""What is asked of AWS Batch for a job."""

import re

ROLE = "arn:aws:iam::000000000000:role/fh-pi-doe-j-batchtask"


def test_a_job_carries_name_resources_tags_volumes_and_role(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "aligned/A 1.txt", "plain.txt"
        rule align:
            output: "aligned/{sample}.txt"
            container: "docker://quay.io/biocontainers/samtools:1.21"
            threads: 2
            resources:
                mem_mb=1000, runtime=90, hutchbatch_queue="cpu-spot-30",
                hutchbatch_shm_mb=256, hutchbatch_scheduling_priority=7
            shell: "echo hi > {output:q}"
        rule plain:
            output: "plain.txt"
            shell: "echo hi > {output}"
        """,
    )
    workflow.write(
        "profile/config.yaml",
        """
        hutchbatch-user: jdoe
        hutchbatch-tags: [project=tcr, "lab=Doe lab"]
        hutchbatch-volumes: ["/ref:/ref:ro"]
        """,
    )
    output = workflow.succeed(
        *("--profile", "profile", "--hutchbatch-job-role", ROLE, "--container-image", "mine:2")
    )
    jobs = workflow.jobs(output)
    align, plain = jobs["align"], jobs["plain"]
    assert re.fullmatch(r"jdoe-align-A-1-[0-9a-f]{10}", align["jobName"])
    assert align["jobQueue"].endswith("/cpu-spot-30")
    assert plain["jobQueue"].endswith("/cpu-spot-50")
    assert align["timeout"] == {"attemptDurationSeconds": 5400}
    assert "timeout" not in plain
    assert align["tags"]["project"] == "tcr"
    assert align["tags"]["lab"] == "Doe lab"
    assert align["tags"]["hutchbatch-user"] == "jdoe"
    assert align["tags"]["hutchbatch-wildcards"] == "sample=A 1"
    container = align["container"]
    assert container["image"] == "quay.io/biocontainers/samtools:1.21"
    assert plain["container"]["image"] == "mine:2"
    assert container["jobRoleArn"] == ROLE
    assert not container.get("privileged")
    required = {r["type"]: r["value"] for r in container["resourceRequirements"]}
    assert required == {"VCPU": "2", "MEMORY": "954"}
    assert container["linuxParameters"]["sharedMemorySize"] == 245
    volumes = {v["name"]: v["host"]["sourcePath"] for v in container["volumes"]}
    mounts = {
        volumes[m["sourceVolume"]]: (m["containerPath"], bool(m.get("readOnly")))
        for m in container["mountPoints"]
    }
    assert mounts == {
        "/docker_scratch": ("/tmp", False),
        "/home/ec2-user/miniconda": ("/home/ec2-user/miniconda", True),
        "/ref": ("/ref", True),
    }
    assert container["logConfiguration"]["logDriver"] == "awslogs"
    definitions = workflow.client("batch").describe_job_definitions(
        jobDefinitions=[align["jobDefinition"]]
    )["jobDefinitions"]
    assert definitions[0]["status"] == "ACTIVE"


def test_equal_contents_share_one_definition_between_runs(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("{x}.txt", x="abc")
        rule make:
            output: "{x}.txt"
            threads: lambda w: 1 + (w.x == "b")
            resources: mem_mb=lambda w: 100 + 100 * (w.x == "c")
            shell: "echo {wildcards.x} > {output}"
        """,
    )
    first = workflow.succeed()
    before = workflow.cloud.calls()["calls"].get("RegisterJobDefinition", 0)
    second = workflow.succeed("--forceall")
    assert workflow.cloud.calls()["calls"].get("RegisterJobDefinition", 0) == before
    assert (
        workflow.jobs(first)["make"]["jobDefinition"]
        == workflow.jobs(second)["make"]["jobDefinition"]
    )


def test_envvars_reach_the_job_and_credentials_do_not(workflow):
    workflow.write(
        "Snakefile",
        """
        envvars: "LAB_TOKEN", "AWS_SECRET_ACCESS_KEY"
        rule direct:
            output: "direct.txt"
            shell: "echo $LAB_TOKEN ${{AWS_SECRET_ACCESS_KEY:-none}} > {output}"
        """,
    )
    output = workflow.succeed(LAB_TOKEN="a b $c 'd'")
    assert workflow.text("direct.txt") == "a b $c 'd' none\n"
    assert "AWS_SECRET_ACCESS_KEY is not sent to jobs" in output
    secret = workflow.cloud.environment["AWS_SECRET_ACCESS_KEY"]
    job = workflow.jobs(output)["direct"]
    assert secret not in str(job)
    for file in (workflow.stored / ".hutchbatch").rglob("*.json"):
        assert secret not in file.read_text()


def test_an_environment_too_long_for_batch_reaches_the_job_in_another_way(workflow):
    workflow.write(
        "Snakefile",
        """
        envvars: "HUGE", "NO_PROXY"
        rule a:
            output: "a.txt"
            shell: "echo ${{#HUGE}} $NO_PROXY > {output}"
        """,
    )
    output = workflow.fail(HUGE="x" * 9000, NO_PROXY="localhost,127.0.0.1," + "x" * 9000)
    assert "shorten NO_PROXY, or set it in the image" in output
    assert workflow.submissions() == 0
    workflow.succeed(HUGE="x" * 9000, NO_PROXY="localhost,127.0.0.1")
    assert workflow.text("a.txt") == "9000 localhost,127.0.0.1\n"


def test_control_files_go_where_the_work_prefix_says(workflow):
    workflow.write(
        "Snakefile",
        """
        rule a:
            output: "a.txt"
            resources: hutchbatch_image="own/image:1"
            shell: "echo a > {output}"
        """,
    )
    place = f"{workflow.prefix}-scratch/delete10"
    output = workflow.succeed("--hutchbatch-work-prefix", place)
    assert workflow.jobs(output)["a"]["container"]["image"] == "own/image:1"
    assert not (workflow.stored / ".hutchbatch").exists()
    control = workflow.stored.with_name(workflow.stored.name + "-scratch") / "delete10"
    kinds = {p.relative_to(control).parts[0] for p in control.rglob("*") if p.is_file()}
    assert kinds == {"runs", "sources", "supervisor"}
