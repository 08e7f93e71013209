"""A random mix of all that can go wrong, from a seed, thrown at an embedded cloud during a run."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

OPERATIONS = ("SubmitJob", "DescribeJobs", "ListJobs", "RegisterJobDefinition", "*")
#: A controller that calls one of these has looked at all it needs, and begins.
BEGUN = {"RegisterJobDefinition", "SubmitJob"}
SERVICES = ("batch", "s3", "logs", "*")
#: Hours and minutes by which AWS's clock may be ahead of ours; set once, since AWS's does not jump.
SKEWS = (-18000.0, -1000.0, -100.0, 0.0, 0.0, 100.0, 1000.0, 18000.0)

#: Milliseconds by which each answer of a service takes longer, all the time.
LATENCIES = (0.0, 0.0, 100.0, 300.0)

Form = dict[str, Any]


class Mix:
    """Throws faults for ``lasts`` seconds. ``longest``: seconds of an outage at most;
    ``credentials``: the file that renews the run's keys, which expire once; None: they do not;
    ``slow``: S3 and Batch may be slow all the time, and hosts announce their end."""

    def __init__(
        self,
        cloud: LocalCloud,
        seed: int,
        longest: float,
        lasts: float,
        credentials: Path | None,
        slow: bool = False,
    ) -> None:
        self._cloud = cloud
        self._dice = random.Random(seed)
        self._longest = longest
        self._lasts = lasts
        self._credentials = credentials
        self._slow = slow
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mix")
        self.thrown: Counter[str] = Counter()

    def __enter__(self) -> Mix:
        skew = self._dice.choice(SKEWS)
        if skew:
            self._throw(kind="skew", seconds=skew)
        for service in ("s3", "batch") if self._slow else ():
            if ms := self._dice.choice(LATENCIES):
                self._throw(kind="latency", service=service, ms=ms)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._cloud.reset()

    def _throw(self, **form: Any) -> None:
        self._cloud.fault(**form)
        self.thrown[form["kind"]] += 1

    def _run(self) -> None:
        dice = self._dice
        # What goes wrong before a run begins is reported at once, by design.
        while not BEGUN & set(self._cloud.calls()["calls"]) and not self._over.wait(0.05):
            pass
        expires = dice.uniform(0.2, 0.6) * self._lasts if self._credentials else 0.0
        passed = 0.0
        while passed < self._lasts and not self._over.wait(pause := dice.uniform(0.1, 1.5)):
            passed += pause
            if expires and passed > expires:
                expires = 0.0
                self._expire(dice.uniform(0, 5))
            else:
                self._throw(**self._form(dice))

    def _expire(self, seconds: float) -> None:
        """The keys are refused, and renewed after a while."""
        cloud = self._cloud
        self._throw(kind="expire", key=cloud.user.access_key)
        self._over.wait(seconds)
        assert self._credentials is not None
        self._credentials.write_text(
            f"[default]\naws_access_key_id = {cloud.renewed.access_key}\n"
            f"aws_secret_access_key = {cloud.renewed.secret_key}\n"
        )

    def _form(self, dice: random.Random) -> Form:
        makers: list[Callable[[], Form]] = [
            lambda: {
                "kind": "throttle",
                "operation": dice.choice(OPERATIONS),
                "calls": dice.randint(1, 20),
                "fraction": dice.choice((0.3, 0.7, 1.0)),
                "seed": dice.randint(0, 999),
            },
            lambda: {
                "kind": "error",
                "operation": dice.choice(OPERATIONS),
                "calls": dice.randint(1, 3),
                "performed": dice.random() < 0.5,
            },
            lambda: {
                "kind": "reset",
                "service": dice.choice(SERVICES),
                "caller": dice.choice(("user", "role", "*")),
                "calls": dice.randint(1, 5),
                "fraction": dice.choice((0.3, 1.0)),
                "seed": dice.randint(0, 999),
                "performed": dice.random() < 0.5,
            },
            lambda: {
                "kind": "slow_down",
                "code": dice.choice(("SlowDown", "InternalError")),
                "calls": dice.randint(1, 15),
                "fraction": dice.choice((0.3, 1.0)),
                "seed": dice.randint(0, 999),
            },
            lambda: {
                "kind": "outage",
                "seconds": dice.uniform(0.2, self._longest),
                "service": dice.choice(SERVICES),
            },
            lambda: {"kind": "outage", "seconds": 2.0, "service": "s3", "caller": "role"},
            lambda: {"kind": "forget", "name": "*", "seconds": dice.uniform(1, 15)},
            lambda: {"kind": "lose_host", "after": dice.uniform(0, 0.6), "times": 1},
            lambda: {
                "kind": "starve",
                "queue": dice.choice(("cpu-spot-30", "cpu-spot-40")),
                "seconds": dice.uniform(1, 6),
            },
        ]
        if self._slow:
            makers += [
                lambda: {"kind": "lose_host", "after": 0.2, "notice": 1.0, "times": 1},
                lambda: {"kind": "not_ended", "times": dice.randint(1, 4)},
                lambda: {"kind": "late_children", "seconds": dice.uniform(1, 10), "times": 1},
            ]
        return dice.choice(makers)()
