"""What an upstream sees in place of what the client wrote, and what the client gets back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from engine.gateway.cloak import MASK_PREFIX, Cloak, CloakSettings, Restoring, pseudonym
from tests.gateway.harness import (
    CHAT,
    CLAUDE,
    chat_answer,
    chat_request,
    chat_stream,
    claude_answer,
    claude_request,
    claude_stream,
    credential,
    event,
    serving,
)
from tests.gateway.wire import Heard, Script, Wire, answers, streams, upstream

WORDS = {"mode": "always", "sensitive-words": ["Projekt Falke", "acme"]}
ASK = {CHAT: chat_request, CLAUDE: claude_request}


def ask(
    cloak: dict[str, Any],
    script: Script,
    body: dict[str, Any],
    path: str = CLAUDE,
    provider: str = "claude",
    keys: tuple[str, ...] = ("one",),
) -> tuple[list[httpx.Response], Wire]:
    """The same call with each of the clients' keys."""

    async def main() -> tuple[list[httpx.Response], Wire]:
        async with upstream(script) as wire:
            rows = [credential(provider, wire.url, cloak=cloak)]
            async with serving({"credentials": rows, "api-keys": list(keys)}) as gw:
                got = [
                    await gw.http.post(path, json=body, headers={"x-api-key": key}) for key in keys
                ]
            return got, wire

    return asyncio.run(main())


# -- instructions

BLOCKS = [
    {"type": "text", "text": "first"},
    {"type": "text", "text": "second", "cache_control": {"type": "ephemeral"}},
]


def test_trap_26_the_clients_blocks_stay_behind_the_operators_text() -> None:
    cloak = {"mode": "always", "system-prompt": "House rules."}
    _, wire = ask(cloak, answers(claude_answer()), claude_request(system=BLOCKS))
    assert wire.heard[0].document["system"] == [{"type": "text", "text": "House rules."}, *BLOCKS]


@pytest.mark.parametrize(
    ("placement", "lost"), [("prepend", ["system[1].cache_control"]), ("replace", [])]
)
def test_losses_and_explanations_name_the_clients_own_blocks(
    placement: str, lost: list[str]
) -> None:
    marked = {"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}
    system = [{"type": "text", "text": "one"}, marked]
    cloak = {"mode": "always", "system-prompt": "Own.", "placement": placement}

    async def main() -> None:
        chat = credential("openai-compatible", "http://127.0.0.1:9", "a", cloak={**cloak})
        claude = credential("claude", "http://127.0.0.1:9", "b", cloak=cloak)
        async with serving({"credentials": [chat, claude]}) as gw:
            asked = {"path": CLAUDE, "request": claude_request(system=system)}
            told = (await gw.http.post("/admin/translate", json=asked)).json()
            assert [loss["path"] for loss in told["losses"]] == lost
            asked["credential"] = "b"
            told = (await gw.http.post("/admin/translate", json=asked)).json()
            rows = {row["out"]: row["in"] for row in told["explain"]}
            assert rows["system[0].text"] == []
            if placement == "prepend":
                assert rows["system[1].text"] == ["system[0].text"]
                assert rows["system[2].text"] == ["system[1].text"]

    asyncio.run(main())


def test_the_operators_text_can_replace_the_clients() -> None:
    cloak = {"mode": "always", "system-prompt": "House rules.", "placement": "replace"}
    _, wire = ask(cloak, answers(claude_answer()), claude_request(system=BLOCKS))
    assert "first" not in json.dumps(wire.heard[0].document)
    assert "House rules." in json.dumps(wire.heard[0].document["system"])


def test_the_operators_text_reaches_an_upstream_of_another_format() -> None:
    cloak = {"mode": "always", "system-prompt": "House rules."}
    body = chat_request()
    _, wire = ask(cloak, answers(chat_answer()), body, CHAT, "openai")
    first, *rest = wire.heard[0].document["messages"]
    assert first["content"] == "House rules."
    assert rest == body["messages"]


@pytest.mark.parametrize(
    ("mode", "path", "cloaked"),
    [
        ("never", CHAT, False),
        ("always", CLAUDE, True),
        ("auto", CHAT, True),
        ("auto", CLAUDE, False),
    ],
)
def test_the_mode_says_who_is_cloaked(mode: str, path: str, cloaked: bool) -> None:
    cloak = {"mode": mode, "system-prompt": "House rules."}
    _, wire = ask(cloak, answers(claude_answer()), ASK[path](), path)
    assert (b"House rules." in wire.heard[0].body) == cloaked


# -- user ids


def test_a_user_id_is_stable_for_a_client_and_holds_no_key() -> None:
    cloak = {"mode": "always", "user-id": True}
    body = claude_request(metadata={"user_id": "alice@example.com"})
    _, wire = ask(cloak, answers(claude_answer()), body, keys=("one", "two", "one"))
    ids = [heard.document["metadata"]["user_id"] for heard in wire.heard]
    assert ids[0] == ids[2] != ids[1]
    assert not any(word in heard.body for heard in wire.heard for word in (b"one", b"alice"))


def test_two_providers_cannot_tell_that_a_user_is_the_same() -> None:
    assert pseudonym(b"digest", "a") != pseudonym(b"digest", "b")


# -- words


def echo(chat: bool, streamed: bool, cut: int = 3) -> Script:
    """An upstream that says what it was told, in small pieces when it streams."""

    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        said = heard.document["messages"][-1]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        pieces = [said[at : at + cut] for at in range(0, len(said), cut)]
        if streamed:
            made = chat_stream(*pieces) if chat else claude_stream(*pieces)
            await streams(*made)(heard, writer)
        else:
            await answers(chat_answer(said) if chat else claude_answer(said))(heard, writer)

    return script


SAID = "ACME and Acme do projekt falke, M and Mq stay"


def text_of(raw: str) -> str:
    """All text of an answer or a stream, of either format."""
    lines = [line.removeprefix("data: ") for line in raw.splitlines()]
    found = ""
    for line in lines:
        if not line.startswith("{"):
            continue
        data = json.loads(line)
        for choice in data.get("choices", []):
            found += (choice.get("message") or choice["delta"]).get("content") or ""
        found += "".join(block["text"] for block in data.get("content", []))
        found += data.get("delta", {}).get("text", "")
    return found


@pytest.mark.parametrize("path", [CHAT, CLAUDE])
@pytest.mark.parametrize("provider", ["openai", "claude"])
@pytest.mark.parametrize("cut", [0, 1, 3, 50], ids=["whole", "1", "3", "50"])
def test_words_are_masked_upstream_and_restored_for_the_client(
    path: str, provider: str, cut: int
) -> None:
    body = ASK[path](SAID, stream=bool(cut))
    script = echo(provider == "openai", bool(cut), cut or 1)
    (answer,), wire = ask(WORDS, script, body, path, provider)
    assert b"falke" not in wire.heard[0].body.lower()
    assert b"acme" not in wire.heard[0].body.lower()
    assert text_of(answer.text) == SAID


def test_words_are_masked_wherever_the_conversation_holds_them() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": ["acme"]}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "acme!"}
    tool = {
        "name": "look",
        "description": "looks at acme",
        "input_schema": {
            "type": "object",
            "properties": {"q": {"type": "array", "description": "of acme", "default": ["acme"]}},
        },
    }
    body = claude_request(
        system="We are acme.",
        tools=[tool],
        messages=[
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
    )
    _, wire = ask(WORDS, answers(claude_answer()), body)
    assert b"acme" not in wire.heard[0].body
    sent = wire.heard[0].document
    (asked,) = sent["messages"][1]["content"][0]["input"]["q"]
    assert asked.startswith(MASK_PREFIX)
    assert sent["tools"][0]["name"] == "look"


def test_words_in_the_arguments_of_a_call_are_restored() -> None:
    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        said = heard.document["messages"][-1]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        block = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
        raw = json.dumps({"q": said})
        deltas = [
            event(
                "content_block_delta",
                index=0,
                delta={"type": "input_json_delta", "partial_json": raw[at : at + 4]},
            )
            for at in range(0, len(raw), 4)
        ]
        start, _, *_, end, stop = claude_stream()
        begun = event("content_block_start", index=0, content_block=block)
        over = event("content_block_stop", index=0)
        await streams(start, begun, *deltas, over, end, stop)(heard, writer)

    (answer,), _ = ask(WORDS, script, chat_request("Acme", stream=True), CHAT)
    deltas = [
        json.loads(line[6:])["choices"][0]["delta"]
        for line in answer.text.splitlines()
        if line.startswith("data: {") and json.loads(line[6:])["choices"]
    ]
    arguments = "".join(
        call["function"].get("arguments", "")
        for delta in deltas
        for call in delta.get("tool_calls", [])
    )
    assert json.loads(arguments) == {"q": "Acme"}


def test_words_in_an_upstreams_error_are_restored() -> None:
    async def script(heard: Heard, writer: asyncio.StreamWriter) -> None:
        said = heard.document["messages"][0]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
        await answers(error, 400)(heard, writer)

    (answer,), _ = ask(WORDS, script, claude_request("acme is wrong"))
    assert answer.json()["error"]["message"] == "acme is wrong"


def test_a_mask_is_the_same_in_every_turn_and_another_for_another_secret() -> None:
    settings = CloakSettings("always", sensitive_words=("acme",))
    one, again = (Cloak(settings, "s", b"", "p").mask("acme") for _ in range(2))
    assert one == again != Cloak(settings, "t", b"", "p").mask("acme")


def test_what_may_be_a_mask_waits_for_the_rest_of_its_own_part_only() -> None:
    stage = Restoring({"MqABCDEFGHIJKLMN": "acme"})

    def text(part: int, delta: str) -> dict[str, Any]:
        return {"type": "text", "choice": 0, "part": part, "delta": delta}

    assert stage.push(text(0, "a MqABC")) == [text(0, "a ")]
    assert stage.push(text(1, "DEFGH")) == [text(1, "DEFGH")]
    assert stage.push(text(0, "DEFGHIJKLMN.")) == [text(0, "acme.")]
    assert stage.push(text(0, "Mq")) == []
    end = {"type": "part_end", "choice": 0, "part": 0}
    assert stage.push(end) == [text(0, "Mq"), end]
    assert stage.push(text(0, "M")) == []
    stop = {"type": "stop", "choice": 0, "reason": "end"}
    assert stage.push(stop) == [text(0, "M"), stop]


def test_a_document_that_is_edited_stays_as_it_was() -> None:
    request = {"turns": [{"role": "user", "parts": [{"type": "text", "text": "acme"}]}]}
    before = json.dumps(request)
    Cloak(CloakSettings("always", "x", sensitive_words=("acme",)), "s", b"", "p").edit(request)
    assert json.dumps(request) == before
