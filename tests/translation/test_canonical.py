"""What the read halves make is valid against mappings/canonical.yaml."""

import json
from typing import Any

import pytest

from engine.errors import Rejected
from engine.translation.framing import MAX_FRAME
from engine.translation.held import Held
from engine.translation.jsontext import JsonError, loads
from engine.translation.plan import Plan
from engine.translation.standing import Standing
from tests.support import recordings
from tests.support.canonical import problems, usage_problems
from tests.support.translations import OwnCase, clients, own_cases, plan, translator

FORMATS = clients()


def _ids(cases: tuple[OwnCase, ...]) -> list[Any]:
    return [pytest.param(case, id=f"{case.format}/{case.name}") for case in cases]


def _read_answer(format: str, body: dict[str, Any], made: Plan) -> dict[str, Any]:
    side = translator().formats[format]
    vendor = made.provider.vendor if made.provider else side.vendor
    ctx = made.ctx(side, vendor)
    result, _ = side.read["response"].run(body, made.body, made.data, ctx)
    return dict(result)


def _read_events(format: str, body: bytes, made: Plan) -> list[dict[str, Any]]:
    side = translator().formats[format]
    half = side.events_in
    assert half is not None
    vendor = made.provider.vendor if made.provider else side.vendor
    roots = (made.body, made.data, made.ctx(side, vendor))
    state, losses = half.start(), half.losses()
    reader = side.framing.kind.reader(MAX_FRAME)
    events: list[dict[str, Any]] = []
    for _, raw in [*reader.feed(body), *reader.close()]:
        if raw == side.framing.terminator:
            events += half.step({"done": True}, state, losses, *roots)
            continue
        try:
            event = loads(raw) if raw.strip() else None
        except JsonError:
            break
        if isinstance(event, dict):
            events += half.step(event, state, losses, *roots)
    return events + half.finish(state, losses, *roots)


def _check_events(events: list[dict[str, Any]]) -> None:
    kinds = [event["type"] for event in events]
    assert [each for event in events for each in problems("event", event)] == []
    assert kinds.count("start") <= 1 and "start" not in kinds[1:]
    assert sum(kind in ("end", "error") for kind in kinds) <= 1
    assert not [kind for kind in kinds[:-1] if kind in ("end", "error")]
    choices = [event.get("choice", 0) for event in events if event["type"] == "stop"]
    assert len(choices) == len(set(choices)), "a choice stops twice"
    open_parts: set[Any] = set()
    for event in events:
        key = (event.get("choice", 0), event.get("part"))
        match event["type"]:
            case "part_start":
                assert key not in open_parts
                open_parts.add(key)
            case "part_end":
                open_parts.discard(key)
            case "text" | "thinking" | "refusal" | "args" | "signature" | "citation":
                assert key in open_parts, f"{event['type']} of a part that is not open"


@pytest.mark.parametrize("case", _ids(own_cases("request")))
def test_a_request_is_read_into_the_canonical_form(case: OwnCase) -> None:
    try:
        read = Standing(translator()).read_request(case.body, case.format)
    except Rejected as refusal:
        assert refusal.path, "a refusal names the field"
        return
    assert problems("request", read) == []


@pytest.mark.parametrize("case", _ids(own_cases("response")))
def test_an_answer_is_read_into_the_canonical_form(case: OwnCase) -> None:
    for target in FORMATS:
        made = plan(case, target, translator())
        assert problems("response", _read_answer(case.format, case.body, made)) == []


@pytest.mark.parametrize("case", _ids(own_cases("stream")))
def test_a_stream_is_read_into_canonical_events(case: OwnCase) -> None:
    for target in FORMATS:
        _check_events(_read_events(case.format, case.body, plan(case, target, translator())))


@pytest.mark.parametrize("case", _ids(own_cases("error")))
def test_an_error_is_read_into_the_canonical_form(case: OwnCase) -> None:
    error = translator().error(case.status, case.body, case.format, FORMATS[0], case.headers).error
    assert problems("error", error) == []


def _known(row: recordings.Row) -> bool:
    return row.format in FORMATS


@pytest.mark.parametrize("row", recordings.chosen(_known))
def test_recorded_traffic_is_read_into_the_canonical_form(row: recordings.Row) -> None:
    recorded = recordings.read(row)
    made = _plan_of(row.format, recorded.request or {})
    if recorded.request is not None:
        try:
            read = Standing(translator()).read_request(recorded.request, row.format)
        except Rejected:
            assert row.status >= 400, "the provider took this request"
        else:
            assert problems("request", read) == []
    if row.status >= 400:
        body = recorded.answer.body.decode("utf-8", "replace")
        try:
            wire = loads(body)
        except JsonError:
            wire = body
        error = translator().error(row.status, wire, row.format, row.format).error
        assert problems("error", error) == []
    elif row.stream:
        _check_events(_read_events(row.format, recorded.answer.body, made))
    else:
        answer = json.loads(recorded.answer.body)
        assert problems("response", _read_answer(row.format, answer, made)) == []


def _plan_of(format: str, request: dict[str, Any]) -> Plan:
    return Plan(format, format, None, None, None, False, None, Held(request), {}, 0)


@pytest.mark.parametrize(
    ("usage", "wrong"),
    [
        ({"input": 1400, "output": 96, "cache_read": 1024, "cache_write": 256}, []),
        (
            {"input": 10, "output": 1, "cache_read": 8, "cache_write": 4},
            ["input is less than what was read from and written to caches"],
        ),
        ({"output": 1, "reasoning": 2}, ["output is less than reasoning"]),
        (
            {"input": 9, "cache_write": 3, "cache_write_5m": 1, "cache_write_1h": 1},
            ["cache_write is not the sum of its kinds"],
        ),
    ],
)
def test_the_check_of_sums_sees_what_does_not_add_up(
    usage: dict[str, int], wrong: list[str]
) -> None:
    assert usage_problems(usage) == wrong
