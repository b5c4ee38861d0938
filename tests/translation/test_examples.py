"""The worked examples of the wire formats convert into each other.

One conversation in every format, whole and streamed, stands in a folder outside the project:
AI_PROXY_FORMATS names it, by default `../shared/formats`. What may differ is listed in its README;
tests/support/examples.py takes exactly that away, from both sides.
"""

import json
from typing import Any

import pytest

from tests.support.examples import (
    FOLDER,
    FORMATS,
    NAMES,
    SENTINEL,
    comparable_answer,
    comparable_request,
    document,
    events,
    folded,
    raw,
    texts,
    without,
)
from tests.support.translations import translator

PAIRS = [(source, target) for source in FORMATS for target in FORMATS]

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no examples in {FOLDER}; AI_PROXY_FORMATS names their folder"
)


def _streamed(source: str, target: str, ending: str) -> bytes:
    client = document(target, ".request.json")
    stream = translator().stream(source, target, request=client)
    return stream.feed(raw(source, ending)) + stream.close()


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_request_becomes_the_other_formats_request(source: str, target: str) -> None:
    asked = document(source, ".request.json")
    body = translator().request(asked, source, target, stream=True).body
    expected = document(target, ".request.json")
    assert comparable_request(target, body, source) == comparable_request(target, expected, source)


@pytest.mark.parametrize("source", [each for each in FORMATS if each != "gemini"])
def test_a_call_whose_signature_is_another_vendors_gets_the_sentinel(source: str) -> None:
    asked = document(source, ".request.json")
    made = translator().request(asked, source, "gemini", model="gemini-3.8-flash")
    [first, second] = [
        part
        for content in made.body["contents"]
        for part in content["parts"]
        if "functionCall" in part
    ]
    assert first["thoughtSignature"] == SENTINEL
    assert "thoughtSignature" not in second


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_an_answer_becomes_the_other_formats_answer(source: str, target: str) -> None:
    client = document(target, ".request.json")
    answer = translator().response(document(source, ".json"), source, target, request=client)
    expected = document(target, ".json")
    made = comparable_answer(target, answer.body, source)
    assert made == comparable_answer(target, expected, source)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_becomes_the_other_formats_stream(source: str, target: str) -> None:
    output = _streamed(source, target, ".sse")
    assert folded(target, output, source) == folded(target, raw(target, ".sse"), source)
    assert output.endswith(b"data: [DONE]\n\n") is (target == "openai-chat")


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_that_breaks_becomes_one_that_breaks(source: str, target: str) -> None:
    *before, (name, last) = events(_streamed(source, target, ".error.sse"))
    *expected, (wanted_name, wanted) = events(raw(target, ".error.sse"))
    ignored = ("request_id", "sequence_number", "details")
    assert (name, without(last, *ignored)) == (wanted_name, without(wanted, *ignored))
    assert texts([event for _, event in before]) == texts([event for _, event in expected])
    if target == "openai-responses":
        assert before[-1][0] == "response.failed"


@pytest.mark.parametrize("target", FORMATS)
def test_a_refusal_tells_the_client_why(target: str) -> None:
    refused = json.loads((FOLDER / "claude.refusal.json").read_bytes())
    why = refused["stop_details"]["explanation"]
    client = document(target, ".request.json")
    body = translator().response(refused, "claude", target, request=client).body
    assert (
        _refusal(target, body)
        == {
            "openai-chat": (None, why, "content_filter"),
            "claude": ([], why, "refusal"),
            "openai-responses": (
                [{"type": "refusal", "refusal": why}],
                "incomplete",
                "content_filter",
            ),
            "gemini": (why, "SAFETY"),
        }[target]
    )
    if target == "claude":
        assert without(body, "model") == without(refused, "model")


@pytest.mark.parametrize("target", FORMATS)
def test_a_blocked_prompt_is_a_refusal(target: str) -> None:
    blocked = json.loads((FOLDER / "gemini.blocked.json").read_bytes())
    client = document(target, ".request.json")
    body = translator().response(blocked, "gemini", target, request=client).body
    if target == "gemini":
        assert without(body, "modelVersion") == without(blocked, "modelVersion")
        return
    why = "Blocked by the upstream: SAFETY"
    assert (
        _refusal(target, body)
        == {
            "openai-chat": (None, why, "content_filter"),
            "claude": ([], why, "refusal"),
            "openai-responses": (
                [{"type": "refusal", "refusal": why}],
                "incomplete",
                "content_filter",
            ),
        }[target]
    )


def _refusal(format: str, body: dict[str, Any]) -> Any:
    assert format in NAMES
    if format == "openai-chat":
        [choice] = body["choices"]
        return choice["message"]["content"], choice["message"]["refusal"], choice["finish_reason"]
    if format == "claude":
        return body["content"], body["stop_details"]["explanation"], body["stop_reason"]
    if format == "openai-responses":
        [item] = body["output"]
        return item["content"], body["status"], body["incomplete_details"]["reason"]
    [candidate] = body["candidates"]
    return candidate["finishMessage"], candidate["finishReason"]
