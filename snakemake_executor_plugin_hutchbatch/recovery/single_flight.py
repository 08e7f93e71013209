"""Answers that many threads need, each of which one thread asks for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True)
class Answer(Generic[V]):
    """The last answer, None for none yet. ``asked``: when it was asked for last; ``silent_since``:
    since when answers have left it out, None if the last one has it."""

    value: V | None
    asked: float
    silent_since: float | None


class SingleFlight(Generic[K, V]):
    """Remembers answers by key. Thread-safe: a thread waits for another one only while that asks
    for a key that it needs, and never while it holds a lock."""

    def __init__(
        self,
        ask: Callable[[Sequence[K]], Mapping[K, V]],
        most: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``ask``: the answers to at most ``most`` keys, some of which may be left out."""
        self._ask = ask
        self._most = most
        self._clock = clock
        self._answers: dict[K, Answer[V]] = {}
        self._under_way: set[K] = set()
        self._condition = threading.Condition()

    def get(self, keys: Iterable[K], seconds: float, also: Iterable[K] = ()) -> dict[K, Answer[V]]:
        """The answers to ``keys``, none of them older than ``seconds``. A question with room left
        includes some of ``also``. Raises what ``ask`` raises."""
        wanted = list(dict.fromkeys(keys))
        begin = self._clock()
        while True:
            with self._condition:
                stale = [key for key in wanted if self._is_stale(key, begin - seconds)]
                if not stale:
                    return {key: self._answers[key] for key in wanted}
                mine = [key for key in stale if key not in self._under_way][: self._most]
                if not mine:
                    self._condition.wait()
                    continue
                mine += self._more(also, begin - seconds, self._most - len(mine), set(mine))
                self._under_way.update(mine)
            try:
                self._keep(mine, self._ask(mine))
            finally:
                with self._condition:
                    self._under_way.difference_update(mine)
                    self._condition.notify_all()

    def _is_stale(self, key: K, since: float) -> bool:
        known = self._answers.get(key)
        return known is None or known.asked <= since

    def _more(self, also: Iterable[K], since: float, room: int, mine: set[K]) -> list[K]:
        more: list[K] = []
        for key in also if room else ():
            if key not in mine and key not in self._under_way and self._is_stale(key, since):
                mine.add(key)
                more.append(key)
                if len(more) == room:
                    break
        return more

    def _keep(self, keys: Iterable[K], answers: Mapping[K, V]) -> None:
        now = self._clock()
        with self._condition:
            for key in keys:
                before = self._answers.get(key)
                if key in answers:
                    self._answers[key] = Answer(answers[key], now, None)
                elif before is None:
                    self._answers[key] = Answer(None, now, now)
                else:
                    since = before.asked if before.silent_since is None else before.silent_since
                    self._answers[key] = Answer(before.value, now, since)
