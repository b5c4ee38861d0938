"""Reading files of cases: the list under ``cases:``, every mistake of all files at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from engine.errors import MappingError
from engine.language.source import Map, Node, Seq, read
from engine.resources import file_name

Case = TypeVar("Case")


def gather(files: Iterable[Path], read_one: Callable[[Path], Iterable[Case]]) -> list[Case]:
    """The cases of these files, in their order. Raises MappingError with the mistakes of all."""
    cases: list[Case] = []
    problems: list[str] = []
    for path in files:
        try:
            cases += read_one(path)
        except MappingError as error:
            problems += error.problems
    if problems:
        raise MappingError(problems)
    return cases


def rows(path: Path) -> Iterator[Node]:
    """The cases of a file as they are written. Raises MappingError."""
    node = read(path, file_name(path))
    listed = node.get("cases") if isinstance(node, Map) else None
    if not isinstance(listed, Seq):
        node.pos.error("a list under cases: is wanted here")
    yield from listed.items
