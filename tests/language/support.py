"""Compiling a piece of a mapping and running it, as the tests of the language do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.language.assembling import section as compiled
from engine.language.events import EventHalf
from engine.language.lost import Lost
from engine.language.quick import quick_tree
from engine.language.results import Library
from engine.language.rules import event_half
from engine.language.runtime import ENDS, EVALUATION_ERRORS, Refusal
from engine.language.schemas import Profiles
from engine.language.sections import Roots, Section
from engine.language.source import Map, Node, Seq, parse, plain, read
from engine.language.trace import TracedLoss

CTX = frozenset({"model", "limits", "now"})
ROOTS = Roots("wire", ("client", "plan"), (("ctx", CTX),))
GIVEN: tuple[Any, ...] = ({}, {}, {"model": "m", "limits": {"most": 10}, "now": 1})
PROFILES = Path(__file__).parents[2] / "mappings" / "schema-profiles.yaml"


@dataclass(frozen=True)
class Outcome:
    """What a run gave: the result or the refusal, and the losses as ``path: reason``."""

    result: Any
    losses: list[str]
    refused: str | None


@cache
def _profiles() -> Profiles:
    return Profiles.load(PROFILES)


def library(node: Node | None) -> Library:
    """The tables and fragments of a map that holds ``tables`` and ``fragments``."""
    found = Library("demo", profiles=_profiles())
    if isinstance(node, Map):
        tables, fragments = node.get("tables"), node.get("fragments")
        usual = node.get("usual")
        read = usual.get("read") if isinstance(usual, Map) else None
        if isinstance(read, Map):
            found.usual = {str(k.value): (k.pos, frozenset(plain(v))) for k, v in read.entries}
        if isinstance(tables, Map):
            found.tables = {str(key.value): plain(table) for key, table in tables.entries}
        if isinstance(fragments, Map):
            found.fragments = {str(key.value): each for key, each in fragments.entries}
    return found


def section(mapping: Node | str, names: Node | None = None) -> Section:
    """A compiled section; ``names`` holds tables and fragments."""
    node = parse(mapping, "test.yaml") if isinstance(mapping, str) else mapping
    return compiled("demo/test", node, library(names), ROOTS)


def run(mapping: Node | str, document: Any, names: Node | None = None) -> Any:
    """The result of a mapping that is not refused; None is absent."""
    return section(mapping, names).run(document, *GIVEN)[0]


def outcome(mapping: Section, document: Any) -> Outcome:
    """Run plainly, quickly and traced; all must agree."""
    _quick_agrees(mapping, document)
    try:
        result, lost = mapping.run(document, *GIVEN)
    except Refusal as refusal:
        return Outcome(None, [], _refusal(mapping, document, refusal))
    traced, trace = mapping.trace(document, *GIVEN)
    assert traced == result
    assert bool(trace.losses) is bool(lost)
    told = mapping.told(lost, document)
    assert told is None or _words(told) == _words(trace.losses)
    # two checks may find the same; whoever tells losses tells each once
    losses = dict.fromkeys(f"{loss.path}: {loss.reason}" for loss in trace.losses)
    return Outcome(result, list(losses), None)


def _words(losses: list[TracedLoss]) -> list[tuple[str, str, str]]:
    return [(loss.path, loss.reason, loss.kind) for loss in losses]


def _quick_agrees(mapping: Section, document: Any) -> None:
    """The quick forms for all keys of the document and for fewer give the same, or give up."""
    program = mapping.program
    objects = re.findall(r"^ *g_(\w+) = ", program.source, re.MULTILINE)
    general = _ran(program.names, document)
    keys = frozenset(_keys(document))
    for left_out in ("", *sorted(keys)[:4]):
        usual = dict.fromkeys(objects, keys - {left_out})
        tree, tested = quick_tree(program.source, program.names, usual)
        names = {**program.names, **tested}
        exec(compile(tree, program.label, "exec"), names)
        found = _ran(names, document, ENDS)
        assert found is None or found == general, ast.unparse(tree)


def _ran(
    names: dict[str, Any], document: Any, ends: tuple[type[Exception], ...] = ()
) -> tuple[Any, ...] | None:
    """What a program gives, loses or refuses; None where one of ``ends`` leaves that to another
    form."""
    losses = Lost()
    try:
        return repr(names["main"](document, *GIVEN, losses)), losses
    except Refusal as refusal:
        return refusal.rule, refusal.reason, refusal.status
    except ends:
        return None
    except (*EVALUATION_ERRORS, TypeError) as error:
        return (type(error).__name__,)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)


def _refusal(mapping: Section, document: Any, plainly: Refusal) -> str:
    try:
        mapping.trace(document, *GIVEN)
    except Refusal as refusal:
        assert (refusal.reason, refusal.status) == (plainly.reason, plainly.status)
        return f"{refusal.path}: {refusal.reason}" if refusal.path else refusal.reason
    raise AssertionError("refused plainly and taken traced")


def half(node: Node, names: Node | None = None) -> EventHalf:
    """A compiled half of a stream."""
    return event_half("demo/stream", node, library(names), ROOTS)


def cases(folder: str) -> list[tuple[str, Map]]:
    """The cases of every file of a folder beside this one: (file stem/name, case)."""
    found = []
    for path in sorted((Path(__file__).parent / folder).glob("*.yaml")):
        node = read(path, path.name)
        assert isinstance(node, Seq), path
        for case in node.items:
            assert isinstance(case, Map), path
            name = case.get("name")
            assert name is not None, path
            found.append((f"{path.stem}/{plain(name)}", case))
    return found


def data(case: Map, key: str) -> Any:
    """The data under a key of a case, None when it is not there."""
    node = case.get(key)
    return plain(node) if node is not None else None
