"""Whether jobs reach the channels of conda environments: asked by the doctor's small job."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping

from ..software.conda import config
from ..software.conda.channels import Addresses
from .findings import Finding

#: How a line of the job's output about a channel begins.
WORD = "channel"
#: Seconds that a channel may take to answer.
SECONDS = 20
#: Any answer of the channel's shows that it is reached; the index of noarch packages is what each
#: channel has.
_ASK = f"""\
import sys, urllib.request
for url in sys.argv[1:]:
    asked = urllib.request.Request(url + "/noarch/repodata.json", method="HEAD")
    try:
        found = urllib.request.urlopen(asked, timeout={SECONDS}).status
    except Exception as error:
        found = getattr(error, "code", None) or " ".join(str(error).split())
    print("{WORD}", url, found)
"""


#: What nearly all public workflows name.
USUAL = ("conda-forge", "bioconda")


def channels(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses of the usual channels by conda's configuration here. ``variables``: of the
    process. Raises ``ConfigError`` and ``ChannelError``."""
    return Addresses(config.read(variables)).channels(USUAL)


def command(urls: Iterable[str]) -> str:
    """For the job's shell: a line of output for each channel, none without a Python."""
    quoted = [shlex.quote(url) for url in urls]
    if not quoted:
        return ""
    ask = f"-c {shlex.quote(_ASK)} {' '.join(quoted)}"
    return f"python3 {ask} || python {ask} || true\n"


def findings(urls: Iterable[str], output: Iterable[str]) -> Iterator[Finding]:
    """What the job's output says about the channels."""
    answers = {}
    for line in output:
        word, _, rest = line.partition(" ")
        if word == WORD:
            url, _, answer = rest.partition(" ")
            answers[url] = answer
    for url in urls:
        yield _finding(url, answers.get(url))


def _finding(url: str, answer: str | None) -> Finding:
    if answer is None:
        return Finding(
            "warning",
            "conda",
            f"Whether jobs reach the channel {url} is not known, since the image has no python3",
            "try another image with --image.",
        )
    if answer == "200":
        return Finding("ok", "conda", f"Jobs reach the channel {url}.")
    if answer in ("401", "403", "407"):
        return Finding(
            "warning",
            "conda",
            f"Jobs reach the channel {url}, which answers {answer}: it needs a login, or lets in "
            "only some networks",
            "logins of your .condarc come along with jobs that build environments.",
        )
    if answer.isdigit():
        sentence = f"The channel {url} answers jobs with {answer}"
        return Finding("problem", "conda", sentence, "check the channels of your .condarc.")
    return Finding(
        "problem",
        "conda",
        f"Jobs do not reach the channel {url} ({answer}), so no conda environment can be built",
        "ask SciComp whether machines of AWS Batch may use the internet, or name a mirror in "
        "channel_alias of your .condarc.",
    )
