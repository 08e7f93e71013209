"""What a report's charts are drawn from, and the JavaScript that draws them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from . import timeline
from .attempt_table import Row
from .statistics import Rule, Spread

TEMPLATES = Path(__file__).with_name("templates")
#: Spans of time of the areas.
BINS = 240


@cache
def script(*own: str) -> str:
    """Vega with all it needs, and the templates ``own``, as one module.

    Raises ``ModuleNotFoundError`` without the extra.
    """
    import vl_convert  # noqa: PLC0415 - the extra

    text = "".join((TEMPLATES / name).read_text("utf-8") for name in own)
    bundle: str = vl_convert.javascript_bundle(text)
    return bundle.replace("</script", r"<\/script").replace("<!--", r"<\!--")


def areas(rows: Sequence[Row], began: float, until: float) -> dict[str, object]:
    """How much there was at any time: jobs by what they did, jobs on a machine by rule, vCPUs by
    queue. Averages in ``BINS`` equal spans from ``began`` to ``until`` (seconds since 1970)."""
    phases: list[timeline.Interval] = []
    rules: list[timeline.Interval] = []
    use: list[timeline.Interval] = []
    for row in rows:
        phases += [(name, start, stop, 1.0) for name, start, stop in timeline.phases(row, until)]
        if row.started is not None:
            stop = until if row.stopped is None else row.stopped
            rules.append((row.rule, row.started, stop, 1.0))
            use.append((row.queue or "not known", row.started, stop, float(row.vcpus)))
    found = {}
    for name, intervals in (("phase", phases), ("rule", rules), ("queue", use)):
        over = timeline.over_time(intervals, began, until, BINS)
        # Pairs, since a name may be any text, and an object of JavaScript has names of its own.
        found[name] = [[key, [round(v, 2) for v in values]] for key, values in over.items()]
    return {"began": began, "ended": until, "bins": BINS, **found}


def rule(each: Rule) -> dict[str, object]:
    """A rule's distributions."""
    return {
        "name": each.name,
        "seconds": _spread(each.seconds),
        "memory_share": _spread(each.memory_share),
        "cpu_share": _spread(each.cpu_share),
        "killed": [round(share, 1) for share in each.killed],
    }


def _spread(spread: Spread | None) -> dict[str, object] | None:
    if spread is None:
        return None
    rounded = {k: round(v, 2) for k, v in asdict(spread).items() if k != "points"}
    return {**rounded, "points": [round(p, 2) for p in spread.points]}


def packed(value: Mapping[str, object], **lists: Iterable[object]) -> str:
    """JSON, compressed (zlib's format) and in base64: a tenth of the size for many jobs, and no
    text in it can be markup. ``lists``: more of it, whose items are made and packed one by one."""
    packer = zlib.compressobj(9)
    parts: list[bytes] = []
    for text in _texts(value, lists):
        parts.append(packer.compress(text.encode()))
    parts.append(packer.flush())
    return base64.b64encode(b"".join(parts)).decode()


def _texts(value: Mapping[str, object], lists: Mapping[str, Iterable[object]]) -> Iterator[str]:
    """The JSON of an object, in pieces."""
    before = "{"
    for name, item in value.items():
        yield f"{before}{_json(name)}:{_json(item)}"
        before = ","
    for name, items in lists.items():
        yield f"{before}{_json(name)}:["
        before = ","
        for number, item in enumerate(items):
            yield f"{',' * bool(number)}{_json(item)}"
        yield "]"
    yield "}" if before == "," else "{}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def unpacked(text: str) -> object:
    """What ``packed`` has packed."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def data_of(page: str) -> object:
    """What a page's script is given, from the page's HTML."""
    return unpacked(page.partition('id="data">')[2].partition("<")[0])
