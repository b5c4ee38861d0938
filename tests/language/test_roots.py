"""What is read of a name that a half is given beside its document."""

from __future__ import annotations

from typing import Any

import pytest

from engine.language.source import parse
from tests.language.support import GIVEN, half, section


@pytest.mark.parametrize(
    ("mapping", "wanted"),
    [
        ("a: = wire.a", set()),
        ("a: = client.model", {"model"}),
        ("a: = client.text.format\nb: = not_null(client.top, wire.b)", {"text", "top"}),
        ("$when: client.on\na: = wire.a", {"on"}),
        ("a: '{{ client.name }}!'", {"name"}),
        ("a: = client", None),
        ("a: = keys(client)", None),
        ("a: = client.*", None),
        ("a: { $each: client.l, $as: e, $item: = e.x }", {"l"}),
        ("$let: { c: client }\na: = c.model", {"model"}),
    ],
)
def test_the_keys_that_are_read_of_a_root_are_known(mapping: str, wanted: set[str] | None) -> None:
    made = section(mapping)
    assert made.asks("client") == wanted
    assert made.asks("plan") == frozenset()


@pytest.mark.parametrize(
    "mapping", ["a: = client.text.format", "a: { $each: client.l, $as: e, $item: = e }"]
)
def test_a_half_gives_the_same_when_it_gets_no_more_than_it_reads(mapping: str) -> None:
    made = section(mapping)
    keys = made.asks("client")
    assert keys is not None
    client: dict[str, Any] = {"text": {"format": 1}, "l": [1, 2], "other": [{}] * 3}
    less = {key: client[key] for key in keys}
    _, *roots = GIVEN
    assert made.run({}, client, *roots) == made.run({}, less, *roots)


def test_rules_of_a_stream_are_told_through_the_function_that_chooses_them() -> None:
    rules = parse(
        """
        dispatch: wire.type
        events:
          - event: a
            emit: { type: text, delta: = client.one }
          - event: b
            emit: { type: text, delta: = client.two }
        """,
        "test.yaml",
    )
    assert half(rules).asks("client") == frozenset({"one", "two"})
