"""A Snakemake profile for AWS Batch, written with a comment for each line. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..nextflow.carried import Carried
from ..settings.setting import option_name
from ..text.printable import printable

#: The profile's file in its folder, as Snakemake looks for it.
FILE = "config.yaml"
#: Above this Snakemake's own bookkeeping, not the queues, holds up a run.
JOBS = 500
#: What a job gets that asks for nothing: without default resources Snakemake asks for no memory.
DEFAULT_RESOURCES: Mapping[str, int | str] = {"mem_mb": 1000, "runtime": 60}


@dataclass(frozen=True)
class Answers:
    """What only the user knows. Texts as typed, checked. ``policy`` counts where queue is auto."""

    bucket: str
    prefix: str
    queue: str
    policy: str
    job_role: str
    user: str
    work_prefix: str
    region: str

    @property
    def storage(self) -> str:
        """Where the workflow's files lie."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class _Line:
    """Keys of the profile below a comment."""

    comment: str
    content: Mapping[str, Any]


def render(answers: Answers, folder: Path, carried: Carried | None = None) -> str:
    """The profile's text. ``folder``: where it will lie; ``carried``: of a ``nextflow.config``."""
    made = carried or Carried()
    head = [
        "# Settings for running Snakemake workflows on AWS Batch with hutchbatch.",
        f"# Check them:   hutchbatch doctor --profile {folder}",
        f"# Use them:     snakemake --profile {folder}",
        "# What can stand here: every option of Snakemake, without its two dashes.",
    ]
    parts = ["\n".join(head)]
    parts += [_shown(line) for line in _lines(answers, made)]
    if made.left:
        parts.append(_left(made))
    return "\n\n".join(parts) + "\n"


def _shown(line: _Line) -> str:
    comment = textwrap.fill(line.comment, 98, initial_indent="# ", subsequent_indent="# ")
    return f"{comment}\n{_yaml(line.content)}"


def _yaml(content: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(
        dict(content), sort_keys=False, allow_unicode=True, default_flow_style=False, width=1000
    )
    return text.rstrip("\n")


def _lines(answers: Answers, made: Carried) -> Sequence[_Line]:
    defaults = {**DEFAULT_RESOURCES, **made.defaults}
    return [
        _Line(
            "Jobs run on AWS Batch, this many of them at once. More wait at Batch than run: the "
            "queue decides.",
            {"executor": "hutchbatch", "jobs": made.jobs or JOBS},
        ),
        _Line(
            "Jobs share no disk with you: every file that a rule names lies here, in S3. The "
            "region is the bucket's.",
            {
                "default-storage-provider": "s3",
                "default-storage-prefix": answers.storage,
                "storage-s3-region": answers.region,
            },
        ),
        _Line("The region of AWS Batch's queues.", {"hutchbatch-region": answers.region}),
        _queue_line(answers),
        _Line(
            "The role with which jobs read and write your bucket. SciComp tells you your PI's. "
            "Your own credentials stay on your machine.",
            {"hutchbatch-job-role": answers.job_role},
        ),
        _Line(
            "Your HutchNet ID: the names of your jobs begin with it.",
            {"hutchbatch-user": answers.user},
        ),
        _Line(
            "Small control files of a run. They are needed while it lasts, so a folder that "
            "empties itself is best.",
            {"hutchbatch-work-prefix": answers.work_prefix},
        ),
        *_carried_lines(made),
        _Line(
            "What a job gets that asks for nothing itself: memory in MB, run time in minutes (it "
            "is stopped after that).",
            {"default-resources": [f"{name}={value}" for name, value in defaults.items()]},
        ),
        *_rule_lines(made),
        _Line(
            "How often a job that failed by itself is tried again. Jobs that lost their machine "
            "are tried again anyway and do not count.",
            {"retries": made.retries or 0},
        ),
        _Line(
            "How often jobs are asked after (seconds): everybody at the Hutch shares the account's "
            "allowance of calls.",
            {"seconds-between-status-checks": 10},
        ),
        _Line(
            "One sample's failure does not stop the others; half-made files of a stopped run are "
            "made again.",
            {"keep-going": True, "rerun-incomplete": True},
        ),
    ]


def _queue_line(answers: Answers) -> _Line:
    if answers.queue != "auto":
        return _Line(
            "The queue that jobs go to; with several, a job moves from the first to the next if "
            "it waits too long. `hutchbatch queues` shows which there are.",
            {"hutchbatch-queue": answers.queue},
        )
    return _Line(
        "Which spot queue jobs start on. availability: the one that always has machines. "
        "capacity: the cheapest first, moving up when it has none. balanced: in between. To name "
        "a queue instead:   hutchbatch-queue: mixed",
        {"hutchbatch-policy": answers.policy},
    )


#: Carried settings that are no question, with what they are.
_MORE = {
    "aws_cli_path": "The AWS command line of Batch's machines; containers see it read-only.",
    "scratch": "The big disk of Batch's machines, and where containers see it.",
    "volumes": "More folders of Batch's machines for containers.",
    "log_group": "Where jobs' output is kept (CloudWatch log group).",
    "spot_attempts": "How often a job may start on a queue when its spot machine is taken back.",
    "share_identifier": "Your share of a queue with a fair-share policy.",
    "scheduling_priority": "Which of your jobs such a queue starts first: higher first.",
    "tags": "Tags of jobs: they appear in AWS's bills.",
}


def _carried_lines(made: Carried) -> list[_Line]:
    lines = [
        _Line(comment, {option_name(name).removeprefix("--"): made.settings[name]})
        for name, comment in _MORE.items()
        if name in made.settings
    ]
    if made.container_image:
        image = {"container-image": made.container_image}
        lines.append(_Line("The image of rules that name none (container:).", image))
    return lines


def _rule_lines(made: Carried) -> list[_Line]:
    lines = []
    if made.rules:
        lines.append(
            _Line(
                "What single rules ask for, over what they say themselves. The names are those of "
                "the Nextflow processes: make them your rules' names. attempt is 1, then 2, 3 … "
                "when a job is tried again. A GB of Nextflow's is 1000 MB here.",
                {"set-resources": made.rules},
            )
        )
    if made.threads:
        lines.append(_Line("Processors (vCPUs) of single rules.", {"set-threads": made.threads}))
    return lines


def _left(made: Carried) -> str:
    head = "# Of the nextflow.config this could not be carried over:"
    lines = (printable(" ".join(str(each).split())) for each in made.left)
    return "\n".join([head, *(f"#   {line}" for line in lines)])
