"""Calls whose fragments arrive mixed reach a client that takes one at a time whole and in order."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.translation.framing import SseReader
from tests.support.translations import translator

Call = tuple[str, str, dict[str, Any]]

_scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=12)
_arguments = st.dictionaries(
    st.text(max_size=6), _scalars | st.lists(_scalars, max_size=3), max_size=3
)


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"


@st.composite
def _mixed(draw: st.DrawFn) -> tuple[list[Call], list[bytes]]:
    """Calls, and the events that bring them: fragments of a call in order, mixed with others."""
    calls = [
        (f"call_{number}", f"tool_{number}", draw(_arguments))
        for number in range(draw(st.integers(1, 4)))
    ]
    queues: list[list[dict[str, Any]]] = []
    for number, (id, name, arguments) in enumerate(calls):
        text = json.dumps(arguments, ensure_ascii=draw(st.booleans()))
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=3)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        head = {"id": id, "type": "function", "function": {"name": name, "arguments": pieces[0]}}
        rest = [{"function": {"arguments": piece}} for piece in pieces[1:]]
        fragments: list[dict[str, Any]] = [head, *rest]
        queues.append([{"index": number, **each} for each in fragments])
    events = [_chunk({"role": "assistant", "content": ""})]
    opened = 0
    while any(queues):
        # A server announces calls in order; what follows comes in any.
        ready = [n for n, queue in enumerate(queues) if queue and n <= opened]
        chosen = draw(st.sampled_from(ready))
        opened = max(opened, chosen + 1)
        events.append(_chunk({"tool_calls": [queues[chosen].pop(0)]}))
        if draw(st.integers(0, 7)) == 0:
            events.append(_chunk({"content": "~"}))
    events += [_chunk({}, "tool_calls"), b"data: [DONE]\n\n"]
    return calls, events


def _claude_calls(output: bytes) -> list[Call]:
    """The calls that a client folds from the events; fails on what would break one."""
    blocks: list[dict[str, Any]] = []
    is_open = False
    reader = SseReader()
    for name, raw in [*reader.feed(output), *reader.close()]:
        event = json.loads(raw)
        assert name == event["type"]
        match event["type"]:
            case "content_block_start":
                assert not is_open and event["index"] == len(blocks)
                is_open = True
                blocks.append({**event["content_block"], "json": ""})
            case "content_block_delta":
                assert is_open and event["index"] == len(blocks) - 1
                if event["delta"]["type"] == "input_json_delta":
                    blocks[-1]["json"] += event["delta"]["partial_json"]
            case "content_block_stop":
                assert is_open and event["index"] == len(blocks) - 1
                is_open = False
            case "message_stop":
                assert not is_open
    calls = [block for block in blocks if block["type"] == "tool_use"]
    return [(call["id"], call["name"], json.loads(call["json"] or "{}")) for call in calls]


def _fed(source: str, target: str, pieces: list[bytes]) -> bytes:
    made = translator().stream(source, target, request={"stream": True})
    return b"".join([*map(made.feed, pieces), made.close()])


@given(_mixed())
@settings(deadline=None)
def test_mixed_calls_reach_a_claude_client_one_after_the_other(
    mixed: tuple[list[Call], list[bytes]],
) -> None:
    calls, events = mixed
    assert _claude_calls(_fed("openai-chat", "claude", events)) == calls


@given(_mixed(), st.data())
@settings(deadline=None)
@pytest.mark.parametrize("target", ["claude", "openai-chat"])
def test_no_cut_changes_what_a_client_gets(
    target: str, mixed: tuple[list[Call], list[bytes]], data: st.DataObject
) -> None:
    whole = b"".join(mixed[1])
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert _fed("openai-chat", target, pieces) == _fed("openai-chat", target, [whole])
