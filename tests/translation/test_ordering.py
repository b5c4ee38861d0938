"""Ordering: one part at a time, nothing lost, and nothing held that need not be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.translation.ordering import (
    MAX_ARGUMENTS,
    Event,
    Ordering,
    OrderingError,
    Passthrough,
)


def start(part: Any, kind: str, choice: int = 0, **more: Any) -> Event:
    return {"type": "part_start", "choice": choice, "part": part, "kind": kind, **more}


def delta(part: Any, kind: str, delta: str, choice: int = 0) -> Event:
    return {"type": kind, "choice": choice, "part": part, "delta": delta}


def end(part: Any, choice: int = 0) -> Event:
    return {"type": "part_end", "choice": choice, "part": part}


def signature(part: Any) -> Event:
    value = {"vendor": "v", "scope": "s", "kind": "k", "where": "self", "value": "abc"}
    return {"type": "signature", "choice": 0, "part": part, "signature": value}


def stop(choice: int = 0) -> Event:
    return {"type": "stop", "choice": choice, "reason": "end"}


STOP = stop()
END: Event = {"type": "end", "choice": 0}
ERROR: Event = {"type": "error", "choice": 0, "error": {"kind": "upstream", "message": "m"}}


def short(events: Iterable[Event]) -> list[str]:
    """Events as words: ``+0 text`` start, ``0 "hi"`` delta, ``-0`` end, ``0 broken``, else the
    type."""
    words = []
    for event in events:
        kind = event["type"]
        if kind == "part_start":
            words.append(f"+{event['part']} {event['kind']}")
        elif kind == "part_end":
            words.append(f"-{event['part']}")
        elif event.get("broken"):
            assert event["delta"] == ""
            words.append(f"{event['part']} broken")
        elif "part" in event:
            words.append(f"{event['part']} {event.get('delta', kind)}")
        else:
            words.append(kind)
    return words


def steps(*events: Event, ordering: Ordering | None = None) -> list[list[str]]:
    ordering = ordering or Ordering()
    return [short(ordering.push(event)) for event in events]


def test_parts_one_after_the_other_pass_as_they_are() -> None:
    events = [
        {"type": "start", "choice": 0, "id": "a", "model": "m", "created": 1},
        start(0, "thinking"),
        delta(0, "thinking", "hm"),
        signature(0),
        end(0),
        start(1, "text"),
        delta(1, "text", "hi"),
        {"type": "citation", "choice": 0, "part": 1, "citation": {"url": "u"}},
        end(1),
        start(2, "call", id="c", name="n", call_kind="function"),
        delta(2, "args", '{"a"'),
        delta(2, "args", ":1}"),
        end(2),
        {"type": "usage", "choice": 0, "usage": {"input": 1}},
        STOP,
        END,
    ]
    ordering = Ordering()
    assert [ordering.push(event) for event in events] == [[event] for event in events]


def test_parts_are_numbered_in_the_order_of_output() -> None:
    assert steps(start("b", "text"), delta("b", "text", "x"), start(7, "refusal"), end(7)) == [
        ["+0 text"],
        ["0 x"],
        ["-0", "+1 refusal"],
        ["-1"],
    ]


def test_an_event_that_is_renumbered_is_a_copy() -> None:
    event = start(3, "text")
    assert Ordering().push(event) == [start(0, "text")]
    assert event == start(3, "text")


def test_a_part_that_is_no_call_is_closed_by_the_next() -> None:
    assert steps(start(0, "text"), start(1, "call"), start(2, "text")) == [
        ["+0 text"],
        ["-0", "+1 call"],
        [],
    ]


def test_a_whole_call_is_closed_by_the_next_part() -> None:
    assert steps(start(0, "call"), delta(0, "args", ' {"a":{}} '), start(1, "call")) == [
        ["+0 call"],
        ['0  {"a":{}} '],
        ["-0", "+1 call"],
    ]


def test_a_part_is_held_with_all_of_it_until_the_open_call_is_whole() -> None:
    assert steps(
        start(0, "call"),
        delta(0, "args", '{"a":"}'),
        start(1, "text"),
        delta(1, "text", "x"),
        signature(1),
        delta(0, "args", '"}'),
        delta(1, "text", "y"),
    ) == [
        ["+0 call"],
        ['0 {"a":"}'],
        [],
        [],
        [],
        ['0 "}', "-0", "+1 text", "1 x", "1 signature"],
        ["1 y"],
    ]


def test_a_call_without_arguments_is_held_open_until_its_end() -> None:
    assert steps(start(0, "call"), delta(0, "args", ""), start(1, "text"), end(0)) == [
        ["+0 call"],
        ["0 "],
        [],
        ["-0", "+1 text"],
    ]


def test_arguments_that_are_a_bare_number_are_whole_at_their_end_only() -> None:
    assert steps(start(0, "call"), delta(0, "args", "1"), start(1, "text"), end(0)) == [
        ["+0 call"],
        ["0 1"],
        [],
        ["0 broken", "-0", "+1 text"],
    ]


@pytest.mark.parametrize("broken", ['{"a":', "{a: 1}", "[1]", '"x"', "words", '{"a":1} {'])
def test_arguments_that_are_no_object_are_told_once_before_their_end(broken: str) -> None:
    assert steps(
        start(0, "call"), delta(0, "args", broken[:2]), delta(0, "args", broken[2:]), STOP
    )[-1] == ["0 broken", "-0", "stop"]


@pytest.mark.parametrize("whole", ["", " ", "{}", ' {"a": 1}\n'])
def test_of_whole_arguments_and_of_none_nothing_is_told(whole: str) -> None:
    assert steps(start(0, "call"), delta(0, "args", whole), END)[-1] == ["-0", "end"]


def test_broken_arguments_of_a_call_that_waited_are_told_where_it_ends() -> None:
    assert steps(
        start(0, "call"),
        start(1, "call"),
        delta(1, "args", "{"),
        end(1),
        delta(0, "args", "{}"),
        STOP,
    ) == [["+0 call"], [], [], [], ["0 {}", "-0", "+1 call", "1 {", "1 broken", "-1"], ["stop"]]


def test_of_arguments_that_are_too_long_to_be_read_it_is_told_that_they_are_cut_off() -> None:
    many = "x" * MAX_ARGUMENTS
    cut = [start(0, "call"), delta(0, "args", '{"a":"'), delta(0, "args", many)]
    assert steps(*cut, END)[-1] == ["0 broken", "-0", "end"]
    kept = [start(0, "call"), delta(0, "args", "{"), delta(0, "args", many), delta(0, "args", "}")]
    assert steps(*kept, END)[-1] == ["-0", "end"]


def test_the_free_text_of_a_custom_call_is_whole_at_its_end_only() -> None:
    assert steps(
        start(0, "call", call_kind="custom"),
        delta(0, "args", "{}"),
        start(1, "call"),
        delta(0, "args", " more"),
        end(0),
    ) == [["+0 call"], ["0 {}"], [], ["0  more"], ["-0", "+1 call"]]


def test_held_parts_come_out_in_the_order_of_their_starts() -> None:
    assert steps(
        start(0, "call"),
        start(1, "call"),
        start(2, "text"),
        start(3, "call"),
        delta(3, "args", "{"),
        delta(2, "text", "x"),
        delta(1, "args", "{}"),
        delta(0, "args", "{}"),
        start(4, "text"),
        delta(3, "args", "}"),
    ) == [
        ["+0 call"],
        [],
        [],
        [],
        [],
        [],
        [],
        ["0 {}", "-0", "+1 call", "1 {}", "-1", "+2 text", "2 x", "-2", "+3 call", "3 {"],
        [],
        ["3 }", "-3", "+4 text"],
    ]


def test_a_held_call_that_is_incomplete_holds_what_is_behind_it() -> None:
    assert steps(
        start(0, "call"), start(1, "call"), start(2, "text"), end(0), delta(1, "args", "{}")
    ) == [["+0 call"], [], [], ["-0", "+1 call"], ["1 {}", "-1", "+2 text"]]


def test_a_held_part_that_ended_is_closed_at_once() -> None:
    assert steps(start(0, "call"), start(1, "call"), end(1), start(2, "call"), end(2), end(0)) == [
        ["+0 call"],
        [],
        [],
        [],
        [],
        ["-0", "+1 call", "-1", "+2 call", "-2"],
    ]


def test_the_last_held_part_stays_open_and_live() -> None:
    assert steps(
        start(0, "call"), start(1, "call"), delta(1, "args", "{}"), end(0), delta(1, "args", " ")
    ) == [["+0 call"], [], [], ["-0", "+1 call", "1 {}"], ["1  "]]


@pytest.mark.parametrize("kind", ["text", "thinking", "refusal"])
def test_a_delta_of_a_closed_part_opens_a_new_one_of_its_kind(kind: str) -> None:
    assert steps(
        start(0, kind, id="item"),
        delta(0, kind, "x"),
        start(1, "call", id="c"),
        delta(1, "args", "{}"),
        delta(0, kind, "y"),
        delta(0, kind, "z"),
        end(1),
        end(0),
    ) == [
        [f"+0 {kind}"],
        ["0 x"],
        ["-0", "+1 call"],
        ["1 {}"],
        ["-1", f"+2 {kind}", "2 y"],
        ["2 z"],
        [],
        ["-2"],
    ]


def test_a_part_that_is_opened_again_does_not_repeat_its_id() -> None:
    ordering = Ordering()
    steps(start(0, "text", id="item"), start(1, "thinking"), ordering=ordering)
    assert ordering.push(delta(0, "text", "y"))[1] == start(2, "text")


def test_a_delta_of_a_closed_part_waits_while_a_call_is_incomplete() -> None:
    assert steps(
        start(0, "text"),
        start(1, "call"),
        delta(0, "text", "x"),
        delta(0, "text", "y"),
        delta(1, "args", "{}"),
    ) == [["+0 text"], ["-0", "+1 call"], [], [], ["1 {}", "-1", "+2 text", "2 x", "2 y"]]


def test_a_delta_of_a_part_that_ended_while_held_waits_in_a_part_of_its_own() -> None:
    assert steps(
        start(0, "call"),
        start(1, "text"),
        delta(1, "text", "x"),
        end(1),
        delta(1, "text", "y"),
        end(0),
    ) == [["+0 call"], [], [], [], [], ["-0", "+1 text", "1 x", "-1", "+2 text", "2 y"]]


def test_a_signature_of_a_closed_part_opens_a_new_one() -> None:
    assert steps(start(0, "thinking"), start(1, "text"), signature(0)) == [
        ["+0 thinking"],
        ["-0", "+1 text"],
        ["-1", "+2 thinking", "2 signature"],
    ]


@pytest.mark.parametrize("late", [delta(0, "args", "}"), signature(0)], ids=["args", "signature"])
@pytest.mark.parametrize("kind", ["call", "server"])
def test_more_of_a_closed_call_is_an_error(kind: str, late: Event) -> None:
    ordering = Ordering()
    steps(start(0, kind), delta(0, "args", "{}"), start(1, "text"), ordering=ordering)
    with pytest.raises(OrderingError, match=rf"sent {late['type']} for a {kind} that was over$"):
        ordering.push(late)
    # The open part is as it was: the error can still be told.
    assert short(ordering.push(ERROR)) == ["-1", "error"]


def test_more_of_a_call_that_ended_while_held_is_an_error() -> None:
    ordering = Ordering()
    steps(start(0, "call"), start(1, "call"), end(1), ordering=ordering)
    with pytest.raises(OrderingError):
        ordering.push(delta(1, "args", "{}"))


def test_white_space_after_the_arguments_of_a_closed_call_is_dropped() -> None:
    assert steps(
        start(0, "call"),
        delta(0, "args", "{}"),
        start(1, "text"),
        delta(0, "args", ""),
        delta(0, "args", " \n"),
    )[-2:] == [[], []]


def test_a_server_part_waits_for_arguments_that_have_begun_only() -> None:
    assert steps(
        start(0, "server"),
        start(1, "server"),
        delta(1, "args", ""),
        delta(1, "args", '{"q":'),
        start(2, "text"),
        delta(1, "args", "1}"),
    ) == [["+0 server"], ["-0", "+1 server"], ["1 "], ['1 {"q":'], [], ["1 1}", "-1", "+2 text"]]


@pytest.mark.parametrize("last", [STOP, ERROR, END], ids=["stop", "error", "end"])
def test_stop_error_and_end_close_everything_first(last: Event) -> None:
    assert steps(
        start(0, "call"), delta(0, "args", "{"), start(1, "call"), start(2, "text"), last
    ) == [
        ["+0 call"],
        ["0 {"],
        [],
        [],
        # an error says by itself why arguments are not whole
        [
            *(["0 broken"] if last is not ERROR else []),
            *("-0", "+1 call", "-1", "+2 text", "-2", last["type"]),
        ],
    ]


def test_the_end_of_a_part_that_is_closed_or_unknown_says_nothing() -> None:
    assert steps(start(0, "text"), start(1, "text"), end(0), end(9), end(1), end(1), STOP) == [
        ["+0 text"],
        ["-0", "+1 text"],
        [],
        [],
        ["-1"],
        [],
        ["stop"],
    ]


def test_usage_start_and_what_is_unknown_pass_while_parts_are_held() -> None:
    assert steps(
        start(0, "call"),
        start(1, "text"),
        {"type": "usage", "choice": 0, "usage": {}},
        {"type": "start", "choice": 0},
        {"type": "ping", "choice": 0},
    )[2:] == [["usage"], ["start"], ["ping"]]


def test_choices_are_independent() -> None:
    assert steps(
        start(0, "call", 0),
        start(0, "text", 1),
        start(1, "text", 0),
        delta(0, "text", "x", 1),
        stop(1),
        delta(0, "args", "{}", 0),
        start(0, "call", 2),
        END,
    ) == [
        ["+0 call"],
        ["+0 text"],
        [],
        ["0 x"],
        ["-0", "stop"],
        ["0 {}", "-0", "+1 text"],
        ["+0 call"],
        ["-1", "-0", "end"],
    ]


def test_the_number_of_a_part_may_be_used_again_when_it_is_closed() -> None:
    assert steps(start(0, "text"), end(0), start(0, "call"), delta(0, "args", "{}")) == [
        ["+0 text"],
        ["-0"],
        ["+1 call"],
        ["1 {}"],
    ]


@pytest.mark.parametrize("before", [[], [start(1, "call")]], ids=["open", "held"])
def test_a_part_started_twice_is_an_error(before: list[Event]) -> None:
    ordering = Ordering()
    steps(*before, start(0, "text"), ordering=ordering)
    with pytest.raises(OrderingError, match="a part that was still open"):
        ordering.push(start(0, "text"))


def test_a_delta_of_a_part_that_was_never_started_is_an_error() -> None:
    with pytest.raises(OrderingError, match="sent text for a part that it never started"):
        Ordering().push(delta(0, "text", "x"))


@pytest.mark.parametrize("size", [1, 10_000])
def test_what_is_held_is_bounded(size: int) -> None:
    ordering = Ordering(max_bytes=100_000)
    steps(start(0, "call"), start(1, "text"), ordering=ordering)
    with pytest.raises(OrderingError, match="interleaved more than 100000 bytes"):
        for _ in range(100_000 // size + 1):
            ordering.push(delta(1, "text", "x" * size))
    assert short(ordering.push(ERROR))[-2:] == ["-1", "error"]


def test_held_signatures_count() -> None:
    ordering = Ordering(max_bytes=10_000)
    steps(start(0, "call"), start(1, "thinking"), ordering=ordering)
    big = signature(1)
    big["signature"]["value"] = "x" * 10_000
    with pytest.raises(OrderingError):
        ordering.push(big)


def test_what_came_out_no_longer_counts() -> None:
    ordering = Ordering(max_bytes=10_000)
    for _ in range(20):
        steps(start(0, "call"), start(1, "text"), delta(1, "text", "x" * 5_000), ordering=ordering)
        assert short(ordering.push(end(0)))[-1].endswith("x")
        ordering.push(end(1))


def test_what_passes_at_once_is_not_bounded() -> None:
    ordering = Ordering(max_bytes=10_000)
    ordering.push(start(0, "text"))
    for _ in range(100):
        assert len(ordering.push(delta(0, "text", "x" * 1_000))) == 1


@pytest.mark.parametrize("choices", [1, 100_000], ids=["parts", "choices"])
def test_parts_and_choices_without_end_are_refused(choices: int) -> None:
    ordering = Ordering(max_bytes=100_000)
    with pytest.raises(OrderingError):
        for number in range(1_000):
            ordering.push(start(number, "text", number % choices))


def test_passthrough_leaves_events_as_they_are() -> None:
    events = [start(3, "call"), start(1, "text"), delta(3, "args", "{"), END]
    assert [Passthrough().push(event) for event in events] == [[event] for event in events]


KINDS = {"text": "text", "thinking": "thinking", "refusal": "refusal", "call": "args"}


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Parts of two choices, interleaved at will; each delta holds a mark of its part and place."""
    queues: list[list[Event]] = []
    for choice in range(2):
        for part in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from([*KINDS, "custom"]))
            marks = [f"<{part}:{place}>" for place in range(draw(st.integers(0, 4)))]
            if kind == "call" and marks:
                marks[0] = '{"\\"}":["' + marks[0]
                marks[-1] += '"]}'
            more = {"call_kind": "custom"} if kind == "custom" else {}
            kind = "call" if kind == "custom" else kind
            events = [start(part, kind, choice, **more)]
            events += [delta(part, KINDS[kind], mark, choice) for mark in marks]
            # A custom call and one without arguments are over at their end only.
            if draw(st.booleans()):
                events.append(end(part, choice))
            queues.append(events)
    stream = []
    while queues := [queue for queue in queues if queue]:
        stream.append(draw(st.sampled_from(queues)).pop(0))
    return [*stream, stop(0), stop(1), END]


@settings(deadline=None, max_examples=300)
@given(streams())
def test_every_part_comes_out_whole_in_order_and_never_inside_another(stream: list[Event]) -> None:
    ordering = Ordering()
    out = [after for event in stream for after in ordering.push(event)]
    for choice in range(2):
        sent = [event for event in stream if event["choice"] == choice]
        got = [event for event in out if event["choice"] == choice]
        opened: int | None = None
        count = 0
        marks_of_part: dict[int, list[str]] = {}
        for event in got:
            if event["type"] == "part_start":
                assert opened is None
                assert event["part"] == count
                opened, count = count, count + 1
                marks_of_part[opened] = []
            elif event["type"] == "part_end":
                assert event["part"] == opened
                opened = None
            elif "part" in event:
                assert event["part"] == opened
                marks_of_part[event["part"]].append(event["delta"])
            else:
                assert opened is None
        for part in range(4):
            told = [e["delta"] for e in sent if e.get("part") == part and "delta" in e]
            heard = [m for marks in marks_of_part.values() for m in marks if f"<{part}:" in m]
            assert heard == told
        for marks in marks_of_part.values():
            assert len(set(re.findall(r"<(\d):", "".join(marks)))) <= 1
        calls = [e for e in sent if e.get("kind") == "call"]
        assert len([e for e in got if e.get("kind") == "call"]) == len(calls)
        assert [e for e in got if "part" not in e] == [e for e in sent if "part" not in e]


@pytest.mark.parametrize("stage", [Ordering, Passthrough])
@pytest.mark.parametrize(
    "event",
    [
        {"type": "text", "choice": 0, "delta": "a"},
        {"type": "part_start", "choice": 0, "part": [1], "kind": "text"},
        {"type": "part_end", "choice": 0, "part": None},
        {"type": "text", "choice": "one", "part": 0, "delta": "a"},
        {"type": "args", "choice": 0, "part": 0},
        {"type": "thinking", "choice": 0, "part": 0, "delta": 5},
    ],
)
def test_an_event_without_its_part_or_text_is_the_upstreams_error(
    stage: type[Ordering | Passthrough], event: dict[str, Any]
) -> None:
    with pytest.raises(OrderingError):
        stage().push(event)
