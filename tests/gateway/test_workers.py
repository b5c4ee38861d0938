"""What the workers of one machine know together, and what of it survives one of them."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cases import sdk, sdk_answer
from tests.support.gateway import Gateway, serving
from tests.support.turns import first, second
from tests.support.upstream import Upstream, document

CHAT = "/v1/chat/completions"
LIMITED = {"error": {"code": 429, "message": "slowly", "status": "RESOURCE_EXHAUSTED"}}
STAND_IN = "skip_thought_signature_validator"

Body = dict[str, Any]


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gateway makes its temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def gateway(
    upstream: Upstream, temporary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Two workers. Each of its models has credentials of its own."""
    credentials = [
        {
            "provider": "gemini",
            "name": f"{model}-{number}",
            "api-key": f"{model}-{number}",
            "base-url": upstream.url,
            "models": [{"id": "gemini-3.8-flash", "alias": model}],
        }
        for model, count in (("one", 1), ("many", 4), ("resting", 1))
        for number in range(count)
    ]
    folder = tmp_path_factory.mktemp("gateway")
    environment = {**os.environ, "TMPDIR": str(temporary)}
    configuration = {"credentials": credentials}
    with serving(configuration, folder, environment, workers=2) as running:
        yield running
    assert list(temporary.iterdir()) == []


def ask(gateway: Gateway, body: Body, model: str = "one") -> httpx.Response:
    """A call on a connection of its own."""
    url, asked = gateway.url + CHAT, {**body, "model": model}
    return httpx.post(url, json=asked, trust_env=False, timeout=60, verify=False)


def signed(upstream: Upstream) -> list[str]:
    """The signatures in the last request."""
    turns = upstream.received[-1].document["contents"]
    parts = [part for turn in turns for part in turn["parts"]]
    return [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]


def test_a_turn_that_another_worker_answers_has_its_signatures(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(sdk_answer("gemini", "answer", False))
    one, two = gateway.workers(2)
    with gateway.without([two]):
        answer = ask(gateway, first("openai-chat")).json()
    with gateway.without([one]):
        told = ask(gateway, second("openai-chat", answer, "calls"))
    assert signed(upstream) == [sdk("expected")["signature"]]
    assert "tool_calls" not in told.headers["x-ai-proxy-losses"]


def test_a_rest_that_one_worker_gave_holds_for_the_other(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(document(LIMITED, 429, {"retry-after": "600"}))
    one, two = gateway.workers(2)
    with gateway.without([two]):
        assert ask(gateway, first("openai-chat"), "resting").status_code == 429
    asked = len(upstream.received)
    with gateway.without([one]):
        assert ask(gateway, first("openai-chat"), "resting").status_code == 429
    assert len(upstream.received) == asked
    resting = httpx.get(gateway.url + "/admin/credentials", trust_env=False, verify=False).text
    assert "rate-limit" in resting


def test_workers_take_turns_as_one(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers(sdk_answer("gemini", "final", False))
    workers = gateway.workers(2)
    for worker in workers:
        with gateway.without([worker]):
            for _ in range(2):
                ask(gateway, first("openai-chat"), "many")
    keys = [request.headers["x-goog-api-key"] for request in upstream.received]
    assert sorted(keys) == ["many-0", "many-1", "many-2", "many-3"]


def test_what_is_shared_is_the_owners_alone(gateway: Gateway, temporary: Path) -> None:
    gateway.workers(2)
    (folder,) = temporary.glob("ai-proxy-*")
    files = list((folder / "state").iterdir())
    assert {file.name for file in files} >= {"state.db", "changes"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_kept_survives_its_workers(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers(sdk_answer("gemini", "answer", False))
    answer = ask(gateway, first("openai-chat")).json()
    for worker in gateway.workers(2):
        os.kill(worker, signal.SIGKILL)
    ask(gateway, second("openai-chat", answer, "calls"))
    assert signed(upstream) == [sdk("expected")["signature"]]


def test_what_is_not_kept_is_a_stand_in_and_a_loss(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers(sdk_answer("gemini", "answer", False))
    answer = ask(gateway, first("openai-chat")).json()
    body = second("openai-chat", answer, "words")
    body["messages"][0]["content"] += " Another conversation."
    told = ask(gateway, body)
    assert signed(upstream) == [STAND_IN]
    assert "messages[1].tool_calls[0]" in told.headers["x-ai-proxy-losses"]
