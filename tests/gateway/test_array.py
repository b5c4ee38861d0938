"""Streams as one JSON array, for clients that did not ask for an event stream."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from engine.gateway.array import ArrayStream
from engine.translation import jsontext
from engine.translation.framing import SseReader
from engine.translation.streams import Stream
from tests.gateway.harness import claude_answer, claude_stream, credential, serving, translator
from tests.gateway.wire import Heard, Script, answers, streams, upstream

ASKED: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
ARRAY = "/v1beta/models/m:streamGenerateContent"
EVENTS = b"".join(claude_stream("one, ", '[two] "\u2028"', "three"))


def opened() -> Stream:
    return translator().stream(source="claude", target="gemini", request={"model": "m", **ASKED})


@pytest.mark.parametrize("size", [1, 7, 64, len(EVENTS)])
def test_the_array_holds_the_events_of_the_stream_wherever_it_is_cut(size: int) -> None:
    events = opened()
    reader = SseReader()
    wanted = [jsontext.loads(raw) for _, raw in reader.feed(events.feed(EVENTS) + events.close())]

    array = ArrayStream(opened())
    out = b"".join(array.feed(EVENTS[at : at + size]) for at in range(0, len(EVENTS), size))
    assert len(wanted) > 2
    assert array.done
    assert jsontext.loads(out) == wanted


def test_each_element_goes_out_with_its_event() -> None:
    array = ArrayStream(opened())
    *first, last = [array.feed(event) for event in claude_stream("one", "two")]
    assert b"".join(first).count(b'"text"') >= 2
    assert not b"".join(first).endswith(b"]")
    assert last.endswith(b"]")


def test_a_stream_that_breaks_off_is_an_array_with_the_error_at_its_end() -> None:
    array = ArrayStream(opened())
    out = array.feed(b"".join(claude_stream("one")[:3])) + array.close()
    *chunks, last = jsontext.loads(out)
    assert chunks
    assert last["error"]["code"] >= 500


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (ARRAY, ASKED, 429),
        (ARRAY.replace("/m:", "/nobodys:"), ASKED, 404),
        (ARRAY, [], 400),
        (ARRAY + "?key=wrong", ASKED, 401),
    ],
    ids="upstream model body key".split(),
)
def test_an_error_is_an_array_of_one_too(path: str, body: Any, status: int) -> None:
    async def main() -> None:
        limit = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}
        async with upstream(answers(limit, 429)) as wire:
            rows = [credential("claude", wire.url, models=[{"id": "m"}])]
            async with serving({"credentials": rows, "api-keys": ["right"]}) as gw:
                keys = {} if "?key" in path else {"x-goog-api-key": "right"}
                answer = await gw.http.post(path, json=body, headers=keys)
                assert answer.status_code == status
                (only,) = answer.json()
                assert only["error"]["code"] == status
                events = path.partition("?")[0] + "?alt=sse"
                alone = await gw.http.post(events, json=body, headers=keys)
                assert alone.json()["error"]["code"] in (status, 401)

    asyncio.run(main())


def asked(script: Script, path: str = ARRAY, **settings: Any) -> httpx.Response:
    """The answer of a gateway in front of a Claude upstream."""

    async def main() -> httpx.Response:
        async with upstream(script) as wire:
            rows = [credential("claude", wire.url)]
            async with serving({"credentials": rows, **settings}) as gw:
                return await gw.http.post(path, json=ASKED)

    return asyncio.run(main())


def test_signs_of_life_stand_between_elements() -> None:
    slow = streams(*claude_stream("one", "two"), pause=0.12)
    answer = asked(slow, streaming={"keepalive-seconds": 0.05})
    assert answer.headers["content-type"] == "application/json"
    assert "\r\n\r\n" in answer.text
    assert "two" in str(answer.json())


def test_an_error_after_a_sign_of_life_is_the_only_element() -> None:
    async def late(heard: Heard, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        error = {"type": "invalid_request_error", "message": "oh dear"}
        await answers({"type": "error", "error": error}, 400)(heard, writer)

    answer = asked(late, streaming={"keepalive-seconds": 0.05})
    assert answer.status_code == 200
    (element,) = answer.json()
    assert element["error"]["message"] == "oh dear"


@pytest.mark.parametrize("query", ["", "?alt=json", "?alt=", "?ALT=sse", "?alt=sse2"])
def test_only_the_very_parameter_asks_for_events(query: str) -> None:
    answer = asked(streams(*claude_stream("one")), ARRAY + query)
    assert isinstance(answer.json(), list)


def test_an_answer_that_is_not_streamed_is_no_array() -> None:
    answer = asked(answers(claude_answer()), "/v1beta/models/m:generateContent")
    assert isinstance(answer.json(), dict)
