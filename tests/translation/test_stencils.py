"""Events that go the quick way give what they give on the long one: bytes, losses, what is kept."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.language.runtime import Refusal
from engine.translation.framing import MAX_FRAME, Frame
from engine.translation.jsontext import JsonError, loads
from engine.translation.stencils import PROBE, TRIES, Stencil, put
from engine.translation.streams import Stream
from tests.support.translations import OwnCase, clients, own_cases, plan, translator

# The keys that texts of deltas stand at, and what is put there.
WORDS = frozenset({"text", "content", "delta", "thinking", "arguments", "partial_json", "message"})
TEXTS = ("b", 'a "quote", a \\ and a \n', "", "\u00e9\u2028\U0001f600", "0", "b", "text")

CASES = [
    pytest.param(case, target, id=case.snapshot(target))
    for case in own_cases("stream")
    if translator().formats[case.format].framing.kind.writer is not None
    for target in clients()
]


def _framed(frame: Frame, format: str) -> bytes:
    kind = translator().formats[format].framing.kind
    assert kind.writer is not None
    return kind.writer(kind.ends[0]).frame(frame[1], frame[0])


def _texts(
    node: Any, words: frozenset[str] = WORDS, path: tuple[Any, ...] = ()
) -> Iterator[tuple[Any, ...]]:
    """Where texts stand in an event, at these keys."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _texts(value, words, (*path, key))
    elif isinstance(node, str) and path and path[-1] in words:
        yield path


def _with(event: Any, path: tuple[Any, ...], value: Any) -> Any:
    inner = made = copy.deepcopy(event)
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made


def _again(data: bytes) -> Iterator[bytes]:
    """The data of a frame, then with other texts in it, compact and not."""
    yield data
    try:
        event = loads(data)
    except JsonError:
        return
    for path in _texts(event):
        for text in TEXTS:
            made = _with(event, path, text)
            yield json.dumps(made, separators=(",", ":"), ensure_ascii=False).encode()
            yield json.dumps(made, separators=(",", ":")).encode()


def _frames(case: OwnCase) -> list[Frame]:
    reader = translator().formats[case.format].framing.kind.reader(MAX_FRAME)
    return [*reader.feed(case.body), *reader.close()]


def _run(made: Stream, pieces: list[bytes]) -> tuple[Any, ...]:
    out = [*map(made.feed, pieces), made.close()]
    return out, made.losses, made.keep, made.usage, made.error


def _both(case: OwnCase, target: str, pieces: list[bytes], patch: pytest.MonkeyPatch) -> list[Any]:
    """What a stream gives, with stencils and without."""
    asked, found = plan(case, target, translator()), []
    for tries in (TRIES, 0):
        with patch.context() as patched:
            patched.setattr("engine.translation.streams.TRIES", tries)
            found.append(_run(translator().stream(case.format, target, plan=asked), pieces))
    return found


@pytest.mark.parametrize(("case", "target"), CASES)
def test_runs_of_texts_become_what_they_become_without_stencils(
    case: OwnCase, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [
        _framed((name, data), case.format)
        for name, raw in _frames(case)
        for data in (_again(raw) if len(raw) < 4096 else (raw,))
    ]
    with_stencils, without = _both(case, target, pieces, monkeypatch)
    assert with_stencils == without


def _delta(text: str) -> dict[str, Any]:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def _chunk(text: str) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def _said(text: str, number: int) -> dict[str, Any]:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "sequence_number": number}
    return {"type": "response.output_text.delta", **at, "delta": text, "logprobs": []}


def _begun(format: str) -> list[dict[str, Any]]:
    """What comes before the text of a stream."""
    if format == "claude":
        message = {"id": "m", "model": "m", "usage": {"input_tokens": 1}}
        block = {"type": "text", "text": ""}
        return [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": block},
        ]
    if format == "openai-chat":
        return [_chunk("")]
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    return [
        {"type": "response.created", "response": {"id": "r", "model": "m"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {
            "type": "response.content_part.added",
            "output_index": 0,
            "content_index": 0,
            "part": part,
        },
    ]


def _case(format: str) -> OwnCase:
    return next(case for case in own_cases("stream") if case.format == format)


def _pieces(format: str, *documents: bytes | dict[str, Any]) -> list[bytes]:
    texts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in documents]
    return [_framed((None, data), format) for data in texts]


def _filled(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What stencils write from now on."""
    found: list[bytes] = []
    fill = Stencil.fill

    def noting(self: Stencil, frames: list[Frame], start: int, out: list[bytes]) -> int:
        before = len(out)
        position = fill(self, frames, start, out)
        found.extend(out[before:])
        return position

    monkeypatch.setattr(Stencil, "fill", noting)
    return found


RUNS = {
    "claude": [_delta(f"word {number} \u00e9\n") for number in range(9)],
    "openai-chat": [_chunk(f"word {number} \u00e9\n") for number in range(9)],
    "openai-chat, each with an id": [
        {**_chunk(f"word {number}"), "id": f"chunk_{number}"} for number in range(9)
    ],
    "openai-chat, padded": [
        {**_chunk(f"word {number}"), "obfuscation": "x" * (9 - number)} for number in range(9)
    ],
    "openai-responses": [_said(f"word {number}", 7 + number) for number in range(9)],
}


@pytest.mark.parametrize("target", ["claude", "openai-chat"])
@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_texts_goes_through_a_stencil(
    name: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    format = name.partition(",")[0]
    written = _filled(monkeypatch)
    quick, slow = _both(
        _case(format), target, _pieces(format, *_begun(format), *RUNS[name]), monkeypatch
    )
    assert quick == slow
    # the first opens the text, the second is the pattern, the third may show what else differs
    assert len(written) >= 6


def test_events_that_all_lose_something_make_no_stencil(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = _filled(monkeypatch)
    chunks = [{**_chunk(f"word {number}"), f"key {number}": 1} for number in range(40)]
    quick, slow = _both(
        _case("openai-chat"), "claude", _pieces("openai-chat", *chunks), monkeypatch
    )
    assert quick == slow
    assert not written


def _odd(format: str) -> list[bytes]:
    """What may come in place of one more text."""
    event = {"claude": _delta, "openai-chat": _chunk}[format]("b")
    data = json.dumps(event).encode()
    texts = (b'"b", "b": 1', b'"b" "b"', b'"\\ud800"', b'"\xff"', b'"\\x"', b'"a\nb"', b'"b')
    others = (b"", b"null", b"1", b"true", b'["b"]', b'{"b": 1}', b'""', b"NaN", b' "b" ', b"1e999")
    made = [data.replace(b'"b"', each) for each in (*texts, *others)]
    for value in (b"true", b"0.0", b'"0"', b"1", b"null", b"-0", b"[]", b"9" * 30):
        made.append(data.replace(b'"index": 0', b'"index": ' + value))
    made += [data[:-1] + b', "index": 1}', data[:-1] + b', "odd": 1}', data + b" ", b" " + data]
    made += [data[:-1], data + b"}", b"[" + data + b"]", b"b", b"[DONE]", b'{"error": "b"}']
    made.append(json.dumps({**event, "usage": {"prompt_tokens": 1}}).encode())
    made.append(json.dumps(event, separators=(",", ":")).encode())
    return made


@pytest.mark.parametrize("target", ["claude", "openai-chat", "openai-responses", "gemini"])
@pytest.mark.parametrize("format", ["claude", "openai-chat"])
def test_what_does_not_fit_a_stencil_goes_the_long_way(
    format: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RUNS[format][:4]
    for odd in _odd(format):
        documents: list[Any] = [*_begun(format), *run, odd, *run, odd, odd, *run]
        quick, slow = _both(_case(format), target, _pieces(format, *documents), monkeypatch)
        assert quick == slow, odd


CALLS = {
    "one call": ['{"a"', ": [1", ", 2]", ', "b": "}', '"', "}", " ", "\n"],
    "one that goes on after its end": ["{", "}", "x", "}", "{", '"a"'],
    "text that is no JSON": ["a", "b", "c", "d", "e"],
}


def _call(index: int, text: str, first: bool) -> dict[str, Any]:
    said = {"index": index, "function": {"arguments": text}}
    if first:
        said |= {"id": f"call_{index}", "function": {"name": "look", "arguments": text}}
    choice = {"index": 0, "delta": {"tool_calls": [said]}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


@pytest.mark.parametrize("target", ["claude", "openai-chat", "openai-responses", "gemini"])
@pytest.mark.parametrize("name", CALLS)
def test_arguments_are_followed_on_the_quick_way_too(
    name: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = _filled(monkeypatch)
    one = [_call(0, text, not at) for at, text in enumerate(CALLS[name])]
    other = [_call(1, text, not at) for at, text in enumerate(CALLS["one call"])]
    between = [each for pair in zip(one, other, strict=False) for each in pair]
    for chunks in (one, one + other, one[:4] + other[:3] + one[4:] + other[3:], between):
        pieces = _pieces("openai-chat", *chunks, _chunk("a"), _chunk("b"), _chunk("c"))
        quick, slow = _both(_case("openai-chat"), target, pieces, monkeypatch)
        assert quick == slow
    assert written or target in ("openai-responses", "gemini")


def test_another_name_of_an_event_ends_a_stencil(monkeypatch: pytest.MonkeyPatch) -> None:
    data = [json.dumps(each).encode() for each in (*_begun("claude"), *RUNS["claude"])]
    nameless = [each.replace(b'"type": "content_block_delta", ', b"") for each in data]
    names = ["content_block_delta", "content_block_delta", "ping", None, "content_block_delta"]
    pieces = _pieces("claude", *data[:5]) + [
        _framed((name, each), "claude") for name, each in zip(names, nameless[5:10], strict=True)
    ]
    quick, slow = _both(_case("claude"), "openai-chat", pieces, monkeypatch)
    assert quick == slow


def test_a_probe_in_the_upstreams_own_words_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a", PROBE, "b", PROBE, PROBE, "c", f"{PROBE}0", "d"]
    chunks = [{**_chunk(text), "id": PROBE, "model": f"{PROBE}0"} for text in texts]
    pieces = _pieces("openai-chat", *chunks)
    for target in ("claude", "openai-chat"):
        quick, slow = _both(_case("openai-chat"), target, pieces, monkeypatch)
        assert quick == slow


def test_a_word_that_stands_elsewhere_in_the_event_is_found_at_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = _filled(monkeypatch)
    words = ["text_delta", "text", "0", "content_block_delta", "type", "index", "text"]
    pieces = _pieces("claude", *_begun("claude"), *map(_delta, words))
    quick, slow = _both(_case("claude"), "openai-chat", pieces, monkeypatch)
    assert quick == slow
    assert written


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case.format}/{case.name}") for case in own_cases("stream")]
)
def test_a_steady_rule_does_with_other_texts_what_it_did(case: OwnCase) -> None:
    side = translator().formats[case.format]
    half, asked = side.events_in, plan(case, "openai-chat", translator())
    assert half is not None
    state, losses = half.start(), half.losses()
    roots = (asked.body, asked.data, asked.ctx(side, asked.vendor))
    for _, raw in _frames(case):
        try:
            event = loads(raw)
            out = half.step(event, state, losses, *roots)
        except (JsonError, Refusal):
            return
        looks = half.looks(state)
        for path in _texts(event, WORDS | {"id", "pad", "type", "obfuscation"}):
            if (
                looks is not None
                and looks.copies(path)
                and half.again(event, state, *roots) is not None
            ):
                before = copy.deepcopy(state)
                again = half.again(put(event, path, PROBE), state, *roots)
                assert state == before
                assert again is not None
                text = event
                for key in path:
                    text = text[key]
                assert _replaced(again, text) == _replaced(out, text)


def _replaced(value: Any, text: str) -> Any:
    """The value with the probe in place of a text, wherever that stands."""
    raw = json.dumps(value)
    return raw.replace(json.dumps(text), json.dumps(PROBE)) if text else raw
