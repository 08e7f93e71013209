"""All that the doctor looks at, in the order in which one thing needs another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import boto3

from ..aws import clients as aws
from ..aws.clients import Clients
from ..aws.retry import Retrier
from ..planning import run_settings
from ..queues.choice import Ladder
from ..queues.queue import Queue
from ..software.conda.channels import ChannelError
from ..software.conda.config import ConfigError
from . import (
    channel_probe,
    detached_job,
    first_contact,
    permissions,
    probes,
    smoke_job,
    trial_job,
)
from .detached_job import SUBJECT
from .findings import Finding, worst
from .probes import AccountFacts
from .snakemake_settings import RunSettings


class Examination:
    """Of one account with the settings of one run. ``facts`` and ``found`` grow on the way."""

    def __init__(self, settings: RunSettings, session: boto3.Session) -> None:
        self.settings = settings
        self.session = session
        self.facts = AccountFacts()
        self.found: list[Finding] = []

    def findings(
        self,
        image: str | None,
        seconds: float,
        say: Callable[[str], None],
        detached: bool = False,
    ) -> Iterator[Finding]:
        """``image``: of the small job, None for no job; ``seconds``: how long it may take;
        ``detached``: another job tries what Snakemake does in a run that is submitted."""
        for finding in self._all(image, seconds, say):
            self.found.append(finding)
            yield finding
        if detached and image is not None:
            for finding in self._detached(seconds, say):
                self.found.append(finding)
                yield finding

    def context(self) -> permissions.AccountContext:
        """What a policy for this user is about."""
        whole = probes.context(self.session, self.settings.settings, self.facts)
        return replace(whole, places=tuple(place.url for place in self.settings.places))

    def _all(
        self, image: str | None, seconds: float, say: Callable[[str], None]
    ) -> Iterator[Finding]:
        settings, facts = self.settings.settings, self.facts
        yield from probes.region(self.session, settings.value("region"))
        yield from probes.identity(self.session, facts)
        if worst(self.found) == "problem":
            return
        clients = aws.clients(self.session, self.settings.access)
        try:
            entries = run_settings.read_catalog(settings)
        except run_settings.PreflightError as error:
            yield Finding("problem", "queues", str(error))
            entries = {}
        yield from probes.the_queues(clients, settings, entries, facts)
        yield probes.the_site(clients, settings, facts)
        yield from probes.roles(settings, facts)
        if self.settings.no_place:
            yield Finding("problem", "bucket", self.settings.no_place)
        else:
            region = self.settings.storage_region
            yield from probes.places(clients, self.settings.places, region, facts)
        queue = facts.ladder.rungs[0] if facts.ladder else probes.NOBODYS
        yield from probes.rights(clients, self.context(), queue)
        if image is not None:
            yield from self._small_job(clients, image, seconds, say)

    def _small_job(
        self, clients: Clients, image: str, seconds: float, say: Callable[[str], None]
    ) -> Iterator[Finding]:
        facts = self.facts
        if worst(self.found) == "problem" or facts.ladder is None:
            yield Finding("warning", "job", "No job was run", "solve the problems above first.")
            return
        channels: tuple[str, ...] = ()
        if self.settings.conda:
            try:
                channels = channel_probe.channels(os.environ)
            except (ConfigError, ChannelError) as error:
                yield Finding("problem", "conda", f"{error}")
        trial = self._trial(clients, image, facts.ladder, channels)
        yield from smoke_job.run(clients, trial, Retrier(say), seconds, say)

    def _detached(self, seconds: float, say: Callable[[str], None]) -> Iterator[Finding]:
        if worst(self.found) == "problem" or self.facts.ladder is None:
            sentence = "What Snakemake's own job may do was not tried"
            yield Finding("warning", SUBJECT, sentence, "solve the problems above first.")
            return
        clients = aws.clients(self.session, self.settings.access)
        trial = self._trial(clients, smoke_job.IMAGE, self.facts.ladder)
        yield from detached_job.run(
            clients,
            trial,
            self.facts.queues,
            self.context(),
            self.settings.conda,
            Retrier(say),
            seconds,
            say,
        )

    def first_contact(
        self, image: str, seconds: float, say: Callable[[str], None]
    ) -> first_contact.Contact | None:
        """Asks what only a real account answers; None where no jobs can run here."""
        if worst(self.found) == "problem" or self.facts.ladder is None:
            return None
        clients = aws.clients(self.session, self.settings.access)
        trial = self._trial(clients, image, self.facts.ladder)
        return first_contact.ask(clients, trial, self.session, self.context(), seconds, say)

    def _trial(
        self, clients: Clients, image: str, ladder: Ladder, channels: tuple[str, ...] = ()
    ) -> trial_job.Trial:
        settings, facts = self.settings.settings, self.facts
        first = ladder.rungs[0]
        return trial_job.Trial(
            settings=settings,
            image=image,
            ladder=ladder,
            queue=facts.queues.get(first) or Queue(first),
            place=self.settings.places[-1].url,
            user=run_settings.user_of(settings),
            region=clients.region,
            bucket_region=facts.bucket_region or clients.region,
            endpoint=run_settings.s3_endpoint(self.settings.access.endpoint_url),
            channels=channels,
            terms=self.settings.access.terms,
            places=tuple(place.url for place in self.settings.places),
        )
