"""What outlives a request: cooldowns and turns.

Dispatch knows only :class:`State`, whose methods may wait, so that a store shared by many replicas
can take the place of :class:`LocalState`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

MAX_ENTRIES = 50_000


@dataclass(frozen=True, slots=True)
class Cooldown:
    """``until`` in seconds since 1970; ``kind`` of the error that caused it."""

    until: float
    kind: str


class State(Protocol):
    """Cooldowns by key, values by key, and whose turn it is among weighted names."""

    async def cool(self, key: str, cooldown: Cooldown) -> None:
        """Rest until then; a longer rest already given stays."""

    async def cooling(self, keys: Iterable[str]) -> dict[str, Cooldown]:
        """The rests among the keys that are not over."""

    async def release(self, key: str) -> None:
        """End a rest."""

    async def resting(self) -> dict[str, Cooldown]:
        """All rests that are not over."""

    async def remember(self, key: str, value: str) -> None:
        """Keep a value, in place of the one that the key had."""

    async def recall(self, key: str) -> str | None:
        """The value of a key, if it is still known."""

    async def turn(self, group: str, weights: Mapping[str, int]) -> str:
        """The next of the names; each comes in proportion to its weight, evenly spread."""


class LocalState:
    """State of one process, bounded: the entries longest unused are forgotten."""

    def __init__(
        self, now: Callable[[], float] = time.time, max_entries: int = MAX_ENTRIES
    ) -> None:
        self._now = now
        self._max_entries = max_entries
        self._cooldowns: OrderedDict[str, Cooldown] = OrderedDict()
        self._turns: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._values: OrderedDict[str, str] = OrderedDict()

    async def cool(self, key: str, cooldown: Cooldown) -> None:
        known = self._cooldowns.get(key)
        if known is None or known.until < cooldown.until:
            self._cooldowns[key] = cooldown
        self._bound(self._cooldowns, key)

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

    async def remember(self, key: str, value: str) -> None:
        self._values[key] = value
        self._bound(self._values, key)

    async def recall(self, key: str) -> str | None:
        return self._values.get(key)

    async def turn(self, group: str, weights: Mapping[str, int]) -> str:
        # Smooth weighted round-robin: a name that is away and comes back neither skews the others
        # nor is owed the turns it missed.
        standing = self._turns.setdefault(group, {})
        self._bound(self._turns, group)
        for name in [name for name in standing if name not in weights]:
            del standing[name]
        for name, weight in weights.items():
            standing[name] = standing.get(name, 0) + weight
        chosen = max(weights, key=lambda name: standing[name])
        standing[chosen] -= sum(weights.values())
        return chosen

    def _bound(self, table: OrderedDict[str, Any], key: str) -> None:
        table.move_to_end(key)
        while len(table) > self._max_entries:
            table.popitem(last=False)
