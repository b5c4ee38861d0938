"""Wire formats that only upstreams speak: every SDK gets their answers, and they what it asked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.sdk import test_gemini as genai
from tests.sdk import test_responses as responses
from tests.support.cases import sdk, sdk_answer, sdk_reply
from tests.support.clients import ANTHROPIC, KEY, OPENAI, Client, Reply
from tests.support.gateway import Gateway, serving
from tests.support.upstream import Upstream

UPSTREAMS = {
    "ollama": ("ollama-native", "qwen3:32b", "/api/chat"),
    "cohere": ("cohere", "command-a-plus-05-2026", "/v2/chat"),
}
TEXT = "When do the next trains to Ghent and Bruges leave from this station?"


@dataclass(frozen=True)
class Speaker:
    """One SDK: `ask` gives its own object, `reply` reads it, `second` makes the next request."""

    question: Callable[[str], dict[str, Any]]
    ask: Callable[[str, dict[str, Any], bool], Any]
    reply: Callable[[Any], Reply]
    second: Callable[[dict[str, Any], Any], dict[str, Any]]


def _messages(client: Client) -> Speaker:
    def second(body: dict[str, Any], first: Any) -> dict[str, Any]:
        history = client.history(first, sdk("expected")["results"])
        return {**body, "messages": [*body["messages"], *history]}

    return Speaker(
        lambda model: {"model": model, **sdk(f"{client.format}/request")},
        client.ask,
        client.reply,
        second,
    )


SPEAKERS = {
    "openai": _messages(OPENAI),
    "anthropic": _messages(ANTHROPIC),
    "responses": Speaker(
        responses.question, responses.ask, responses.of_response, responses.second
    ),
    "genai": Speaker(genai.question, genai.ask, genai.of_chunks, genai.second),
}
speakers = pytest.mark.parametrize("speaker", SPEAKERS.values(), ids=SPEAKERS)
targets = pytest.mark.parametrize("target", UPSTREAMS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    credentials = [
        {
            "provider": provider,
            "api-key": "upstream-key",
            "base-url": upstream.url,
            "models": [{"id": model, "alias": f"rail-{format}"}],
        }
        for format, (provider, model, _) in UPSTREAMS.items()
    ]
    configuration = {"api-keys": [KEY], "credentials": credentials}
    with serving(configuration, tmp_path_factory.mktemp("gateway")) as running:
        yield running


def expected(target: str, name: str) -> Reply:
    """What the answer says; not every server counts what it read from a cache."""
    reply = sdk_reply(name)
    return replace(reply, cached=0) if target == "ollama" else reply


@targets
@speakers
@streamed
def test_two_turns_with_thinking_an_image_and_parallel_calls(
    target: str, speaker: Speaker, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer(target, "answer", streamed), sdk_answer(target, "final", streamed))
    body = speaker.question(f"rail-{target}")
    first = speaker.ask(gateway.url, body, streamed)
    assert speaker.reply(first) == expected(target, "answer")
    last = speaker.ask(gateway.url, speaker.second(body, first), streamed)
    assert replace(speaker.reply(last), thinking="") == expected(target, "final")

    asked, again = upstream.received
    _, model, path = UPSTREAMS[target]
    for sent in (asked, again):
        assert (sent.path, sent.document["model"]) == (path, model)
        assert sent.headers["authorization"] == "Bearer upstream-key"
        assert sent.document["stream"] is streamed
    assert said(target, asked.document) == (TEXT, sdk("expected")["image"])
    assert results(target, again.document) == [
        (call["id"], result["text"])
        for call, result in zip(given(target), sdk("expected")["results"], strict=True)
    ]


def said(target: str, body: dict[str, Any]) -> tuple[str, str]:
    """The user's words and image, as they reached the upstream."""
    user = next(message for message in body["messages"] if message["role"] == "user")
    if target == "ollama":
        return user["content"], user["images"][0]
    text, image = user["content"]
    return text["text"], image["image_url"]["url"].removeprefix("data:image/png;base64,")


def given(target: str) -> list[dict[str, Any]]:
    """The calls that the upstream made."""
    calls: list[dict[str, Any]] = sdk(f"{target}/answer")["message"]["tool_calls"]
    return calls


def results(target: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    """The results that came back: the call's id and the words, a failure's mark aside."""
    found = [message for message in body["messages"] if message["role"] == "tool"]
    return [(each["tool_call_id"], each["content"].removeprefix("Error: ")) for each in found]
