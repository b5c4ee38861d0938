"""Failures arrive as the SDKs' own exceptions, with the upstream's words."""

from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from tests.sdk.conftest import Spare
from tests.support.cases import sdk, sdk_answer
from tests.support.clients import CLIENTS, Client, anthropic_client, openai_client
from tests.support.gateway import Gateway
from tests.support.upstream import Answer, Upstream, document, stream

clients = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
targets = pytest.mark.parametrize("target", ["openai-chat", "claude"])
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@dataclass(frozen=True)
class Failure:
    """An upstream's refusal, as a status and `type` (and chat `code`) in each of the formats, and
    the exception and status that the users of each SDK know for it."""

    name: str
    chat: tuple[int, str, str | None]
    claude: tuple[int, str]
    openai: tuple[type[openai.APIStatusError], int]
    anthropic: tuple[type[anthropic.APIStatusError], int]
    headers: dict[str, str]

    def answer(self, format: str) -> Answer:
        if format == "openai-chat":
            status, type, code = self.chat
            error = {"message": WORDS, "type": type, "param": None, "code": code}
            return document({"error": error}, status, self.headers)
        status, type = self.claude
        error = {"type": type, "message": WORDS}
        body = {"type": "error", "error": error, "request_id": "req_rail7"}
        return document(body, status, self.headers)


WORDS = "The points at Mechelen are frozen."
FAILURES = [
    Failure(
        "bad-request",
        (400, "invalid_request_error", None),
        (400, "invalid_request_error"),
        (openai.BadRequestError, 400),
        (anthropic.BadRequestError, 400),
        {},
    ),
    Failure(
        "not-found",
        (404, "invalid_request_error", "model_not_found"),
        (404, "not_found_error"),
        (openai.NotFoundError, 404),
        (anthropic.NotFoundError, 404),
        {},
    ),
    Failure(
        "rate-limit",
        (429, "rate_limit_error", "rate_limit_exceeded"),
        (429, "rate_limit_error"),
        (openai.RateLimitError, 429),
        (anthropic.RateLimitError, 429),
        {"retry-after": "7"},
    ),
    Failure(
        "overloaded",
        (503, "server_error", "overloaded"),
        (529, "overloaded_error"),
        (openai.InternalServerError, 503),
        (anthropic.OverloadedError, 529),
        {},
    ),
    Failure(
        "server-error",
        (500, "server_error", None),
        (500, "api_error"),
        (openai.InternalServerError, 500),
        (anthropic.InternalServerError, 500),
        {},
    ),
]
failures = pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)


def question(client: Client, model: str) -> dict[str, Any]:
    return {"model": model, **sdk(f"{client.format}/request")}


def fails(client: Client, url: str, body: dict[str, Any], streamed: bool) -> Any:
    """The exception that the SDK raises for the request."""
    with pytest.raises((openai.APIError, anthropic.APIError)) as caught:
        client.ask(url, body, streamed)
    return caught.value


@failures
@clients
@targets
@streamed
def test_an_upstreams_refusal_is_the_sdks_own_exception(
    failure: Failure,
    client: Client,
    target: str,
    streamed: bool,
    gateway: Gateway,
    upstream: Upstream,
    spare: Spare,
) -> None:
    upstream.answers(failure.answer(target))
    error = fails(client, gateway.url, question(client, spare(target)), streamed)
    wanted = failure.openai if client.format == "openai-chat" else failure.anthropic
    assert (type(error), error.status_code) == wanted
    assert WORDS in error.message
    assert error.response.headers.get("retry-after") == failure.headers.get("retry-after")


@clients
@targets
@streamed
def test_a_refused_upstream_key_is_never_told_as_the_clients(
    client: Client,
    target: str,
    streamed: bool,
    gateway: Gateway,
    upstream: Upstream,
    spare: Spare,
) -> None:
    error = {"type": "authentication_error", "message": "invalid key", "code": "invalid_api_key"}
    upstream.answers(document({"type": "error", "error": error}, 401))
    model = spare(target)
    told = fails(client, gateway.url, question(client, model), streamed)
    assert told.status_code in (503, 529)
    assert f"upstream-key-{model}" not in str(told)


def test_a_wrong_key_is_the_openai_sdks_authentication_error(gateway: Gateway) -> None:
    with openai_client(gateway.url, "wrong-key") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="rail-claude", messages=[])
    assert caught.value.code == "invalid_api_key"
    assert "wrong-key" not in str(caught.value)


def test_a_wrong_key_is_the_anthropic_sdks_authentication_error(gateway: Gateway) -> None:
    with anthropic_client(gateway.url, "wrong-key") as client:
        with pytest.raises(anthropic.AuthenticationError) as caught:
            client.messages.create(model="rail-claude", max_tokens=9, messages=[])
    assert "wrong-key" not in str(caught.value)


@clients
@streamed
def test_an_unknown_model_is_not_found_and_named(
    client: Client, streamed: bool, gateway: Gateway
) -> None:
    error = fails(client, gateway.url, question(client, "no-such-model"), streamed)
    assert isinstance(error, openai.NotFoundError | anthropic.NotFoundError)
    assert "no-such-model" in error.message


@clients
@streamed
def test_a_result_without_its_call_is_a_bad_request_that_names_the_field(
    client: Client, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    # In the same format bytes pass through, and the upstream is the judge.
    target = "claude" if client.format == "openai-chat" else "openai-chat"
    upstream.answers(sdk_answer(target, "final", streamed))
    result: dict[str, Any] = {"role": "tool", "tool_call_id": "call_lost", "content": "18:42"}
    field = "messages[2].tool_call_id"
    if client.format == "claude":
        block = {"type": "tool_result", "tool_use_id": "call_lost", "content": "18:42"}
        result = {"role": "user", "content": [block]}
        field = "messages[1].content[0].tool_use_id"
    body = question(client, f"rail-{target}")
    body["messages"].append(result)
    error = fails(client, gateway.url, body, streamed)
    assert isinstance(error, openai.BadRequestError | anthropic.BadRequestError)
    assert field in error.message
    assert upstream.received == []


@clients
@targets
@pytest.mark.parametrize("name", ["broken", "truncated"])
def test_a_failure_in_mid_stream_raises(
    name: str, client: Client, target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(sdk_answer(target, name, streamed=True))
    error = fails(client, gateway.url, question(client, spare(target)), streamed=True)
    if name == "broken":
        assert "No engine is free at the moment." in error.message


@clients
def test_a_stream_that_says_it_is_over_without_any_finish_raises(
    client: Client, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(sdk_answer("openai-chat", "unfinished", streamed=True))
    fails(client, gateway.url, question(client, spare("openai-chat")), streamed=True)


@clients
@targets
def test_a_connection_lost_in_mid_stream_raises(
    client: Client, target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    whole = sdk_answer(target, "answer", streamed=True).body
    upstream.answers(stream(whole[: len(whole) // 2], cut=True))
    fails(client, gateway.url, question(client, spare(target)), streamed=True)


def test_what_came_before_a_failure_in_mid_stream_reaches_plain_readers(
    gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    upstream.answers(sdk_answer("claude", "broken", streamed=True))
    text = ""
    with openai_client(gateway.url) as client, pytest.raises(openai.APIError):
        body = question(CLIENTS["openai"], spare("claude"))
        for chunk in client.chat.completions.create(**body, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert text == sdk("expected")["answer"]["text"]

    upstream.answers(sdk_answer("openai-chat", "broken", streamed=True))
    text = ""
    with anthropic_client(gateway.url) as other, pytest.raises(anthropic.APIStatusError):
        body = question(CLIENTS["anthropic"], spare("openai-chat"))
        for event in other.messages.create(**body, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
    assert text == sdk("expected")["answer"]["text"]


@clients
@targets
def test_an_error_as_the_first_event_keeps_its_status(
    client: Client, target: str, gateway: Gateway, upstream: Upstream, spare: Spare
) -> None:
    whole = sdk_answer(target, "broken", streamed=True).body
    start = whole.index(b'data: {"error"' if target == "openai-chat" else b"event: error")
    upstream.answers(stream(whole[start:]))
    error = fails(client, gateway.url, question(client, spare(target)), streamed=True)
    assert error.status_code == (503 if client.format == "openai-chat" else 529)
    assert "No engine is free at the moment." in error.message
