"""Rules over events by their cases, ``streams/*.yaml``: events in and out, losses with counts."""

import copy
from typing import Any

import pytest

from engine.language.half import HALF_KEYS, RULE_KEYS
from engine.language.runtime import Refusal
from engine.language.source import Map, Seq, plain
from tests.language.support import GIVEN, cases, data, half

CASES = cases("streams")
KEYS = {"name", "half", "tables", "fragments", "in", "out", "losses", "refused"}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES])
def test_a_case_gives_what_it_says(case: Map) -> None:
    assert set(case.keys()) <= KEYS
    body = case.get("half")
    assert body is not None
    rules = half(body, case)
    state, losses = rules.start(), rules.losses()
    given = data(case, "in")
    before = copy.deepcopy(given)
    out: list[Any] = []
    try:
        for event in given:
            out += rules.step(event, state, losses, *GIVEN)
    except Refusal as refusal:
        text = f"{refusal.path}: {refusal.reason}" if refusal.path else refusal.reason
        assert text == data(case, "refused")
        return
    out += rules.finish(state, losses, *GIVEN)
    assert data(case, "refused") is None
    assert out == (data(case, "out") or [])
    told = [f"{path}: {reason} ({n})" for (path, reason, *_), n in losses.counts.items()]
    assert told == (data(case, "losses") or [])
    assert given == before


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES])
def test_a_traced_stream_gives_the_same(case: Map) -> None:
    body = case.get("half")
    assert body is not None
    rules = half(body, case)
    plainly, traced = rules.start(), rules.start()
    losses, found = rules.losses(), rules.losses(traced=True)
    for event in data(case, "in"):
        results: list[Any] = []
        for trace in (False, True):
            try:
                if trace:
                    results.append(rules.trace(event, traced, found, *GIVEN)[0])
                else:
                    results.append(rules.step(event, plainly, losses, *GIVEN))
            except Refusal as refusal:
                results.append(refusal.reason)
        assert results[0] == results[1]
        assert plainly == traced
    assert found.counts == losses.counts


def test_every_key_of_halves_and_rules_has_a_case() -> None:
    halves, rules = set(), set()
    for _, case in CASES:
        body = case.get("half")
        assert isinstance(body, Map)
        halves |= set(body.keys())
        for key in ("events", "end"):
            listed = body.get(key)
            for rule in listed.items if isinstance(listed, Seq) else ():
                rules |= set(plain(rule))
    assert halves == HALF_KEYS
    assert rules == RULE_KEYS
