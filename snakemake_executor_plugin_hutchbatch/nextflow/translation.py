"""Translates a config's settings into keys of a Snakemake profile, and lists what is left."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from ..settings import parsers
from ..settings.table import SETTINGS
from ..settings.values import SettingError
from .carried import Carried, Left, grouped, shown
from .expressions import Amount, Raw, quantity
from .syntax import Config, Entry

#: Settings of one value, and hutchbatch's setting (``settings.table``) for each.
_SETTINGS = {
    "aws.region": "region",
    "process.queue": "queue",
    "aws.batch.jobRole": "job_role",
    "aws.batch.executionRole": "execution_role",
    "aws.batch.cliPath": "aws_cli_path",
    "aws.batch.logsGroup": "log_group",
    "aws.batch.maxSpotAttempts": "spot_attempts",
    "aws.batch.shareIdentifier": "share_identifier",
    "aws.batch.schedulingPriority": "scheduling_priority",
    "workDir": "work_prefix",
}
#: What needs no counterpart: hutchbatch does it anyway, or it does not concern jobs.
_NEEDLESS = re.compile(
    r"process\.executor|(docker|singularity|podman)\..*|aws\.batch\.(platformType|retryMode)"
    r"|aws\.client\..*|(process\.)?(cache|resume|echo|debug|tag)|executor\.(name|\$.*|submitRateLimit|pollInterval)"
)
#: What to do instead, by the setting's name.
_INSTEAD = (
    (r"params(\..*)?", "values for the workflow: put them into config/config.yaml"),
    (r"(timeline|report|trace|dag)\..*", "reports: Snakemake and hutchbatch have their own"),
    (r"aws\.(accessKey|secretKey|sessionToken)", "credentials do not belong in a profile"),
    (r"(tower|wave|fusion|manifest)\..*", "it only concerns Nextflow"),
    (r"process\.publishDir.*", "name the results in the rules' output:"),
    (r"process\.(ext|beforeScript|afterScript|module|conda)(\..*)?", "put it into the rule"),
)
_IGNORED = "a failed job counts as failed; with keep-going the others continue"
_PLACEHOLDER = "it is not a plain value"
#: Most processes that one selector names; longer ones are reported as a pattern.
MOST_NAMES = 100
_SIMPLE_NAME = re.compile(r"[\w-]+(\|[\w-]+)*")


class _Unfit(Exception):
    """The value cannot be used; the message says why."""


def translate(config: Config) -> Carried:
    """What a profile can express of a config, and what it cannot."""
    made = Carried()
    retries: dict[str, _Retries] = {}
    for entry in config.entries:
        for target in _targets(entry, made):
            name = ".".join(entry.path)
            try:
                if entry.path[0] == "process" and entry.path[1:] in _DIRECTIVES:
                    _DIRECTIVES[entry.path[1:]](made, target, entry.value)
                elif name in ("process.errorStrategy", "process.maxRetries"):
                    retries.setdefault(target, _Retries(entry.line)).take(made, entry)
                elif not target:
                    _whole_run(made, name, entry)
                elif not _NEEDLESS.fullmatch(name):
                    raise _Unfit(_instead(name))
            except (_Unfit, SettingError) as error:
                what = f"{name} of {target}" if target else name
                made.left.append(Left(entry.line, what, str(error)))
    _decide_retries(made, retries)
    made.left += [Left(s.line, s.what, _why_skipped(s.what)) for s in config.skipped]
    made.left = grouped(made.left)
    return made


def _targets(entry: Entry, made: Carried) -> list[str]:
    """The rules that an entry applies to; one empty name for all."""
    if entry.selector is None:
        return [""]
    kind, text = entry.selector
    name, setting = shown(text), f"{entry.path[-1]} = {shown(entry.text)}"
    if kind == "withLabel":
        what = f"withLabel {name}: {setting}"
        made.left.append(Left(entry.line, what, "rules have no labels: set it in each rule"))
        return []
    # WORKFLOW:PROCESS: a rule has the last part's name.
    simple = text.count("|") < MOST_NAMES and _SIMPLE_NAME.fullmatch(text.replace(":", ""))
    names = text.split("|") if simple else []
    if not names:
        what = f"withName {name}: {setting}"
        made.left.append(
            Left(entry.line, what, "a pattern of names: set it for each rule in set-resources")
        )
    return [name.rpartition(":")[2] for name in names]


def _whole_run(made: Carried, name: str, entry: Entry) -> None:
    """A setting for all jobs."""
    value = entry.value
    if name == "aws.batch.volumes":
        _volumes(made, value)
    elif name == "executor.queueSize":
        made.jobs = _whole(value)
    elif name in ("process.resourceLabels", "aws.batch.resourceLabels"):
        if not isinstance(value, dict):
            raise _Unfit(_PLACEHOLDER)
        pairs = [f"{k}={_plain(v)}" for k, v in value.items()]
        parsers.parse_tags(pairs)
        made.settings["tags"] = pairs
    elif name in _SETTINGS:
        setting = _SETTINGS[name]
        text = _plain(value)
        if setting == "spot_attempts" and text == "0":
            text = "1"  # Nextflow's 0 means no second attempt
        if setting == "work_prefix" and not text.startswith("s3://"):
            raise _Unfit("jobs need a location in S3")
        SETTINGS[setting].parse(text)
        made.settings[setting] = text
    elif not _NEEDLESS.fullmatch(name):
        raise _Unfit(_instead(name))


def _instead(name: str) -> str:
    return next(
        (why for form, why in _INSTEAD if re.fullmatch(form, name)), "hutchbatch has no counterpart"
    )


def _why_skipped(what: str) -> str:
    if what.startswith("includeConfig"):
        return "this file is not read: run hutchbatch init with it separately"
    if what.startswith("the profile"):
        return "use --nextflow-profile to choose it instead"
    if what == "plugins":
        return "it only concerns Nextflow"
    return "Groovy code is not run"


def _volumes(made: Carried, value: object) -> None:
    items = value if isinstance(value, list) else [value]
    volumes = []
    for item in items:
        mount = parsers.parse_mount(_plain(item))
        text = f"{mount.source}:{mount.path}" + (":ro" if mount.read_only else "")
        if mount.path == "/tmp":  # noqa: S108 - where the Hutch's containers see the scratch
            made.settings["scratch"] = text
        else:
            volumes.append(text)
    if volumes:
        made.settings["volumes"] = volumes


# Directives of processes, for all (an empty name) or for some


def _cpus(made: Carried, rule: str, value: object) -> None:
    threads = _expression(_number(value))
    if not rule:
        raise _Unfit(f"a profile can only set them for single rules: set-threads ({threads})")
    made.threads[rule] = threads


def _resource(name: str, unit: str) -> Callable[[Carried, str, object], None]:
    def carry(made: Carried, rule: str, value: object) -> None:
        amount = quantity(value, unit)
        if amount is None:
            raise _Unfit(_PLACEHOLDER)
        _put(made, rule, name, _expression(amount))

    return carry


def _queue(made: Carried, rule: str, value: object) -> None:
    parsers.parse_queue(_plain(value))
    if rule:
        _put(made, rule, "hutchbatch_queue", _plain(value))
    else:
        made.settings["queue"] = _plain(value)


def _container(made: Carried, rule: str, value: object) -> None:
    image = parsers.parse_image(_plain(value))
    if rule:
        _put(made, rule, "hutchbatch_image", image)
    else:
        made.container_image = image


def _accelerator(made: Carried, rule: str, value: object) -> None:
    _put(made, rule, "gpu", _whole(value))


_DIRECTIVES: Mapping[tuple[str, ...], Callable[[Carried, str, object], None]] = {
    ("cpus",): _cpus,
    ("memory",): _resource("mem_mb", "MB"),
    ("time",): _resource("runtime", "minutes"),
    ("disk",): _resource("disk_mb", "MB"),
    ("queue",): _queue,
    ("container",): _container,
    ("accelerator",): _accelerator,
}


def _put(made: Carried, rule: str, name: str, value: int | str) -> None:
    (made.rules.setdefault(rule, {}) if rule else made.defaults)[name] = value


def _plain(value: object) -> str:
    if isinstance(value, Amount) and not value.growth and not value.unit:
        return f"{value.base:g}"
    if not isinstance(value, str):
        raise _Unfit(_PLACEHOLDER)
    return value


def _number(value: object) -> Amount:
    if isinstance(value, Amount) and not value.unit:
        return value
    raise _Unfit(_PLACEHOLDER)


def _whole(value: object) -> int:
    amount = _number(value)
    if amount.growth or amount.base != int(amount.base):
        raise _Unfit(_PLACEHOLDER)
    return int(amount.base)


def _expression(amount: Amount) -> int | str:
    """``8000``, ``8000 * attempt``, ``2000 + 4000 * attempt``; rounded up."""
    base, growth = math.ceil(amount.base), math.ceil(amount.growth)
    if not growth:
        return base
    grows = "attempt" if growth == 1 else f"{growth} * attempt"
    return f"{base} + {grows}" if base else grows


class _Retries:
    """errorStrategy and maxRetries from one place in the config."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.most: int | None = None
        self.attempts: int | None = None
        self.retries = False

    def take(self, made: Carried, entry: Entry) -> None:
        if entry.path[-1] == "maxRetries":
            self.most = _whole(entry.value)
            return
        words = set(re.findall(r"'(\w+)'|\"(\w+)\"", entry.text))
        named = {a or b for a, b in words}
        known = named & {"retry", "ignore", "finish", "terminate"}
        if not known:
            raise _Unfit(_PLACEHOLDER)
        self.retries = "retry" in known
        if "ignore" in known:
            made.left.append(Left(entry.line, "process.errorStrategy 'ignore'", _IGNORED))
        limit = re.search(r"task\.attempt\s*(<=?)\s*(\d{1,6})\b", entry.text)
        if limit:
            self.attempts = int(limit[2]) - (limit[1] == "<")
        if isinstance(entry.value, Raw) and "exitStatus" in entry.text:
            raise _Unfit("Snakemake retries after any failure, not only after some exit codes")

    @property
    def number(self) -> int | None:
        """How often a failed job is retried; Nextflow's default is once."""
        if not self.retries:
            return None
        most = 1 if self.most is None else self.most
        return most if self.attempts is None else min(most, self.attempts)


def _decide_retries(made: Carried, found: Mapping[str, _Retries]) -> None:
    """``retries`` in a Snakemake profile applies to all rules; a rule's own number can only be set
    in the Snakefile."""
    everywhere = found.get("")
    if everywhere is not None and everywhere.retries:
        made.retries = everywhere.number
    for rule, each in found.items():
        if everywhere is not None and each.most is None:
            each.most = everywhere.most
        number = each.number
        if not rule or number is None or number == made.retries:
            continue
        if everywhere is None or not everywhere.retries:
            made.retries = max(made.retries or 0, number)
        made.left.append(
            Left(
                each.line,
                f"retries of {rule}",
                f"a profile has one number for all rules: put retries: {number} into rule {rule}",
            )
        )
