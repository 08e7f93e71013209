"""What AWS's words and the supervisor's facts mean."""

import pytest

from snakemake_executor_plugin_hutchbatch.settlement import sentences
from snakemake_executor_plugin_hutchbatch.settlement.failure_cause import Cause, read
from snakemake_executor_plugin_hutchbatch.settlement.problem_context import ProblemContext, meaning
from snakemake_executor_plugin_hutchbatch.settlement.sentences import sentence
from snakemake_executor_plugin_hutchbatch.supervisor import problems, taskspec
from snakemake_executor_plugin_hutchbatch.supervisor.problems import (
    Defect,
    Facts,
    NoCredentials,
    Problem,
    Wrong,
)

ESSENTIAL = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
LIMIT = "Canceled by JobStateTimeLimit action due to reason: "
ROLE = "User: arn:aws:sts::123456789012:assumed-role/ecsInstanceRole/i-0abc is not authorized to"


def job(status_reason=ESSENTIAL, reason=None, exit_code=None, status="FAILED", **more):
    container = {"image": "img:1", "resourceRequirements": [{"type": "MEMORY", "value": "500"}]}
    if reason is not None:
        container["reason"] = reason
    if exit_code is not None:
        container["exitCode"] = exit_code
    container.update(more.pop("container", {}))
    return {
        "status": status,
        "statusReason": status_reason,
        "container": container,
        "attempts": [{}],
        "timeout": {"attemptDurationSeconds": 600},
        **more,
    }


def start(reason):
    return job(NOT_STARTED, reason)


OCI = (
    "CannotStartContainerError: Error response from daemon: failed to create task for container: "
    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start "
    "container process: "
)
LOGGING = (
    "CannotStartContainerError: Error response from daemon: failed to initialize logging driver: "
    "failed to create Cloudwatch log stream: "
)
SECRETS = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
    "retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s)"
)

REASONS = [
    # The command, and what the machine does to it.
    (job(exit_code=1), Cause.COMMAND, Problem.EXITED),
    (job(exit_code=137), Cause.COMMAND, Problem.EXITED),
    (job(exit_code=143), Cause.HOST, Problem.STOPPED),
    (job("Host EC2 (instance i-0abc) terminated."), Cause.SPOT, Problem.SPOT_LOST),
    (job("host ec2 (instance i-0abc) TERMINATED."), Cause.SPOT, Problem.SPOT_LOST),
    (job("Job attempt duration exceeded timeout", exit_code=137), Cause.TIMEOUT, Problem.TIMED_OUT),
    (
        job("Job attempt duration exceeded timeout", exit_code=143, isTerminated=True),
        Cause.TIMEOUT,
        Problem.TIMED_OUT,
    ),
    # Memory, in all of ECS's and runc's words.
    *(
        (description, Cause.OUT_OF_MEMORY, Problem.OUT_OF_MEMORY)
        for description in (
            job(exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage"),
            job(exit_code=137, reason="OutOfMemory: Container killed due to memory usage"),
            job(exit_code=1, reason="outofmemoryerror: container killed due to memory usage"),
            job("OutOfMemoryError: Container killed due to memory usage", exit_code=137),
            start(OCI + "container init was OOM-killed (memory limit too low?): unknown"),
            job(OCI + "container init was OOM-killed (memory limit too low?): unknown"),
        )
    ),
    # Limits of the queue.
    (job(LIMIT + "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"), Cause.CAPACITY, Problem.NO_CAPACITY),
    (
        job(LIMIT + "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY", isCancelled=True),
        Cause.CAPACITY,
        Problem.NO_CAPACITY,
    ),
    (
        job("Terminated by JobStateTimeLimit action due to reason: CAPACITY:X", isTerminated=True),
        Cause.CAPACITY,
        Problem.NO_CAPACITY,
    ),
    (job(LIMIT + "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"), Cause.REJECTED, Problem.MISFIT),
    (
        job(LIMIT + "misconfiguration:COMPUTE_ENVIRONMENT_MAX_RESOURCE", isCancelled=True),
        Cause.REJECTED,
        Problem.MISFIT,
    ),
    (
        job("Container Overrides length must be at most 8192"),
        Cause.REJECTED,
        Problem.OVERRIDES,
    ),
    # Permissions of roles, in whichever field.
    *(
        (description, Cause.DENIED, Problem.ROLE)
        for description in (
            start(f"{LOGGING}AccessDeniedException: {ROLE} perform: logs:CreateLogStream"),
            start(f"{LOGGING}AccessDeniedException: status code: 400"),
            job(f"{LOGGING}accessdenied"),
            start(f"{SECRETS}: AccessDeniedException: {ROLE} perform: ssm:GetParameters"),
            job(f"{SECRETS}: ACCESSDENIED: "),
            start(f"CannotPullContainerError: pull access denied: denied: {ROLE} perform: ecr:X"),
            job(
                "ECS was unable to assume the role 'arn:aws:iam::1:role/lab-batchtask' that was "
                "provided for this task."
            ),
        )
    ),
    (
        start(f"{LOGGING}ResourceNotFoundException: The specified log group does not exist."),
        Cause.REJECTED,
        Problem.LOG_GROUP,
    ),
    (
        start(f"{SECRETS}: ResourceNotFoundException: Secrets Manager can't find the specified"),
        Cause.REJECTED,
        Problem.SECRET,
    ),
    (start(f"{LOGGING}ThrottlingException: Rate exceeded"), Cause.HOST, Problem.HOST),
    (start(f"{SECRETS}: RequestError: send request failed: timeout"), Cause.HOST, Problem.HOST),
    # The image's own faults.
    (start(f'{OCI}exec: "/bin/sh": stat /bin/sh'), Cause.IMAGE, Problem.NO_PROGRAM),
    (start(f'{OCI}exec: "/bin/sh": exec format error'), Cause.IMAGE, Problem.PROCESSOR),
    # A machine that cannot start anything.
    *(
        (description, Cause.HOST, Problem.HOST)
        for description in (
            start("DockerTimeoutError: Could not transition to started; timed out"),
            start("dockertimeouterror: slow"),
            start("CannotInspectContainerError: x"),
            start("CannotCreateContainerError: x"),
            start("ResourceInitializationError: x"),
            start("InternalError: x"),
            job("DockerTimeoutError: slow"),
            job(NOT_STARTED),
        )
    ),
    (job("something new"), Cause.HOST, Problem.UNKNOWN),
    (job(None), Cause.HOST, Problem.UNKNOWN),
    # Ended by people, whatever they write.
    *(
        (job(words, isTerminated=True, exit_code=143), Cause.TERMINATED, Problem.ENDED)
        for words in ("no longer needed", "OutOfMemoryError on my laptop", "CannotPull is boring")
    ),
    (job("wrong queue", isCancelled=True), Cause.TERMINATED, Problem.ENDED),
    # The supervisor's and the start-up script's own codes, where there is no status.
    (job(exit_code=taskspec.EXIT_STAGE_IN), Cause.STAGE_IN, Problem.ABSENT),
    (job(exit_code=taskspec.EXIT_STAGE_OUT), Cause.STAGE_OUT, Problem.S3),
    (job(exit_code=taskspec.EXIT_MISSING_OUTPUT), Cause.MISSING_OUTPUT, Problem.OUTPUTS),
    (job(exit_code=taskspec.EXIT_NO_PYTHON), Cause.IMAGE, Problem.NO_PYTHON),
    (job(exit_code=taskspec.EXIT_NO_SHELL), Cause.IMAGE, Problem.NO_SHELL),
    (job(exit_code=taskspec.EXIT_SCRATCH), Cause.HOST, Problem.SCRATCH),
    (job(exit_code=taskspec.EXIT_SPEC), Cause.HOST, Problem.SUPERVISOR),
]


@pytest.mark.parametrize(("description", "cause", "problem"), REASONS)
def test_each_reason_has_its_cause_and_a_sentence(description, cause, problem):
    failure = read(description)
    assert failure is not None
    assert (failure.cause, failure.problem) == (cause, problem)
    assert len(failure.sentence) > 10


#: Registries' words about a pull; those that pass, and those that never do.
PASSING = [
    "context canceled",
    "Context Canceled",
    "failed to copy: httpReadSeeker: failed open: unexpected EOF",
    "unexpected status code [manifests 1]: 429 Too Many Requests",
    "toomanyrequests: You have reached your pull rate limit",
    'received unexpected HTTP status: "502 Bad Gateway"',
    "unexpected status from HEAD request to https://r/v2/x/manifests/1: 504 Gateway Time-out",
    "503 Service Unavailable",
    "dial tcp 34.1.2.3:443: connect: network is unreachable",
    "net/http: TLS handshake timeout",
    'Get "https://registry-1.docker.io/v2/": dial tcp 1.2.3.4:443: i/o timeout',
    "read tcp 10.0.0.2:443->1.2.3.4:443: read: connection reset by peer",
    "net/http: request canceled while waiting for connection (Client.Timeout exceeded)",
    "dial tcp: lookup registry-1.docker.io on 10.0.0.2:53: no such host",
    "write /var/lib/docker/tmp/GetImageBlob1: no space left on device",
    "denied: Your authorization token has expired. Reauthenticate and try again.",
    "number of layers and diffIDs don't match: 3 != 15",  # nobody knows: it is tried again
]
FINAL = [
    "manifest unknown: manifest unknown",
    "MANIFEST UNKNOWN",
    "pull image manifest has been retried 1 time(s): failed to resolve ref img:1: not found",
    "Error response from daemon: manifest for img:1 not found: manifest unknown",
    "API error (500): manifest for img:1 not found",
    "API error (404): repository img not found",
    "pull access denied for img, repository does not exist or may require 'docker login': denied: "
    "requested access to the resource is denied",
    "The task can't pull the image. Check whether it exists. It doesn't: no such image",
    "no matching manifest for linux/amd64 in the manifest list entries",
    "image Manifest does not contain descriptor matching platform 'linux/amd64'",
    "invalid reference format: repository name must be lowercase",
    "name unknown: The repository with name 'x' does not exist in the registry",
    "unexpected status code [manifests 502]: 401 Unauthorized",
    "no basic auth credentials",
]


@pytest.mark.parametrize("kind", ["CannotPullContainerError", "CannotPullImageManifestError"])
@pytest.mark.parametrize(
    ("words", "cause"),
    [*((text, Cause.HOST) for text in PASSING), *((text, Cause.IMAGE) for text in FINAL)],
)
def test_a_pull_that_may_pass_is_distinguished_from_one_that_never_does(kind, words, cause):
    for description in (
        start(f"{kind}: {words}"),
        job(f"{kind}: {words}"),
        job(f"Task failed to start: {kind.lower()}: {words}"),
    ):
        failure = read(description)
        assert failure is not None
        assert failure.cause is cause
        assert "img:1" in failure.sentence


@pytest.mark.parametrize(
    "image", ["lab/connection-refused:502", "timeout:1", "man", "quay.io/x/too-many-requests"]
)
def test_an_images_name_says_nothing_about_its_pull(image):
    words = f"CannotPullContainerError: manifest for {image} not found: manifest unknown"
    failure = read(job(NOT_STARTED, words, container={"image": image}))
    assert failure is not None
    assert failure.cause is Cause.IMAGE


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (
            f"{LOGGING}AccessDeniedException: {ROLE} perform: logs:CreateLogStream on resource: "
            "arn:aws:logs:us-west-2:1:log-group:/aws/batch/job:log-stream:x",
            ("the role ecsInstanceRole", "logs:CreateLogStream", "log-group:/aws/batch/job"),
        ),
        (f"{LOGGING}AccessDenied", ("the execution role lab-execution",)),
        (f"{SECRETS}: AccessDenied", ("the execution role lab-execution",)),
        (
            "ECS was unable to assume the role 'arn:aws:iam::1:role/path/lab' that was provided",
            ("the role lab ",),
        ),
    ],
)
def test_a_denial_names_the_role_and_what_it_may_not(words, named):
    execution = {"executionRoleArn": "arn:aws:iam::1:role/lab-execution"}
    failure = read(job(NOT_STARTED, words, container=execution))
    assert failure is not None
    assert [name for name in named if name not in failure.sentence] == []


def test_without_an_execution_role_the_machines_writes_the_log():
    failure = read(job(NOT_STARTED, f"{LOGGING}AccessDenied"))
    assert failure is not None
    assert "the role of the queue's machines" in failure.sentence


@pytest.mark.parametrize("reason", NoCredentials)
def test_a_job_that_cannot_use_its_machines_role_says_what_to_ask_for(reason):
    reported = status(210, "STAGE_IN", "credentials", activity="supervisor", code=reason.value)
    failure = read(job(exit_code=210), reported)
    assert failure is not None
    assert failure.cause is Cause.DENIED
    assert "--hutchbatch-job-role" in failure.sentence
    assert ("hop limit" in failure.sentence) is (reason is NoCredentials.HOP_LIMIT)


def test_a_success_is_no_failure():
    assert read(job(exit_code=0, status="SUCCEEDED")) is None


# The supervisor's word


def status(exit_code, cause, problem=None, step=None, **facts):
    reported = Facts(**facts) if facts else None
    return taskspec.Status("j", 1, "run", exit_code, cause, problem, reported, step)


def test_the_supervisors_own_word_is_taken_for_its_exit():
    failure = read(job(exit_code=3), status(3, "COMMAND", "exited", "align"))
    assert failure is not None
    assert failure.sentence == "the command of rule align ended with exit code 3"


def test_a_shared_input_that_was_changed_is_named_with_what_to_write():
    facts = {"files": ("ref/genome.fa", "ref/index"), "count": 4}
    failure = read(job(exit_code=218), status(218, "HOST", "shared_changed", **facts))
    assert failure is not None
    assert failure.cause is Cause.HOST
    assert failure.sentence.startswith("ref/genome.fa, ref/index and 2 more, which it shares")
    assert "hutchbatch_shared='none'" in failure.sentence
    without = read(job(exit_code=218))
    assert without is not None
    assert without.sentence.startswith("an input, which it shares")


def test_a_status_of_another_exit_is_not_believed():
    failure = read(job(exit_code=1), status(3, "STAGE_IN", "absent", files=("s3://b/k",)))
    assert failure is not None
    assert failure.cause is Cause.COMMAND


def test_a_cause_or_problem_of_another_version_is_a_failure_all_the_same():
    for cause, problem in (("SOMETHING", "else"), ("STAGE_IN", None), ("COMMAND", "new")):
        failure = read(job(exit_code=3), status(3, cause, problem))
        assert failure is not None
        assert "exit code 3" in failure.sentence


def test_awss_word_on_memory_goes_before_the_supervisors():
    reported = status(137, "COMMAND", "exited", "a")
    failure = read(job(exit_code=137, reason="OutOfMemoryError: Container killed"), reported)
    assert failure is not None
    assert failure.cause is Cause.OUT_OF_MEMORY
    assert "524 MB" in failure.sentence


def test_a_command_that_the_kernel_killed_for_memory_is_known_for_that():
    failure = read(job(exit_code=137), status(137, "OUT_OF_MEMORY", "out_of_memory", "a"))
    assert failure is not None
    assert failure.cause is Cause.OUT_OF_MEMORY
    assert "rule a needed more memory than the 524 MB" in failure.sentence


@pytest.mark.parametrize("exit_code", [143, 137])
@pytest.mark.parametrize(("taken_back", "cause"), [(True, Cause.SPOT), (False, Cause.HOST)])
def test_a_stopped_container_on_a_machine_that_is_taken_back_is_a_spot_loss(
    exit_code, taken_back, cause
):
    reported = status(143, "TERMINATED", "stopped", taken_back=taken_back)
    failure = read(job(exit_code=exit_code, attempts=[{}, {}]), reported)
    assert failure is not None
    assert (failure.cause, failure.problem) == (cause, Problem.STOPPED)
    assert failure.attempts == 2


def test_a_job_that_a_person_ended_is_not_lost_with_its_machine():
    reported = status(143, "TERMINATED", "stopped", taken_back=True)
    failure = read(job("enough", exit_code=143, isTerminated=True), reported)
    assert failure is not None
    assert failure.cause is Cause.TERMINATED


def test_only_an_output_without_a_word_of_ours_blames_the_entrypoint():
    def cause(exit_code, reported, lines):
        failure = read(job(exit_code=exit_code), reported, lines)
        assert failure is not None
        return failure.problem

    assert cause(1, None, ["usage: tool"]) is Problem.NOT_ENTERED
    assert cause(1, None, ["hutchbatch: what a user's command may print"]) is Problem.NOT_ENTERED
    assert cause(1, None, []) is Problem.EXITED
    assert cause(1, None, None) is Problem.EXITED
    assert cause(139, None, ["usage: tool"]) is Problem.EXITED
    assert cause(1, status(1, "COMMAND", "exited"), ["usage: tool"]) is Problem.EXITED


# Sentences


@pytest.mark.parametrize(
    "line",
    [
        "exec /bin/sh: exec format error",
        "standard_init_linux.go:228: exec user process caused: exec format error",
        "[FATAL tini (7)] exec /entry failed: Exec format error",
    ],
)
@pytest.mark.parametrize("code", [1, 255])
def test_a_container_of_another_processor_is_known_by_its_only_line(line, code):
    failure = read(job(exit_code=code), lines=[line])
    assert failure is not None
    assert (failure.cause, failure.problem) == (Cause.IMAGE, Problem.PROCESSOR)


@pytest.mark.parametrize("problem", Problem)
def test_every_problem_has_a_sentence_whatever_is_known(problem):
    odd = Facts(
        activity="{k.words}",
        file="{0}\x1b",
        files=("{}",),
        outputs=(Wrong("{x}", "{y}"),),
        count=-3,
        words="{" * 3000,
        http_status=-1,
        needed=-1,
    )
    for known in (
        ProblemContext(),
        ProblemContext(facts=odd, words="}" * 3000, step="{k}"),
        ProblemContext(exit_code=-5),
    ):
        assert 10 < len(sentence(problem, known)) < 1500


@pytest.mark.parametrize("defect", Defect)
def test_every_defect_of_an_output_has_its_words(defect):
    facts = Facts(outputs=(Wrong("out", defect.value, "md5", "aa", "bb"),), count=3)
    reported = sentence(Problem.OUTPUTS, ProblemContext(step="a", facts=facts))
    assert "but out " in reported
    assert "as the rule declares" not in reported
    assert "and 2 more" in reported


@pytest.mark.parametrize(
    ("facts", "reported"),
    [
        ({"http_status": 403, "code": "AccessDenied"}, True),
        ({"http_status": 403}, True),
        ({"http_status": 403, "code": "InvalidObjectState"}, False),
        ({"http_status": 404, "code": "NoSuchBucket"}, False),
        ({"http_status": 503, "code": "SlowDown"}, False),
        ({"http_status": 400, "code": "InvalidRequest"}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize(("activity"), list(sentences._S3_ACTIVITIES))
def test_the_job_role_is_suspected_only_where_s3_denies(activity, facts, reported):
    known = Facts(activity=activity, file="s3://b/k", words="what S3 said", **facts)
    for problem in (Problem.S3, Problem.SETUP):
        said = sentence(problem, ProblemContext(facts=known))
        assert ("job role" in said) is (reported and problem is Problem.S3)
        assert "what S3 said" in said


def test_files_are_called_as_users_know_them():
    facts = Facts(outputs=(Wrong(".snakemake/storage/s3/b/k", "missing"),), count=1)
    assert "s3://b/k is missing" in sentence(Problem.OUTPUTS, ProblemContext(step="a", facts=facts))
    facts = Facts(activity=problems.COMMAND, file="/x/.snakemake/storage/s3/b/k", disk_mb=5000)
    reported = sentence(Problem.DISK_FULL, ProblemContext(facts=facts))
    assert "s3://b/k" in reported
    assert "disk_mb is 5,000 MB" in reported


@pytest.mark.parametrize(
    ("code", "words"), [(127, "not found"), (139, "SIGSEGV"), (137, "memory"), (2, "exit code 2")]
)
def test_exit_codes_come_with_their_meaning(code, words):
    assert words in meaning(code)
