"""What the user reads about a failed job: one plain sentence for each problem. Pure.

The only module that turns the supervisor's facts, or AWS Batch's words, into sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..planning import default_image
from ..supervisor import problems
from ..supervisor.errors import amount
from ..supervisor.problems import Defect, Facts, Holder, NoCredentials, Problem, Wrong
from ..text.units import mb
from .problem_context import ProblemContext, shown_file

#: Characters of the end of a program's output in a sentence.
MOST_OUTPUT = 400
#: Of the solver's sentence.
MOST_SOLVER = 1_200


def sentence(problem: Problem, context: ProblemContext) -> str:
    """Without a full stop: more may follow."""
    made = _SENTENCES[problem]
    return made.format(k=context) if isinstance(made, str) else made(context)


# Scratch disk


def _space(disk_mb: int | None) -> str:
    """The end of a sentence about a full scratch disk. Batch reserves no disk on EC2: the jobs of
    one machine share it."""
    asked = "" if disk_mb is None else f" (the rule's disk_mb is {disk_mb:,} MB)"
    return f"{asked}. Run fewer jobs at once (--jobs), or split this one"


#: Docker's own folders, where the scratch is its disk: images, containers and volumes.
_DOCKERS = frozenset(
    ("overlay2", "containers", "image", "volumes", "btrfs", "buildkit", "containerd", "rootfs")
)


def _held(holders: tuple[Holder, ...]) -> str:
    """What others have left on a full scratch disk, as another sentence."""
    if not holders:
        return ""
    named = ", ".join(
        f"{each.name} ({'at least ' if each.more else ''}{amount(each.size)}"
        + (", of Docker" if each.name in _DOCKERS else "")
        + (f", of user {each.owner})" if each.owner else ")")
        for each in holders
    )
    said = f". There, but not of hutchbatch: {named}"
    if all(each.name in _DOCKERS for each in holders):
        return said
    return f"{said}. What nothing uses any more, SciComp can remove"


def _scratch_full(context: ProblemContext) -> str:
    free, disk_mb = amount(context.facts.free or 0), context.facts.disk_mb
    return (
        f"{context.command} ended with {context.end}, and there was no space left on scratch "
        f"({free} free){_space(disk_mb)}{_held(context.facts.holders)}"
    )


def _doing(facts: Facts) -> str:
    if facts.activity == problems.INPUTS and facts.needed is not None:
        free = f", with {amount(facts.free)} free" if facts.free is not None else ""
        return f"fetching inputs of {amount(facts.needed)}{free}"
    return {
        problems.INPUTS: "fetching inputs",
        problems.START: "creating the job's folder",
        problems.SOURCES: "unpacking the workflow's sources",
        problems.SCRIPTS: "writing the rule's script",
        problems.PACKAGES: "unpacking Snakemake's packages",
        problems.ENVIRONMENTS: "unpacking the conda environment",
        problems.TOOLS: "unpacking what builds conda environments",
        problems.CONDA: "building the conda environment",
        problems.OUTPUTS: "storing the outputs",
        problems.LOGS: "storing the logs",
    }.get(facts.activity or "", "the job ran")


def _disk_full(context: ProblemContext) -> str:
    doing = _doing(context.facts)
    space, held = _space(context.facts.disk_mb), _held(context.facts.holders)
    return f"no space left on scratch while {doing} ({context.file}){space}{held}"


def _disk(context: ProblemContext) -> str:
    return f"the scratch disk failed while {_doing(context.facts)} ({context.file}: {context.why})"


# Outputs


def _outputs(context: ProblemContext) -> str:
    wrong = "; ".join(map(_wrong, context.facts.outputs))
    more = context.facts.count - len(context.facts.outputs)
    if not wrong:
        return "the command succeeded but did not create all its outputs"
    return (
        f"{context.command} succeeded, but {wrong}{f'; and {more:,} more' if more > 0 else ''}. "
        "Compare the rule's output with the files that its command creates"
    )


def _wrong(wrong: Wrong) -> str:
    how = {
        Defect.MISSING.value: "is missing",
        Defect.DANGLING.value: "is a broken link",
        Defect.A_FILE.value: "is a file, not a directory",
        Defect.A_DIRECTORY.value: "is a directory: declare it as directory()",
        Defect.SPECIAL.value: "is not a regular file",
        Defect.EMPTY.value: "is empty",
        Defect.CHECKSUM.value: f"has the {wrong.kind} checksum {wrong.got}, not {wrong.wanted}",
        Defect.CHECKSUM_KIND.value: f"has a checksum of an unknown kind, {wrong.kind}",
    }
    what = how.get(wrong.defect, "is not as the rule declares it")
    return f"{shown_file(wrong.path)} {what}"


# S3

#: By activity: what failed, and what the jobs' role must be permitted to do for it.
_S3_ACTIVITIES = {
    problems.SUPERVISOR: ("hutchbatch's own code could not be read", "read it"),
    problems.TASK: ("the task's description could not be read", "read it"),
    problems.SOURCES: ("the workflow's source archive could not be fetched", "read it"),
    problems.SCRIPTS: ("the rule's script could not be fetched", "read it"),
    problems.INPUTS: ("the inputs could not be fetched", "read them"),
    problems.PACKAGES: ("Snakemake's packages could not be fetched", "read them"),
    problems.ENVIRONMENTS: ("the conda environment could not be fetched", "read it"),
    problems.TOOLS: ("what builds conda environments could not be fetched", "read it"),
    problems.CONDA: ("the conda environment could not be built", "read and write there"),
    problems.OUTPUTS: ("the outputs could not be stored", "write there"),
    problems.PROBES: ("the places of a run could not be tried", "use them"),
    problems.LOGS: ("the logs could not be stored", "write there"),
}


def _s3(context: ProblemContext) -> str:
    facts = context.facts
    failed, need = _S3_ACTIVITIES.get(facts.activity or "", ("a request to S3 failed", "do that"))
    if not facts.words:
        return failed
    reason = f"{context.file}: {context.why}" if facts.file else context.why
    if facts.http_status and str(facts.http_status) not in reason:
        reason += f" (HTTP {facts.http_status})"
    if facts.code == "InvalidObjectState":
        remedy = (
            ". It is archived (Glacier): restore it with 'aws s3api restore-object', and start the "
            "workflow again when that is done, hours later"
        )
    elif facts.http_status == 403:
        remedy = f". Check that {_who(context)} has permission to {need}"
    elif facts.code == "NoSuchBucket":
        remedy = ". Check the name of the bucket"
    elif facts.http_status in (404, 412):
        remedy = ". Something changed these files while the workflow ran: start it again"
    elif not facts.http_status or facts.http_status == 429 or facts.http_status >= 500:
        remedy = ". This may be temporary: start the workflow again"
    else:
        remedy = ""
    return f"{failed}: {reason}{remedy}"


def _setup(context: ProblemContext) -> str:
    failed, _ = _S3_ACTIVITIES.get(context.facts.activity or "", ("S3 cannot be used", ""))
    return f"{failed}: {context.why}"


#: By reason: why the machine's role does not serve, and what SciComp or the user can do.
_NO_CREDENTIALS = {
    NoCredentials.HOP_LIMIT.value: (
        "the answers of its metadata service do not reach containers",
        "ask SciComp to set the hop limit of the metadata service to 2 in the launch template of "
        "the queue's machines (HttpPutResponseHopLimit)",
    ),
    NoCredentials.UNREACHABLE.value: (
        "containers cannot reach its metadata service, 169.254.169.254",
        "ask SciComp to let containers use it",
    ),
    NoCredentials.NO_ROLE.value: (
        "the machine has none",
        "ask SciComp for an instance role of the queue's machines that can use your bucket",
    ),
    NoCredentials.DISABLED.value: (
        "AWS_EC2_METADATA_DISABLED is set in its container",
        "remove that variable from the image or envvars:",
    ),
}


def _credentials(context: ProblemContext) -> str:
    failed, _ = _S3_ACTIVITIES.get(context.facts.activity or "", ("S3 cannot be used", ""))
    why, remedy = _NO_CREDENTIALS.get(
        context.facts.code or "", _NO_CREDENTIALS[NoCredentials.UNREACHABLE.value]
    )
    return (
        f"{failed}: the job has no role of its own, and cannot use that of its machine, since "
        f"{why}. Name a job role (--hutchbatch-job-role), or {remedy}"
    )


def _who(context: ProblemContext) -> str:
    """Whose permissions S3 found wanting: a job role is known by its ARN."""
    role = context.facts.role
    if not role:
        return "the job role, or the machine's where the job has none,"
    return f"the job role {role}" if role.startswith("arn:") else f"the machine's role {role}"


def _permissions(context: ProblemContext) -> str:
    refused = " and ".join(text.replace(" ", " on ", 1) for text in context.facts.files)
    return f"{_who(context)} is not allowed to use {refused}"


def _absent(context: ProblemContext) -> str:
    if not context.facts.files:
        return "an input could not be fetched from S3"
    verb = "do" if context.facts.count > 1 else "does"
    return (
        f"{context.files} {verb} not exist in S3. Check the rule's input, and that nothing deletes "
        "it while the workflow is running"
    )


# The rest


def _out_of_memory(context: ProblemContext) -> str:
    who = context.command if context.step else "it"
    requested = mb(int(context.memory)) if context.memory.isdecimal() else "memory"
    return f"{who} needed more memory than the {requested} requested and was killed: raise mem_mb"


def _no_shell(context: ProblemContext) -> str:
    shell = context.facts.file
    if not shell:
        return "the image lacks the shell that the command needs: use an image with bash"
    return (
        f"this image has no {shell}, which the rule's command needs. Use an image with {shell}, or "
        'give the rule another shell (resource shell_exec="sh")'
    )


def _no_interpreter(context: ProblemContext) -> str:
    needed = f"{context.file}, which the script of rule {context.step} needs"
    if context.facts.words:
        return (
            f"neither the conda environment {context.why} nor {context.its_image} has {needed}: "
            "add it to that file"
        )
    return (
        f"{context.its_image} has no {needed}: name an image that has it in container: or "
        "hutchbatch_image"
    )


def _no_glibc(context: ProblemContext) -> str:
    which = f" {context.file}" if context.facts.file else ""
    return (
        f"{context.its_image} has no glibc (as musl images such as Alpine), which the programs of "
        f"the conda environment{which} need: name a Debian or Ubuntu image in container: or "
        "hutchbatch_image"
    )


def _no_snakemake(context: ProblemContext) -> str:
    facts = context.facts
    found = context.why if facts.words else "no Snakemake that will do"
    python = f", or Python {facts.wanted[:8]} and glibc," if facts.wanted and facts.count else ""
    return (
        f"{context.its_image} has {found}, and the rule runs under Snakemake: that needs Snakemake "
        f"with snakemake-storage-plugin-s3{python} in the image. Name such an image in container: "
        f"or hutchbatch_image, for example {default_image.image()}"
    )


def _conda_solve(context: ProblemContext) -> str:
    # The solver's sentence, made in ``software/conda``: its end names the channels.
    return (context.facts.words or "the conda environment cannot be solved")[:MOST_SOLVER]


def _conda_download(context: ProblemContext) -> str:
    facts = context.facts
    status = f"HTTP {facts.http_status}" if facts.http_status else ""
    said = _cut_end(facts.words) if facts.words else ""
    reason = " ".join(part for part in (status, said) if part) or "no reason given"
    if facts.http_status in (401, 403):
        remedy = "the channel asks for a login, or refuses the machines of AWS"
    elif facts.http_status in (404, 410):
        remedy = (
            "the channel no longer has it: solve the environment again with "
            "--hutchbatch-conda-update, or name another version"
        )
    elif "certificate" in said:
        remedy = "give jobs the certificates of your network's proxy (SSL_CERT_FILE)"
    else:
        remedy = "can machines of AWS reach the channel, and if only through a proxy, is it set?"
    return f"the package {context.file} could not be downloaded ({reason}): {remedy}"


def _cut_end(text: str) -> str:
    """The end of a program's output, on one line."""
    text = " / ".join(line.strip() for line in text.splitlines() if line.strip())
    return text if len(text) <= MOST_OUTPUT else "… " + text[-MOST_OUTPUT:].lstrip()


def _conda_ran(what: str) -> Callable[[ProblemContext], str]:
    def made(context: ProblemContext) -> str:
        end = f" with {context.facts.code}" if context.facts.code else ""
        said = f": {_cut_end(context.facts.words)}" if context.facts.words else ""
        return what.format(k=context) + f" failed{end}{said}"

    return made


def _service_missing(context: ProblemContext) -> str:
    return (
        f"rule {context.step} waited {(context.facts.seconds or 0) / 60:.0f} minutes for "
        f"{context.files}, which a service creates when it is ready"
    )


def _scratch(context: ProblemContext) -> str:
    where = f" {context.file} ({context.why})" if context.facts.file else ""
    return (
        f"no folder could be created on the machine's scratch disk{where}: check "
        "--hutchbatch-scratch, and --hutchbatch-container-user, since the job's user must be able "
        "to write there (root can)"
    )


def _stopped(context: ProblemContext) -> str:
    if context.facts.taken_back:
        return f"its spot machine was taken back by AWS, {context.times}"
    return "its machine stopped it while it was running"


def _unstorable(context: ProblemContext) -> str:
    what = "logs" if context.facts.activity == problems.LOGS else "outputs"
    return f"the {what} could not be stored: {context.why}"


def _torn(context: ProblemContext) -> str:
    remedy = ": raise mem_mb" if context.facts.words == "out of memory" else ""
    return (
        f"{context.file}, which {context.command} left running, was killed ({context.why}) while "
        f"writing {context.files}{remedy}"
    )


def _changed(context: ProblemContext) -> str:
    what = {
        problems.SUPERVISOR: "hutchbatch's own code",
        problems.TASK: "the task's description",
        problems.SOURCES: "the workflow's source archive",
        problems.SCRIPTS: "the rule's script",
        problems.INPUTS: "the workflow's configuration",
        problems.PACKAGES: "the archive of Snakemake's packages",
        problems.ENVIRONMENTS: "a file of the conda environment",
        problems.TOOLS: "the archive of what builds conda environments",
        problems.CONDA: "the lock of the conda environment",
    }.get(context.facts.activity or "", "the file")
    return (
        f"{what} {context.file} is not the one this job was submitted with: it has been changed in "
        "S3 since, so it was not run. Start the workflow again, and check who can write there"
    )


def _shared_changed(context: ProblemContext) -> str:
    what = context.files if context.facts.files else "an input"
    return (
        f"{what}, which it shares with other jobs of its machine, was changed while it ran, by one "
        "of these jobs or by itself, and nothing was stored. If its rule writes into its inputs, "
        "give it hutchbatch_shared='none'"
    )


def _supervisor(context: ProblemContext) -> str:
    if context.facts.words is None:
        return "the task's description could not be read in the container"
    return (
        f"hutchbatch itself failed in the container, in phase {context.phase} ({context.why}). "
        "Please report this"
    )


def _timed_out(context: ProblemContext) -> str:
    limit = f"{context.seconds / 60:g} min" if context.seconds else "time"
    return f"it ran longer than its {limit}: raise runtime in the rule's resources"


def _role(context: ProblemContext) -> str:
    return (
        f"it could not be started, because {context.who or 'a role'} is not allowed to "
        f"{context.action or 'do what that needs'}: show this to SciComp ({context.said})"
    )


def _no_program(context: ProblemContext) -> str:
    what = "/bin/sh: use one with sh and bash"
    if 'exec: "/bin/sh"' not in context.words.lower():
        what = "the program that its ENTRYPOINT names: use another image"
    return f"its image has no {what} ({context.said})"


#: Templates of ``str.format`` (``k`` is the context), or functions of it.
_SENTENCES: Mapping[Problem, str | Callable[[ProblemContext], str]] = {
    Problem.EXITED: "{k.command} ended with {k.end}",
    Problem.OUT_OF_MEMORY: _out_of_memory,
    Problem.SCRATCH_FULL: _scratch_full,
    Problem.NOT_STARTED: "{k.command} could not be started ({k.why}). Very large environment "
    "variables can be the reason",
    Problem.TMPDIR: "the tmpdir of rule {k.step}, {k.file}, cannot be created ({k.why}): leave it "
    "out to use the job's own folder on the scratch disk",
    Problem.SERVICE_ENDED: "the service of rule {k.step} ended before the rules that need it",
    Problem.SERVICE_MISSING: _service_missing,
    Problem.OUTPUTS: _outputs,
    Problem.NO_SHELL: _no_shell,
    Problem.NO_INTERPRETER: _no_interpreter,
    Problem.NO_GLIBC: _no_glibc,
    Problem.ENVIRONMENT: "the conda environment {k.file} cannot be used in the container "
    "({k.why}). Please report this",
    Problem.NO_SNAKEMAKE: _no_snakemake,
    Problem.CONDA_PYTHON: "{k.its_image} has {k.why}, and conda environments are built with Python "
    f"3.10 or newer on glibc: use an image like {default_image.image()}",
    Problem.CONDA_SOLVE: _conda_solve,
    Problem.CONDA_DOWNLOAD: _conda_download,
    Problem.CONDA_CONTENT: "the package {k.file} is not the one that was locked ({k.why}): the "
    "channel has changed it, or something on the way damages it",
    Problem.CONDA_INSTALL: "the packages of the conda environment could not be installed: {k.why}",
    Problem.CONDA_LINK: _conda_ran(
        "the script that the package {k.file} runs after its installation"
    ),
    Problem.CONDA_PIP: _conda_ran("pip, which installs the pip: section of the environment,"),
    Problem.CONDA_DEPLOY: _conda_ran("the post-deploy script of the environment"),
    Problem.DISK_FULL: _disk_full,
    Problem.DISK: _disk,
    Problem.UNREADABLE: "the outputs could not be stored: {k.file} could not be read ({k.why})",
    Problem.S3: _s3,
    Problem.SETUP: _setup,
    Problem.CREDENTIALS: _credentials,
    Problem.PERMISSIONS: _permissions,
    Problem.ABSENT: _absent,
    Problem.TASK: "the task's description {k.file} cannot be used ({k.why}). Start the workflow "
    "again; if that does not help, please report this",
    Problem.CHANGED: _changed,
    Problem.SHARED_CHANGED: _shared_changed,
    Problem.SUPERSEDED: "{k.why}",
    Problem.UNSTORABLE: _unstorable,
    Problem.TORN: _torn,
    Problem.SOURCES_DAMAGED: "the workflow's source archive is damaged ({k.why})",
    Problem.SCRATCH: _scratch,
    Problem.STOPPED: _stopped,
    Problem.SUPERVISOR: _supervisor,
    Problem.SPOT_LOST: "its spot machine was taken back by AWS, {k.times} ({k.said})",
    Problem.TIMED_OUT: _timed_out,
    Problem.NO_CAPACITY: "AWS had no machine for it within the time its queue lets jobs wait "
    "({k.said})",
    Problem.MISFIT: "its queue cannot run it, so AWS Batch cancelled it ({k.said})",
    Problem.PULL_LATER: "{k.its_image} could not be pulled this time: {k.said}",
    Problem.PULL_REFUSED: "{k.its_image} could not be pulled: check its name and tag, and "
    "that it is public, or give the login of its registry with "
    "--hutchbatch-repository-credentials ({k.said})",
    Problem.ROLE: _role,
    Problem.LOG_GROUP: "its log group {k.log_group} does not exist: correct --hutchbatch-log-group,"
    " or ask SciComp to create it",
    Problem.SECRET: "a secret it needs does not exist: correct --hutchbatch-secrets or "
    "--hutchbatch-repository-credentials ({k.said})",
    Problem.NO_PROGRAM: _no_program,
    Problem.PROCESSOR: "{k.its_image} is for a different processor than its machine has: use one "
    "for the machines of its queue ({k.said})",
    Problem.NO_PYTHON: "no Python runs in the container: musl images (Alpine) need a python3 of "
    "their own, 3.8 or newer; for other images check --hutchbatch-aws-cli-path",
    # AWS Batch passes the command to the image's ENTRYPOINT, and cannot replace that.
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html (command)
    Problem.NOT_ENTERED: "its image's ENTRYPOINT did not run the job and ended with exit code "
    "{k.exit_code}: AWS Batch cannot replace it, so use an image without one, or one whose "
    'ENTRYPOINT ends in exec "$@" (an image for another processor ends like this, too)',
    Problem.OVERRIDES: "AWS refused it: {k.said}. Shorten the values of envvars: for this job",
    Problem.ENDED: "it was stopped from outside: {k.said}",
    Problem.HOST: "its machine could not start it: {k.said}",
    Problem.FORGOTTEN: "AWS Batch no longer knows it, and its outputs are missing",
    Problem.UNKNOWN: "AWS Batch could not run it: {k.said}",
}
