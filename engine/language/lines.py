"""Generated source: indented lines, some of them decided only when everything is compiled."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.language.source import Pos

# Names of getters where they are called.
_CALLED = re.compile(r"\b(g_\w+)\(")

Late = Callable[[], list[str]]


class Lines:
    """Collects source lines. A *late* line is a function asked for its lines when the source is
    rendered."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, str | Late, Pos | None]] = []
        self._getters: list[tuple[int, int, str, str]] = []
        self._level = 0
        self.pos: Pos | None = None

    def add(self, text: str) -> None:
        """One line at the present indentation."""
        self._entries.append((self._level, text, self.pos))

    def late(self, lines: Late) -> None:
        """Lines that are known only later."""
        self._entries.append((self._level, lines, self.pos))

    def getter(self, name: str, text: str) -> None:
        """A line that defines ``name``, left out when nothing calls it."""
        self._getters.append((len(self._entries), self._level, name, text))
        self._entries.append((self._level, "", self.pos))

    @contextmanager
    def indented(self, head: str) -> Iterator[None]:
        """A head line and an indented block below it; an empty block gets ``pass``."""
        self.add(head)
        self._level += 1
        start = len(self._entries)
        yield
        if len(self._entries) == start or all(
            not isinstance(text, str) or text == "" for _, text, _ in self._entries[start:]
        ):
            self.add("pass")
        self._level -= 1

    def render(self) -> tuple[list[str], list[Pos | None]]:
        """All lines as text, and the place in the mapping that each came from."""
        texts: list[list[str]] = []
        for level, entry, _ in self._entries:
            lines = [entry] if isinstance(entry, str) else entry()
            texts.append([" " * (4 * level) + line for line in lines if line])
        called = set(_CALLED.findall("\n".join(line for lines in texts for line in lines)))
        for position, level, name, text in self._getters:
            if name in called:
                texts[position] = [" " * (4 * level) + text]
        places = [
            pos for lines, (_, _, pos) in zip(texts, self._entries, strict=True) for _ in lines
        ]
        return [line for lines in texts for line in lines], places
