"""What a vendor signed comes back to it, bare, through the SDKs of all formats and two workers.

Some clients send everything back that they got, others words and calls only.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.sdk import test_gemini, test_responses
from tests.sdk.conftest import UPSTREAMS
from tests.support.cases import sdk, sdk_answer, sdk_reply
from tests.support.clients import ANTHROPIC, KEY, OPENAI
from tests.support.gateway import Gateway, serving
from tests.support.turns import ASKED, first, grown, second
from tests.support.upstream import Answer, Upstream

Body = dict[str, Any]

SIGNED: str = sdk("expected")["signature"]
OTHER = "b3RoZXItc2lnbmF0dXJlLTAwMi8vPz8r"
# Chat Completions knows no signatures; a router that speaks it signs in `reasoning_details`.
ROUTER = "openrouter"
TARGETS = {**UPSTREAMS, ROUTER: (ROUTER, "anthropic/claude-sonnet-4.6")}
FORMATS = {**{format: format for format in UPSTREAMS}, ROUTER: "openai-chat"}
SIGNING = [target for target in TARGETS if target != "openai-chat"]
# The ids that the upstreams of the cases give their calls.
IDS = {"openai-chat": "call", "openai-responses": "call", "claude": "toolu", "gemini": "fc"}


def _gemini(url: str, body: Body, stream: bool) -> Body:
    """One document of all chunks, as far as it matters here."""
    config = {"tools": body["tools"]}
    asked = {"model": body["model"], "contents": body["contents"], "config": config}
    parts = test_gemini.parts(test_gemini.ask(url, asked, stream))
    said = [part.model_dump(mode="json", by_alias=True, exclude_none=True) for part in parts]
    return {"candidates": [{"content": {"parts": said}}]}


def _dumped(ask: Callable[[str, Body, bool], Any]) -> Callable[[str, Body, bool], Body]:
    def dumped(url: str, body: Body, stream: bool) -> Body:
        answer: Body = ask(url, body, stream).model_dump(mode="json", exclude_none=True)
        return answer

    return dumped


ASK: dict[str, Callable[[str, Body, bool], Body]] = {
    "openai-chat": _dumped(OPENAI.ask),
    "claude": _dumped(ANTHROPIC.ask),
    "openai-responses": _dumped(test_responses.ask),
    "gemini": _gemini,
}

clients = pytest.mark.parametrize("client", ASK)
targets = pytest.mark.parametrize("target", TARGETS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two workers that serve a model named like each target."""
    credentials = [
        {
            "provider": provider,
            "name": target,
            "api-key": f"key-{target}",
            "base-url": upstream.url,
            "wire-api": FORMATS[target],
            "models": [{"id": model, "alias": target}],
        }
        for target, (provider, model) in TARGETS.items()
    ]
    configuration = {"api-keys": [KEY], "credentials": credentials}
    folder = tmp_path_factory.mktemp("turns")
    with serving(configuration, folder, dict(os.environ), workers=2) as running:
        running.workers(2)
        yield running


def ask(gateway: Gateway, client: str, target: str, body: Body, stream: bool = False) -> Body:
    return ASK[client](gateway.url, {**body, "model": target}, stream)


def said(target: str, name: str, streamed: bool) -> Answer:
    """What the upstream answers; a router's thinking is signed."""
    answer = sdk_answer(FORMATS[target], name, streamed)
    if target != ROUTER or name != "answer":
        return answer
    thought = sdk_reply(name).thinking
    detail = {"type": "reasoning.text", "text": thought, "signature": SIGNED, "index": 0}
    if streamed:
        chunk = {"choices": [{"index": 0, "delta": {"reasoning_details": [detail]}}]}
        head, mark, tail = answer.body.rpartition(b'"reasoning_content"')
        rest, end, after = tail.partition(b"\n\n")
        signed = b"data: %b\n\n" % json.dumps(chunk).encode()
        return replace(answer, body=b"".join((head, mark, rest, end, signed, after)))
    document = json.loads(answer.body)
    document["choices"][0]["message"]["reasoning_details"] = [detail]
    return replace(answer, body=json.dumps(document).encode())


def signatures(text: str) -> list[str]:
    """The signatures in a request, in the alphabet they were made in; the SDK of one vendor writes
    that for URLs."""
    found = re.findall(r'"([A-Za-z0-9+/_=-]{20,})"', text)
    plain = [value.replace("-", "+").replace("_", "/") for value in found]
    return [value for value in plain if value in (SIGNED, OTHER)]


def ids(body: Body) -> list[str]:
    """Every id of a call or of a result in a request, in their order."""
    names = ("id", "tool_call_id", "tool_use_id", "call_id")
    return [
        value
        for name, value in _pairs(body)
        if name in names and isinstance(value, str) and not value.startswith("rs_")
    ]


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _pairs(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name, each
            yield from _pairs(each)


@clients
@targets
@streamed
def test_what_was_signed_comes_back_bare_and_ids_as_they_were(
    client: str, target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(said(target, "answer", streamed))
    answer = ask(gateway, client, target, first(client), streamed)
    ask(gateway, client, target, second(client, answer), streamed)
    sent = upstream.received[-1]
    assert signatures(sent.body.decode()) == ([SIGNED] if target in SIGNING else [])
    assert b"gw1." not in sent.body
    own = [f"{IDS[FORMATS[target]]}_rail0", f"{IDS[FORMATS[target]]}_rail1"]
    assert [each for each in ids(sent.document) if each in own] == own + own


@clients
@pytest.mark.parametrize("target", SIGNING)
@streamed
def test_what_a_client_strips_comes_back_through_the_other_worker(
    client: str, target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(said(target, "answer", streamed))
    one, two = gateway.workers(2)
    with gateway.without([one]):
        answer = ask(gateway, client, target, first(client), streamed)
    body = second(client, answer, "calls")
    assert signatures(json.dumps(body)) == []
    with gateway.without([two]):
        ask(gateway, client, target, body, streamed)
    # A client of the upstream's own format gets its bytes through as they are.
    kept = [] if client == target else [SIGNED]
    assert signatures(upstream.received[-1].body.decode()) == kept


def two_thoughts() -> Answer:
    """A router's stream that tells two thoughts and their signatures in one event, before calls."""
    answer = sdk_answer("openai-chat", "answer", True)
    details = [
        {"type": "reasoning.text", "text": text, "signature": signature, "index": index}
        for index, (text, signature) in enumerate([("To Ghent.", SIGNED), ("To Bruges.", OTHER)])
    ]
    chunk = {"choices": [{"index": 0, "delta": {"reasoning_details": details}}]}
    events = [each for each in answer.body.split(b"\n\n") if b"reasoning_content" not in each]
    events.insert(1, b"data: " + json.dumps(chunk).encode())
    return replace(answer, body=b"\n\n".join(events))


@clients
def test_two_thoughts_of_one_event_come_back_each_with_its_signature(
    client: str, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(two_thoughts())
    answer = ask(gateway, client, ROUTER, first(client), True)
    ask(gateway, client, ROUTER, second(client, answer), True)
    message = upstream.received[-1].document["messages"][1]
    said = [(each.get("text"), each["signature"]) for each in message["reasoning_details"]]
    assert said == [("To Ghent.", SIGNED), ("To Bruges.", OTHER)]


def signed_by_another(target: str) -> Answer:
    answer = said(target, "answer", False)
    return Answer(answer.body.replace(SIGNED.encode(), OTHER.encode()), 200, answer.headers)


@clients
@pytest.mark.parametrize("keep", ["all", "calls"])
@pytest.mark.parametrize(
    ("target", "other"),
    [
        (one, two)
        for one in SIGNING
        for two in SIGNING
        if one != two and (ROUTER not in (one, two) or "claude" in (one, two))
    ],
)
def test_no_vendor_gets_what_another_signed(
    client: str, target: str, other: str, keep: str, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(said(target, "answer", False))
    # A conversation of its own: calls without a known id are told apart by what it began with.
    body = first(client, f"To {target}, then to {other}: {ASKED}")
    body = grown(body, client, ask(gateway, client, target, body), keep)
    upstream.answers(signed_by_another(other))
    body = grown(body, client, ask(gateway, client, other, body), keep)
    assert signatures(upstream.received[-1].body.decode()) == []
    assert b"gw1." not in upstream.received[-1].body
    for asked, own in ((target, SIGNED), (other, OTHER)):
        upstream.answers(said(asked, "final", False))
        ask(gateway, client, asked, body)
        kept = [] if keep == "calls" and client == asked else [own]
        assert signatures(upstream.received[-1].body.decode()) == kept
        assert b"gw1." not in upstream.received[-1].body
