"""A Snakemake profile for AWS Batch, written with a comment for each line. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..nextflow.carried import Carried
from ..settings.setting import option_name
from ..settings.table import SETTINGS
from ..text.printable import printable

#: The profile's file in its folder, as Snakemake looks for it.
FILE = "config.yaml"
#: With more, Snakemake's own bookkeeping, not the queues, limits a run.
JOBS = 500
#: What a job gets that asks for nothing: without default resources Snakemake requests no memory.
DEFAULT_RESOURCES: Mapping[str, int | str] = {"mem_mb": 1000}


@dataclass(frozen=True)
class Answers:
    """What only the user knows. Texts as typed, checked.

    ``site``: its name or file; ``gives``: what it gives, for the reader; ``runtime``: minutes, or
    ``none``; ``settings``: what differs from the site, by name.
    """

    site: str
    gives: str
    bucket: str
    prefix: str
    region: str
    user: str
    runtime: str
    settings: Mapping[str, str]

    @property
    def storage(self) -> str:
        """Where the workflow's files are."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class _Line:
    """Keys of the profile below a comment."""

    comment: str
    content: Mapping[str, object]


def render(answers: Answers, folder: Path, carried: Carried | None = None) -> str:
    """The profile's text. ``folder``: where it will be; ``carried``: of a ``nextflow.config``."""
    made = carried or Carried()
    head = [
        "# Settings for running Snakemake workflows on AWS Batch with hutchbatch.",
        f"# Check them:   hutchbatch doctor --profile {folder}",
        f"# Use them:     snakemake --profile {folder}",
        "# Every option of Snakemake can be set here, without its two dashes.",
    ]
    parts = ["\n".join(head)]
    parts += [_shown(line) for line in _lines(answers, made)]
    for title, those in not_carried(made, "the nextflow.config"):
        parts.append("\n".join((f"# {title}", *(f"#   {line}" for line in those))))
    return "\n\n".join(parts) + "\n"


def _shown(line: _Line) -> str:
    comment = textwrap.fill(
        line.comment, 98, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
    return f"{comment}\n{_yaml(line.content)}"


def _yaml(content: Mapping[str, object]) -> str:
    text: str = yaml.safe_dump(
        dict(content), sort_keys=False, allow_unicode=True, default_flow_style=False, width=1000
    )
    return text.rstrip("\n")


def _lines(answers: Answers, made: Carried) -> Sequence[_Line]:
    return [
        _Line(
            "Jobs run on AWS Batch, up to this many at once. How many of them run and how many "
            "wait is up to the queue.",
            {"executor": "hutchbatch", "jobs": made.jobs or JOBS},
        ),
        _Line(
            "Jobs share no disk with your machine: every file that a rule names is kept here, in "
            "S3. The region is the bucket's.",
            {
                "default-storage-provider": "s3",
                "default-storage-prefix": answers.storage,
                "storage-s3-region": answers.region,
            },
        ),
        _Line(
            "Whose AWS account it is. What this file does not set, the site gives"
            + (f": {answers.gives}. " if answers.gives else ". ")
            + "Jobs that name no queue go to one that the account has: `hutchbatch queues` shows "
            "which.",
            {"hutchbatch-site": answers.site},
        ),
        *_setting_lines(answers.settings),
        _Line(
            "Your HutchNet ID: job names start with it.",
            {"hutchbatch-user": answers.user},
        ),
        *_carried_lines(made),
        _Line(
            "What jobs get that ask for nothing: memory in MB, and runtime, the minutes after "
            "which a job is stopped. Without runtime, a job that hangs keeps its machine, which "
            "costs money, until you cancel it. Rules with longer jobs have their own: resources: "
            "runtime=600.",
            {"default-resources": _default_resources(answers, made)},
        ),
        *_rule_lines(made),
        _Line(
            "How often a failed job is repeated. Jobs that lost their machine are restarted "
            "anyway and do not count.",
            {"retries": made.retries or 0},
        ),
        _Line(
            "Seconds between status checks: everybody at the Hutch shares the account's limit of "
            "calls.",
            {"seconds-between-status-checks": 10},
        ),
        _Line(
            "One sample's failure does not stop the others; incomplete files of a stopped run "
            "are made again.",
            {"keep-going": True, "rerun-incomplete": True},
        ),
    ]


#: Settings that may differ from the site's, or are carried over, with what they are.
_ABOUT = {
    "region": "The AWS region of the Batch queues.",
    "queue": "The queue that jobs go to; with several, a job moves from the first to the next if "
    "it waits too long. `hutchbatch queues` shows them all.",
    "policy": "Which spot queue jobs start on. availability: the one that nearly always has "
    "machines. capacity: the cheapest first, moving up when it has none. balanced: in between. To "
    "name a queue instead:   hutchbatch-queue: mixed",
    "job_role": "The role with which jobs read and write your bucket; none: that of Batch's "
    "machines. Your own credentials stay on your machine.",
    "work_prefix": "Small control files of a run. They are only needed during the run, so a folder "
    "that is emptied automatically is best.",
    "aws_cli_path": "The AWS command line of Batch's machines; containers see it read-only.",
    "scratch": "The large disk of Batch's machines, and where containers see it.",
    "volumes": "More folders of Batch's machines to mount in containers.",
    "log_group": "Where jobs' output is kept (CloudWatch log group).",
    "spot_attempts": "How often a job may start on a queue when its spot machine is taken back.",
    "share_identifier": "Your share of a queue with a fair-share policy.",
    "scheduling_priority": "Which of your jobs such a queue starts first: higher first.",
    "tags": "Tags for jobs: they appear on AWS bills.",
}


#: Those that the interview answers.
_ANSWERS = frozenset(
    ("region", "job_role", "queue", "policy", "work_prefix", "scratch", "aws_cli_path", "log_group")
)


def _setting_lines(settings: Mapping[str, object]) -> list[_Line]:
    names = [*(n for n in _ABOUT if n in settings), *(n for n in settings if n not in _ABOUT)]
    return [
        _Line(
            _ABOUT.get(name) or SETTINGS[name].help_text,
            {option_name(name).removeprefix("--"): settings[name]},
        )
        for name in names
    ]


def _default_resources(answers: Answers, made: Carried) -> list[str]:
    resources = {**DEFAULT_RESOURCES, **made.defaults, "runtime": answers.runtime}
    return [f"{name}={value}" for name, value in resources.items() if value != "none"]


def _carried_lines(made: Carried) -> list[_Line]:
    """What was carried over and is no answer."""
    lines = _setting_lines({n: v for n, v in made.settings.items() if n not in _ANSWERS})
    if made.container_image:
        image = {"container-image": made.container_image}
        lines.append(_Line("The image for rules without container:.", image))
    if made.conda:
        comment = (
            "Conda environments that rules name are built once, by a job on AWS Batch, and kept "
            "in S3."
        )
        lines.append(_Line(comment, {"software-deployment-method": "conda"}))
    if made.max_threads:
        comment = "The most vCPUs that any job asks for."
        lines.append(_Line(comment, {"max-threads": made.max_threads}))
    return lines


def _rule_lines(made: Carried) -> list[_Line]:
    lines = []
    if made.rules:
        lines.append(
            _Line(
                "Settings of single rules, which override the rules' own. The names are those of "
                "the Nextflow processes: change them to your rules' names. attempt is 1, then 2, "
                "3 … when a job is repeated. A Nextflow GB is 1000 MB here.",
                {"set-resources": made.rules},
            )
        )
    if made.threads:
        lines.append(_Line("Processors (vCPUs) of single rules.", {"set-threads": made.threads}))
    return lines


def not_carried(made: Carried, name: str) -> list[tuple[str, list[str]]]:
    """Headings, each with its lines: what of the config ``name`` has no place in the profile."""
    found: dict[bool, list[str]] = {}
    for each in made.left:
        found.setdefault(each.needless, []).append(printable(" ".join(str(each).split())))
    heads = {
        False: f"Not carried over from {name}:",
        True: f"Nothing is lost without these of {name}:",
    }
    return [(heads[needless], found[needless]) for needless in heads if needless in found]
