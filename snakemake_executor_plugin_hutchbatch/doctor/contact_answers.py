"""What the output of a first contact's probes says, in one line for each question, fit to be sent
to anybody: no account, bucket, role, person or machine is named. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..settings.values import Mount
from ..settlement import scratch_report
from ..supervisor import scratch_disk
from ..supervisor.scratch_disk import HOSTS
from ..text.printable import printable
from ..text.secrets import redacted

#: How a line of a probe's output begins.
MARK = "hb "
#: Characters of an answer.
MOST = 600
#: What is not for others: what it looks like, and what stands in its place.
_MASKS = (
    (re.compile(r"arn:[\w-]+:[\w-]+:[^\s,;)\"']*"), "arn:…"),
    (re.compile(r"s3://[^\s,;)\"']+"), "s3://…"),
    (re.compile(r"\b\d{12}\b"), "…"),
    (re.compile(r"\b(i|ip|eni|vpc|subnet|sg)-[0-9a-f-]{6,}\b"), r"\1-…"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"), "…"),
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "…"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "…"),
)
#: Names that are nobody's: of an unnamed thing, of root, of the local cloud's bucket.
_SAYS_NOTHING = frozenset(("", "*", "root", "hutchbatch"))


@dataclass(frozen=True)
class Answer:
    """``line``: one line, masked."""

    question: str
    line: str


def masked(text: str, names: Iterable[str] = ()) -> str:
    """``text`` in one line, without what tells whose it is. ``names``: more of that."""
    line = printable(redacted(" ".join(text.split())))
    for pattern, instead in _MASKS:
        line = pattern.sub(instead, line)
    for name in sorted(set(names) - _SAYS_NOTHING, key=len, reverse=True):
        line = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "…", line)
    return line if len(line) <= MOST else line[:MOST] + " …"


def said(output: Iterable[str]) -> dict[str, list[str]]:
    """The lines of a probe's output, by their first word."""
    found: dict[str, list[str]] = {}
    for line in output:
        if line.startswith(MARK):
            word, _, rest = line.removeprefix(MARK).partition(" ")
            found.setdefault(word, []).append(rest)
    return found


def _first(found: Mapping[str, Sequence[str]], word: str) -> str:
    return (found.get(word) or ["?"])[0]


def scratch(output: Sequence[str], mount: Mount) -> str:
    """Question 2, by the output of ``contact_scripts.SCRATCH``."""
    found = said(output)
    mounts = scratch_disk.mounts("\n".join(found.get("mount", ())))
    parts = []
    for path in (mount.path, HOSTS):
        each = next((m for m in reversed(mounts) if m.point == path), None)
        if each is None:
            parts.append(f"{path} is no mount")
            continue
        root = re.sub(r"[0-9a-f]{12,}", "…", each.root)
        parts.append(f"{path} root={root} {each.kind} {each.source} {each.device}")
    size, free = (_kilobytes(word) for word in [*_first(found, "df").split(), "?", "?"][:2])
    verdict = "?"
    if size is not None and free is not None:
        disk = scratch_disk.described(mounts, mount.path, size, free)
        verdict = f"{scratch_report.verdict(disk, mount.source)}, {scratch_report.of_size(disk)}"
    return (
        f"{mount.source} at {mount.path}: {verdict}; owner and mode {_first(found, 'mode')}; job "
        f"runs as {_first(found, 'uid')}; {'; '.join(parts)}; kernel {_first(found, 'kernel')}, "
        f"cgroup {_first(found, 'cgroup')}"
    )


def _kilobytes(word: str) -> int | None:
    return int(word) * 1024 if word.isdecimal() else None


def machine(output: Sequence[str], stored: str) -> str:
    """Question 3. ``stored``: what became of a job that has no role of its own."""
    found = said(output)
    if "python" in found:
        return f"not asked: the image has no Python; {stored}"
    token = _first(found, "token")
    if token.startswith("no answer"):
        token += " (as with a hop limit of 1)"
    return (
        f"metadata token {token}, role {_first(found, 'role')}, container "
        f"credentials {_first(found, 'credentials')}, AWS_REGION {_first(found, 'region')}; "
        f"without a job role {stored}"
    )


def spot(output: Sequence[str]) -> str:
    """Question 7, as far as it can be asked."""
    found = said(output)
    kind, notice = _first(found, "capacity"), _first(found, "notice")
    return (
        "not provoked, since users may not take machines away (ask SciComp to terminate the "
        "machine of a running job, and send us what the run says); this job's machine was "
        f"{'unknown' if kind.isdecimal() else kind}, {_first(found, 'type')}; notice of a loss "
        f"answers {notice} (404: none)"
    )


def child_attempts(children: Sequence[Mapping[str, object]], allowed: int) -> str:
    """Question 4. ``children``: as DescribeJobs has them."""
    counts = []
    for child in children:
        attempts = child.get("attempts")
        counts.append(str(len(attempts)) if isinstance(attempts, list) else "?")
    right = "as it should be" if counts and set(counts) == {"1"} else "NOT one each"
    return (
        f"children that ended with exit code 3 made {' and '.join(counts) or 'no'} attempts of "
        f"{allowed} allowed: {right}"
    )


def block(title: str, answers: Sequence[Answer], stays: Sequence[str]) -> list[str]:
    """The lines that a user can send."""
    numbered = [f"{n}. {answer.question}: {answer.line}" for n, answer in enumerate(answers, 1)]
    return [title, *numbered, f"Left behind: {'; '.join(stays) or 'nothing'}."]
