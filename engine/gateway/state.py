"""What outlives a request: cooldowns, turns, and texts that are kept for a while.

Dispatch knows only :class:`State`, whose methods may wait, so that a store shared by many replicas
can take the place of :class:`LocalState` (one process) and of ``shared.SharedState`` (the workers
of one machine).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

# Names of models come from clients; a group forgotten only begins its turns anew.
MAX_GROUPS = 4096


@dataclass(frozen=True, slots=True)
class Cooldown:
    """``until`` in seconds since 1970; ``kind`` of the error that caused it."""

    until: float
    kind: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept at most: entries, bytes of the texts, seconds since one was last used."""

    entries: int = 50_000
    bytes: int = 64 * 1024 * 1024
    seconds: float = 10_800.0


class State(Protocol):
    """Cooldowns by key, texts by key, and whose turn it is among weighted names."""

    async def cool(self, key: str, cooldown: Cooldown) -> None:
        """Rest until then; a longer rest already given stays."""

    async def cooling(self, keys: Iterable[str]) -> dict[str, Cooldown]:
        """The rests among the keys that are not over."""

    async def release(self, key: str) -> None:
        """End a rest."""

    async def resting(self) -> dict[str, Cooldown]:
        """All rests that are not over."""

    async def remember(self, texts: Mapping[str, str]) -> None:
        """Keep texts by their keys, in place of those that the keys had."""

    async def recall(self, keys: Iterable[str]) -> dict[str, str]:
        """The texts that are still kept; they count as used."""

    @property
    def blank(self) -> bool:
        """Whether there is no text to be recalled, whatever its key; this waits for nothing."""

    async def turn(self, group: str, weights: Mapping[str, int]) -> str:
        """The next of the names; each comes in proportion to its weight, evenly spread."""

    def close(self) -> None:
        """Let go of what is held open; nothing is asked after it."""


class LocalState:
    """State of one process, bounded: what is longest unused is forgotten."""

    def __init__(self, now: Callable[[], float] = time.time, bounds: Bounds | None = None) -> None:
        self._now = now
        self._bounds = bounds or Bounds()
        self._cooldowns: OrderedDict[str, Cooldown] = OrderedDict()
        self._turns: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._texts: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._bytes = 0

    async def cool(self, key: str, cooldown: Cooldown) -> None:
        known = self._cooldowns.get(key)
        if known is None or known.until < cooldown.until:
            self._cooldowns[key] = cooldown
        _bound(self._cooldowns, key, self._bounds.entries)

    async def cooling(self, keys: Iterable[str]) -> dict[str, Cooldown]:
        if not self._cooldowns:
            return {}
        now = self._now()
        found: dict[str, Cooldown] = {}
        for key in keys:
            cooldown = self._cooldowns.get(key)
            if cooldown is None:
                continue
            if cooldown.until > now:
                found[key] = cooldown
            else:
                del self._cooldowns[key]
        return found

    async def resting(self) -> dict[str, Cooldown]:
        return await self.cooling(list(self._cooldowns))

    async def release(self, key: str) -> None:
        self._cooldowns.pop(key, None)

    async def remember(self, texts: Mapping[str, str]) -> None:
        now = self._now()
        for key, text in texts.items():
            self._forget(key)
            self._texts[key] = text, now
            self._bytes += weight(text)
        while self._texts and self._too_much(now):
            self._forget(next(iter(self._texts)))

    async def recall(self, keys: Iterable[str]) -> dict[str, str]:
        now = self._now()
        found: dict[str, str] = {}
        for key in keys:
            text, used = self._texts.get(key, ("", 0.0))
            if used >= now - self._bounds.seconds:
                found[key] = text
                self._texts[key] = text, now
                self._texts.move_to_end(key)
        return found

    @property
    def blank(self) -> bool:
        return not self._texts

    async def turn(self, group: str, weights: Mapping[str, int]) -> str:
        standing = self._turns.setdefault(group, {})
        _bound(self._turns, group, MAX_GROUPS)
        return advance(standing, weights)

    def close(self) -> None:
        """There is nothing to let go of."""

    def _too_much(self, now: float) -> bool:
        _, used = next(iter(self._texts.values()))
        bounds = self._bounds
        many = len(self._texts) > bounds.entries or self._bytes > bounds.bytes
        return many or used < now - bounds.seconds

    def _forget(self, key: str) -> None:
        text, _ = self._texts.pop(key, (None, 0.0))
        if text is not None:
            self._bytes -= weight(text)


def advance(standing: dict[str, int], weights: Mapping[str, int]) -> str:
    """Whose turn it is; changes the standing of the names.

    Smooth weighted round-robin: a name that is away and comes back neither skews the others nor is
    owed the turns it missed.
    """
    for name in [name for name in standing if name not in weights]:
        del standing[name]
    for name, share in weights.items():
        standing[name] = standing.get(name, 0) + share
    chosen = max(weights, key=lambda name: standing[name])
    standing[chosen] -= sum(weights.values())
    return chosen


def weight(text: str) -> int:
    """What a text counts, in bytes: with its key and the care that is taken of it."""
    return len(text.encode("utf-8", "surrogatepass")) + 128


def _bound(table: OrderedDict[str, Any], key: str, most: int) -> None:
    table.move_to_end(key)
    while len(table) > most:
        table.popitem(last=False)
