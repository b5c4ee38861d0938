"""What the code that serves tells of its losses, and where a half copies its fields from."""

from __future__ import annotations

from typing import Any

import pytest

from engine.language.lost import sources
from engine.language.results import UNREAD
from engine.language.source import parse
from tests.language.support import GIVEN, section


def told(mapping: str, document: Any) -> list[tuple[str, str]] | None:
    compiled = section(mapping)
    found = compiled.told(compiled.run(document, *GIVEN)[1], document)
    return None if found is None else [(loss.path, loss.reason) for loss in found]


@pytest.mark.parametrize(
    ("mapping", "document", "wanted"),
    [
        ("a: { $drop: no, $of: wire.b.c }", {"b": {"c": 1}}, [("b.c", "no")]),
        ("a: { $drop: 'no {{ wire.b }}', $of: wire.b }", {"b": 1}, [("b", "no 1")]),
        ("a: { $drop: no, $of: [wire.b, wire.c] }", {"b": 1, "c": 2}, [("b", "no"), ("c", "no")]),
        ("a: { $drop: no, $of: 'wire.b[0].c' }", {"b": [{"c": 1}]}, [("b[0].c", "no")]),
        ("a: = wire.a", {"x": 1, "y y": 2}, [("x", UNREAD), ('["y y"]', UNREAD)]),
        ("a: = wire.a.b", {"a": {"c": 1}}, [("a.c", UNREAD)]),
        ("a: { $drop: no, $of: wire.b }", {}, []),
        ("a: { $each: wire.l, $as: e, $item: { $drop: no, $of: e } }", {"l": [1]}, None),
        (
            "a: { $each: wire.l, $as: e, $item: { $drop: no, $of: e } }",
            {"l": [{"x": 1}, {"x": 1}]},
            [("l[0]", "no"), ("l[1]", "no")],
        ),
        (
            "a: { $each: wire.l, $as: e, $item: { $drop: no, $of: e.x.y } }",
            {"l": [{"x": {"z": 1}}, {"x": {"y": 1}}]},
            [("l[0].x.z", UNREAD), ("l[1].x.y", "no")],
        ),
        (
            "a: { $each: wire.l, $as: e, $item: { b: { $each: e.m, $as: f, $item: = f.a } } }",
            {"l": [{"m": []}, {"m": [{"a": 1}, {"a": 1, "b c": 2}]}]},
            [('l[1].m[1]["b c"]', UNREAD)],
        ),
        (
            "$let: { all: { $each: wire.l, $as: e, $item: { x: = e.x } } }\n"
            "a: { $each: all, $as: e, $item: { $drop: no, $of: e } }",
            {"l": [{"x": 1}]},
            None,
        ),
    ],
    ids=str,
)
def test_what_is_lost_of_the_documents_own_objects_is_told_without_a_trace(
    mapping: str, document: Any, wanted: list[tuple[str, str]] | None
) -> None:
    assert told(mapping, document) == wanted


@pytest.mark.parametrize(
    ("mapping", "wanted"),
    [
        ("a: = wire.b", {"a": ("b",)}),
        ("a: '= wire.b.c'", {"a": ("b.c",)}),
        ("a: { $value: wire.b, $type: string }", {"a": ("b",)}),
        ("a: { $value: wire.b, $else: { $value: wire.c } }", {"a": ("b", "c")}),
        ("a: { b: = wire.c, d: 1 }", {"a.b": ("c",)}),
        ("$let: { x: wire.y }\n$rest: wire\na: = wire.b", {"native.demo": (), "a": ("b",)}),
        ("a: '=wire.b'", {}),
        ("a: wire.b", {}),
        ("a: = length(wire.b)", {"a": ("b",)}),
        ("a: = client.b", {}),
        ("a: = wire.b[0]", {}),
        ("a: { $value: wire.b, $else: 1 }", {}),
        ("a: { $value: wire.b, $empty: drop }", {}),
        ("a: { $when: wire.b, $value: wire.b }", {"a": ("b",)}),
        ("a: { $when: wire.b, c: = wire.b }", {}),
        ("$let: { wire: client.wire }\na: = wire.b", {}),
        ("$when: wire.b\na: = wire.b", {}),
        ("$first: [ { a: = wire.b } ]", {}),
        ("= wire.b", {}),
    ],
    ids=str,
)
def test_fields_are_copied_from_where_nothing_else_can_stand(
    mapping: str, wanted: dict[str, tuple[str, ...]]
) -> None:
    assert sources(parse(mapping, "test.yaml"), "wire", "demo") == wanted
