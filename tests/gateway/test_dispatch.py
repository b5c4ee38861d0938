"""Failures: who is asked next, what rests, what the client is told."""

from __future__ import annotations

import asyncio
import email.utils
import time
from typing import Any

import httpx
import pytest

from tests.gateway.harness import (
    Running,
    chat_answer,
    claude_answer,
    claude_stream,
    credential,
    event,
    serving,
)
from tests.gateway.wire import Heard, Script, Wire, answers, hangs, says, streams, upstream

NO_BACKOFF = {"max-backoff-secs": 0}
OK = answers(claude_answer())


def refusal(status: int, kind: str, message: str = "no", **headers: str) -> Script:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "r"}
    return answers(body, status, headers)


LIMIT = refusal(429, "rate_limit_error", "slow down")
BROKEN = refusal(500, "api_error", "oh dear")


def run(
    scripts: list[Script],
    names: str = "ab",
    asks: int = 1,
    stream: bool = False,
    settings: dict[str, Any] | None = None,
) -> tuple[list[httpx.Response], Wire]:
    """Ask a gateway with Claude credentials of these names, all at one upstream."""

    async def main() -> tuple[list[httpx.Response], Wire]:
        async with upstream(*scripts) as wire:
            rows = [credential("claude", wire.url, name) for name in names]
            given = {"credentials": rows, "retry": NO_BACKOFF, **(settings or {})}
            async with serving(given) as gw:
                return [await gw.claude(stream=stream) for _ in range(asks)], wire

    return asyncio.run(main())


def keys(wire: Wire) -> str:
    """The credentials that were used, in order."""
    return "".join(heard.headers["x-api-key"].removeprefix("key-") for heard in wire.heard)


# -- who is asked next


@pytest.mark.parametrize(
    "first",
    [
        LIMIT,
        BROKEN,
        refusal(529, "overloaded_error"),
        refusal(401, "authentication_error"),
        refusal(403, "permission_error"),
        refusal(400, "invalid_request_error", "Your credit balance is too low"),
        refusal(408, "timeout_error"),
        refusal(302, "api_error"),
        answers({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}),
        answers(None, raw=b"<html>not json</html>"),
        answers(None, raw=b"[]"),
        says(b"garbage\r\n\r\n"),
    ],
    ids="429 500 529 401 403 credit 408 redirect error-in-200 html list garbage".split(),
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_next_credential_answers(first: Script, stream: bool) -> None:
    good = streams(*claude_stream("hello")) if stream else OK
    (answer,), wire = run([first, good], stream=stream)
    assert answer.status_code == 200
    assert "hello" in answer.text
    assert keys(wire).endswith("b")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_trap_11_a_clients_mistake_is_told_at_once(status: int, kind: str, stream: bool) -> None:
    (answer,), wire = run([refusal(status, kind, "messages.1.role: wrong")], stream=stream)
    assert answer.status_code == status
    assert answer.json()["error"]["message"] == "messages.1.role: wrong"
    assert len(wire.heard) == 1


def test_a_credential_is_used_once_a_request_and_the_last_error_is_told() -> None:
    (answer,), wire = run([BROKEN, BROKEN, LIMIT], "abc")
    assert sorted(keys(wire)) == ["a", "b", "c"]
    assert answer.status_code == 429
    assert answer.json()["error"] == {"type": "rate_limit_error", "message": "slow down"}
    assert answer.headers["x-should-retry"] == "false"


def test_no_more_calls_are_made_than_allowed() -> None:
    retry = {**NO_BACKOFF, "max-retries": 1}
    _, wire = run([BROKEN], "abc", settings={"retry": retry})
    assert len(wire.heard) == 2


def test_a_stream_has_its_own_limit() -> None:
    _, wire = run([BROKEN], "abc", stream=True)
    assert len(wire.heard) == 2
    more = {"streaming": {"bootstrap-retries": 2}}
    _, wire = run([BROKEN], "abc", stream=True, settings=more)
    assert len(wire.heard) == 3


def test_trap_10_with_one_credential_there_is_nothing_to_wait_for() -> None:
    retry = {"max-backoff-secs": 1000, "budget-secs": 10_000}
    (answer,), wire = run([BROKEN], "a", settings={"retry": retry})
    assert answer.status_code == 500
    assert len(wire.heard) == 1


def test_the_budget_ends_the_attempts() -> None:
    _, wire = run([BROKEN], "abc", settings={"retry": {**NO_BACKOFF, "budget-secs": 0}})
    assert len(wire.heard) == 1


def test_a_connection_closed_under_the_request_is_tried_again_with_the_same_credential() -> None:
    (answer,), wire = run([says(b""), OK], "a")
    assert answer.status_code == 200
    assert keys(wire) == "aa"


def test_round_robin_takes_turns_by_weight() -> None:
    _, wire = run([OK], "abc", asks=6)
    assert keys(wire) == "abcabc"


def test_fill_first_stays_with_the_first() -> None:
    _, wire = run([OK], "abc", asks=3, settings={"routing": {"strategy": "fill-first"}})
    assert keys(wire) == "aaa"


def test_a_fallback_model_is_asked_when_the_first_has_failed() -> None:
    async def main() -> None:
        async with upstream(BROKEN, OK) as wire:
            rows = [credential("claude", wire.url, name, models=[{"id": name}]) for name in "mn"]
            fallbacks = {"m": ["n"]}
            async with serving({"credentials": rows, "routing": {"fallbacks": fallbacks}}) as gw:
                assert (await gw.claude()).status_code == 200
                assert [heard.document["model"] for heard in wire.heard] == ["m", "n"]

    asyncio.run(main())


def test_trap_07_providers_are_asked_in_the_order_of_the_configuration() -> None:
    async def main() -> None:
        async with upstream(BROKEN) as one, upstream(answers(chat_answer())) as two:
            rows = [credential("claude", one.url), credential("openai", two.url)]
            async with serving({"credentials": rows}) as gw:
                assert (await gw.claude()).status_code == 200
            assert (len(one.heard), len(two.heard)) == (1, 1)
            async with serving({"credentials": rows[::-1]}) as gw:
                assert (await gw.claude()).status_code == 200
            assert (len(one.heard), len(two.heard)) == (1, 2)

    asyncio.run(main())


def test_what_holds_for_one_credential_is_a_provider_that_extends_the_others() -> None:
    providers = {"mistral-old": {"extends": "mistral", "quirks": {"drop": ["temperature"]}}}

    async def main() -> list[set[str]]:
        async with upstream(answers(chat_answer())) as wire:
            rows = [
                credential("mistral", wire.url, models=[{"id": "a"}]),
                credential("mistral-old", wire.url, models=[{"id": "b"}]),
            ]
            async with serving({"credentials": rows, "providers": providers}) as gw:
                for model in "ab":
                    assert (await gw.chat(model=model, seed=7, temperature=1)).status_code == 200
            return [set(each.document) - {"messages", "model"} for each in wire.heard]

    assert asyncio.run(main()) == [{"random_seed", "temperature"}, {"random_seed"}]


def test_a_route_may_refuse_losses_and_the_reason_names_the_field() -> None:
    routes = [
        {"match": {"model": "strict-*"}, "options": {"on-loss": "reject"}},
        {"match": {"model": "*"}, "options": {"on-loss": "report"}},
    ]

    async def main() -> None:
        async with (
            upstream(answers(chat_answer())) as wire,
            serving({"credentials": [credential("openai", wire.url)], "routes": routes}) as gw,
        ):
            refused = await gw.claude(model="strict-m", unheard_of=1)
            assert refused.status_code == 400
            assert "unheard_of" in refused.json()["error"]["message"]
            assert (await gw.claude(model="m", unheard_of=1)).status_code == 200
            assert len(wire.heard) == 1

    asyncio.run(main())


# -- what rests


def test_a_failed_credential_rests() -> None:
    _, wire = run([LIMIT, OK], "ab", asks=4)
    assert keys(wire) == "abbbb"


def test_trap_09_when_all_rest_for_a_rate_limit_the_answer_is_429_with_a_wait() -> None:
    (_, answer), wire = run([LIMIT], "a", asks=2)
    assert answer.status_code == 429
    assert 50 <= int(answer.headers["retry-after"]) <= 61
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert len(wire.heard) == 1


def test_when_all_rest_for_another_reason_the_gateway_is_overloaded() -> None:
    (_, answer), wire = run([refusal(401, "authentication_error")], "a", asks=2)
    assert answer.status_code == 529
    assert answer.json()["error"]["type"] == "overloaded_error"
    assert int(answer.headers["retry-after"]) > 250
    assert len(wire.heard) == 1


@pytest.mark.parametrize(
    ("said", "told"),
    [(204, 502), (304, 502), (418, 418), (499, 499), (599, 599), (600, 502), (999, 502)],
)
def test_any_status_of_an_upstream_is_an_answer(said: int, told: int) -> None:
    odd = says(f"HTTP/1.1 {said} X\r\ncontent-length: 0\r\n\r\n".encode())
    (answer,), _ = run([odd], "a")
    assert answer.status_code == told
    assert answer.json()["error"]["message"]


def test_an_error_without_an_id_of_its_own_bears_that_of_the_request() -> None:
    (answer,), _ = run([answers({"type": "error", "error": {"message": "no"}}, 400)], "a")
    assert answer.json()["request_id"] == answer.headers["request-id"]
    (answer,), _ = run([refusal(400, "invalid_request_error")], "a")
    assert answer.json()["request_id"] == "r"


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_upstreams_retry_after_is_kept_and_obeyed_in_both_forms(form: str) -> None:
    said = "600" if form == "seconds" else email.utils.formatdate(time.time() + 600, usegmt=True)
    limit = refusal(429, "rate_limit_error", "slow down", **{"retry-after": said})
    (told, resting), _ = run([limit], "a", asks=2)
    for answer in (told, resting):
        assert 590 <= int(answer.headers["retry-after"]) <= 601


def test_a_retry_after_of_days_is_bounded() -> None:
    limit = refusal(429, "rate_limit_error", "slow down", **{"retry-after": "999999"})
    (_, resting), _ = run([limit], "a", asks=2)
    assert int(resting.headers["retry-after"]) <= 3601


@pytest.mark.parametrize(
    ("said", "told", "rests"),
    [
        ("-1", 0, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, None),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 86400, 3600),
        ("1e999", None, 60),
        ("nan", None, 60),
        ("Wed, 99 Nonsense", None, 60),
        ("0x10", None, 60),
    ],
)
def test_a_wait_that_means_nothing_is_none(said: str, told: int | None, rests: int | None) -> None:
    limit = refusal(429, "rate_limit_error", "slow down", **{"retry-after": said})
    (first, second), wire = run([limit], "a", asks=2)
    assert first.headers.get("retry-after") == (None if told is None else str(told))
    assert len(wire.heard) == (2 if rests is None else 1)
    if rests is not None:
        assert rests - 5 <= int(second.headers["retry-after"]) <= rests + 1


def test_a_wait_in_the_body_is_bounded_too() -> None:
    hint = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "999999999s"}
    error = {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED", "details": [hint]}

    async def main() -> httpx.Response:
        async with upstream(answers({"error": error}, 429)) as wire:
            async with serving({"credentials": [credential("gemini", wire.url)]}) as gw:
                return await gw.claude()

    assert asyncio.run(main()).headers["retry-after"] == "86400"


def test_a_rate_limit_rests_one_model_and_a_refused_key_all_of_them() -> None:
    async def main(first: Script) -> int:
        async with (
            upstream(first, OK) as wire,
            serving({"credentials": [credential("claude", wire.url)]}) as gw,
        ):
            await gw.claude(model="one")
            return (await gw.claude(model="two")).status_code

    assert asyncio.run(main(LIMIT)) == 200
    assert asyncio.run(main(refusal(401, "authentication_error"))) == 529


# -- what the client is told


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_upstream_key_is_never_told_as_the_clients(status: int) -> None:
    told = refusal(status, "authentication_error", "invalid x-api-key: key-a")
    (answer,), _ = run([told], "a")
    assert answer.status_code == 529
    assert "key-a" not in answer.text
    assert "no usable credential for m" in answer.json()["error"]["message"]


def test_a_key_that_the_upstream_quotes_is_redacted() -> None:
    (answer,), _ = run([refusal(400, "invalid_request_error", "bad key-a here")], "a")
    assert answer.json()["error"]["message"] == "bad [redacted] here"


def test_a_silent_upstream_is_a_timeout() -> None:
    quick = {"timeouts": {"first-event-secs": 0.1}}
    for stream in (False, True):
        (answer,), _ = run([hangs()], "a", stream=stream, settings=quick)
        assert answer.status_code == 504
        assert answer.json()["error"]["type"] == "timeout_error"


def test_nobody_listening_is_told_without_the_address() -> None:
    async def main() -> None:
        async with upstream(OK) as wire:
            url = wire.url
        async with serving({"credentials": [credential("claude", url)]}) as gw:
            answer = await gw.claude()
            assert answer.status_code == 502
            assert "127.0.0.1" not in answer.text

    asyncio.run(main())


def test_an_answer_larger_than_allowed_is_the_upstreams_failure() -> None:
    huge = answers(claude_answer("x" * 20_000))
    (answer,), _ = run([huge], "a", settings={"max-answer-mb": 0.01})
    assert answer.status_code == 502


# -- streams


def streamed(script: Script, **settings: Any) -> tuple[httpx.Response, Wire]:
    (answer,), wire = run([script], "a", stream=True, settings=settings)
    return answer, wire


def last_event(answer: httpx.Response) -> str:
    return answer.text.strip().split("\n\n")[-1]


@pytest.mark.parametrize(
    "script",
    [
        streams(*claude_stream("hello")[:3], cut=True),
        streams(*claude_stream("hello")[:3]),
        streams(*claude_stream("hello")[:3], b"data: {broken\n\n"),
        streams(*claude_stream("hello")[:3], b'event: content_block_delta\ndata: {"ty'),
    ],
    ids=["reset", "truncated", "garbage", "cut-event"],
)
def test_a_stream_that_breaks_ends_with_the_formats_own_error(script: Script) -> None:
    answer, wire = streamed(script)
    assert answer.status_code == 200
    assert "hello" in answer.text
    assert last_event(answer).startswith("event: error\ndata: {")
    assert len(wire.heard) == 1  # never tried again after bytes went out


def test_an_upstream_that_falls_silent_ends_the_stream_with_an_error() -> None:
    answer, _ = streamed(
        streams(*claude_stream("hello")[:3], hang=True), timeouts={"idle-secs": 0.1}
    )
    assert last_event(answer).startswith("event: error\ndata: {")


def test_an_error_as_the_first_event_keeps_its_status_and_may_be_tried_elsewhere() -> None:
    overloaded = streams(event("error", error={"type": "overloaded_error", "message": "busy"}))
    answer, _ = streamed(overloaded)
    assert answer.status_code == 529
    assert answer.json()["error"]["message"] == "busy"
    (second,), wire = run([overloaded, streams(*claude_stream("hello"))], stream=True)
    assert "hello" in second.text
    assert keys(wire) == "ab"


def test_an_empty_stream_is_a_failure_with_a_status() -> None:
    answer, _ = streamed(streams())
    assert answer.status_code == 502


def test_a_long_wait_is_bridged_and_an_error_then_comes_inside_the_stream() -> None:
    async def late(heard: Heard, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        await BROKEN(heard, writer)

    answer, _ = streamed(late, streaming={"keepalive-seconds": 0.05})
    assert answer.status_code == 200
    assert answer.text.startswith('event: ping\ndata: {"type": "ping"}\n\n')
    assert last_event(answer).startswith("event: error\ndata: {")
    assert "oh dear" in last_event(answer)


def test_after_a_keepalive_another_credential_may_still_answer() -> None:
    async def late(heard: Heard, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        await BROKEN(heard, writer)

    keepalive = {"streaming": {"keepalive-seconds": 0.05}}
    scripts = [late, streams(*claude_stream("hello"))]
    (answer,), wire = run(scripts, stream=True, settings=keepalive)
    assert "hello" in answer.text
    assert "event: error" not in answer.text
    assert keys(wire) == "ab"


def test_silence_in_the_middle_is_bridged_between_events() -> None:
    pieces = claude_stream("one", "two")
    slow = streams(*pieces, pause=0.12)
    answer, _ = streamed(slow, streaming={"keepalive-seconds": 0.05})
    assert "event: ping" in answer.text
    events = [e for e in answer.text.strip().split("\n\n") if not e.startswith("event: ping")]
    assert "\n\n".join(events) + "\n\n" == b"".join(pieces).decode()


def test_a_long_answer_that_is_not_streamed_can_be_kept_alive() -> None:
    async def late(heard: Heard, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.25)
        await OK(heard, writer)

    (answer,), _ = run([late], "a", settings={"non-stream-keepalive-secs": 0.05})
    assert answer.status_code == 200
    assert answer.text.startswith("  ")
    assert answer.json() == claude_answer()


def test_a_client_that_leaves_cancels_the_upstream_at_once() -> None:
    async def leave(gw: Running, wire: Wire) -> None:
        body = {"model": "m", "max_tokens": 9, "messages": [], "stream": True}
        async with gw.http.stream("POST", "/v1/messages", json=body) as answer:
            async for _ in answer.aiter_bytes():
                break
        await asyncio.wait_for(wire.left.wait(), 5)

    async def main() -> None:
        async with (
            upstream(streams(*claude_stream("hello")[:3], hang=True)) as wire,
            serving({"credentials": [credential("claude", wire.url)]}) as gw,
        ):
            await leave(gw, wire)

    asyncio.run(main())


def test_a_client_that_leaves_before_the_answer_cancels_the_upstream_too() -> None:
    async def main() -> None:
        async with (
            upstream(hangs()) as wire,
            serving({"credentials": [credential("claude", wire.url)]}) as gw,
        ):
            with pytest.raises(httpx.ReadTimeout):
                await gw.http.post("/v1/messages", json={"model": "m", "messages": []}, timeout=0.2)
            await asyncio.wait_for(wire.left.wait(), 5)

    asyncio.run(main())


def test_trap_14_connections_to_the_upstream_are_used_again() -> None:
    _, wire = run([OK], "a", asks=3)
    assert wire.connections == 1
    _, wire = run([streams(*claude_stream("hello"))], "a", asks=3, stream=True)
    assert wire.connections == 1
