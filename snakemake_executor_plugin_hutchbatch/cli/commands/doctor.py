"""``hutchbatch doctor``: whether jobs could run with these settings, and what a helpdesk needs."""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import platform
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from types import SimpleNamespace

import boto3
from snakemake_interface_common.exceptions import ApiError

from ...aws import clients as aws
from ...aws.clients import Clients
from ...aws.retry import Retrier
from ...doctor import permissions, probes, smoke_job
from ...doctor.findings import Finding, as_json, missing, worst
from ...doctor.probes import Known, Place
from ...planning import run_settings
from ...queues.queues import Queue
from ...settings import parsers
from ...settings.options import ExecutorSettings
from ...settings.parsers import SettingError
from ...storage import buckets
from ...text import terminal
from ...text.printable import mapped
from ...text.secrets import redacted
from ...text.terminal import Painted, note
from .common import USAGE, WRONG, CommandError, Help, Subcommands, epilog

PACKAGES = (
    "snakemake-executor-plugin-hutchbatch",
    "snakemake",
    "snakemake-storage-plugin-s3",
    "boto3",
)
_STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


def add(subcommands: Subcommands) -> None:
    parser = subcommands.add_parser(
        "doctor",
        help="check credentials, queues, bucket, role and permissions, and run a tiny job",
        description=(
            "Checks whether jobs could run with your settings: credentials, region, queues,\n"
            "bucket, job role, permissions; then a tiny job is really run, which tries image,\n"
            "mounts and role. Each finding is ok, a warning (runs would go on) or a problem, with\n"
            "what to do. Missing permissions are named, with a policy that SciComp can use.\n"
            "The settings are Snakemake's: those of --profile, of a workflow's own profile, or of\n"
            "SNAKEMAKE_… variables. Options of Snakemake may follow behind --."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch doctor --profile profiles/hutch\n"
            "  hutchbatch doctor --profile profiles/hutch --no-job --json > for-the-helpdesk.json\n"
            "  hutchbatch doctor --profile profiles/hutch -- --hutchbatch-queue mixed",
            wrong="there is a problem",
        ),
        formatter_class=Help,
    )
    parser.add_argument("--profile", metavar="FOLDER", help="profile with your settings")
    parser.add_argument("--no-job", action="store_true", help="run no job")
    parser.add_argument("--image", default=smoke_job.IMAGE, help="image for the tiny job")
    parser.add_argument(
        "--wait", type=_minutes, default=20.0, metavar="MINUTES", help="how long to wait for it"
    )
    parser.add_argument(
        "--json", action="store_true", help="everything as JSON, for a helpdesk; no credentials"
    )
    parser.add_argument(
        "options",
        nargs="*",
        metavar="-- OPTIONS",
        help="options of Snakemake, which override the profile",
    )
    parser.set_defaults(run=_run)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes <= 1440:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes up to 1440")
    return minutes


@dataclass(frozen=True)
class Wanted:
    """What a run with these options would have. ``places``: results first."""

    settings: ExecutorSettings
    access: aws.S3Access
    storage_region: str | None
    places: tuple[Place, ...]
    no_place: str = ""


def wanted(profile: str | None, options: Sequence[str]) -> Wanted:
    """The settings as Snakemake itself reads them. Raises ``CommandError``."""
    from snakemake.cli import parse_args  # noqa: PLC0415 - half a second
    from snakemake_interface_executor_plugins.registry import (  # noqa: PLC0415
        ExecutorPluginRegistry,
    )
    from snakemake_interface_storage_plugins.registry import (  # noqa: PLC0415
        StoragePluginRegistry,
    )

    given = ["--profile", profile] if profile else []
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            _, arguments = parse_args([*given, *options])
        settings = ExecutorPluginRegistry().get_plugin("hutchbatch").get_settings(arguments)
        s3 = StoragePluginRegistry().get_plugin("s3").get_settings(arguments).get_settings(None)
    except SystemExit:
        told = said.getvalue().strip().splitlines() or ["?"]
        sentence = told[-1].rpartition("rror: ")[2]
        raise CommandError(f"Snakemake does not accept these settings: {sentence}", USAGE) from None
    except ApiError as error:
        raise CommandError(str(error)) from error
    except Exception as error:
        raise CommandError(f"The settings could not be read: {error}") from error
    access = buckets.access(SimpleNamespace(settings=s3)) if s3 else aws.S3Access()
    region = getattr(s3, "region", None)
    try:
        prefix = run_settings.storage_prefix(arguments)
    except run_settings.PreflightError as error:
        return Wanted(settings, access, region, (), str(error))
    control = run_settings.control_prefix(settings, prefix)
    places = [Place("results", prefix), Place("control files", control)]
    return Wanted(settings, access, region, tuple(places))


@dataclass
class _Patient:
    """What is being examined."""

    options: argparse.Namespace
    wanted: Wanted
    session: boto3.Session
    known: Known


def _run(options: argparse.Namespace) -> int:
    try:
        parsers.parse_image(options.image)
    except SettingError as error:
        raise CommandError(f"--image {options.image!r}: {error}.", USAGE) from None
    settings = wanted(options.profile, options.options)
    session = aws.session(settings.settings.value("region"))
    patient = _Patient(options, settings, session, Known())
    found: list[Finding] = []
    for finding in _examine(patient, found):
        found.append(finding)
        if not options.json:
            level = Painted(f"{finding.level:<8}", _STYLES[finding.level])
            first, *more = finding.text.split("\n")
            below = (line if line.startswith("    ") else f"    {line}" for line in more)
            terminal.say((level, f" {finding.subject}: {first}"), *below)
    _conclude(patient, found)
    return WRONG if worst(found) == "problem" else 0


def _examine(patient: _Patient, found: Sequence[Finding]) -> Iterator[Finding]:
    """All findings, in the order in which one thing needs another. ``found``: those so far."""
    settings, known, session = patient.wanted.settings, patient.known, patient.session
    yield from probes.region(session, settings.value("region"))
    yield from probes.identity(session, known)
    if worst(found) == "problem":
        return
    clients = aws.clients(session, patient.wanted.access)
    try:
        entries = run_settings.read_catalog(settings)
    except run_settings.PreflightError as error:
        yield Finding("problem", "queues", str(error))
        entries = {}
    yield from probes.the_queues(clients, settings, entries, known)
    yield from probes.role(settings.value("job_role"), known)
    if patient.wanted.no_place:
        yield Finding("problem", "bucket", patient.wanted.no_place)
    else:
        places, region = patient.wanted.places, patient.wanted.storage_region
        yield from probes.places(clients, places, region, known)
    queue = known.ladder.rungs[0] if known.ladder else probes.NOBODYS
    yield from probes.rights(clients, _context(patient), queue)
    if not patient.options.no_job:
        yield from _try_a_job(patient, clients, found)


def _try_a_job(patient: _Patient, clients: Clients, found: Sequence[Finding]) -> Iterator[Finding]:
    known, settings = patient.known, patient.wanted.settings
    if worst(found) == "problem" or known.ladder is None:
        yield Finding("warning", "job", "No job was run", "solve the problems above first.")
        return
    first = known.ladder.rungs[0]
    attempt = smoke_job.Trial(
        settings=settings,
        image=parsers.parse_image(patient.options.image),
        ladder=known.ladder,
        queue=known.queues.get(first) or Queue(first),
        place=patient.wanted.places[-1].url,
        user=run_settings.user_of(settings),
        bucket_region=known.bucket_region or clients.region,
        endpoint=run_settings.s3_endpoint(patient.wanted.access.endpoint_url),
    )
    retrier = Retrier(note)
    yield from smoke_job.run(clients, attempt, retrier, patient.options.wait * 60, note)


def _context(patient: _Patient) -> permissions.AccountContext:
    whole = probes.context(patient.session, patient.wanted.settings, patient.known)
    return replace(whole, places=tuple(place.url for place in patient.wanted.places))


def _conclude(patient: _Patient, found: Sequence[Finding]) -> None:
    """The policy and what a helpdesk needs."""
    actions = missing(found)
    policy = permissions.policy(actions, _context(patient)) if actions else None
    known = patient.known
    versions = {name: _version(name) for name in PACKAGES}
    versions |= {"python": platform.python_version(), "system": platform.platform()}
    if patient.options.json:
        document = {
            "versions": versions,
            "account": known.account,
            "user": known.arn,
            "credentials from": known.credentials,
            "region": patient.session.region_name,
            "places": [place.url for place in patient.wanted.places],
            "job role": patient.wanted.settings.job_role,
            "queues": {
                q.name: {"takes jobs": q.takes_jobs, "spot": q.spot, "max vCPUs": q.max_vcpus}
                for q in known.queues.values()
            },
            "findings": as_json(found),
            "policy": policy,
        }
        # It goes to other people.
        terminal.say_json(mapped(document, redacted), indent=2)
        return
    if policy:
        terminal.say("", "The smallest policy that helps, for SciComp:")
        terminal.say_json(policy, indent=2)
    terminal.say(
        "",
        "For a helpdesk:",
        "  " + ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"  user {known.arn or 'unknown'}, region {patient.session.region_name}",
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
