"""The canonical documents of ``mappings/fidelity.yaml``: what the fidelity matrix asks of every
pair of formats."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.language.envelope import check
from engine.language.source import plain, read

Document = Any  # an object, or of a stream the list of its events
Leaves = dict[str, Any]

VENDOR = "{vendor}"

_DOCUMENT: dict[str, Any] = {"type": "dict"}
_EVENTS: dict[str, Any] = {"type": "list", "schema": {"type": "dict"}}
_TEXT: dict[str, Any] = {"type": "string", "required": True}
SCHEMA: dict[str, Any] = {
    "plain": {
        "type": "dict",
        "required": True,
        "schema": {
            "request": {**_DOCUMENT, "required": True},
            "response": {**_DOCUMENT, "required": True},
            "stream": {**_EVENTS, "required": True},
            "error": {**_DOCUMENT, "required": True},
        },
    },
    "apart": {"type": "dict", "required": True, "valuesrules": {"type": "string"}},
    "places": {
        "type": "list",
        "required": True,
        "schema": {
            "type": "dict",
            "schema": {
                "name": _TEXT,
                "kind": {**_TEXT, "allowed": ["request", "response", "stream", "error"]},
                "as": _TEXT,
                "at": {"type": "string"},
                "base": {"anyof": [_DOCUMENT, _EVENTS]},
                "request": _DOCUMENT,
                "fields": {"type": "dict", "valuesrules": {"type": "list", "nullable": True}},
            },
        },
    },
}

_STEP = re.compile(r"\[(-?\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing may stand: see the file. ``schema`` is its name in canonical.yaml, ``request``
    what the client of an answer asked."""

    kind: str
    name: str
    schema: str
    at: str
    base: Document
    plain: Document
    request: dict[str, Any]

    @property
    def is_plain(self) -> bool:
        """Whether it is in the plain document: no row of its own."""
        return bool(self.base == self.plain)


@dataclass(frozen=True, slots=True)
class Probe:
    """One question: does this value of this field get across? ``field`` is empty for the place
    itself, whose document is compared with the plain one."""

    place: Place
    field: str
    value: Any
    document: Document
    base: Document

    def wanted(self, vendor: str) -> Leaves:
        """What must get across: the leaves that the document has and its base has not."""
        return self._beside(self.base, vendor, self.field)

    def surroundings(self, vendor: str) -> Leaves:
        """What makes the place what it is: without it the field would be tried on something
        else."""
        found = self._beside(self.place.plain, vendor, "")
        known = leaves(seen(self.place.kind, spoken(self.base, vendor)))
        return {path: each for path, each in found.items() if known.get(path, VENDOR) == each}

    def _beside(self, base: Document, vendor: str, field: str) -> Leaves:
        found = leaves(seen(self.place.kind, spoken(self.document, vendor)))
        known = leaves(seen(self.place.kind, spoken(base, vendor)))
        changed = {path: each for path, each in found.items() if known.get(path, VENDOR) != each}
        if self.place.kind == "stream":
            return changed
        under = ".".join(filter(None, (self.place.at, field)))
        return {path: each for path, each in changed.items() if is_inside(path, under)}


class Probes:
    """All places and probes, and the fields that nobody asks for (``schema.field``: why)."""

    def __init__(self, folder: Path) -> None:
        data = check(read(folder / "fidelity.yaml", "mappings/fidelity.yaml"), SCHEMA)
        self.schemas: dict[str, dict[str, Any]] = plain(read(folder / "canonical.yaml"))
        self.apart: dict[str, str] = data["apart"]
        self.plain: dict[str, Document] = data["plain"]
        self.all: list[Probe] = [
            probe
            for given in data["places"]
            for probe in self._of(_place(given, self.plain), given)
        ]

    def _of(self, place: Place, given: dict[str, Any]) -> Iterator[Probe]:
        if not place.is_plain:
            yield Probe(place, "", None, place.base, place.plain)
        for field, values in (given.get("fields") or {}).items():
            for value in self._values(place.schema, field) if values is None else values:
                document = copy.deepcopy(place.base)
                put(document, f"{place.at}.{field}", value)
                if document != place.base:
                    yield Probe(place, field, value, document, place.base)

    def _values(self, schema: str, field: str) -> list[Any]:
        rules = self.rules(schema).get(field) or {}
        return list(rules.get("allowed") or (True, False))

    def rules(self, schema: str) -> dict[str, Any]:
        """The fields of a schema of canonical.yaml, also of one that stands inside the request's
        (``output``, ``tool_choice``) or a part's (``source``)."""
        if schema in self.schemas:
            return self.schemas[schema]
        owner = next(each for each in ("request", "part") if schema in self.schemas[each])
        inner: dict[str, Any] = self.schemas[owner][schema]["schema"]
        return inner


def _place(given: dict[str, Any], documents: dict[str, Document]) -> Place:
    kind, own = given["kind"], given.get("base")
    asked = {"stream": True} if kind == "stream" else {}
    document = documents[kind]
    if kind == "stream":
        base: Document = _with_parts(document, own) if own else document
    else:
        base = {**document, **(own or {})}
    return Place(
        kind,
        given["name"],
        given["as"],
        given.get("at", ""),
        base,
        document,
        {**documents["request"], **asked, **(given.get("request") or {})},
    )


def _with_parts(plain: list[Any], own: list[Any]) -> list[Any]:
    """The plain stream with other parts, or another stop; counts come before it."""
    start, *_, usage, _, end = plain
    return [start, *own[:-1], usage, own[-1], end]


def put(document: Document, path: str, value: Any) -> None:
    """Set what stands at a path; the objects on the way are there."""
    steps = [int(index) if index else key for index, key in _STEP.findall(path)]
    at = document
    for step in steps[:-1]:
        at = at[step]
    at[steps[-1]] = value


def spoken(document: Document, vendor: str) -> Document:
    """The document as this vendor's side says it."""
    if isinstance(document, dict):
        return {key: spoken(each, vendor) for key, each in document.items()}
    if isinstance(document, list):
        return [spoken(each, vendor) for each in document]
    return vendor if document == VENDOR else document


def seen(kind: str, document: Document) -> Document:
    """What a document says, however it is cut into events."""
    return assembled(document) if kind == "stream" else document


def assembled(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What a list of canonical events says: its parts with their whole texts, and the rest."""
    whole: dict[str, Any] = {}
    parts: dict[tuple[Any, Any], dict[str, Any]] = {}
    for event in events:
        kind, key = event["type"], (event.get("choice", 0), event.get("part"))
        said = {
            name: each for name, each in event.items() if name not in ("type", "choice", "part")
        }
        if kind == "part_start":
            parts[key] = dict(said)
            whole.setdefault("parts", []).append(parts[key])
        elif key in parts and kind != "part_end":
            part = parts[key]
            for name, each in said.items():
                if name == "delta":
                    part["delta"] = part.get("delta", "") + each
                elif name == "citation":
                    part.setdefault("citations", []).append(each)
                else:
                    part[name] = part[name] + each if name == "logprobs" and name in part else each
        elif kind in ("start", "usage", "stop", "error"):
            whole[kind] = {**whole.get(kind, {}), **said}
    return whole


def leaves(value: Any, path: str = "") -> Leaves:
    """Every leaf by its path; empty objects and lists are leaves."""
    if isinstance(value, dict) and value:
        found: Leaves = {}
        for key, each in value.items():
            found |= leaves(each, f"{path}.{key}" if path else str(key))
        return found
    if isinstance(value, list) and value:
        found = {}
        for position, each in enumerate(value):
            found |= leaves(each, f"{path}[{position}]")
        return found
    return {path: value}


def is_inside(path: str, whole: str) -> bool:
    """Whether a path is this one, or leads on from it."""
    return not whole or (
        path.startswith(whole) and path[len(whole) : len(whole) + 1] in ("", ".", "[")
    )


def text(value: Any) -> str:
    """A value as text, the same for equal values."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)
