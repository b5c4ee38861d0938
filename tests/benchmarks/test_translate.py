"""The benchmark compares like with like: both sides give the same before anything is measured."""

import json

import pytest

from benchmarks import bodies, translate

CASES = list(translate.cases())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_both_sides_give_the_same(case: translate.Case) -> None:
    by_hand, compiled = case.same()
    assert by_hand == compiled


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_conversion_gives_the_same_every_time(case: translate.Case) -> None:
    case.rival()
    case.compiled()
    assert case.same() == case.same()


def test_the_bodies_are_as_large_as_they_are_said_to_be() -> None:
    typical, agent = bodies.case("chat-request"), bodies.agent_request()
    assert 6_000 < len(json.dumps(typical)) < 8_000
    assert 70_000 < len(json.dumps(agent)) < 80_000
    assert len(agent["messages"]) >= 16
    assert len(agent["tools"]) == 20


def test_a_row_tells_the_ratio_and_what_it_is_made_of() -> None:
    row = translate.Row("answer", 2.0, 3.0, 1.0, None)
    assert row.as_dict() == {
        "case": "answer",
        "ratio": 1.5,
        "rival": 2.0,
        "compiled": 3.0,
        "read": 1.0,
        "write": None,
    }
    assert "1.50" in translate.table([row])
