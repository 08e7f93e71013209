"""Why there is no lock, as sentences for users. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from .description import Description, package_of

#: Characters of a solver's words that are shown: it lists each version that does not fit.
LONGEST = 600


class SolveError(Exception):
    """There is no lock; a sentence for the user, without a full stop."""


class Unsatisfiable(SolveError):
    """What the files ask for cannot be had, however often one asks."""


class Unreachable(SolveError):
    """A channel did not answer, or not as it must. Later, or elsewhere, it may."""


class Denied(SolveError):
    """A channel answers, but not to us: its login or certificate is not right."""


class NotHere(Exception):
    """Only the building job can make the lock; the message says why, without a full stop."""


def unsatisfiable(description: Description, words: str, elsewhere: bool = False) -> str:
    """A solver's words as one sentence. ``elsewhere``: it can be solved if packages may come from
    any channel."""
    known = {package_of(spec): spec for spec in description.specs}
    sentences = [f"{description.name} cannot be solved: {_flat(words, known)}"]
    for name, what in (("glibc", "glibc"), ("cuda", "CUDA"), ("linux", "Linux")):
        if f"__{name}" in words:
            has = _virtual(description, f"__{name}")
            sentences.append(
                f"jobs are taken to have {what} {has}, which CONDA_OVERRIDE_{name.upper()} changes"
                if has
                else f"jobs without a GPU have no {what}: ask for one in resources: gpu=1, or set "
                f"CONDA_OVERRIDE_{name.upper()}"
            )
    if elsewhere:
        sentences.append(
            "it could be solved if packages came from any channel, but channel priority is strict: "
            "a package comes only from the first channel that has it. Change the order of channels:"
        )
    channels = _listed(description.channels) or "none"
    return "; ".join(sentences) + f" (channels, in order: {channels})"


def unreachable(description: Description, words: str) -> SolveError:
    """What rattler says of a request, as an error to raise."""
    text = " ".join(words.split())
    status = re.search(r"\((4\d\d) [A-Za-z ]+\)", text)
    found = re.search(r"https?://[^\s)']+", text)
    place = _channel_of(found[0]) if found else "a channel"
    name = description.name
    if "could not find subdir" in text or (status and status[1] == "404"):
        return Unsatisfiable(f"{name} cannot be solved: there is no channel {place}")
    if status and status[1] in {"401", "403", "407"}:
        return Denied(
            f"{name} cannot be solved: {place} answers {status[1]}, so it needs a login or token, "
            "or another one"
        )
    reason = re.split(r" ?Caused by: ", text)[-1][:200] or "no reason is given"
    if "certificate" in text:
        return Denied(
            f"{name} cannot be solved: the certificate of {place} is not trusted ({reason}); name "
            "the authority's file in .condarc (ssl_verify) or CONDA_SSL_VERIFY"
        )
    return Unreachable(f"{name} cannot be solved: {place} cannot be reached ({reason})")


def _channel_of(url: str) -> str:
    """The channel that an address of its repodata belongs to."""
    parts = urlsplit(url)
    path = re.sub(r"/(?:linux-64|noarch)(?:/[^/]*)?$", "", parts.path).rstrip("/")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def _flat(words: str, specs: Mapping[str, str]) -> str:
    """A tree of reasons in one line, in conda's words rather than in its solver's. ``specs``: what
    the file asks for, by name: rattler leaves out what does not fit these."""
    lines = [line.strip(" \t│├└─┬┼") for line in words.splitlines()]
    text = " ".join(_without_candidates(line, specs) for line in lines if line).rstrip(".")
    text = text.removeprefix("Cannot solve the request because of: ")
    text = re.sub(r"No candidates were found for ([^.]*\S)", r"no channel has \1", text)
    text = text.replace("The following packages are incompatible ", "")
    text = text.replace(" cannot be installed because there are no viable options:", " fails:")
    text = re.sub(r"(?<=[a-z0-9]) \*(?=[\s,.:]|$)", "", text)  # any version
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"


def _without_candidates(line: str, specs: Mapping[str, str]) -> str:
    found = re.fullmatch(
        r"([a-z0-9_][a-z0-9_.-]*)(.*), for which no candidates were found\.?", line
    )
    if not found:
        return line
    own = specs.get(found[1])
    why = f"and the file itself asks for {own}" if own else "which no channel has"
    return f"{found[1]}{found[2]}, {why}"


def _virtual(description: Description, name: str) -> str:
    for package in description.virtual:
        if package.startswith(f"{name}="):
            return package.split("=")[1]
    return ""


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items)
