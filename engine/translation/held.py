"""Documents that are let go of while nobody needs them.

A gateway waits for most of its time, and what a waiting call holds costs more than its memory: what
the next call makes finds no warm memory to be made in. So what can be made again is not held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Body = dict[str, Any]

_NOTHING: Body = {}
_NO_KEYS: frozenset[str] = frozenset()


class Held:
    """An object as ``again`` makes it, each time equal; kept as ``value`` until it is let go
    of."""

    __slots__ = ("_keys", "_part", "again", "value")

    def __init__(self, value: Body | None = None, again: Callable[[], Body] | None = None) -> None:
        self.value = value
        self.again = again
        self._part = _NOTHING
        self._keys = _NO_KEYS

    def get(self) -> Body:
        """The whole object. Raises what making it raises."""
        if self.value is None:
            assert self.again is not None  # only what can be made again is ever let go of
            self.value = self.again()
        return self.value

    def put(self, value: Body) -> None:
        """This is the object."""
        self.value = value

    def of(self, keys: frozenset[str] | None) -> Body:
        """An object that has these of its keys, where it has them; all of it for None."""
        if self.value is None and keys is not None and keys <= self._keys:
            return self._part
        return self.get()

    def release(
        self, again: Callable[[], Body] | None = None, keys: frozenset[str] = _NO_KEYS
    ) -> None:
        """Let go of all but these keys; ``again`` makes it from now on, if it could not be made
        before."""
        value, self.value = self.value, None
        self.again = again or self.again
        self._keys = keys
        if value is not None and keys:
            self._part = {key: value[key] for key in keys if key in value}
