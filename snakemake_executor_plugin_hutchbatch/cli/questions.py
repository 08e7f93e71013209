"""What ``hutchbatch init`` asks, and how answers are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..queues.data_file import DataFileError
from ..queues.queue import Queue
from ..settings import parsers
from ..settings.table import FALLBACK_REGION, SETTINGS
from ..settings.values import NONE, SITES, SettingError
from ..sites import site

#: Minutes that a job may run, unless its rule says otherwise.
RUNTIME = "60"


@dataclass(frozen=True)
class Question:
    """Something the profile must say. ``parse`` raises ``SettingError`` for a wrong answer;
    ``why``: what to know before it is answered."""

    name: str
    metavar: str
    text: str
    help: str
    parse: Callable[[str], object]
    why: str = ""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def parse_site(text: str) -> str:
    """A site's name or file, as typed. Raises ``SettingError``, also for a file that is wrong."""
    try:
        site.chosen(parsers.parse_site(text))
    except DataFileError as error:
        raise SettingError("; ".join(str(error).split("\n"))) from None
    return text.strip()


def parse_bucket(text: str) -> str:
    """A bucket's name, also as ``s3://name``. Raises ``SettingError``."""
    bucket = text.strip().removeprefix("s3://").rstrip("/")
    if "/" in bucket:
        raise SettingError(
            "enter only the bucket's name; the folder in it is a question of its own (--prefix)"
        )
    try:
        parsers.parse_work_prefix(f"s3://{bucket}")
    except SettingError:
        raise SettingError("a bucket's name looks like fh-pi-lastname-f-eco") from None
    return bucket


def parse_prefix(text: str) -> str:
    """A folder in the bucket. Raises ``SettingError``."""
    folder = text.strip().strip("/")
    if not all(part and part.isprintable() and " " not in part for part in folder.split("/")):
        raise SettingError("a folder looks like myproject or tcr/run1, without spaces")
    if "://" in text or any(c in folder for c in "#?{}*"):
        raise SettingError("a folder looks like myproject or tcr/run1, without #, ?, * or braces")
    return folder


def parse_runtime(text: str) -> str:
    """Whole minutes, or ``none``. Raises ``SettingError``."""
    word = text.strip()
    if word == str(NONE) or (word.isascii() and word.isdecimal() and 0 < int(word[:9]) < 10**6):
        return word
    raise SettingError("a run time is a whole number of minutes, like 60, or none")


def check_queues(text: str, queues: Mapping[str, Queue]) -> None:
    """Raises ``SettingError`` for a queue that the account does not have, with those it has, or
    that takes no jobs. ``queues``: the account's, by name."""
    by_arn = {queue.arn: queue for queue in queues.values()}
    for name in parsers.parse_queue(text):
        queue = queues.get(name) or by_arn.get(name)
        if queue is None:
            there = ", ".join(sorted(queues))
            raise SettingError(f"this account has no queue {name}; there are {there}")
        if not queue.takes_jobs:
            raise SettingError(f"queue {name} is not accepting jobs: {queue.why_not}")


def _typed(name: str) -> str:
    """A setting's default as a user would type it."""
    return str(SETTINGS[name].default)


QUESTIONS = {
    question.name: question
    for question in (
        Question(
            "site",
            "NAME|FILE",
            "Whose AWS account do you use? " + ", ".join(SITES) + ", or a file for another site",
            f"whose account it is: {', '.join(SITES)}, or a file (default: what the account shows)",
            parse_site,
        ),
        Question(
            "bucket",
            "NAME",
            "Your PI's bucket in S3, for the workflow's files",
            "your PI's bucket",
            parse_bucket,
        ),
        Question(
            "prefix",
            "FOLDER",
            "The folder in the bucket for this workflow",
            "the folder in the bucket for this workflow (default: the name of this folder)",
            parse_prefix,
        ),
        Question(
            "region",
            "REGION",
            "The AWS region",
            f"the AWS region (default: from your AWS configuration, else {FALLBACK_REGION})",
            parsers.parse_region,
        ),
        Question(
            "job_role",
            "ARN",
            "The IAM role for the jobs (ARN, from SciComp), or none",
            "the IAM role for the jobs, or none (default: your lab's, if its jobs show one)",
            parsers.parse_job_role,
            "Jobs use your bucket with this role, or with none by that of Batch's machines.",
        ),
        Question(
            "queue",
            "QUEUE",
            "The queue for the jobs, several separated by commas, or auto",
            f"the queue, or several separated by commas (default: {_typed('queue')}, by the "
            "policy)",
            parsers.parse_queue,
        ),
        Question(
            "share_identifier",
            "NAME",
            "Your share identifier, which the queue's fair-share policy wants (from SciComp)",
            "your share identifier, for queues with a fair-share policy (default: none)",
            parsers.parse_share_identifier,
        ),
        Question(
            "policy",
            "POLICY",
            "Which spot queue first: availability (always there), capacity (cheapest) or balanced",
            f"availability, balanced or capacity (default: {_typed('policy')})",
            parsers.parse_policy,
        ),
        Question(
            "user",
            "ID",
            "Your HutchNet ID, which job names start with",
            "your HutchNet ID (default: your login name)",
            parsers.parse_user,
        ),
        Question(
            "work_prefix",
            "S3_URL",
            "A location in S3 for control files, best in a folder that is emptied automatically",
            "a location in S3 for control files (default: the site's)",
            parsers.parse_work_prefix,
        ),
        Question(
            "runtime",
            "MINUTES",
            "Minutes that a job may run if its rule does not say, or none",
            f"minutes that a job may run if its rule does not say, or none (default: {RUNTIME})",
            parse_runtime,
            "A job that has run longer is stopped, and repeated if its rule has retries. Without "
            "a limit, a job that hangs keeps its machine, which costs money, until you notice. "
            "A rule with longer jobs has its own: resources: runtime=600.",
        ),
    )
}
