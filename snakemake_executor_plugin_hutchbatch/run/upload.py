"""The inputs that a run uploads: what would be sent, for which rules; and their sending."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import errors
from ..aws.retry import Retrier
from ..planning.requirements import PlanError
from ..planning.run_plan import PlannedUpload, PlannedUploads
from ..planning.snakemake_jobs import members, rule_name
from ..settings.values import Nothing, unless_none
from ..snakemake_patches.source_files import SourceFiles
from ..snakemake_types import AnyJob
from ..storage.compare import ComparedInput, sum_of
from ..storage.uploads import UploadError, Uploads, newer_there
from ..text.units import amount, counted

#: Names that a sentence gives as examples.
EXAMPLES = 3


def source_names(job: AnyJob) -> Iterator[str]:
    """What a job on AWS Batch reads that it does not make itself."""
    jobs = members(job)
    made = {str(file) for member in jobs for file in member.output}
    for member in jobs:
        yield from (str(file) for file in member.input if str(file) not in made)


class RunUploads:
    """Those of one run. Used by Snakemake's own thread. ``sources``: None where nothing is
    uploaded; ``also_local``: local rules run elsewhere, too."""

    def __init__(
        self,
        sources: SourceFiles | None,
        limit: int | Nothing,
        retrier: Retrier,
        say: Callable[[str], None],
        storage_class: str = "",
        also_local: bool = False,
    ) -> None:
        self._also_local = also_local
        self._class = storage_class
        self._sources, self._retrier, self._say = sources, retrier, say
        self._limit = unless_none(limit)
        self._uploads: Uploads | None = None
        self._announced: dict[str, ComparedInput] = {}  # by name
        self._known: dict[str, ComparedInput] = {}  # by name: on their way, or sent
        self._warned: set[str] = set()
        self._size = 0

    def planned(self, jobs: Iterable[AnyJob]) -> PlannedUploads:
        """What the run would send for these jobs. Raises botocore's errors."""
        by_rule: dict[str, dict[str, ComparedInput]] = {}
        refused: dict[str, dict[str, None]] = {}
        notes: dict[str, None] = {}
        for job in jobs:
            if self._stays(job) or self._sources is None:
                continue
            rule = rule_name(job)
            for name in source_names(job):
                if refusal := self._sources.refusal(name):
                    refused.setdefault(refusal, {})[rule] = None
                elif found := self._sources.compared(name):
                    notes.update(dict.fromkeys(_notes(found)))
                    if found.wanted:
                        by_rule.setdefault(rule, {})[name] = found
        whole = {name: found for each in by_rule.values() for name, found in each.items()}
        files, size = _count(whole.values())
        refusals = [
            f"{'Rule' if len(rules) == 1 else 'Rules'} {', '.join(sorted(rules))}: {text}."
            for text, rules in refused.items()
        ]
        if too_much := self._too_much(whole):
            refusals.append(f"{too_much}.")
        self._announced = whole
        return PlannedUploads(
            files,
            size,
            {rule: _count(found.values()) for rule, found in by_rule.items()},
            tuple(PlannedUpload(name, *_count([found])) for name, found in sorted(whole.items())),
            tuple(refusals),
            tuple(notes),
        )

    def announce(self, planned: PlannedUploads) -> None:
        """Says what the run is about to send, before it does."""
        for note in planned.notes:
            self._say_once(note)
        if planned.files:
            self._say(
                f"Uploading {counted(planned.files, 'file')} ({amount(planned.size)}) that no rule "
                f"makes, for {_and(list(planned.by_rule))}; each job starts when its own are in S3."
            )

    def begin(self, jobs: Iterable[AnyJob]) -> list[AnyJob]:
        """Sends what these jobs need, in the background. The jobs, those first that need not
        wait."""
        jobs = list(jobs)
        if self._sources is None:
            return jobs
        waiting, fresh = [], {}
        for job in jobs:
            try:
                wanted = {} if self._stays(job) else self._wanted(job)
            except (ClientError, BotoCoreError):
                waiting.append(job)  # ``wait`` asks again, and its error is that job's own
                continue
            fresh.update({n: each for n, each in wanted.items() if n not in self._known})
            if wanted:
                waiting.append(job)
        # Those of later jobs follow at once: they need not wait for them then.
        fresh.update({n: each for n, each in self._announced.items() if n not in self._known})
        self._announced = {}
        if fresh and self._too_much(fresh) is None:  # else each job says so itself
            self._known.update(fresh)
            self._size += _count(fresh.values())[1]
            self._started().begin(fresh.values())
        late = set(map(id, waiting))
        return [job for job in jobs if id(job) not in late] + waiting

    def wait(self, job: AnyJob) -> None:
        """Returns when all that a job reads is in S3. Raises ``PlanError`` where it cannot be."""
        if self._sources is None or self._stays(job):
            return
        names = list(source_names(job))
        for name in names:
            if refusal := self._sources.refusal(name):
                raise PlanError(refusal)
        wanted = self._wanted(job)
        if unknown := {n: each for n, each in wanted.items() if n not in self._known}:
            raise PlanError(self._too_much(unknown) or "its inputs could not be uploaded")
        try:
            for found in wanted.values():
                self._started().wait(found.url)
        except UploadError as error:
            raise PlanError(str(error)) from error
        self._sources.changed(wanted)

    def send(self, jobs: Iterable[AnyJob]) -> None:
        """Sends all that these jobs need. Raises ``PlanError``, and botocore's errors."""
        for job in self.begin(jobs):
            self.wait(job)

    def stop(self) -> None:
        """Sends nothing more."""
        if self._uploads is not None:
            self._uploads.stop()

    def _stays(self, job: AnyJob) -> bool:
        """Whether a job reads its inputs here."""
        return bool(job.is_local) and not self._also_local

    def _wanted(self, job: AnyJob) -> dict[str, ComparedInput]:
        assert self._sources is not None  # noqa: S101  callers have looked
        wanted = {}
        for name in source_names(job):
            found = self._known.get(name) or self._sources.compared(name)
            if found:
                for note in _notes(found):
                    self._say_once(note)
                if found.wanted:
                    wanted[name] = found
        return wanted

    def _too_much(self, wanted: dict[str, ComparedInput]) -> str | None:
        """Why so much is not sent; None if it is."""
        files, size = _count(wanted.values())
        if self._limit is None or self._size + size <= self._limit:
            return None
        largest = sorted(wanted.values(), key=lambda each: -sum_of(each.wanted))[:EXAMPLES]
        names = ", ".join(f"{e.local.name} ({amount(sum_of(e.wanted))})" for e in largest)
        allowed = -(-(self._size + size) // 10**9)
        return (
            f"{counted(files, 'file')} ({amount(size)}) would be uploaded, more than "
            f"--hutchbatch-upload-limit allows ({amount(self._limit)}): if that is meant, add "
            f"--hutchbatch-upload-limit {allowed}GB; the largest: {names}"
        )

    def _started(self) -> Uploads:
        if self._uploads is None:
            assert self._sources and self._sources.comparer  # noqa: S101  it has compared them
            self._uploads = Uploads(
                self._sources.comparer, self._retrier, self._say, storage_class=self._class
            )
        return self._uploads

    def _say_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._say(text)


def asked(
    uploads: RunUploads,
    jobs: Sequence[AnyJob],
    refusals: Callable[[Sequence[AnyJob]], list[str]] = lambda jobs: [],
) -> PlannedUploads:
    """``planned``, with what S3 refuses as a refusal, and ``refusals`` of what is there."""
    try:
        planned = uploads.planned(jobs)
        return replace(planned, refusals=(*planned.refusals, *refusals(jobs)))
    except (ClientError, BotoCoreError) as error:
        return PlannedUploads(refusals=(errors.explain(error, "comparing inputs with S3"),))


def _count(inputs: Iterable[ComparedInput]) -> tuple[int, int]:
    """Files and bytes to be sent."""
    wanted = {item.url: item for each in inputs for item in each.wanted}
    return len(wanted), sum_of(wanted.values())


def _notes(found: ComparedInput) -> Iterator[str]:
    """What somebody should know about an input who believes that jobs get what is here."""
    older = found.older
    if older and not found.local.directory:
        yield newer_there(found.local.name, found.url)
    elif older:
        yield (
            f"In {found.local.name}, {counted(len(older), 'file')} here (such as "
            f"{older[0].file.below}) differ from those in {found.url}/ and are older: they are "
            "not uploaded, jobs use those in S3."
        )
    if found.local.left_out:
        yield found.local.left_out
    if found.beyond:
        yield (
            f"{found.url}/ has {counted(found.beyond, 'file')} that are not in "
            f"{found.local.name} here: jobs get them, too, unless you remove them from S3."
        )


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
