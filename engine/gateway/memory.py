"""What clients may lose between two turns, kept in the state: each client's own, under its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from engine.gateway.auth import Keyring
from engine.gateway.state import State


class Memory:
    """The part of the state that belongs to one client: to its key, whatever that is called."""

    def __init__(self, state: State, keyring: Keyring, name: str | None) -> None:
        self._state = state
        self._keyring = keyring
        self._name = name

    @cached_property
    def _prefix(self) -> str:
        return f"client|{self._keyring.digest(self._name).hex()}|"

    @property
    def blank(self) -> bool:
        """Whether nothing can be recalled, so that what is wanted need not be found out."""
        return self._state.blank

    async def keep(self, texts: Mapping[str, str]) -> None:
        """Keep what an answer gave to be kept."""
        if texts:
            await self._state.remember({self._prefix + key: text for key, text in texts.items()})

    async def recall(self, keys: Iterable[str]) -> dict[str, str]:
        """What is still known of what a request wants."""
        names = {self._prefix + key: key for key in keys}
        found = await self._state.recall(names) if names else {}
        return {names[name]: text for name, text in found.items()}
