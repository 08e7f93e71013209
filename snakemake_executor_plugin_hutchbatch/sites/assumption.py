"""Which site an account is, by what it shows, where the user names none. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..settings.parsers import parse_mount
from ..settings.table import SETTINGS
from ..settings.values import Mount, Value
from .site import SiteDefaults


@dataclass(frozen=True)
class Assumption:
    """``site``, ``scratch`` in place of the site's where job definitions mount another, and why:
    a sentence for the user, None where it is the plain first site."""

    site: SiteDefaults
    scratch: Mount | None = None
    sentence: str | None = None

    def values(self) -> dict[str, Value]:
        """What counts where the user sets nothing, by setting."""
        own = {} if self.scratch is None else {"scratch": self.scratch}
        return {**self.site.assumed_values(), **own}


def assume(
    sites: Sequence[SiteDefaults],
    queues: Collection[str],
    mounts: Mapping[Mount, int],
    *,
    has_scratch: bool = False,
) -> Assumption:
    """``queues``: those that the account has, none where it may not be asked; ``mounts``: host
    folders in its job definitions, with how many of these mount each; ``has_scratch``: the user has
    set it.

    The queues name the site, or else the scratch disk does; the definitions name the scratch disk,
    or else the site does.
    """
    scratch = scratch_shown(sites, mounts)
    by_queues = _by_queues(sites, queues)
    by_scratch = next((site for site in sites if scratch and scratch_of(site) == scratch), None)
    site = by_queues or by_scratch or sites[0]
    own = scratch if scratch != scratch_of(site) else None
    if site is sites[0] and (has_scratch or (not own and (by_queues or scratch or not queues))):
        return Assumption(site, own)
    shown = [f"the queue {name}" for name in site.queues if by_queues and name in queues]
    if scratch:
        shown.append(f"job definitions that mount {scratch.source} at {scratch.path}")
    names = " or ".join(each.name for each in sites)
    why = " and ".join(shown) or f"neither a queue of {names} nor job definitions to go by"
    disk = scratch or scratch_of(site)
    with_scratch = "" if has_scratch else f", with scratch {disk.source}:{disk.path},"
    remedy = "--hutchbatch-site" if has_scratch else "--hutchbatch-site or --hutchbatch-scratch"
    return Assumption(
        site,
        own,
        f"Site {site.name} is assumed{with_scratch} because this account has {why}: set {remedy} "
        "if it is another.",
    )


def _by_queues(sites: Sequence[SiteDefaults], queues: Collection[str]) -> SiteDefaults | None:
    """The site whose queues are there, best as a whole: a lab may have some with names of the
    shared account's. None where none is, or two are equal."""
    found = [sum(1 for name in site.queues if name in queues) for site in sites]
    shares = [(n / max(1, len(site.queues)), n) for n, site in zip(found, sites, strict=True)]
    best = max(shares)
    return sites[shares.index(best)] if best[1] and shares.count(best) == 1 else None


def scratch_shown(sites: Sequence[SiteDefaults], mounts: Mapping[Mount, int]) -> Mount | None:
    """What most definitions mount where sites have their scratch; None where two are equal."""
    places = {scratch_of(site).path for site in sites}
    found = {m: n for m, n in mounts.items() if m.path in places and not m.read_only}
    most = max(found.values(), default=0)
    best = [mount for mount, count in found.items() if count == most]
    return best[0] if len(best) == 1 else None


def scratch_of(site: SiteDefaults) -> Mount:
    """The scratch of jobs there."""
    text = site.settings.get("scratch")
    mount: Mount = SETTINGS["scratch"].default_value if text is None else parse_mount(text)
    return mount
