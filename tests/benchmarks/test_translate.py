"""The benchmark compares like with like: all sides give the same before anything is measured."""

import json
import sys
from collections.abc import Iterator

import pytest

from benchmarks import bodies, translate

CASES = list(translate.Cases().all())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_all_sides_give_the_same(case: translate.Case) -> None:
    by_hand, compiled, lean = case.results()
    assert by_hand == compiled == lean


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_conversion_gives_the_same_every_time(case: translate.Case) -> None:
    case.hand.whole()
    case.compiled.whole()
    case.lean.whole()
    assert case.results() == case.results()


def test_the_bodies_are_as_large_as_they_are_said_to_be() -> None:
    typical, agent = bodies.case("chat-request"), bodies.agent_request()
    assert 6_000 < len(json.dumps(typical)) < 8_000
    assert 70_000 < len(json.dumps(agent)) < 80_000
    assert len(agent["messages"]) >= 16
    assert len(agent["tools"]) == 20


def test_a_row_tells_the_ratios_of_the_whole_and_the_halves() -> None:
    row = translate.Row("answer", [2.0, 3.0], [1.0, 2.0], None, 0.5)
    assert row.as_dict() == {
        "case": "answer",
        "ratio": {"whole": 1.5, "read": 2.0, "write": None},
        "by hand": {"whole": 2.0, "read": 1.0, "write": None},
        "compiled": {"whole": 3.0, "read": 2.0, "write": None},
        "lean": 0.5,
    }
    assert "1.50" in translate.table([row])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(translate, "_SAMPLE", 0.0)
    yield


@pytest.mark.usefixtures("quick")
def test_the_command_prints_a_row_for_each_case(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["translate.py", "--json", "--rounds", "1"])
    assert translate.main() == 0
    assert [row["case"] for row in json.loads(capsys.readouterr().out)] == [c.name for c in CASES]


@pytest.mark.usefixtures("quick")
def test_a_ratio_above_the_limit_is_told_by_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["translate.py", "--rounds", "1", "--limit", "0"])
    assert translate.main() == 1
    assert "compiled" in capsys.readouterr().out
