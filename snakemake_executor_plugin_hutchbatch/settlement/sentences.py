"""What the user of a failed job reads: one plain sentence for each problem. Pure.

The only place where facts that the supervisor reports, or AWS Batch's words, turn into sentences.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..supervisor import problems
from ..supervisor.errors import amount
from ..supervisor.problems import Defect, Facts, Problem, Wrong

#: Characters of somebody else's words in a sentence: their beginning tells.
MOST_WORDS = 200
_NO_FACTS = Facts()


def meaning(exit_code: int) -> str:
    """``exit code 127 (command not found)``: what shells mean by a number."""
    known = {
        126: "a program that may not be run",
        127: "command not found in the image",
        137: "killed, often for memory",
        143: "terminated",
    }
    words = known.get(exit_code)
    if words is None and 128 < exit_code < 128 + 65:
        try:
            words = signal.Signals(exit_code - 128).name
        except ValueError:
            words = f"signal {exit_code - 128}"
    return f"exit code {exit_code}" + (f" ({words})" if words else "")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_WORDS else text[:MOST_WORDS].rstrip() + " …"


def _as_users_know_files(text: str) -> str:
    """Snakemake's local copies (``.snakemake/storage/s3/bucket/key``) as what they stand for."""
    return text.replace(".snakemake/storage/s3/", "s3://")


@dataclass(frozen=True)
class Known:
    """What a sentence is made of. ``phase``: the supervisor's, in which it ended; ``words``: AWS
    Batch's; ``memory``: MiB asked for; ``seconds``: the time limit; ``attempts``: how many ended
    so; ``who`` (a role) may not do ``action``."""

    exit_code: int = 0
    step: str | None = None
    facts: Facts = _NO_FACTS
    phase: str = ""
    words: str = ""
    image: str = ""
    memory: str = "?"
    seconds: int | None = None
    attempts: int = 1
    who: str = ""
    action: str = ""
    log_group: str = ""

    @property
    def said(self) -> str:
        return _cut(self.words or "no reason given")

    @property
    def why(self) -> str:
        return _cut(self.facts.words or "no reason given")

    @property
    def file(self) -> str:
        return _as_users_know_files(self.facts.file or "?")

    @property
    def files(self) -> str:
        names, count = self.facts.files, self.facts.count
        more = f" and {count - len(names):,} more" if count > len(names) else ""
        return ", ".join(map(_as_users_know_files, names)) + more

    @property
    def command(self) -> str:
        return f"the command of rule {self.step}" if self.step else "the command"

    @property
    def its_image(self) -> str:
        return f"its image {self.image}" if self.image else "its image"

    @property
    def end(self) -> str:
        return meaning(self.exit_code)

    @property
    def times(self) -> str:
        return "once" if self.attempts == 1 else f"{self.attempts} times"


def sentence(problem: Problem, known: Known) -> str:
    """Without a full stop: more may follow."""
    made = _SENTENCES[problem]
    return made.format(k=known) if isinstance(made, str) else made(known)


# The scratch


def _space(disk_mb: int | None) -> str:
    """How a sentence about a full scratch ends. Batch reserves no disk on EC2: jobs of one machine
    share its scratch."""
    said = "" if disk_mb is None else f" (the rule's disk_mb said {disk_mb:,} MB)"
    return f"{said}. Run fewer jobs at once (--jobs), or split what this one does"


def _scratch_full(known: Known) -> str:
    free, disk_mb = amount(known.facts.free or 0), known.facts.disk_mb
    return (
        f"{known.command} ended with {known.end}, and there was no space left on scratch ({free} "
        f"free){_space(disk_mb)}"
    )


def _doing(facts: Facts) -> str:
    if facts.activity == problems.INPUTS and facts.needed is not None:
        free = f" where {amount(facts.free)} were free" if facts.free is not None else ""
        return f"fetching inputs of {amount(facts.needed)}{free}"
    return {
        problems.INPUTS: "fetching inputs",
        problems.SOURCES: "unpacking the workflow's sources",
        problems.OUTPUTS: "storing the outputs",
        problems.LOGS: "storing the logs",
    }.get(facts.activity or "", "the job ran")


def _disk_full(known: Known) -> str:
    doing = _doing(known.facts)
    return f"no space left on scratch while {doing} ({known.file}){_space(known.facts.disk_mb)}"


def _disk(known: Known) -> str:
    return f"the scratch failed while {_doing(known.facts)} ({known.file}: {known.why})"


# Outputs


def _outputs(known: Known) -> str:
    wrong = "; ".join(map(_wrong, known.facts.outputs))
    more = known.facts.count - len(known.facts.outputs)
    if not wrong:
        return "the command ended well but did not make all its outputs"
    return (
        f"{known.command} ended well, but {wrong}{f'; and {more:,} more' if more > 0 else ''}. "
        "Compare the rule's output with what its command makes"
    )


def _wrong(wrong: Wrong) -> str:
    how = {
        Defect.MISSING.value: "is missing",
        Defect.DANGLING.value: "is a link to nothing",
        Defect.A_FILE.value: "is a file, not a directory",
        Defect.A_DIRECTORY.value: "is a directory: declare it as directory()",
        Defect.SPECIAL.value: "is not a regular file",
        Defect.EMPTY.value: "is empty",
        Defect.CHECKSUM.value: f"has the {wrong.kind} checksum {wrong.got}, not {wrong.wanted}",
        Defect.CHECKSUM_KIND.value: f"has a checksum of an unknown kind, {wrong.kind}",
    }
    said = how.get(wrong.defect, "is not as the rule says")
    return f"{_as_users_know_files(wrong.path)} {said}"


# S3

#: What was asked of S3, and what the job role must be able to do for it.
_ASKED = {
    problems.SUPERVISOR: ("hutchbatch's own code could not be read", "read it"),
    problems.TASK: ("the task's description could not be read", "read it"),
    problems.SOURCES: ("the workflow's source archive could not be fetched", "read it"),
    problems.INPUTS: ("the inputs could not be fetched", "read them"),
    problems.OUTPUTS: ("the outputs could not be stored", "write there"),
    problems.LOGS: ("the logs could not be stored", "write there"),
}


def _s3(known: Known) -> str:
    facts = known.facts
    failed, need = _ASKED.get(facts.activity or "", ("a request to S3 failed", "do that"))
    if not facts.words:
        return failed
    said = f"{known.file}: {known.why}" if facts.file else known.why
    if facts.http_status and str(facts.http_status) not in said:
        said += f" (HTTP {facts.http_status})"
    if facts.http_status == 403:
        remedy = f". Check that the job role may {need}"
    elif facts.code == "NoSuchBucket":
        remedy = ". Check the name of the bucket"
    elif facts.http_status in (404, 412):
        remedy = ". Something changes these files while the workflow runs: start it again"
    elif not facts.http_status or facts.http_status == 429 or facts.http_status >= 500:
        remedy = ". This may pass: start the workflow again"
    else:
        remedy = ""
    return f"{failed}: {said}{remedy}"


def _setup(known: Known) -> str:
    failed, _ = _ASKED.get(known.facts.activity or "", ("S3 cannot be used", ""))
    return f"{failed}: {known.why}"


def _absent(known: Known) -> str:
    if not known.facts.files:
        return "an input could not be fetched from S3"
    verb = "do" if known.facts.count > 1 else "does"
    return (
        f"{known.files} {verb} not exist in S3. Check the rule's input, and that nothing deletes "
        "it while the workflow runs"
    )


# The rest


def _out_of_memory(known: Known) -> str:
    who = known.command if known.step else "it"
    return (
        f"{who} needed more memory than the {known.memory} MiB it asked for and was killed: raise "
        "mem_mb"
    )


def _no_shell(known: Known) -> str:
    shell = known.facts.file
    if not shell:
        return "the image lacks the shell that the command needs: use an image with bash"
    return (
        f"this image has no {shell}, which the rule's command needs. Use an image with {shell}, or "
        'give the rule another shell (resource shell_exec="sh")'
    )


def _service_missing(known: Known) -> str:
    return (
        f"rule {known.step} has waited {(known.facts.seconds or 0) / 60:.0f} minutes for "
        f"{known.files}, by which a service shows that it is there"
    )


def _scratch(known: Known) -> str:
    where = f" {known.file} ({known.why})" if known.facts.file else ""
    return (
        f"no folder could be made on the machine's scratch{where}: check --hutchbatch-scratch, and "
        "that the image's user may write there"
    )


def _stopped(known: Known) -> str:
    if known.facts.taken_back:
        return f"its spot machine was taken back by AWS, {known.times}"
    return "its machine stopped it while it ran"


def _unstorable(known: Known) -> str:
    what = "logs" if known.facts.activity == problems.LOGS else "outputs"
    return f"the {what} could not be stored: {known.why}"


def _torn(known: Known) -> str:
    remedy = ": raise mem_mb" if known.facts.words == "out of memory" else ""
    return (
        f"{known.file}, which {known.command} left behind, was killed ({known.why}) while it wrote "
        f"{known.files}{remedy}"
    )


def _changed(known: Known) -> str:
    what = {
        problems.SUPERVISOR: "hutchbatch's own code",
        problems.TASK: "the task's description",
        problems.SOURCES: "the workflow's source archive",
        problems.INPUTS: "the workflow's configuration",
    }.get(known.facts.activity or "", "the file")
    return (
        f"{what} {known.file} is not the one this job was submitted with: it was changed in S3 "
        "since. Nothing of it was run. Start the workflow again, and check who may write there"
    )


def _supervisor(known: Known) -> str:
    if known.facts.words is None:
        return "the task's description could not be read in the container"
    return (
        f"hutchbatch itself failed in the container, in phase {known.phase} ({known.why}). Please "
        "report this"
    )


def _timed_out(known: Known) -> str:
    limit = f"{known.seconds / 60:g} min" if known.seconds else "time"
    return f"it ran longer than its {limit}: raise resources: runtime"


def _role(known: Known) -> str:
    return (
        f"it could not be started, since {known.who or 'a role'} may not "
        f"{known.action or 'do what that needs'}: show this to SciComp ({known.said})"
    )


def _no_program(known: Known) -> str:
    what = "/bin/sh: use one with sh and bash"
    if 'exec: "/bin/sh"' not in known.words.lower():
        what = "the program that its ENTRYPOINT names: use another image"
    return f"its image has no {what} ({known.said})"


#: Templates of ``str.format``, or functions, of what is known (``k``).
_SENTENCES: Mapping[Problem, str | Callable[[Known], str]] = {
    Problem.EXITED: "{k.command} ended with {k.end}",
    Problem.OUT_OF_MEMORY: _out_of_memory,
    Problem.SCRATCH_FULL: _scratch_full,
    Problem.NOT_STARTED: "{k.command} could not be started ({k.why}). Very large environment "
    "variables can be the reason",
    Problem.TMPDIR: "the tmpdir of rule {k.step}, {k.file}, cannot be made ({k.why}): leave it "
    "out, and the job's own folder on the scratch disk serves",
    Problem.SERVICE_ENDED: "the service of rule {k.step} ended before the rules that need it",
    Problem.SERVICE_MISSING: _service_missing,
    Problem.OUTPUTS: _outputs,
    Problem.NO_SHELL: _no_shell,
    Problem.DISK_FULL: _disk_full,
    Problem.DISK: _disk,
    Problem.UNREADABLE: "the outputs could not be stored: {k.file} could not be read ({k.why})",
    Problem.S3: _s3,
    Problem.SETUP: _setup,
    Problem.ABSENT: _absent,
    Problem.TASK: "the task's description {k.file} cannot be used ({k.why}). Start the workflow "
    "again; if that does not help, please report this",
    Problem.CHANGED: _changed,
    Problem.SUPERSEDED: "{k.why}",
    Problem.UNSTORABLE: _unstorable,
    Problem.TORN: _torn,
    Problem.SOURCES_DAMAGED: "the workflow's source archive is damaged ({k.why})",
    Problem.SCRATCH: _scratch,
    Problem.STOPPED: _stopped,
    Problem.SUPERVISOR: _supervisor,
    Problem.SPOT_LOST: "its spot machine was taken back by AWS, {k.times} ({k.said})",
    Problem.TIMED_OUT: _timed_out,
    Problem.NO_CAPACITY: "AWS had no machine for it in the time that its queue lets jobs wait "
    "({k.said})",
    Problem.MISFIT: "its queue cannot run it, so AWS Batch cancelled it ({k.said})",
    Problem.PULL_LATER: "{k.its_image} could not be pulled just then: {k.said}",
    Problem.PULL_REFUSED: "{k.its_image} could not be pulled: check the name and tag, and "
    "that it is public ({k.said})",
    Problem.ROLE: _role,
    Problem.LOG_GROUP: "its log group {k.log_group} does not exist: correct --hutchbatch-log-group,"
    " or ask SciComp to create it",
    Problem.SECRET: "a secret that it needs does not exist: correct --hutchbatch-secrets "
    "({k.said})",
    Problem.NO_PROGRAM: _no_program,
    Problem.PROCESSOR: "{k.its_image} is for another processor than its machine's: use one "
    "for the machines of its queue ({k.said})",
    Problem.NO_PYTHON: "no Python runs in the container: musl images (Alpine) need a python3 of "
    "their own, 3.8 or newer; for other images check --hutchbatch-aws-cli-path",
    # AWS Batch puts the command behind the image's ENTRYPOINT, and has no way to replace that.
    # https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html (command)
    Problem.NOT_ENTERED: "its image's ENTRYPOINT did not run the job and ended with exit code "
    "{k.exit_code}: AWS Batch cannot replace it, so use an image without one, or one whose "
    'ENTRYPOINT ends in exec "$@" (an image for another processor ends like this, too)',
    Problem.OVERRIDES: "AWS refused it: {k.said}. Shorten the values of envvars: for this job",
    Problem.ENDED: "it was ended from outside: {k.said}",
    Problem.HOST: "its machine could not start it: {k.said}",
    Problem.FORGOTTEN: "AWS Batch no longer knows it, and its outputs are missing",
    Problem.UNKNOWN: "AWS Batch could not run it: {k.said}",
}
