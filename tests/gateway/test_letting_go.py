"""What a call holds while the upstream works: its bytes, and no document."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from engine.translation import jsontext
from tests.gateway.harness import (
    CHAT,
    CLAUDE,
    chat_request,
    claude_answer,
    claude_request,
    claude_stream,
    credential,
    serving,
)
from tests.gateway.wire import Heard, answers, streams, upstream

RESPONSES = "/v1/responses"
WORDS = "words that stand in no other document than this one"


def _holding(words: str) -> list[Any]:
    """The objects and lists of this process that have these words in them, as a value of their
    own: the test's are the very ones."""
    gc.collect()
    found = []
    for each in gc.get_objects():
        # objects of nothing but texts are none of the collector's
        inner = [value for value in _values(each) if not gc.is_tracked(value)]
        for holder in (each, *inner):
            if any(
                type(value) is str and value is not words and value == words
                for value in _values(holder)
            ):
                found.append(holder)
    return found


def _values(holder: object) -> list[Any]:
    if type(holder) is dict:
        return list(holder.values())
    return list(holder) if type(holder) is list else []


def _responses_request(stream: bool) -> dict[str, Any]:
    return {"model": "m", "input": WORDS, "instructions": "be brief", "stream": stream}


ASKED = {
    CHAT: lambda stream: chat_request(WORDS, stream=stream),
    CLAUDE: lambda stream: claude_request(WORDS, stream=stream),
    RESPONSES: _responses_request,
}


@pytest.mark.parametrize("choosy", [False, True], ids=["", "by-capability"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("path", ASKED)
def test_no_document_is_held_while_the_upstream_works(
    path: str, stream: bool, choosy: bool
) -> None:
    found: list[Any] = []

    async def looking(heard: Heard, writer: asyncio.StreamWriter) -> None:
        assert WORDS.encode() in heard.body
        found.extend(_holding(WORDS))
        await given(heard, writer)

    given = streams(*claude_stream("all right")) if stream else answers(claude_answer("all right"))

    async def main() -> None:
        raw = json.dumps(ASKED[path](stream)).encode()
        async with (
            upstream(looking) as wire,
            serving(
                {
                    "routing": {"by-capability": choosy},
                    "credentials": [
                        credential("claude", wire.url),
                        credential("claude", wire.url, name="other", organisation="o"),
                    ],
                }
            ) as gw,
        ):
            answer = await gw.http.post(path, content=raw)
            assert answer.status_code == 200, answer.text
            assert "all right" in answer.text

    asyncio.run(main())
    assert found == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_an_answer_repeats_of_the_request_is_there_again(stream: bool) -> None:
    """The upstream does the other thing than it was asked for, so that nobody held it ready."""
    given = answers(claude_answer("yes")) if stream else streams(*claude_stream("yes"))

    async def main() -> None:
        async with (
            upstream(given) as wire,
            serving({"credentials": [credential("claude", wire.url)]}) as gw,
        ):
            answer = await gw.http.post(RESPONSES, json=_responses_request(stream))
            assert answer.status_code == 200, answer.text
            assert '"instructions":"be brief"' in answer.text
            assert "yes" in answer.text

    asyncio.run(main())


def test_a_second_provider_gets_the_whole_request_after_the_first_failed() -> None:
    async def main() -> None:
        async with (
            upstream(answers({}, 500)) as broken,
            upstream(answers(claude_answer("second"))) as wire,
            serving(
                {
                    "credentials": [
                        credential("openai", broken.url, name="first"),
                        credential("claude", wire.url, name="second"),
                    ]
                }
            ) as gw,
        ):
            for _ in range(2):  # whichever begins
                answer = await gw.chat(WORDS)
                assert answer.status_code == 200, answer.text
            assert {WORDS in heard.body.decode() for heard in (*broken.heard, *wire.heard)} == {
                True
            }
            assert broken.heard and wire.heard

    asyncio.run(main())


def test_an_answer_that_leaves_nothing_to_keep_asks_for_no_document_again() -> None:
    read: list[bytes] = []

    async def main() -> None:
        async with (
            upstream(answers(claude_answer("plain"))) as wire,
            serving({"credentials": [credential("claude", wire.url)]}) as gw,
        ):
            answer = await gw.chat(WORDS)
            assert answer.status_code == 200, answer.text

    loads = jsontext.loads

    def noted(data: bytes | str) -> Any:
        if WORDS.encode() in (data.encode() if isinstance(data, str) else data):
            read.append(b"once")
        return loads(data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsontext, "loads", noted)
        asyncio.run(main())
    assert read == [b"once"]
