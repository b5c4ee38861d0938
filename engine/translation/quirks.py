"""The keys that a provider's file may say under ``quirks:``, as data: ``mappings/quirks.yaml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cerberus

from engine.language.envelope import check
from engine.language.source import Node, plain, read

FILE = "quirks.yaml"

_SCHEMA: dict[str, Any] = {
    "quirks": {
        "type": "dict",
        "required": True,
        "valuesrules": {
            "type": "dict",
            "schema": {
                "meaning": {"type": "string", "required": True},
                "absent": {"required": True, "nullable": True},
            },
            "allow_unknown": True,
        },
    }
}


@dataclass(frozen=True, slots=True)
class Quirk:
    """One key. ``rule``: a rule of Cerberus for its value; ``absent``: what a file without it
    means."""

    name: str
    meaning: str
    absent: Any
    rule: dict[str, Any]

    @property
    def values(self) -> str:
        """What may be written, for people."""
        if "allowed" in self.rule:
            return ", ".join(str(word) for word in self.rule["allowed"])
        words = {"boolean": "true, false", "dict": "a map", "list": "a list", "string": "a text"}
        return words.get(self.rule["type"], "a number")


class Quirks(Mapping[str, Quirk]):
    """All known keys by name."""

    def __init__(self, rows: Iterable[Quirk] = ()) -> None:
        self._rows = {row.name: row for row in rows}

    @classmethod
    def load(cls, folders: Iterable[Path]) -> Quirks:
        """The keys of all mapping folders, later ones over earlier. Raises MappingError."""
        rows: list[Quirk] = []
        for folder in folders:
            if (folder / FILE).is_file():
                rows += _rows(read(folder / FILE, f"{folder.name}/{FILE}"))
        return cls(rows)

    def checked(self, node: Node) -> dict[str, Any]:
        """The quirks that a file says. Raises MappingError with every mistake and its place."""
        return check(node, {name: row.rule for name, row in self._rows.items()})

    def __getitem__(self, name: str) -> Quirk:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _rows(node: Node) -> Iterator[Quirk]:
    check(node, _SCHEMA)
    for name, row in plain(node)["quirks"].items():
        meaning, absent = row.pop("meaning"), row.pop("absent")
        try:
            cerberus.Validator({name: row})
        except cerberus.SchemaError as error:
            node.pos.error(f"the row of {name} is no rule: {error}")
        yield Quirk(name, meaning, absent, row)
