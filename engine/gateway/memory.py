"""What clients may lose between two turns, kept in the state: each client's own, under its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.gateway.state import State


class Memory:
    """The part of the state that belongs to one client."""

    def __init__(self, state: State, client: str | None) -> None:
        self._state = state
        self._prefix = f"client|{client or ''}|"

    async def keep(self, texts: Mapping[str, str]) -> None:
        """Keep what an answer gave to be kept."""
        if texts:
            await self._state.remember({self._prefix + key: text for key, text in texts.items()})

    async def recall(self, keys: Iterable[str]) -> dict[str, str]:
        """What is still known of what a request wants."""
        names = {self._prefix + key: key for key in keys}
        found = await self._state.recall(names) if names else {}
        return {names[name]: text for name, text in found.items()}
