"""What a provider is asked to show that it works, as data: ``mappings/conformance.yaml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine.translation.functions  # noqa: F401  (formulas may use them)
from engine.errors import Defect
from engine.language.assembling import section
from engine.language.envelope import check
from engine.language.results import Library
from engine.language.runtime import Refusal
from engine.language.sections import Roots, Section
from engine.language.source import Map, Node, Scalar, Seq, read
from engine.resources import file_name, shipped

FILE = "conformance.yaml"
_NAME = "conformance"

SCHEMA: dict[str, Any] = {
    "format": {"type": "string", "required": True},
    "learn": {
        "type": "list",
        "schema": {
            "type": "dict",
            "schema": {
                "check": {"type": "string", "required": True},
                "says": {"type": "string"},
                "quirks": {"type": "dict", "required": True},
            },
        },
    },
    "checks": {
        "type": "list",
        "required": True,
        "schema": {
            "type": "dict",
            "schema": {
                "name": {"type": "string", "required": True},
                "model": {"type": "string"},
                "stream": {"type": "boolean"},
                "request": {"type": "dict", "required": True},
                "wants": {"type": "dict", "required": True, "valuesrules": {"type": "string"}},
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Check:
    """One request, in the wire format ``format``, and what its answer must show.

    ``model`` stands for the provider's own where it is not None.
    """

    name: str
    format: str
    model: str | None
    stream: bool
    request: dict[str, Any]
    _claims: tuple[tuple[str, Section], ...]

    def missing(self, status: int, body: Any) -> list[str]:
        """What the client's answer does not show; of a stream ``body`` is the list of its
        events."""
        answer = {"status": status, "body": body}
        return [claim for claim, formula in self._claims if not _holds(formula, answer)]


def _holds(formula: Section, answer: dict[str, Any]) -> bool:
    try:
        return bool(formula.run(answer)[0])
    except (Refusal, Defect):  # an answer of another shape than the formula is for
        return False


@dataclass(frozen=True, slots=True)
class Lesson:
    """Quirks that a new provider has when ``check`` passes with them; tried only where it failed
    with the words ``says``, if there are any."""

    check: str
    says: str | None
    quirks: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Conformance:
    """All checks, and what can be learnt by them."""

    checks: tuple[Check, ...]
    lessons: tuple[Lesson, ...]

    def check(self, name: str) -> Check:
        """The check of this name. Raises KeyError."""
        return {check.name: check for check in self.checks}[name]


def load(folders: Iterable[Path] = ()) -> Conformance:
    """Those of the last of these mapping folders that has some, else the shipped ones.

    Raises MappingError.
    """
    files = [folder / FILE for folder in (shipped("mappings"), *folders)]
    path = [file for file in files if file.is_file()][-1]
    node = read(path, file_name(path))
    data = check(node, SCHEMA)
    listed = node.get("checks") if isinstance(node, Map) else None
    assert isinstance(listed, Seq)
    checks = tuple(
        Check(
            name=row["name"],
            format=data["format"],
            model=row.get("model"),
            stream=bool(row.get("stream")),
            request=row["request"],
            _claims=tuple(_claims(row["name"], item)),
        )
        for row, item in zip(data["checks"], listed.items, strict=True)
    )
    lessons = tuple(
        Lesson(row["check"], row.get("says"), row["quirks"]) for row in data.get("learn") or ()
    )
    return Conformance(checks, lessons)


def _claims(name: str, item: Node) -> Iterator[tuple[str, Section]]:
    wants = item.get("wants") if isinstance(item, Map) else None
    assert isinstance(wants, Map)
    for key, formula in wants.entries:
        assert isinstance(formula, Scalar)
        node = Map(formula.pos, ((Scalar(formula.pos, "$value"), formula),))
        label = f"{_NAME}/{name}/{key.value}"
        yield str(key.value), section(label, node, Library(_NAME), Roots("answer"), whole=False)
