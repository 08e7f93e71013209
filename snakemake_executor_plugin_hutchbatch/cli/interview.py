"""The answers that make a profile: options, a ``nextflow.config``, what the account shows, what is
typed, defaults; in this order."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from ..nextflow.carried import Carried
from ..planning import naming, run_settings
from ..queues.account import from_catalog
from ..queues.queue import Queue
from ..settings import parsers
from ..settings.table import CONTROL_FOLDER, FALLBACK_REGION, SETTINGS
from ..settings.values import NONE, SettingError, unless_none
from ..sites import site
from ..sites.assumption import assume, scratch_of
from ..sites.site import SiteDefaults
from ..text import terminal
from . import known_account
from .commands.common import USAGE, CommandError
from .commands.queues import table
from .known_account import KnownAccount
from .profile_file import Answers
from .questions import QUESTIONS, RUNTIME, check_queues


class Interview:
    """Of one user, who is asked if ``asks``; ``look``: what is known of the account in a region."""

    def __init__(
        self,
        options: argparse.Namespace,
        carried: Carried | None,
        asks: bool,
        look: Callable[[str | None], KnownAccount],
    ) -> None:
        self._options = options
        self._carried = carried or Carried()
        self._asks = asks
        self._look = look
        #: What somebody who was not asked must know of the answers.
        self.notes: list[str] = []

    def answers(self) -> Answers:
        """Raises ``CommandError``, ``EOFError``, ``KeyboardInterrupt``."""
        self._say("Press Enter to accept the value in brackets, or Ctrl-C to stop without writing.")
        known = self._look(self._options.region or self._given("region"))
        self._say(_about(known))
        if not self._asks and known.unknown and not self._options.offline:
            self.notes.append(_about(known))
        typed = self._site(known)
        chosen = site.chosen(parsers.parse_site(typed))
        if known.buckets:
            self._say(f"Buckets: {', '.join(known.buckets)}")
        bucket = self._answer("bucket", self._bucket(known))
        prefix = self._answer("prefix", naming.slug(Path.cwd().name, 60) or "workflow")
        region = self._answer("region", _region(chosen, known))
        if region != known.region:
            known = self._look(region)
        queues = known.queues or from_catalog(chosen.queues)
        settings = {
            "region": region,
            "job_role": self._job_role(chosen, known, bucket),
            "queue": self._queue(chosen, known, queues),
        }
        if settings["queue"] == "auto" and (self._options.policy or _choices(queues)):
            settings["policy"] = self._answer("policy", _typed(chosen, "policy", bucket))
        if self._given("share_identifier") is None and (
            self._options.share_identifier or wants_share(queues, settings["queue"])
        ):
            settings["share_identifier"] = self._answer("share_identifier", None)
        user = self._answer("user", run_settings.default_user())
        settings["work_prefix"] = self._work_prefix(chosen, known, bucket, prefix)
        settings |= self._unasked(chosen, known)
        return Answers(
            site=typed,
            gives=_gives(chosen, bucket, settings),
            bucket=bucket,
            prefix=prefix,
            region=region,
            user=user,
            runtime=self._runtime(),
            settings=differing(settings, chosen, bucket),
        )

    def _say(self, *lines: str) -> None:
        if self._asks:
            terminal.say(*(line for line in lines if line))

    def _given(self, name: str) -> str | None:
        """What the ``nextflow.config`` says."""
        value = self._carried.settings.get(name)
        return None if value is None else str(value)

    def _answer(
        self,
        name: str,
        default: str | None,
        check: Callable[[str], None] = lambda text: None,
    ) -> str:
        """``check`` raises ``SettingError``, as parsers do."""
        question = QUESTIONS[name]

        def read(text: str) -> str:
            read_as = question.parse(text)
            check(text)
            return read_as if isinstance(read_as, str) else text.strip()

        source, typed = question.flag, getattr(self._options, name)
        if typed is None and (given := self._given(name)) is not None:
            source, typed = f"{self._options.from_nextflow}: {name}", given
        if typed is None and self._asks:
            self._say(question.why)
            return _ask(question.text, default, read)
        if typed is None and default is None:
            raise CommandError(
                f"{question.text}? Give it with {question.flag} {question.metavar}.", USAGE
            )
        text = typed if typed is not None else default or ""
        try:
            return read(text)
        except SettingError as error:
            raise CommandError(f"{source} {text!r}: {error}.", USAGE) from None

    def _site(self, known: KnownAccount) -> str:
        if self._options.site is None and (of_config := self._site_of_config()):
            return of_config
        found = assume(site.shipped(), known.queues or (), known.shown.mounts)
        if not self._asks and self._options.site is None:
            if found.sentence:
                terminal.note(found.sentence)
            elif known.unknown:
                self.notes.append(f"Site {found.site.name} is assumed: --site names another.")
        self._say("Sites:", *(f"  {_summary(each)}" for each in site.shipped()))
        return self._answer("site", found.site.name)

    def _site_of_config(self) -> str | None:
        """The site whose queue or scratch disk the ``nextflow.config`` names; the lab's before the
        shared account's, whose disk old configs may still name."""
        queue, settings = self._given("queue"), self._carried.settings
        volumes = [settings.get("scratch") or (), settings.get("volumes") or ()]
        sources = {mount.source for each in volumes for mount in parsers.parse_volumes(each)}
        for each in reversed(site.shipped()):
            if queue in each.queues or scratch_of(each).source in sources:
                return each.name
        return None

    def _bucket(self, known: KnownAccount) -> str | None:
        if work := self._given("work_prefix"):
            return work.removeprefix("s3://").partition("/")[0]
        kept = [name for name in known.buckets if name != _scratch_bucket(name)]
        return kept[0] if len(kept) == 1 else None

    def _job_role(self, chosen: SiteDefaults, known: KnownAccount, bucket: str) -> str:
        roles, lab = sorted(known.shown.roles), site.lab_of(bucket)
        if roles:
            self._say(f"Roles of jobs in this account: {', '.join(roles)}")
        own = [role for role in roles if lab and f"{lab}-" in role]
        default = chosen.settings.get("job_role") or (own[0] if len(own) == 1 else str(NONE))
        return self._answer("job_role", default)

    def _queue(self, chosen: SiteDefaults, known: KnownAccount, queues: Mapping[str, Queue]) -> str:
        if queues:
            whose = "of this account" if known.queues else f"of site {chosen.name} (not checked)"
            self._say(f"Queues {whose}:", *(f"  {line}" for line in table(terminal.shown(queues))))
        there = known.queues

        def check(text: str) -> None:
            if there is not None:
                check_queues(text, there)

        return self._answer("queue", _typed(chosen, "queue", None), check)

    def _work_prefix(
        self, chosen: SiteDefaults, known: KnownAccount, bucket: str, prefix: str
    ) -> str:
        default = chosen.typed("work_prefix", bucket)
        if default:
            place = default.removeprefix("s3://").partition("/")[0]
            if place != bucket and known_account.is_missing(place, known):
                self._say(f"There is no bucket {place} yet: ask SciComp for it.")
                default = None
        return self._answer("work_prefix", default or f"s3://{bucket}/{prefix}/{CONTROL_FOLDER}")

    def _unasked(self, chosen: SiteDefaults, known: KnownAccount) -> dict[str, str]:
        """What a ``nextflow.config`` says besides, or the account about its scratch disk."""
        names = ("scratch", "aws_cli_path", "log_group")
        found = {name: text for name in names if (text := self._given(name)) is not None}
        shown = assume((chosen,), (), known.shown.mounts).scratch
        if shown and "scratch" not in found:
            found["scratch"] = f"{shown.source}:{shown.path}"
            terminal.note(
                f"This account's job definitions mount {found['scratch']}, so that is the scratch."
            )
        return found

    def _runtime(self) -> str:
        carried = self._carried.defaults.get("runtime")
        if carried is not None and self._options.runtime is None:
            return str(carried)
        return self._answer("runtime", RUNTIME)


def differing(settings: Mapping[str, str], chosen: SiteDefaults, bucket: str) -> dict[str, str]:
    """The settings that the site does not have anyway, by name."""
    found = {}
    for name, text in settings.items():
        parse = SETTINGS[name].parse
        own = chosen.typed(name, bucket)
        counts = SETTINGS[name].default_value if own is None else parse(own)
        # No job role is the same, set or not.
        if unless_none(parse(text)) != unless_none(counts):
            found[name] = text
    return found


def _ask(text: str, default: str | None, read: Callable[[str], str]) -> str:
    """Asks until the answer can be used."""
    shown = f" [{default}]" if default else ""
    while True:
        try:
            return read(terminal.ask(f"{text}{shown}:") or default or "")
        except SettingError as error:
            terminal.say(f"  Invalid answer: {error}.")


def _region(chosen: SiteDefaults, known: KnownAccount) -> str:
    """Where the account has queues; else what AWS's configuration says, or the site."""
    configured = bool(known.unknown) and known.region != FALLBACK_REGION
    if known.queues or configured:
        return known.region
    return chosen.settings.get("region", known.region)


def _about(known: KnownAccount) -> str:
    if known.unknown:
        return f"Your account cannot be asked, so answers are not checked. {known.unknown}"
    if not known.number:
        return ""
    there = "" if known.queues else " Its queues cannot be listed."
    return f"You are {known.user}, region {known.region}.{there}"


def _summary(each: SiteDefaults) -> str:
    queues = ", ".join(each.queues)
    return f"{each.name}: {each.about}; queues {queues}; scratch {scratch_of(each).source}"


def _gives(chosen: SiteDefaults, bucket: str, settings: Mapping[str, str]) -> str:
    """What the site gives that the profile does not set, for its reader."""
    apart = differing(settings, chosen, bucket)
    parts = [
        f"{what} {text}"
        for name, what in (
            ("scratch", "the scratch disk"),
            ("work_prefix", "the location of control files"),
            ("region", "the region"),
        )
        if name not in apart and (text := chosen.typed(name, bucket))
    ]
    return ", ".join(parts)


def _typed(chosen: SiteDefaults, name: str, bucket: str | None) -> str:
    return chosen.typed(name, bucket) or str(SETTINGS[name].default)


def wants_share(queues: Mapping[str, Queue], text: str) -> bool:
    """Whether jobs need a share identifier: where a queue is named that has a fair-share policy, or
    where there is no other. ``text``: of the answer."""
    by_arn = {queue.arn: queue for queue in queues.values()}
    named = [q for name in parsers.parse_queue(text) if (q := queues.get(name) or by_arn.get(name))]
    if named:
        return any(queue.fair_share for queue in named)
    able = [q for q in queues.values() if q.takes_jobs and not q.is_accelerated]
    return bool(able) and all(queue.fair_share for queue in able)


def _choices(queues: Mapping[str, Queue]) -> bool:
    """Whether a policy has queues to choose from."""
    return sum(1 for q in queues.values() if q.spot and not q.is_accelerated and q.takes_jobs) > 1


def _scratch_bucket(bucket: str) -> str | None:
    """The bucket for work files beside it, if its lab has one."""
    lab = site.lab_of(bucket)
    return lab and f"{lab}-nextflow-scratch"
