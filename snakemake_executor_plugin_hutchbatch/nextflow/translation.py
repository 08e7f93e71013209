"""Translates a config's settings into keys of a Snakemake profile, and lists what is left.

Every setting of a config is one or the other: none is dropped without a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ..settings import parsers
from ..settings.table import SETTINGS
from ..settings.values import SettingError
from ..text.secrets import HIDDEN, is_secret_name
from . import retries
from .carried import Carried, Left, grouped, shown
from .config import Config, Entry
from .counterparts import counterpart
from .directives import (
    DIRECTIVES,
    NO_VALUE,
    Limits,
    Needless,
    Place,
    Unfit,
    labels,
    limits,
    plain,
    whole,
    with_registry,
)
from .targets import targets

#: Settings of one value, and hutchbatch's setting (``settings.table``) for each.
_SETTINGS = {
    "aws.region": "region",
    "aws.batch.jobRole": "job_role",
    "aws.batch.executionRole": "execution_role",
    "aws.batch.cliPath": "aws_cli_path",
    "aws.batch.logsGroup": "log_group",
    "aws.batch.maxSpotAttempts": "spot_attempts",
    "aws.batch.shareIdentifier": "share_identifier",
    "aws.batch.schedulingPriority": "scheduling_priority",
    "aws.client.s3Acl": "s3_acl",
    "aws.client.storageEncryption": "s3_sse",
    "aws.client.storageKmsKeyId": "s3_sse_kms_key_id",
    "aws.client.uploadStorageClass": "s3_storage_class",
    "workDir": "work_prefix",
}
#: What Nextflow and AWS call the same access list.
_ACLS = {
    "BucketOwnerFullControl": "bucket-owner-full-control",
    "BucketOwnerRead": "bucket-owner-read",
    "Private": "private",
}


def translate(config: Config) -> Carried:
    """What a profile can express of a config, and what it cannot."""
    return _Translation(config).made


class _Translation:
    def __init__(self, config: Config) -> None:
        self.made = Carried()
        self._retries: dict[str, retries.Retries] = {}
        self._registry = ""
        #: Which selector a rule's setting is from, and its text.
        self._origins: dict[tuple[str, str], tuple[str, str]] = {}
        self._limits, limited_by = _limits(config)
        for entry in config.entries:
            if entry not in limited_by:
                self._entry(entry)
        retries.decide(self.made, self._retries)
        self._name_registry()
        self.made.left += [
            Left(s.line, s.what, s.why, group=s.group, file=s.file) for s in config.skipped
        ]
        if self._limits.threads is not None:
            self.made.max_threads = self._limits.threads
        self.made.left = grouped(sorted(self.made.left, key=lambda e: (e.file, e.line)))

    def _entry(self, entry: Entry) -> None:
        found = targets(entry.selector)
        if not found.rules:
            secret = is_secret_name(entry.path[-1])
            what = f"{'.'.join(entry.path[1:])} = {HIDDEN if secret else shown(entry.text)}"
            left = Left(entry.line, what, found.why, group=found.group, file=entry.file)
            self.made.left.append(left)
        name = ".".join(entry.path)
        for rule in found.rules:
            left = Left(entry.line, name, "", of=rule, file=entry.file)
            self._note_twice(entry, rule, left)
            try:
                for why in self._taken(entry, name, rule):
                    needless = isinstance(why, Needless)
                    self.made.left.append(replace(left, why=str(why), needless=needless))
            except (Unfit, SettingError) as error:
                self.made.left.append(replace(left, why=str(error)))

    def _taken(self, entry: Entry, name: str, rule: str) -> Iterator[str]:
        """Takes a setting over, and yields a reason for what of it has no place. Raises ``Unfit``
        and ``SettingError``."""
        place = Place(self.made, rule, self._limits)
        scope, _, directive = name.partition(".")
        if scope == "process" and directive in DIRECTIVES:
            yield from DIRECTIVES[directive](place, entry.value)
        elif name in ("process.errorStrategy", "process.maxRetries"):
            of = self._retries.setdefault(rule, retries.Retries(entry.line, entry.file))
            if directive == "maxRetries":
                of.most = whole(entry.value)
            else:
                self.made.left += of.take(entry, rule)
        elif not rule and name in _SETTINGS:
            self._setting(_SETTINGS[name], plain(entry.value))
        elif not rule and name in self._WHOLE_RUN:
            yield from self._WHOLE_RUN[name](self, entry.value)
        else:
            self._counterpart(entry, name, rule)

    def _counterpart(self, entry: Entry, name: str, rule: str) -> None:
        found = counterpart(name)
        group = entry.path[0] if found and found.group == "*" else found.group if found else ""
        left = Left(
            entry.line,
            "process.ext" if rule and name.startswith("process.ext.") else name,
            found.instead if found else "hutchbatch has no counterpart",
            of=rule,
            group="" if rule else group,
            file=entry.file,
            needless=bool(found and found.needless),
        )
        self.made.left.append(left)

    def _note_twice(self, entry: Entry, rule: str, left: Left) -> None:
        """Processes of one name in two workflows are two in Nextflow, and one rule here."""
        if not rule or entry.selector is None or left.what.partition(".")[2] not in DIRECTIVES:
            return
        key, now = (rule, left.what), (entry.selector[1], entry.text)
        before = self._origins.get(key, now)
        if before[1] != now[1] and ":" in before[0] and ":" in now[0]:
            why = f"{shown(before[0])} sets it, too, and is the same rule here: this one counts"
            self.made.left.append(replace(left, why=why))
        self._origins[key] = now

    def _setting(self, setting: str, text: str) -> None:
        if setting == "spot_attempts" and text == "0":
            text = "1"  # Nextflow's 0 means no second attempt
        if setting == "work_prefix" and not text.startswith("s3://"):
            raise Unfit("jobs need a location in S3")
        text = _ACLS.get(text, text)
        SETTINGS[setting].parse(text)
        self.made.settings[setting] = text

    def _volumes(self, value: object) -> Iterator[str]:
        items = value if isinstance(value, list) else [value]
        volumes = []
        for item in items:
            try:
                mount = parsers.parse_mount(plain(item))
                text = f"{mount.source}:{mount.path}" + (":ro" if mount.read_only else "")
                if mount.path == "/tmp":  # noqa: S108 - where the Hutch's containers see the scratch
                    parsers.parse_scratch(text)
                    self.made.settings["scratch"] = text
                else:
                    volumes.append(text)
            except (Unfit, SettingError) as error:
                yield f"{item}: {error}" if isinstance(item, str) and item else str(error)
        if volumes:
            self.made.settings["volumes"] = volumes
        if not items:
            yield Needless("it is empty")

    def _queue_size(self, value: object) -> Iterator[str]:
        self.made.jobs = whole(value)
        yield from ()

    def _labels(self, value: object) -> Iterator[str]:
        yield from labels(Place(self.made, "", self._limits), value)

    def _conda(self, value: object) -> Iterator[str]:
        self.made.conda = _flag(value)
        if not self.made.conda:
            yield Needless("without it, conda: in rules is not used")

    def _requester(self, value: object) -> Iterator[str]:
        if _flag(value):
            self._setting("s3_request_payer", "requester")
        else:
            yield Needless("without it, nothing is paid for others' buckets")

    def _docker_registry(self, value: object) -> Iterator[str]:
        self._registry = plain(value)
        yield "images named in the Snakefile need it before their own names"

    def _run_options(self, value: object) -> Iterator[str]:
        yield from DIRECTIVES["containerOptions"](Place(self.made, "", self._limits), value)

    _WHOLE_RUN: Mapping[str, Callable[[_Translation, object], Iterator[str]]] = {
        "aws.batch.volumes": _volumes,
        "aws.batch.resourceLabels": _labels,
        "aws.client.requesterPays": _requester,
        "executor.queueSize": _queue_size,
        "conda.enabled": _conda,
        "docker.registry": _docker_registry,
        "docker.runOptions": _run_options,
    }

    def _name_registry(self) -> None:
        if not self._registry:
            return
        if self.made.container_image:
            self.made.container_image = with_registry(self.made.container_image, self._registry)
        for resources in self.made.rules.values():
            if image := resources.get("hutchbatch_image"):
                resources["hutchbatch_image"] = with_registry(str(image), self._registry)


def _limits(config: Config) -> tuple[Limits, list[Entry]]:
    """The limits of all jobs, and the entries that they are from."""
    for entry in config.entries:
        if entry.path == ("process", "resourceLimits") and not entry.selector:
            try:
                if isinstance(entry.value, dict):
                    return limits(entry.value), [entry]
            except Unfit:
                pass  # it is reported like any other value
    if any("check_max" in entry.text for entry in config.entries):
        caps = {
            entry.path[1].removeprefix("max_"): entry
            for entry in config.entries
            if len(entry.path) == 2 and entry.path[0] == "params"
            if entry.path[1] in ("max_memory", "max_time", "max_cpus")
        }
        try:
            return limits({name: entry.value for name, entry in caps.items()}), [*caps.values()]
        except Unfit:
            pass
    return Limits(), []


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit(NO_VALUE)
    return value
