"""A site: defaults that belong together, because they describe one kind of account. Pure but for
``read``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

from ..queues import catalog, data_file
from ..queues.catalog import Entry
from ..queues.data_file import DataFileError, Fault, Item, short
from ..settings.table import SETTINGS
from ..settings.values import SITES, SettingError, Value

#: Settings that describe an account, and that a site may have besides its queues.
SETTINGS_OF_SITES = (
    "region",
    "queue",
    "policy",
    "scratch",
    "aws_cli_path",
    "job_role",
    "execution_role",
    "repository_credentials",
    "container_user",
    "work_prefix",
    "log_group",
    "share_identifier",
    "s3_acl",
    "s3_sse",
    "s3_sse_kms_key_id",
    "s3_storage_class",
    "s3_request_payer",
)
#: What an account gives away about itself does not count for a site that was only assumed: the
#: region, in which it was asked, and the work prefix, where the next run looks for this one's jobs.
_ONLY_OF_NAMED = ("region", "work_prefix")
#: The bucket of the default storage prefix, and its lab: fh-pi-doe-j of fh-pi-doe-j-eco.
_HOLES = ("{bucket}", "{lab}")
#: fh-pi-LASTNAME-F, and what may follow (https://sciwiki.fredhutch.org/scicomputing/store_objectstore/).
_LAB = re.compile(r"(fh-pi-[a-z0-9-]+?-[a-z])(-.*)?")


@dataclass(frozen=True)
class SiteDefaults:
    """``settings``: as typed, and checked, by name. The work prefix may have holes: ``{bucket}``,
    ``{lab}``."""

    name: str
    about: str = ""
    queues: Mapping[str, Entry] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def typed(self, name: str, bucket: str | None) -> str | None:
        """What the site says for a setting, as typed; None where it says nothing, or where it
        depends on a bucket that has another form."""
        text = self.settings.get(name)
        return _filled(text, bucket) if text is not None and name == "work_prefix" else text

    def values(self, bucket: str | None) -> dict[str, Value]:
        """What counts where the user, who chose this site, sets nothing, by setting. ``bucket``:
        that of the default storage prefix."""
        typed = {name: self.typed(name, bucket) for name in self.settings}
        return {name: SETTINGS[name].parse(text) for name, text in typed.items() if text}

    def assumed_values(self) -> dict[str, Value]:
        """The same where nobody chose it."""
        values = self.values(None)
        return {name: value for name, value in values.items() if name not in _ONLY_OF_NAMED}


def lab_of(bucket: str) -> str | None:
    """``fh-pi-doe-j-eco`` → ``fh-pi-doe-j``; None for a bucket of another form."""
    found = _LAB.fullmatch(bucket)
    return found[1] if found else None


def _filled(text: str, bucket: str | None) -> str | None:
    lab = lab_of(bucket) if bucket else None
    for hole, content in zip(_HOLES, (bucket, lab), strict=True):
        if hole in text:
            if not content:
                return None
            text = text.replace(hole, content)
    return text


@cache
def shipped() -> tuple[SiteDefaults, ...]:
    """The sites that ship; the first one is assumed where nothing is known."""
    folder = files(__package__)
    return tuple(
        parse(folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")
        for name in SITES
    )


def shipped_queues() -> dict[str, Entry]:
    """The queues of all of them: no two have the same name."""
    return {name: entry for site in shipped() for name, entry in site.queues.items()}


def chosen(choice: str | Path) -> SiteDefaults:
    """The site of that name, or of that file. Raises ``DataFileError``."""
    if isinstance(choice, Path):
        return parse(data_file.read(choice, "site"), data_file.source_of(choice))
    return next(site for site in shipped() if site.name == choice)


def parse(text: str, source: str) -> SiteDefaults:
    """A site from its file's text. Raises ``DataFileError`` with the faults and their lines."""
    found = data_file.top(text, source)
    if not found:
        raise DataFileError(
            f"{source}, line 1: a site has lines like 'scratch: /docker_scratch:/tmp'; "
            f"there are {_known()}"
        )
    faults: list[Fault] = []
    queues: dict[str, Entry] = {}
    texts: dict[str, str] = {}
    seen: set[str] = set()
    for item in found:
        if item.key in seen:
            faults.append((item.line, f"{short(item.key)} occurs twice"))
        elif item.key == "queues":
            queues, wrong = catalog.of_queues(item)
            faults += wrong
        elif wrong_value := _fault(item):
            faults.append((item.line, wrong_value))
        else:
            texts[item.key] = str(item.value)
        seen.add(item.key)
    data_file.refuse(source, faults)
    return SiteDefaults(Path(source).stem, texts.pop("about", ""), queues, texts)


def _fault(item: Item) -> str | None:
    """What is wrong with an entry other than ``queues:``."""
    if item.key != "about" and item.key not in SETTINGS_OF_SITES:
        return f"a site has no {short(item.key)}; there are {_known()}"
    text = item.value
    if item.key == "container_user" and type(text) is int:
        text = str(text)
    if not isinstance(text, str) or not text.strip():
        return f"{item.key} is a text, not {short(repr(item.value))}"
    if item.key == "about":
        return None
    if item.key == "work_prefix":
        text = text.replace("{bucket}", "bucket").replace("{lab}", "lab")
        if "{" in text:
            return f"work_prefix may have {' and '.join(_HOLES)}, not {short(str(item.value))}"
    try:
        SETTINGS[item.key].parse(text)
    except SettingError as error:
        return f"{item.key} {short(str(item.value))}: {error}"
    return None


def _known() -> str:
    return ", ".join(("about", *SETTINGS_OF_SITES, "queues"))
