"""``hutchbatch doctor``: whether jobs could run with these settings, and facts for a helpdesk."""

from __future__ import annotations

import argparse
import platform

from ...aws import clients as aws
from ...doctor import contact_answers, findings, permissions, smoke_job, snakemake_settings
from ...doctor.examination import Examination
from ...doctor.findings import missing, worst
from ...doctor.first_contact import Contact
from ...doctor.snakemake_settings import SettingsError
from ...settings import parsers
from ...settings.parsers import SettingError
from ...text import terminal
from ...text.printable import mapped
from ...text.secrets import redacted
from ...text.terminal import Painted, note
from .common import (
    INTERRUPTED,
    USAGE,
    WRONG,
    CommandError,
    Help,
    Subcommands,
    epilog,
    installed_version,
    number,
)

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
            "bucket, job role and permissions. Then it runs a small job, which tries image,\n"
            "mounts and role. Each finding is ok, a warning (runs would work) or a problem, with\n"
            "what to do. Missing permissions are listed, with a policy that SciComp can use.\n"
            "The settings are Snakemake's: from --profile, from a workflow's own profile, or from\n"
            "SNAKEMAKE_… variables. Options of Snakemake may follow after --."
        ),
        epilog=epilog(
            "examples:\n"
            "  hutchbatch doctor --profile profiles/hutch\n"
            "  hutchbatch doctor --profile profiles/hutch --detached\n"
            "  hutchbatch doctor --profile profiles/hutch --no-job --json > for-the-helpdesk.json\n"
            "  hutchbatch doctor --profile profiles/hutch -- --hutchbatch-queue mixed",
            wrong="there is a problem",
        ),
        formatter_class=Help,
    )
    parser.add_argument("--profile", metavar="FOLDER", help="profile with your settings")
    jobs = parser.add_mutually_exclusive_group()
    jobs.add_argument("--no-job", action="store_true", help="run no job")
    jobs.add_argument(
        "--first-contact",
        action="store_true",
        help="ask what only a real account answers, with some tiny jobs, and print the answers as "
        "lines that you can send to hutchbatch's authors: no account, bucket or person is named",
    )
    parser.add_argument(
        "--detached",
        action="store_true",
        help="say what the jobs' role needs for 'hutchbatch submit', and try it in another tiny "
        "job, which runs as Snakemake's own job would",
    )
    parser.add_argument("--image", default=smoke_job.IMAGE, help="image for the tiny job")
    parser.add_argument(
        "--wait",
        type=number(0, 1440, "a number of minutes up to 1440"),
        default=20.0,
        metavar="MINUTES",
        help="how long to wait for it, or for each answer of --first-contact",
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


def _run(options: argparse.Namespace) -> int:
    try:
        image = parsers.parse_image(options.image)
    except SettingError as error:
        raise CommandError(f"--image {options.image!r}: {error}.", USAGE) from None
    try:
        settings = snakemake_settings.read(options.profile, options.options)
    except SettingsError as error:
        raise CommandError(str(error), USAGE if error.usage else WRONG) from error
    examination = Examination(settings, aws.session(settings.settings.value("region")))
    small_job = None if options.no_job or options.first_contact else image
    for finding in examination.findings(small_job, options.wait * 60, note, options.detached):
        if not options.json:
            level = Painted(f"{finding.level:<8}", _STYLES[finding.level])
            first, *more = finding.text.split("\n")
            below = (line if line.startswith("    ") else f"    {line}" for line in more)
            terminal.say((level, f" {finding.subject}: {first}"), *below)
    contact = None
    if options.first_contact:
        contact = examination.first_contact(image, options.wait * 60, note)
        if contact is None:
            note("Nothing was asked of this account: solve the problems above first.")
    _conclude(examination, options.json, options.detached, contact)
    if contact and contact.interrupted:
        return INTERRUPTED
    return WRONG if worst(examination.found) == "problem" else 0


def _conclude(
    examination: Examination, as_json: bool, detached: bool, contact: Contact | None = None
) -> None:
    """The policies, facts for a helpdesk, and the answers of a first contact."""
    found, facts = examination.found, examination.facts
    actions = missing(found)
    policy = permissions.policy(actions, examination.context()) if actions else None
    lacks = [each for finding in found for each in finding.role_missing if each[1] or not detached]
    role_policy = permissions.role_policy(lacks, examination.context()) if lacks else None
    needs = permissions.of_controller(examination.context()) if detached else {}
    whole_policy = permissions.policy(needs, examination.context()) if needs else None
    versions = {name: installed_version(name) for name in PACKAGES}
    versions |= {"python": platform.python_version(), "system": platform.platform()}
    if as_json:
        document = {
            "versions": versions,
            "account": facts.account,
            "user": facts.arn,
            "credentials from": facts.credentials,
            "region": examination.session.region_name,
            "places": [place.url for place in examination.settings.places],
            "job role": examination.settings.settings.job_role,
            "queues": {
                q.name: {"takes jobs": q.takes_jobs, "spot": q.spot, "max vCPUs": q.max_vcpus}
                for q in facts.queues.values()
            },
            "findings": findings.as_json(found),
            "policy": policy,
            "role policy": role_policy,
        }
        if detached:
            document["needed for submit"] = {"actions": needs, "policy": whole_policy}
        if contact:
            document["first contact"] = {a.question: a.line for a in contact.answers}
            document["left behind"] = list(contact.stays)
        # This goes to other people.
        terminal.say_json(mapped(document, redacted), indent=2)
        return
    if policy:
        terminal.say("", "The smallest policy that helps, for SciComp:")
        terminal.say_json(policy, indent=2)
    if role_policy:
        role = next((finding.role for finding in found if finding.role), "")
        arn = permissions.role_arn(role, examination.context())
        terminal.say("", f"The smallest policy that helps the jobs' role {arn}, for SciComp:")
        terminal.say_json(role_policy, indent=2)
    if whole_policy:
        width = max(map(len, needs))
        terminal.say(
            "",
            "For 'hutchbatch submit', the jobs' role needs this beyond what jobs do:",
            *(f"  {action:<{width}}  without it, {price}" for action, price in needs.items()),
            "The smallest policy with all of it, for SciComp:",
        )
        terminal.say_json(whole_policy, indent=2)
    terminal.say(
        "",
        "For a helpdesk:",
        "  " + ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"  user {facts.arn or 'unknown'}, region {examination.session.region_name}",
    )
    if contact:
        packages = ", ".join(f"{name} {version}" for name, version in versions.items())
        title = f"First contact with AWS Batch, {examination.session.region_name}; {packages}"
        lines = contact_answers.block(title, contact.answers, contact.stays)
        terminal.say("", "Please send these lines to the authors of hutchbatch:", "", *lines)
