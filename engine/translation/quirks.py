"""The keys that a provider's file may say under ``quirks:``, as data: ``mappings/quirks.yaml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.language.envelope import check
from engine.language.source import Node, plain, tree
from engine.resources import file_name

FILE = "quirks.yaml"

SCHEMA: dict[str, Any] = {
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
    """All known keys by name, read from ``texts`` (name and bytes of each file) when somebody first
    looks. Looking raises MappingError when a file does not hold."""

    def __init__(self, texts: Iterable[tuple[str, bytes]] = ()) -> None:
        self.texts = tuple(texts)

    @classmethod
    def load(cls, folders: Iterable[Path]) -> Quirks:
        """The keys of all mapping folders, later ones over earlier."""
        files = [folder / FILE for folder in folders if (folder / FILE).is_file()]
        return cls((file_name(file), file.read_bytes()) for file in files)

    @cached_property
    def _rows(self) -> dict[str, Quirk]:
        return {row.name: row for name, data in self.texts for row in _rows(tree(data, name))}

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
    # slow to import, and needed for new files only
    import cerberus

    check(node, SCHEMA)
    for name, row in plain(node)["quirks"].items():
        meaning, absent = row.pop("meaning"), row.pop("absent")
        try:
            cerberus.Validator({name: row})
        except cerberus.SchemaError as error:
            node.pos.error(f"the row of {name} is no rule: {error}")
        yield Quirk(name, meaning, absent, row)
