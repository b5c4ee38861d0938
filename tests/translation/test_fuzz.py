"""Documents and streams that somebody broke: a result or an error with a sentence, never another
exception. The quick form of a mapping gives what its general form gives."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Rejected, UpstreamError
from engine.language.lost import Lost
from engine.language.runtime import EVALUATION_ERRORS, Refusal
from engine.language.sections import Section
from engine.translation.jsontext import dumps, loads
from engine.translation.plan import Plan
from engine.translation.standing import Standing
from tests.support.canonical import problems
from tests.support.eventstream import encoded
from tests.support.translations import (
    CASES,
    SUFFIXES,
    OwnCase,
    own_cases,
    plan,
    targets,
    translator,
)

Path = tuple[str | int, ...]

MAX_SENTENCE = 700


def _nested(levels: int, key: str | None) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value] if key is None else {key: value}
    return value


VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, 1e308, "", "x", "auto", "\ud800", "x" * 200),
    *([], {}, [None], [[]], ["x"], [1], [{}], {"x": 1}, '{"a":', "data:;base64,x"),
    *({"type": "text"}, {"type": "text", "text": 5}, {"type": "x"}, {"role": "user"}),
    *(_nested(120, None), _nested(120, "parts"), _nested(120, "content")),
]
KEYS = (
    "type role content parts text id name input arguments args signature thinking index tools"
    " tool_calls call_id tool_use_id cache_control source extra"
).split()


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    keys: Iterable[str | int] = value if isinstance(value, dict) else ()
    for key in range(len(value)) if isinstance(value, list) else keys:
        yield from _paths(value[key], (*path, key))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _with(value: Any, path: Path, new: Any) -> Any:
    """A copy in which another value stands at a path."""
    if not path:
        return new
    made = value.copy()
    made[path[0]] = _with(value[path[0]], path[1:], new)
    return made


def broken(document: Any, random: Random) -> Any:
    """A copy with some values gone, wrapped, moved, replaced or added."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        paths = list(_paths(document))
        path = random.choice(paths)
        here = _at(document, path)
        way = random.randrange(6)
        if way == 0 and path:
            above = _at(document, path[:-1]).copy()
            del above[path[-1]]
            document = _with(document, path[:-1], above)
        elif way == 1:
            document = _with(document, path, [here])
        elif way == 2:
            document = _with(document, path, _at(document, random.choice(paths)))
        elif way == 3 and isinstance(here, dict):
            added = {random.choice(KEYS): random.choice(VALUES)}
            document = _with(document, path, {**here, **added})
        else:
            document = _with(document, path, random.choice(VALUES))
    return document


def broken_stream(case: OwnCase, random: Random) -> bytes:
    """The events of a case, some of them broken, gone or in another order."""
    framing = translator().formats[case.format].framing.kind.name
    path = CASES / "stream" / case.format / f"{case.name}{SUFFIXES[framing]}"
    # binary events lie there in a readable form
    lines = path.read_text(encoding="utf-8").split("\n")
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(lines))
        start = lines[at].find("{")
        if start < 0:
            continue
        try:
            event = loads(lines[at][start:].encode())
        except ValueError:
            continue
        lines[at] = lines[at][:start] + json.dumps(broken(event, random))
    way = random.randrange(10)
    if way == 0:
        del lines[random.randrange(len(lines))]
    elif way == 1:
        lines = lines[: random.randrange(len(lines))]
    elif way == 2:
        random.shuffle(lines)
    if framing != "aws-event-stream":
        return "\n".join(lines).encode()
    try:
        return encoded(lines)
    except (AttributeError, ValueError):  # the readable form itself is broken: nothing to send
        return b""


def _told(error: Rejected | UpstreamError) -> None:
    assert 3 < len(str(error)) <= MAX_SENTENCE


def _same_in_both_forms(section: Section, document: Any, *roots: Any) -> None:
    """What serves, the quick form where it can, says what the general form says."""
    losses = Lost()
    try:
        general = section.program.names["main"](document, *roots, losses), losses
    except (Refusal, *EVALUATION_ERRORS):
        with pytest.raises(Refusal):
            section.run(document, *roots)
    else:
        assert section.run(document, *roots) == general


def _cases(kind: str) -> st.SearchStrategy[OwnCase]:
    return st.sampled_from(own_cases(kind))


RANDOM = st.randoms(use_true_random=False)


@settings(max_examples=500, derandomize=True)
@given(_cases("request"), RANDOM)
def test_any_request_is_translated_or_refused(case: OwnCase, random: Random) -> None:
    body = broken(case.body, random)
    target = random.choice(targets("request"))
    by = translator()
    try:
        canonical = Standing(by).read_request(body, case.format) if isinstance(body, dict) else {}
        assert problems("request", canonical) == []
        made = by.request(body, case.format, target, model="up", options=case.options)
        dumps(made.body)
        made.path.encode("ascii")
        assert all(loss.reason for loss in made.losses)
        if random.randrange(4) == 0:
            made.explain()
            made.recalled({key: "{}" for key in made.wanted})
    except Rejected as error:
        assert 400 <= error.status < 500
        _told(error)


@settings(max_examples=400, derandomize=True)
@given(_cases("response"), RANDOM)
def test_any_answer_is_translated_or_told_to_be_unusable(case: OwnCase, random: Random) -> None:
    body = broken(case.body, random)
    target = random.choice(targets("response"))
    by, made = translator(), plan(case, target, translator())
    try:
        answer = by.response(body, case.format, target, plan=made)
        dumps(answer.body)
        assert all(loss.reason for loss in answer.losses)
        assert all(isinstance(text, str) for text in answer.keep.values())
    except UpstreamError as error:
        _told(error)
    replay = by.replay(case.format, target, 1 << 20, plan=made)
    assert replay.feed(dumps(body)) + replay.close()
    assert replay.done


@settings(max_examples=500, derandomize=True)
@given(_cases("stream"), RANDOM)
def test_any_stream_is_translated_and_comes_to_its_end(case: OwnCase, random: Random) -> None:
    data = broken_stream(case, random)
    target = random.choice(targets("stream"))
    by, made = translator(), plan(case, target, translator())
    stream = by.stream(case.format, target, plan=made, explain=random.randrange(4) == 0)
    assert stream.feed(data) + stream.close()
    assert stream.done
    assert all(loss.reason for loss in stream.losses)
    assert all(isinstance(text, str) for text in stream.keep.values())
    gathering = by.gather(case.format, target, 1 << 20, plan=made)
    gathering.feed(data)
    gathering.close()
    if gathering.error is None:
        try:
            dumps(gathering.answer())
        except UpstreamError as error:
            _told(error)


@settings(max_examples=150, derandomize=True)
@given(_cases("error"), RANDOM)
def test_any_error_is_told_in_the_clients_own_envelope(case: OwnCase, random: Random) -> None:
    target = random.choice(targets("error"))
    body = broken(case.body, random)
    error = translator().error(case.status, body, case.format, target, headers=case.headers)
    assert isinstance(loads(dumps(error.body)), dict | list)
    assert 400 <= error.status < 600


@settings(max_examples=200, derandomize=True)
@given(_cases("request") | _cases("response"), RANDOM)
def test_the_quick_form_gives_what_the_general_form_gives(case: OwnCase, random: Random) -> None:
    by = translator()
    side = by.formats[case.format]
    target = case.format if case.kind == "request" else random.choice(targets("response"))
    made: Plan = plan(replace(case, model={}), target, by) if case.kind == "response" else _plan()
    body = broken(case.body, random)
    ctx = made.ctx(side, side.vendor)
    _same_in_both_forms(side.read[case.kind], body, made.body, made.data, ctx)


def _plan() -> Plan:
    client = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    return translator().request(client, "openai-chat", "openai-chat").plan
