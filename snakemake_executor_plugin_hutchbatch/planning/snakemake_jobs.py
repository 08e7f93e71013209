"""Questions about Snakemake's jobs and files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..snakemake_types import AnyJob, File, Job, is_group
from . import naming

#: Snakemake's word for a resource that it could not evaluate.
TO_BE_DETERMINED = "<TBD>"


#: Settings of a storage provider that mean another S3, or other rights.
_OWN_STORE = ("endpoint_url", "access_key", "token", "signature_version")


def files_of(job: Job) -> Iterator[File]:
    """Inputs, outputs, logs and benchmark of a job."""
    yield from chain(job.input, job.output, job.log)
    if job.benchmark:
        yield job.benchmark


def s3_url(file: File) -> str | None:
    """The URL at which Snakemake's S3 storage keeps a file; None for a file stored elsewhere."""
    if not file.is_storage:
        return None
    stored = file.storage_object
    if not str(stored.query).startswith("s3://"):
        return None
    provider = stored.provider
    if not provider.is_default and any(getattr(provider.settings, n, None) for n in _OWN_STORE):
        return None  # another S3 than the default storage's: only Snakemake knows the way
    return f"s3://{stored.bucket}/{stored.key}"


def expected_outputs(job: AnyJob, unneeded: frozenset[str]) -> list[str]:
    """URLs of everything that must be in S3 once ``job`` has succeeded."""
    urls = []
    for member in members(job):
        files = [*member.output, *([member.benchmark] if member.benchmark else [])]
        for file in files:
            flags = getattr(getattr(file, "_file", None), "flags", None) or {}
            if any(flag in flags for flag in ("nodelocal", "pipe", "service")):
                continue
            if is_group(job) and str(file) in unneeded:
                continue
            url = s3_url(file)
            if url:
                urls.append(url)
    return urls


def log_urls(job: AnyJob) -> list[str]:
    """The S3 URLs of a job's, or a group's, log files."""
    return [url for _, url in log_files(job)]


def log_files(job: AnyJob) -> list[tuple[str, str]]:
    """Names and S3 URLs of a job's, or a group's, log files. A name is the user's own where there
    is one."""
    found = [(str(f), url) for m in members(job) for f in m.log if (url := s3_url(f))]
    return [(url if name.startswith(".snakemake/") else name, url) for name, url in found]


def members(job: AnyJob) -> list[Job]:
    """A group's jobs, or the job itself."""
    return list(job.jobs) if is_group(job) else [job]


def wildcards_of(job: AnyJob) -> dict[str, str]:
    """A job's wildcards; a group has none of its own."""
    return {} if is_group(job) else dict(job.wildcards_dict)


def rule_name(job: AnyJob) -> str:
    """The rule's name; for a group, the names of its rules, joined."""
    if not is_group(job):
        return str(job.rule.name)
    rules = sorted({m.rule.name for m in job.jobs})
    return "+".join(rules)


def job_label(job: AnyJob) -> str:
    """``align sample=A``, by which a run's jobs differ. A group's is ``align+sort sample=A (group
    g)``, or ``align+sort (group g, 4 jobs, 1f3a2b)`` where its jobs have different wildcards."""
    if not is_group(job):
        return naming.label(job.rule.name, job.wildcards_dict)
    jobs = members(job)
    first = dict(jobs[0].wildcards_dict)
    if all(dict(each.wildcards_dict) == first for each in jobs):
        return naming.label(f"{naming.label(rule_name(job), first)} (group {job.groupid})", {})
    key = naming.digest(*sorted(member_labels(job)), length=6)
    return naming.label(f"{rule_name(job)} (group {job.groupid}, {len(jobs)} jobs, {key})", {})


def member_labels(job: AnyJob) -> list[str]:
    """The labels of a group's jobs; none for a job by itself."""
    jobs = members(job) if is_group(job) else []
    return [naming.label(each.rule.name, each.wildcards_dict) for each in jobs]


def inputs_of(job: AnyJob) -> list[str]:
    """URLs of what a job, or a group, reads and does not make itself."""
    jobs = members(job)
    made = {str(file) for member in jobs for file in member.output}
    files = (file for member in jobs for file in member.input if str(file) not in made)
    return [url for file in files if (url := s3_url(file))]
