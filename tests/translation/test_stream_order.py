"""Whatever becomes of an upstream's events on their way: what a client gets keeps the order of its
format, and ends."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from engine.translation.framing import SseReader
from engine.translation.jsontext import loads
from tests.support.translations import OwnCase, own_cases, plan, targets, translator

Event = dict[str, Any]

SSE = [
    case
    for case in own_cases("stream")
    if translator().formats[case.format].framing.kind.name == "sse"
]


def _claude(events: list[Event]) -> None:
    """A start, blocks one after the other, a delta of the message and its stop; or an error."""
    started, opened, count = False, False, 0
    for event in events[:-1]:
        kind = event["type"]
        if kind == "message_start":
            assert not started
            started = True
        elif kind == "content_block_start":
            assert started and not opened and event["index"] == count
            opened = True
        elif kind == "content_block_delta":
            assert opened and event["index"] == count
        elif kind == "content_block_stop":
            assert opened and event["index"] == count
            opened, count = False, count + 1
        else:
            assert kind == "message_delta" and started and not opened
    assert events[-1]["type"] in ("message_stop", "error")
    if events[-1]["type"] == "message_stop":
        assert events[-2]["type"] == "message_delta"


def _responses(events: list[Event]) -> None:
    """Numbered without a gap; items begin and end one after the other; all that ended is in the
    answer at the end."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    done: list[Any] = []
    opened = False
    for event in events:
        if event["type"] == "response.output_item.added":
            assert not opened and event["output_index"] == len(done)
            opened = True
        elif event["type"] == "response.output_item.done":
            assert opened and event["output_index"] == len(done)
            opened = False
            done.append(event["item"])
        elif "output_index" in event:
            assert opened and event["output_index"] == len(done)
    assert events[-1]["type"] in ("response.completed", "response.incomplete", "error")
    if events[-1]["type"] != "error":
        assert not opened
        assert events[-1]["response"]["output"] == done


def _chat(events: list[Event]) -> None:
    """Nothing of a choice after its finish; the terminator at the end, or an error."""
    finished: set[int] = set()
    for event in events[:-1]:
        for choice in event.get("choices", ()):
            assert choice["index"] not in finished
            finished |= {choice["index"]} if choice["finish_reason"] else set()
    assert events[-1] == {"done": True} or "error" in events[-1]


def _gemini(events: list[Event]) -> None:
    """Nothing of a candidate after its finish; an error comes last."""
    finished: set[int] = set()
    for event in events:
        for candidate in event.get("candidates", ()):
            assert candidate["index"] not in finished
            finished |= {candidate["index"]} if candidate.get("finishReason") else set()
    assert finished or "error" in events[-1]
    assert not any("error" in event for event in events[:-1])


ORDER: dict[str, Callable[[list[Event]], None]] = {
    "claude": _claude,
    "gemini": _gemini,
    "openai-chat": _chat,
    "openai-responses": _responses,
}


def _mangled(case: OwnCase, random: Random) -> bytes:
    """The stream with one event dropped, doubled, swapped with its neighbour or cut off."""
    end = b"\r\n\r\n" if b"\r\n\r\n" in case.body else b"\n\n"
    pieces: list[bytes] = case.body.split(end)
    at = random.randrange(len(pieces))
    way = random.randrange(4)
    if way == 0:
        del pieces[at]
    elif way == 1:
        pieces.insert(at, pieces[at])
    elif way == 2 and at:
        pieces[at - 1 : at + 1] = [pieces[at], pieces[at - 1]]
    else:
        return end.join(pieces[:at]) + end + pieces[at][: random.randrange(len(pieces[at]) + 1)]
    return end.join(pieces)


def _events(data: bytes) -> list[Event]:
    reader = SseReader()
    frames = [*reader.feed(data), *reader.close()]
    return [{"done": True} if text == b"[DONE]" else loads(text) for _, text in frames]


def test_every_format_that_clients_speak_has_its_order() -> None:
    assert ORDER.keys() == set(targets("stream"))


@pytest.mark.parametrize("target", ORDER)
@pytest.mark.parametrize("seed", range(4))
def test_a_mangled_stream_keeps_the_order_of_the_clients_format(target: str, seed: int) -> None:
    for number, case in enumerate(SSE):
        random = Random(1000 * seed + number)
        data = _mangled(case, random)
        stream = translator().stream(case.format, target, plan=plan(case, target, translator()))
        cut = random.randrange(len(data) + 1)
        out = stream.feed(data[:cut]) + stream.feed(data[cut:]) + stream.close()
        assert stream.done, case.name
        ORDER[target](_events(out))
