"""The SDKs in front of an upstream that checks signatures and streams in binary messages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from tests.sdk import test_gemini as gemini
from tests.sdk import test_responses as responses
from tests.support.cases import CASES, sdk, sdk_reply
from tests.support.clients import ANTHROPIC, KEY, OPENAI, Client, Reply, openai_client
from tests.support.eventstream import encoded, exception
from tests.support.gateway import Gateway, serving
from tests.support.sigv4 import verified
from tests.support.upstream import Answer, Upstream, document

SPARE = 20
KEYS = {f"AKID{n}": "s3cret-0" for n in range(SPARE + 1)}
MODEL = "us.anthropic.claude-sonnet-4-6-v1:0"
LINES = (CASES / "sdk/bedrock-converse/answer.events").read_text("utf-8").splitlines()


@dataclass(frozen=True)
class Asker:
    """One SDK: how it asks, what it understood, and its next turn."""

    ask: Callable[[str, dict[str, Any], bool], Any]
    reply: Callable[[Any], Reply]
    question: Callable[[str], dict[str, Any]]
    second: Callable[[dict[str, Any], Any], dict[str, Any]]


def _of(client: Client) -> Asker:
    def second(body: dict[str, Any], first: Any) -> dict[str, Any]:
        history = client.history(first, sdk("expected")["results"])
        return {**body, "messages": [*body["messages"], *history]}

    def question(model: str) -> dict[str, Any]:
        return {"model": model, **sdk(f"{client.format}/request")}

    return Asker(client.ask, client.reply, question, second)


ASKERS = {
    "openai": _of(OPENAI),
    "anthropic": _of(ANTHROPIC),
    "openai responses": Asker(
        responses.ask, responses.of_response, responses.question, responses.second
    ),
    "google-genai": Asker(gemini.ask, gemini.of_chunks, gemini.question, gemini.second),
}
askers = pytest.mark.parametrize("asker", ASKERS.values(), ids=ASKERS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Serves model `signed` and `spare-N` with signatures, `keyed` with a bearer key."""

    def row(alias: str, **more: Any) -> dict[str, Any]:
        models = [{"id": MODEL, "alias": alias}]
        usual = {"provider": "bedrock", "name": alias, "base-url": upstream.url, "models": models}
        return {**usual, "region": "eu-north-1", **more}

    def signing(key_id: str) -> dict[str, str]:
        return {"key-id": key_id, "secret": KEYS[key_id], "token": "t0ken"}

    rows = [
        row("signed", signing=signing("AKID0")),
        *(row(f"spare-{n}", signing=signing(f"AKID{n}")) for n in range(1, SPARE + 1)),
        row("keyed", **{"api-key": "bedrock-api-key"}),
    ]
    configuration = {"api-keys": [KEY], "credentials": rows}
    with serving(configuration, tmp_path_factory.mktemp("gateway")) as running:
        yield running


def answer(streamed: bool, body: bytes | None = None, cut: bool = False) -> Answer:
    """What the service answers, in pieces that keep to no message's boundary."""
    if not streamed:
        return document(sdk("bedrock-converse/answer"))
    kind = {"content-type": "application/vnd.amazon.eventstream"}
    return Answer(encoded(LINES) if body is None else body, 200, kind, 61, cut)


def signed_by(upstream: Upstream) -> list[tuple[str, str, str] | None]:
    return [verified(r.method, r.path, r.headers, r.body, KEYS) for r in upstream.received]


@askers
@streamed
def test_signed_calls_reach_the_service_and_its_answer_the_sdk(
    asker: Asker, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(answer(streamed))
    found = asker.ask(gateway.url, asker.question("signed"), streamed)
    assert asker.reply(found) == sdk_reply("answer")
    assert signed_by(upstream) == [("AKID0", "eu-north-1", "bedrock")]
    (sent,) = upstream.received
    method = "converse-stream" if streamed else "converse"
    assert sent.path == f"/model/us.anthropic.claude-sonnet-4-6-v1%3A0/{method}"
    kind = "application/vnd.amazon.eventstream" if streamed else "application/json"
    assert sent.headers["accept"] == kind
    assert sent.headers["x-amz-security-token"] == "t0ken"


@askers
@streamed
def test_thinking_and_calls_go_back_as_they_came(
    asker: Asker, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(answer(streamed))
    body = asker.question("signed")
    first = asker.ask(gateway.url, body, streamed)
    upstream.answers(answer(streamed))
    asker.ask(gateway.url, asker.second(body, first), streamed)
    (sent,) = upstream.received
    assert signed_by(upstream) == [("AKID0", "eu-north-1", "bedrock")]
    turns = sent.document["messages"]
    said = sdk("bedrock-converse/answer")["output"]["message"]["content"]
    if asker is ASKERS["openai"]:
        # Thinking has no official place there; its users send back what the SDK's own type has.
        said = [block for block in said if "reasoningContent" not in block]
        turns[1]["content"] = [b for b in turns[1]["content"] if "reasoningContent" not in b]
    assert turns[1]["role"] == "assistant"
    assert _joined(turns[1]["content"]) == said
    results = [block["toolResult"] for block in turns[2]["content"]]
    assert [result["toolUseId"] for result in results] == ["tooluse_rail0", "tooluse_rail1"]


def _joined(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks with neighbouring texts as one: some SDKs give a streamed text back in pieces."""
    found: list[dict[str, Any]] = []
    for block in blocks:
        if "text" in block and found and "text" in found[-1]:
            found[-1] = {"text": found[-1]["text"] + block["text"]}
        else:
            found.append(block)
    return found


@streamed
def test_a_key_needs_no_signature(streamed: bool, gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers(answer(streamed))
    asker = ASKERS["openai"]
    found = asker.ask(gateway.url, asker.question("keyed"), streamed)
    assert asker.reply(found) == sdk_reply("answer")
    (sent,) = upstream.received
    assert sent.headers["authorization"] == "Bearer bedrock-api-key"
    assert "x-amz-date" not in sent.headers


def _spares() -> Iterator[str]:
    # A failure cools a credential down: each takes one that has never failed.
    return (f"spare-{n}" for n in range(1, SPARE + 1))


NAMES = _spares()
REFUSED = {
    "ValidationException": (400, openai.BadRequestError),
    "ResourceNotFoundException": (404, openai.NotFoundError),
    "ThrottlingException": (429, openai.RateLimitError),
    "InternalServerException": (500, openai.InternalServerError),
    "ModelErrorException": (424, openai.InternalServerError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_of_the_service_is_what_the_sdk_knows(
    name: str, gateway: Gateway, upstream: Upstream
) -> None:
    status, kind = REFUSED[name]
    headers = {"x-amzn-errortype": f"{name}:http://internal.example/", "x-amzn-requestid": "r-7"}
    upstream.answers(document({"message": "The points are frozen."}, status, headers))
    with pytest.raises(kind, match="The points are frozen") as caught:
        OPENAI.ask(gateway.url, ASKERS["openai"].question(next(NAMES)), False)
    assert isinstance(caught.value, openai.APIStatusError)


def _events(gateway: Gateway) -> list[Any]:
    body = {**ASKERS["openai"].question(next(NAMES)), "stream": True}
    with openai_client(gateway.url) as client:
        return list(client.chat.completions.create(**body))


def test_an_exception_in_mid_stream_ends_it_with_an_error(
    gateway: Gateway, upstream: Upstream
) -> None:
    broken = encoded(LINES[:6]) + exception("modelStreamErrorException", {"message": "It broke."})
    upstream.answers(answer(True, broken))
    with pytest.raises(openai.APIError, match=r"It broke\."):
        _events(gateway)


def test_an_exception_as_the_first_event_is_a_refusal(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers(answer(True, exception("throttlingException", {"message": "Too many."})))
    with pytest.raises(openai.RateLimitError, match="Too many"):
        _events(gateway)


@pytest.mark.parametrize("cut", [False, True], ids=["ended", "cut"])
def test_a_stream_that_ends_in_a_message_is_an_error(
    cut: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(answer(True, encoded(LINES)[:900], cut))
    with pytest.raises(openai.APIError):
        _events(gateway)


def test_bytes_that_are_no_messages_are_an_error(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers(answer(True, b"<html><body>Bad Gateway</body></html>"))
    with pytest.raises(openai.InternalServerError, match="no event stream message"):
        _events(gateway)


def test_no_secret_is_in_the_log(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers(document({"message": "the secret s3cret-0 and t0ken are wrong"}, 400))
    with pytest.raises(openai.BadRequestError, match="the secret") as caught:
        OPENAI.ask(gateway.url, ASKERS["openai"].question(next(NAMES)), False)
    shown = str(caught.value) + gateway.log_file.read_text()
    assert "s3cret-0" not in shown and "t0ken" not in shown
