"""Why a cell of the fidelity matrix is not exact: in the mapping's words, with the place they
stand at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from engine.errors import Rejected
from engine.language.source import Source
from engine.translation.formats import Format
from engine.translation.losses import Loss

_MARK = re.compile(r"§ ([a-z]+ \d+)")


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """Why a cell is not exact. ``kind`` of the loss, empty where no loss is told; ``rule``:
    ``file:line:column``; ``section``: the file and its mark of the tables."""

    text: str
    kind: str = ""
    section: str = ""
    rule: str = ""


class Reasons:
    """Reasons by the rules of these formats' files."""

    def __init__(self, formats: Iterable[Format]) -> None:
        self._sources = {
            node.pos.source.name: node.pos.source
            for side in formats
            for node in side.files().values()
        }

    def lost(self, loss: Loss) -> Reason:
        """The reason of a loss."""
        return Reason(loss.reason, loss.kind, self._section(loss.rule), loss.rule)

    def rejected(self, error: Rejected) -> Reason:
        """The reason of a refusal."""
        return Reason(error.reason, "rejected", self._section(error.rule), error.rule or "")

    def _section(self, rule: str | None) -> str:
        """The file of a rule, and the mark of the tables that stands at it or above it."""
        if not rule:
            return ""
        name, line, _ = rule.rsplit(":", 2)
        source = self._sources.get(name)
        mark = _mark(source, int(line)) if source else ""
        return f"{'/'.join(PurePath(name).parts[-2:])} {mark}".strip()


def _mark(source: Source, line: int) -> str:
    """The mark at a line, else the nearest one above it that is not further in."""
    indent = 1_000
    for text in reversed(source.lines[:line]):
        own = len(text) - len(text.lstrip())
        if text.strip() and own <= indent:
            indent = own
            found = _MARK.search(text)
            if found:
                return f"§ {found[1]}"
    return ""
