"""Recorded answers, replayed byte for byte: what a vendor's own SDK reads without the gateway is
what every SDK reads through it, from an upstream of its own format or of another."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anthropic
import openai
import pytest

from tests.sdk.conftest import Spare
from tests.support.clients import (
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

# Where the vendor's SDK is no judge.
UNREADABLE = {
    "ai-fixtures-anthropic-tool-search-deferred-bm25-stream": "three answers in one stream",
    "ai-fixtures-cererebras-structured-output-tools-1-stream": "two calls under one index",
    "anthropic-sdk-python-fixtures-incomplete-partial-json-response-stream": "arguments cut off",
    "chatlas-test-provider-cloudflare-test-cloudflare-data-extraction-2": "content is an object",
    "openllmetry-test-azure-test-chat-content-filtering-1": "a choice without a message",
    "openllmetry-test-chat-parse-test-parsed-refused-completion-1": "a refusal that says stop",
    "pydantic-ai-test-anthropic-test-anthropic-compaction-end-to-end-1": "counts in iterations",
    "ruby-llm-vcr-cassettes-chat-web-search-with-openrouter-openai-gpt-5-2-searches-transparently-"
    "returni-5fdc91-1": "thinking in reasoning_details only",
}
# Sends calls without name or arguments beside its text; the gateway leaves them out.
EMPTY_CALLS = "snowflake"
# Streams that break off, or carry an error after a status of 200.
BROKEN = {"error", "truncated-stream", "cut-mid-event"}
NO_FINISH = "pydantic-ai-test-snowflake-test-snowflake-model-streaming-1"


def generated(row: Row) -> bool:
    """Whether the row is a model's answer in one of the formats."""
    return row.format in FORMATS and row.status == 200 and "count-tokens" not in row.tags


def broken(row: Row) -> bool:
    return bool(BROKEN & row.tags) or row.id == NO_FINISH


def whole(row: Row) -> bool:
    odd = row.id in UNREADABLE or row.provider == EMPTY_CALLS
    return generated(row) and not broken(row) and not odd


@pytest.fixture(scope="module")
def sdks() -> Iterator[dict[str, Any]]:
    """The clients, made once: setting one up costs more than a call."""
    with openai_client("http://nowhere") as chat, anthropic_client("http://nowhere") as claude:
        yield {"openai": chat, "anthropic": claude}


def heard(client: Any, url: str, model: str, stream: bool) -> Reply:
    """What the SDK reads of the answer to a plain question."""
    question: Any = {"model": model, "messages": [{"role": "user", "content": "Tell me."}]}
    if isinstance(client, openai.OpenAI):
        completions = client.with_options(base_url=f"{url}/v1").chat.completions
        if not stream:
            return of_completion(completions.create(**question))
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        return of_chunks(completions.create(**question, **options))
    messages = client.with_options(base_url=url).messages
    if not stream:
        return of_message(messages.create(**question, max_tokens=99))
    with messages.stream(**question, max_tokens=99) as events:
        return of_message(events.get_final_message())


def plain(reply: Reply, recorded: Reply) -> Reply:
    """Without the blank space between thinking blocks, which no format keeps, and without counts
    that the vendor's SDK did not find, or that do not add up: a part is never more than its sum."""
    reply = replace(reply, thinking=re.sub(r"\s", "", reply.thinking))
    if not recorded.input and not recorded.output:
        return replace(reply, input=0, output=0, cached=0)
    if not 0 < recorded.cached <= recorded.input:
        return replace(reply, cached=0)
    return reply


@pytest.mark.parametrize("row", chosen(whole))
def test_every_sdk_reads_what_was_recorded(
    row: Row, gateway: Gateway, upstream: Upstream, sdks: dict[str, Any]
) -> None:
    upstream.answers(read(row).answer)
    own = sdks["openai" if row.format == "openai-chat" else "anthropic"]
    recorded = heard(own, upstream.url, "any", row.stream)
    for name, client in sdks.items():
        through = heard(client, gateway.url, f"{row.format}/any", row.stream)
        assert plain(through, recorded) == plain(recorded, recorded), name


@pytest.mark.parametrize("row", chosen(lambda row: generated(row) and broken(row)))
def test_a_recorded_stream_that_breaks_raises_in_every_sdk(
    row: Row, gateway: Gateway, upstream: Upstream, sdks: dict[str, Any]
) -> None:
    upstream.answers(read(row).answer)
    for client in sdks.values():
        with pytest.raises((openai.APIError, anthropic.APIError)):
            heard(client, gateway.url, f"{row.format}/any", row.stream)


# A 400 may tell of a key and a 429 of a quota; these statuses mean the same everywhere.
PLAIN = {404, 413, 422}


@pytest.mark.parametrize("row", chosen(lambda row: row.format in FORMATS and row.status >= 400))
def test_a_recorded_refusal_is_an_exception_of_every_sdk(
    row: Row, gateway: Gateway, upstream: Upstream, spare: Spare, sdks: dict[str, Any]
) -> None:
    upstream.answers(read(row).answer)
    for client in sdks.values():
        own = openai if isinstance(client, openai.OpenAI) else anthropic
        refused: type[Any] = own.APIStatusError
        with pytest.raises(refused) as caught:
            heard(client, gateway.url, spare(row.format), row.stream)
        error: Any = caught.value
        assert error.status_code >= 400
        assert error.message
        if row.status in PLAIN:
            assert error.status_code == row.status
        if row.status in {401, 402, 403}:
            assert error.status_code not in {401, 402, 403}


@pytest.mark.parametrize("row", chosen(lambda row: whole(row) and "response-only" not in row.tags))
def test_a_recorded_request_reaches_an_upstream_of_its_format_unchanged(
    row: Row, gateway: Gateway, upstream: Upstream, sdks: dict[str, Any]
) -> None:
    recording = read(row)
    assert recording.request is not None
    upstream.answers(recording.answer)
    model = recording.request.get("model", "any")
    body = {**recording.request, "model": f"{row.format}/{model}"}
    options: dict[str, Any] = {"extra_body": body, "messages": [], "model": "any"}
    if row.format == "openai-chat":
        ask = sdks["openai"].with_options(base_url=f"{gateway.url}/v1").chat.completions
    else:
        ask = sdks["anthropic"].with_options(base_url=gateway.url).messages
        options["max_tokens"] = 1
    answer = ask.create(**options, stream=row.stream)
    if row.stream:
        list(answer)
    (sent,) = upstream.received
    # `models` is the gateway's own: models to try in turn
    asked_for_us = {"models"}
    if row.format == "openai-chat" and row.stream:
        asked_for_us |= {"stream_options"}
    assert without(sent.document, asked_for_us) == without(
        {**recording.request, "model": model}, asked_for_us
    )


def without(body: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    """The body less the keys; `stream: false` is what its absence says."""
    kept = {key: value for key, value in body.items() if key not in keys}
    return kept if kept.get("stream") else {**kept, "stream": False}
