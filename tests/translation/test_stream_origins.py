"""Streams explained, and their losses: told by the paths of the upstream's own events."""

from typing import Any

import pytest

from tests.support.paths import bare, of_events
from tests.support.translations import OwnCase, formats, own_cases, plan, targets, translator

PAIRS = [(source, target) for source in formats() for target in targets("stream")]


def _case(format: str, name: str) -> OwnCase:
    return next(each for each in own_cases("stream") if (each.format, each.name) == (format, name))


def _told(case: OwnCase, target: str, explain: bool) -> Any:
    stream = translator().stream(
        case.format, target, plan=plan(case, target, translator()), explain=explain
    )
    return stream, stream.feed(case.body) + stream.close()


def _cases(format: str) -> list[OwnCase]:
    return [case for case in own_cases("stream") if case.format == format]


def _said_otherwise(case: OwnCase, target: str) -> list[str]:
    """In what an explained stream differs from a plain one, and outputs that nothing explains."""
    plain, data = _told(case, target, explain=False)
    traced, same = _told(case, target, explain=True)
    rows = [row for event in traced.explain() for row in event["out"]]
    kept = {
        "bytes": same == data,
        "error": traced.error == plain.error,
        "losses": {(loss.path, loss.reason) for loss in traced.losses}
        == {(loss.path, loss.reason) for loss in plain.losses},
    }
    unexplained = [
        row["out"] for row in rows if not (row["rule"] or row["in"] or row["how"] == "copy")
    ]
    return [what for what, holds in kept.items() if not holds] + unexplained


# A pair a test, all its cases in it: a test each would cost three times what is tested.
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_explained_stream_says_and_loses_the_same(source: str, target: str) -> None:
    differing = {case.name: _said_otherwise(case, target) for case in _cases(source)}
    assert differing
    assert {name: found for name, found in differing.items() if found} == {}


def _strangers(case: OwnCase, target: str) -> set[str]:
    """The paths of losses that are in no event of the upstream."""
    stream, _ = _told(case, target, explain=False)
    return {bare(loss.path) for loss in stream.losses if loss.path} - of_events(case.body)


# of binary events a readable form lies beside the case
@pytest.mark.parametrize(
    ("source", "target"),
    [
        pair
        for pair in PAIRS
        if translator().formats[pair[0]].framing.kind.name != "aws-event-stream"
    ],
)
def test_a_loss_of_a_stream_is_told_by_a_path_of_its_events(source: str, target: str) -> None:
    strange = {case.name: _strangers(case, target) for case in _cases(source)}
    assert {name: paths for name, paths in strange.items() if paths} == {}


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
    ("claude", "gemini", "refusal", "delta.stop_details.category"),
    ("openai-chat", "claude", "citations", "choices[].delta.annotations[]"),
    ("openai-chat", "gemini", "usage-in-full", "usage.prompt_tokens_details.cache_write_tokens"),
    ("openai-responses", "claude", "hosted-tools", "item"),
    (
        "bedrock-converse",
        "openai-chat",
        "stop-sequence",
        "additionalModelResponseFields.stop_sequence",
    ),
]


@pytest.mark.parametrize(("source", "target", "name", "path"), LOST)
def test_a_loss_names_what_was_lost(source: str, target: str, name: str, path: str) -> None:
    stream, _ = _told(_case(source, name), target, explain=False)
    assert path in [loss.path for loss in stream.losses]
