"""No value of a document is without an effect, a loss, or a reason in `redundant.yaml`."""

from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.support.silence import Redundant, Silent, silences, streamed
from tests.support.translations import OwnCase, formats, own_cases, targets, translator

TABLE = Path(__file__).parent / "redundant.yaml"

UNHEARD = ("after-done", "after-the-last-event", "after-the-last-line", "unknown-events")
"""Cases of what comes after the end, and of events that are lost as a whole."""

EVERY = {"request": 6, "response": 3}
"""Each case goes to one format, and all pairs are there: that finds what all of them would."""


@cache
def table() -> tuple[Redundant, ...]:
    rows = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return tuple(
        Redundant(
            kind=row.pop("of"),
            source=row.pop("from", "*"),
            target=row.pop("to", "*"),
            path=row.pop("at"),
            how=row.pop("how", "*"),
            why=row.pop("why"),
        )
        for row in rows
        if row
    )


def _chosen(kind: str, source: str, target: str) -> list[OwnCase]:
    cases = [case for case in own_cases(kind) if case.format == source]
    return cases[targets(kind).index(target) % EVERY[kind] :: EVERY[kind]]


def _pairs() -> list[tuple[str, str, str]]:
    return [
        (kind, source, target)
        for kind in ("request", "response")
        for source in sorted({case.format for case in own_cases(kind)})
        for target in targets(kind)
        if source != target
    ]


def _unexplained(found: list[Silent]) -> list[str]:
    return [str(each) for each in found if not any(row.takes(each) for row in table())]


@pytest.mark.parametrize(("kind", "source", "target"), _pairs())
def test_nothing_that_means_something_is_lost_without_a_word(
    kind: str, source: str, target: str
) -> None:
    found = [
        each
        for case in _chosen(kind, source, target)
        for each in silences(case, target, translator())
    ]
    assert _unexplained(found) == []


@pytest.mark.parametrize(
    ("source", "target"),
    [(source, target) for source in formats() for target in targets("stream") if source != target],
)
def test_no_place_in_events_is_without_a_word(source: str, target: str) -> None:
    cases = [
        case
        for case in own_cases("stream")
        if case.format == source and not case.name.endswith(UNHEARD)
    ]
    assert _unexplained(list(streamed(cases, target, translator()))) == []


def test_an_event_without_an_effect_is_found() -> None:
    cases = [case for case in own_cases("stream") if case.format == "openai-chat"]
    found = {each.path for each in streamed(cases, "claude", translator())}
    assert ": usage.total_tokens" in found
    assert ": choices[].delta.content" not in found


def test_every_row_of_the_table_has_a_reason() -> None:
    assert [row for row in table() if not row.why.strip()] == []


def test_a_value_without_an_effect_is_found() -> None:
    case = next(each for each in own_cases("request") if each.name == "cache-breakpoints")
    found = {each.path: each.how for each in silences(case, "claude", translator())}
    assert found["prompt_cache_key"] == "ignored"
