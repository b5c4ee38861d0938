"""Recorded answers, replayed byte for byte: what a vendor's own SDK reads without the gateway is
what every SDK reads through it, from an upstream of its own format or of another."""

import re
from dataclasses import replace
from typing import Any

import anthropic
import openai
import pytest

from tests.sdk.conftest import Spare
from tests.support.clients import (
    CLIENTS,
    Reply,
    anthropic_client,
    of_chunks,
    of_completion,
    of_message,
    openai_client,
)
from tests.support.gateway import Gateway
from tests.support.recordings import Row, chosen, read
from tests.support.upstream import Upstream

FORMATS = {"openai-chat", "claude"}

# What the vendor's SDK cannot read either, so that there is nothing to compare with.
UNREADABLE = {
    "ai-fixtures-cererebras-structured-output-tools-1-stream": "two calls under one index",
    "chatlas-test-provider-cloudflare-test-cloudflare-data-extraction-2": "content is an object",
    "openllmetry-test-azure-test-chat-content-filtering-1": "a choice without a message",
}
# Streams that break off, or carry an error after a status of 200.
BROKEN = {"error", "truncated-stream", "cut-mid-event"}
NO_FINISH = "pydantic-ai-test-snowflake-test-snowflake-model-streaming-1"


def generated(row: Row) -> bool:
    """Whether the row is a model's answer in one of the formats."""
    return row.format in FORMATS and row.status == 200 and "count-tokens" not in row.tags


def broken(row: Row) -> bool:
    return bool(BROKEN & row.tags) or row.id == NO_FINISH


def whole(row: Row) -> bool:
    return generated(row) and not broken(row) and row.id not in UNREADABLE


def heard(client: str, url: str, model: str, stream: bool) -> Reply:
    """What the SDK reads of the answer to a plain question."""
    messages: Any = [{"role": "user", "content": "Tell me."}]
    if client == "openai":
        with openai_client(url) as chat:
            if not stream:
                completion = chat.chat.completions.create(model=model, messages=messages)
                return of_completion(completion)
            chunks = chat.chat.completions.create(
                model=model, messages=messages, stream=True, stream_options={"include_usage": True}
            )
            return of_chunks(chunks)
    with anthropic_client(url) as claude:
        if not stream:
            message = claude.messages.create(model=model, messages=messages, max_tokens=99)
            return of_message(message)
        with claude.messages.stream(model=model, messages=messages, max_tokens=99) as events:
            return of_message(events.get_final_message())


def plain(reply: Reply) -> Reply:
    """Without the blank space between thinking blocks, which no format keeps."""
    return replace(reply, thinking=re.sub(r"\s", "", reply.thinking))


@pytest.mark.parametrize("row", chosen(whole))
def test_every_sdk_reads_what_was_recorded(row: Row, gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers(read(row).answer)
    own = "openai" if row.format == "openai-chat" else "anthropic"
    recorded = plain(heard(own, upstream.url, "any", row.stream))
    for client in ("openai", "anthropic"):
        read_there = plain(heard(client, gateway.url, f"{row.format}/any", row.stream))
        assert read_there == recorded, client


@pytest.mark.parametrize("row", chosen(lambda row: generated(row) and broken(row)))
def test_a_recorded_stream_that_breaks_raises_in_every_sdk(
    row: Row, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(read(row).answer)
    for client in ("openai", "anthropic"):
        with pytest.raises((openai.APIError, anthropic.APIError)):
            heard(client, gateway.url, f"{row.format}/any", row.stream)


# A 400 may tell of a key and a 429 of a quota; these statuses mean the same everywhere.
PLAIN = {404, 413, 422}


@pytest.mark.parametrize(
    "row", chosen(lambda row: row.format in FORMATS and row.status >= 400)
)
def test_a_recorded_refusal_is_an_exception_of_every_sdk(
    row: Row, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(read(row).answer)
    for client in ("openai", "anthropic"):
        refused: type[Any] = openai.APIStatusError
        if client == "anthropic":
            refused = anthropic.APIStatusError
        with pytest.raises(refused) as caught:
            heard(client, gateway.url, spare(row.format), row.stream)
        error: Any = caught.value
        assert error.status_code >= 400
        assert error.message
        if row.status in PLAIN:
            assert error.status_code == row.status
        if row.status in {401, 402, 403}:
            assert error.status_code not in {401, 402, 403}


@pytest.mark.parametrize(
    "row", chosen(lambda row: whole(row) and "response-only" not in row.tags)
)
def test_a_recorded_request_reaches_an_upstream_of_its_format_unchanged(
    row: Row, gateway: Gateway, upstream: Upstream
) -> None:
    recording = read(row)
    assert recording.request is not None
    upstream.answers(recording.answer)
    model = recording.request.get("model", "any")
    body = {**recording.request, "model": f"{row.format}/{model}"}
    client = CLIENTS["openai" if row.format == "openai-chat" else "anthropic"]
    options: dict[str, Any] = {"extra_body": body, "messages": [], "model": "any"}
    if client.format == "claude":
        options["max_tokens"] = 1
    with openai_client(gateway.url) as chat, anthropic_client(gateway.url) as claude:
        ask: Any = chat.chat.completions if client.format == "openai-chat" else claude.messages
        answer = ask.create(**options, stream=row.stream)
        if row.stream:
            list(answer)
    (sent,) = upstream.received
    asked_for_us = {"stream_options"} if row.format == "openai-chat" and row.stream else set()
    assert without(sent.document, asked_for_us) == without(
        {**recording.request, "model": model}, asked_for_us
    )


def without(body: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """The body less the keys; `stream: false` is what its absence says."""
    kept = {key: value for key, value in body.items() if key not in keys}
    return kept if kept.get("stream", True) else {**kept, "stream": False}
