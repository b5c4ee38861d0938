"""Streams explained, and their losses: told by the paths of the upstream's own events."""

import re
from typing import Any

import pytest

from engine.translation.jsontext import loads
from tests.support.translations import OwnCase, own_cases, plan, targets, translator

STREAMS = [
    pytest.param(case, target, id=f"{case.format}-{target}-{case.name}")
    for case in own_cases("stream")
    for target in targets("stream")
]
# of binary events a readable form lies beside the case
TEXTS = [
    pytest.param(case, target, id=f"{case.format}-{target}-{case.name}")
    for case in own_cases("stream")
    for target in targets("stream")
    if translator().formats[case.format].framing.kind.name != "aws-event-stream"
]
# Where frames hold JSON behind something else; binary ones are read elsewhere.
_DATA = re.compile(rb"^(?:data:\s*)?(\{.*)$", re.MULTILINE)
_POSITION = re.compile(r"\[\d*\]")


def _case(format: str, name: str) -> OwnCase:
    return next(each for each in own_cases("stream") if (each.format, each.name) == (format, name))


def _told(case: OwnCase, target: str, explain: bool) -> Any:
    stream = translator().stream(
        case.format, target, plan=plan(case, target, translator()), explain=explain
    )
    return stream, stream.feed(case.body) + stream.close()


def _paths(value: Any, path: str = "") -> set[str]:
    found = {path} if path else set()
    if isinstance(value, dict):
        for key, each in value.items():
            found |= _paths(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for each in value:
            found |= _paths(each, path)
    return found


def _events(case: OwnCase) -> set[str]:
    """All paths of all events, without positions."""
    found: set[str] = set()
    for data in _DATA.findall(case.body):
        try:
            found |= _paths(loads(data.strip()))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize(("case", "target"), STREAMS)
def test_an_explained_stream_says_and_loses_the_same(case: OwnCase, target: str) -> None:
    plain, data = _told(case, target, explain=False)
    traced, same = _told(case, target, explain=True)
    assert same == data
    assert traced.error == plain.error
    assert {(loss.path, loss.reason) for loss in traced.losses} == {
        (loss.path, loss.reason) for loss in plain.losses
    }
    assert all(
        row["rule"] or row["in"] or row["how"] == "copy"
        for event in traced.explain()
        for row in event["out"]
    )


@pytest.mark.parametrize(("case", "target"), TEXTS)
def test_a_loss_of_a_stream_is_told_by_a_path_of_its_events(case: OwnCase, target: str) -> None:
    stream, _ = _told(case, target, explain=False)
    known = _events(case)
    lost = {_POSITION.sub("", loss.path) for loss in stream.losses if loss.path}
    assert {path for path in lost if path not in known} == set()


def _rows(format: str, target: str, name: str) -> list[tuple[Any, dict[str, list[str]]]]:
    stream, _ = _told(_case(format, name), target, explain=True)
    return [
        (event["event"], {row["out"]: row["in"] for row in event["out"]})
        for event in stream.explain()
    ]


def test_a_piece_of_text_is_explained_by_the_event_that_brought_it() -> None:
    rows = _rows("openai-chat", "claude", "usage-in-full")
    assert rows[1][1]["[1].delta.text"] == ["choices[0].delta.content"]
    # of the first chunk of a text the client gets two events, numbered one after the other
    assert {out.partition(".")[0] for out in rows[1][1]} == {"[0]", "[1]"}


def test_what_an_earlier_event_said_has_no_positions() -> None:
    ending = _rows("openai-chat", "claude", "usage-in-full")[-1][1]
    assert ending["[1].delta.stop_reason"] == ["choices[].finish_reason"]
    assert "usage.prompt_tokens" in ending["[1].usage.input_tokens"]


def test_the_end_of_the_bytes_is_explained_like_an_event() -> None:
    event, rows = _rows("gemini", "claude", "text")[-1]
    assert event is None
    assert rows["[1].delta.stop_reason"] == ["candidates[].finishReason"]
    assert rows["[1].usage.output_tokens"] == ["usageMetadata.candidatesTokenCount"]


LOST = [
    ("claude-gemini-refusal", "delta.stop_details.category"),
    ("openai-chat-claude-citations", "choices[].delta.annotations[]"),
    ("openai-chat-gemini-usage-in-full", "usage.prompt_tokens_details.cache_write_tokens"),
    ("openai-responses-claude-hosted-tools", "item"),
    ("bedrock-converse-openai-chat-stop-sequence", "additionalModelResponseFields.stop_sequence"),
]


@pytest.mark.parametrize(("name", "path"), LOST)
def test_a_loss_names_what_was_lost(name: str, path: str) -> None:
    case, target = next(tuple(each.values) for each in STREAMS if each.id == name)
    assert isinstance(case, OwnCase) and isinstance(target, str)
    stream, _ = _told(case, target, explain=False)
    assert path in [loss.path for loss in stream.losses]
