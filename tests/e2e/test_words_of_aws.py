"""Endings in AWS's own words, through a real run: what passes is not noticed, what does not says
what to do."""

import re


def _rules(*names):
    wanted = ", ".join(f'"{name}.txt"' for name in names)
    text = f"rule all:\n    input: {wanted}\n"
    for name in names:
        text += f'rule {name}:\n    output: "{name}.txt"\n    shell: "echo > {{output}}"\n'
    return text


def test_what_passes_by_itself_fails_no_job(workflow):
    # The scratch is the host's: only the first to come waits there for its machine's end.
    mark = f"/tmp/{workflow.folder.name}"
    workflow.write(
        "Snakefile",
        _rules("pull", "status")
        + f"""
rule spot:
    output: "spot.txt"
    shell: "[ -e {mark} ] || {{{{ touch {mark}; sleep 60; }}}}; echo > {{output}}"
""",
    )
    fault = workflow.cloud.fault
    # Stopped with a notice: exit code 143, "Essential container in task exited", no retry by Batch.
    fault(kind="lose_host", name="*-spot-*", after=3.0, notice=20.0, times=1)
    fault(
        kind="cannot_start",
        name="*-pull-*",
        reason="CannotPullImageManifestError: failed to copy: Unexpected EOF",
        times=1,
    )
    fault(
        kind="cannot_start",
        name="*-status-*",
        status_reason="CannotPullContainerError: context canceled",
        times=1,
    )
    output = workflow.succeed("all", "spot.txt", "--retries", "0")
    again = [line for line in output.splitlines() if "started again" in line]
    assert [sum(f"{rule}:" in line for line in again) for rule in ("spot", "pull", "status")] == [
        *(1, 1, 1)
    ]
    assert all("spot machine was taken back" in line for line in again if "spot:" in line)
    assert all("could not be pulled" in line for line in again if "spot:" not in line)


def test_what_never_passes_is_not_tried_again_and_says_what_to_do(workflow):
    workflow.write(
        "Snakefile",
        _rules("image", "role", "memory")
        + """
rule misfit:
    output: "misfit.txt"
    resources: hutchbatch_queue="cpu-spot-40"
    shell: "echo > {output}"
""",
    )
    fault = workflow.cloud.fault
    who = "User: arn:aws:sts::1:assumed-role/ecsInstanceRole/i-0 is not authorized to perform: "
    words = {
        "image": "CannotPullContainerError: manifest for debian:stable not found: MANIFEST UNKNOWN",
        "role": "CannotStartContainerError: Error response from daemon: failed to initialize "
        f"logging driver: AccessDeniedException: {who}logs:CreateLogStream",
        "memory": "CannotStartContainerError: runc create failed: unable to start container "
        "process: container init was OOM-killed (memory limit too low?)",
    }
    for rule, reason in words.items():
        fault(kind="cannot_start", name=f"*-{rule}-*", reason=reason)
    limit = "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED"
    fault(kind="time_limit", queue="cpu-spot-40", reason=limit)
    output = workflow.fail("all", "misfit.txt", "--keep-going", "--retries", "0")
    reported = dict(re.findall(r"^(\w+) failed: (.*\[\w+\])$", output, re.M))
    causes = {rule: text.rpartition("[")[2].rstrip("]") for rule, text in reported.items()}
    assert causes == {
        "image": "IMAGE",
        "role": "DENIED",
        "memory": "OUT_OF_MEMORY",
        "misfit": "REJECTED",
    }
    assert "ecsInstanceRole is not allowed to use logs:CreateLogStream" in reported["role"]
    assert "queue cpu-spot-40 is misconfigured" in reported["misfit"]
    assert workflow.submissions() == 4


def test_jobs_that_a_queues_time_limit_cancels_move_up_and_their_siblings_start_higher(workflow):
    workflow.write("Snakefile", _rules("one", "two"))
    workflow.cloud.fault(kind="time_limit", queue="cpu-spot-30", seconds=0.5)
    ladder = ("--hutchbatch-queue", "cpu-spot-30,cpu-spot-40", "--retries", "0", "--jobs", "1")
    output = workflow.succeed(*ladder)
    sent = re.findall(r"AWS Batch job \S+ on queue ([\w-]+)", output)
    assert sent == ["cpu-spot-30", "cpu-spot-40", "cpu-spot-40"]
    assert "moves from queue cpu-spot-30 to cpu-spot-40" in output


def test_jobs_that_succeed_by_retries_did_not_fail_alike(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: expand("{x}.txt", x=range(3))
        rule a:
            output: "{x}.txt"
            resources: attempt=lambda wildcards, attempt: attempt
            shell: "[ {resources.attempt} = 2 ] || exit 3; echo > {output}"
        """,
    )
    output = workflow.succeed("--retries", "1")
    assert output.count("failed: the command of rule a ended with exit code 3 [COMMAND]") == 1
    assert "failed the same way" not in output


def test_a_bucket_that_the_user_may_not_read_is_one_sentence(workflow):
    workflow.write("Snakefile", 'rule a:\n    output: "a.txt"\n    shell: "echo > {output}"\n')
    workflow.cloud.fault(kind="deny", action="s3:*")
    output = workflow.fail()
    assert "You may not use the bucket hutchbatch with your current credentials" in output
    assert "Traceback" not in output


def test_a_role_that_may_not_write_is_reported_though_it_may_not_write_its_status(workflow):
    workflow.write("Snakefile", 'rule a:\n    output: "a.txt"\n    shell: "echo > {output}"\n')
    workflow.cloud.fault(kind="deny", action="s3:PutObject", caller="role")
    output = workflow.fail("--retries", "0")
    assert "[STAGE_OUT]" in output
    assert f"{workflow.prefix}/a.txt" in output
    assert "Check that the job role arn:" in output and "has permission to write there" in output
    assert "hutchbatch-status" not in output


def test_last_lines_that_come_late_and_behind_empty_pages_are_shown(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "bad.txt", "killed.txt"
        rule bad:
            output: "bad.txt"
            shell: "echo why it is bad; exit 3"
        rule killed:
            output: "killed.txt"
            shell: "echo how far it came; sleep 9"
        """,
    )
    workflow.cloud.fault(kind="late_lines", delay=2)
    workflow.cloud.fault(kind="empty_pages")
    workflow.cloud.fault(kind="out_of_memory", name="*-killed-*", after=1)
    output = workflow.fail("--keep-going", "--retries", "0")
    for cause, line in (("COMMAND", "why it is bad"), ("OUT_OF_MEMORY", "how far it came")):
        assert f"[{cause}]" in output
        assert re.search(rf"^ +{line}$", output, re.M), output


def test_a_fault_of_hutchbatchs_own_leaves_every_job_its_cause_and_a_traceback(workflow):
    workflow.write(
        "Snakefile",
        """
        from snakemake_executor_plugin_hutchbatch.aws import cloudwatch
        from snakemake_executor_plugin_hutchbatch.record.recorder import Recorder
        from snakemake_executor_plugin_hutchbatch.settlement import failure_report, retry_policy

        def broken(*_, **__):
            raise ZeroDivisionError("a bug")

        retry_policy.after = failure_report.report = cloudwatch.tail = Recorder.ended = broken

        rule all:
            input: "lost.txt", "bad.txt"
        rule lost:
            output: "lost.txt"
            shell: "sleep 1; echo > {output}"
        rule bad:
            output: "bad.txt"
            shell: "exit 3"
        """,
    )
    workflow.cloud.fault(kind="lose_host", name="*-lost-*", times=1)
    options = ("--keep-going", "--retries", "0", "--hutchbatch-spot-attempts", "1")
    output = workflow.fail(*options)
    assert workflow.text("lost.txt") == "\n"
    assert "the command of rule bad ended with exit code 3 [COMMAND]" in output
    assert "[LOST]" not in output
    assert output.count("ZeroDivisionError: a bug") >= 3
