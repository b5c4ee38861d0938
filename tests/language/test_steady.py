"""Which rules of streams leave everything as it is, and what of an event they look at."""

from typing import Any

import pytest

from engine.language.events import Looks
from engine.language.source import parse
from tests.language.support import GIVEN, half

TEXT = ("delta", "text")


def looks(rules: str, event: dict[str, Any]) -> Looks | None:
    """What the rule that takes an event looks at."""
    made = half(parse(rules, "rules.yaml"))
    state = made.start()
    made.step(event, state, made.losses(), *GIVEN)
    return made.looks(state)


def one(rule: str) -> Looks | None:
    """The same of a half with this rule for texts."""
    rules = "{dispatch: wire.type, state: {n: 1, list: []}, events: [{event: text, RULE}]}"
    event = {"type": "text", "index": 1, "delta": {"text": "a", "kind": "k"}, "pad": "x"}
    return looks(rules.replace("RULE", rule), event)


COPIED = [
    "emit: {type: text, delta: = wire.delta.text}",
    "emit: {type: text, deep: [{delta: = wire.delta.text}], n: = state.n}",
    "when: wire.delta.text, emit: {type: text, delta: = wire.delta.text}",
    "when: \"wire.delta.text != '' && is_text(wire.delta.text)\", emit: {delta: = wire.delta.text}",
    "when: \"wire.delta.kind == 'k'\", emit: {delta: {$value: wire.delta.text, $empty: drop}}",
    "let: {d: wire.delta}, when: d.text, emit: {delta: = d.text}",
    "emit: {delta: {$first: [= wire.delta.text, none]}}",
    "emit: {delta: = wire.delta.text, id: = lower(wire.delta.kind)}",
    "let: {part: {delta: = wire.delta.text}}, emit: {parts: [= part]}",
    "ignore: [wire.delta.text]",
]


@pytest.mark.parametrize("rule", COPIED)
def test_a_text_that_is_copied_at_most_may_be_any_other(rule: str) -> None:
    found = one(rule)
    assert found is not None
    assert found.copies(TEXT)


DECIDING = [
    "when: \"wire.delta.text == 'a'\", emit: {delta: = wire.delta.text}",
    "when: \"contains(['a'], wire.delta.text)\", emit: {delta: = wire.delta.text}",
    'when: "length(wire.delta.text) == `1`", emit: {delta: = wire.delta.text}',
    "emit: {delta: = lower(wire.delta.text)}",
    "emit: {delta: '<{{ wire.delta.text }}>'}",
    "emit: {delta: {$lookup: wire.delta.text, $table: {a: b}, $else: c}}",
    "emit: {delta: = json(wire.delta)}",
    'emit: {delta: "= wire.delta.text == wire.pad"}',
    "emit: {delta: {$switch: wire.delta.text, $cases: {a: b}, $else: c}}",
]


@pytest.mark.parametrize("rule", DECIDING)
def test_a_text_that_is_looked_at_may_not(rule: str) -> None:
    found = one(rule)
    assert found is None or not found.copies(TEXT)


CHANGING = [
    "set: {n: 2}, emit: {delta: = wire.delta.text}",
    "append: {list: = wire.delta.text}",
    "emit: {delta: = wire.delta.text}, then: {n: 3}",
    "emit: {n: = emitted}",
    "hold: later",
    "emit: {delta: = wire.delta.text}, done: true",
    "fail: {kind: upstream}",
    "also: true, emit: {delta: = wire.delta.text}",
    "each: wire.list, as: x, emit: {delta: = x}",
]


@pytest.mark.parametrize("rule", CHANGING)
def test_a_rule_that_changes_something_is_not_steady(rule: str) -> None:
    assert one(rule) is None


def test_what_an_earlier_rule_looks_at_decides_for_the_later_ones() -> None:
    rules = """
      events:
        - { when: "wire.a == 'x'", emit: { type: first } }
        - { when: wire.b, emit: { type: second, a: = wire.a, b: = wire.b } }
        - { when: "wire.b == 'x'", emit: { type: third } }
    """
    found = looks(rules, {"a": "y", "b": "z"})
    assert found is not None
    assert not found.copies(("a",))
    assert found.copies(("b",))


def test_an_event_that_another_rule_took_besides_is_not_steady() -> None:
    rules = """
      state: { n: 0 }
      events:
        - { when: wire.a, also: true, set: { n: 1 } }
        - { emit: { type: second, b: = wire.b } }
    """
    assert looks(rules, {"a": 1, "b": "z"}) is None
    assert looks(rules, {"b": "z"}) is not None


def test_only_what_no_rule_reads_passes_whatever_it_is() -> None:
    found = one("emit: {type: text, part: = wire.index, delta: = wire.delta.text}")
    assert found is not None
    assert found.passes(("pad",))
    assert not found.passes(("index",))
    assert not found.passes(("type",))


def test_an_event_that_no_rule_takes_has_no_looks() -> None:
    assert looks("{dispatch: wire.type, events: [{event: a}]}", {"type": "b"}) is None
