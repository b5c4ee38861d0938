"""What a client loses between two turns is put back as if it had come back by itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.translation import memory
from engine.translation.held import Held
from engine.translation.memory import MAX_STREAM, MAX_TEXT, Watcher
from engine.translation.translated import Answer, Translated
from engine.translation.translator import Translator
from tests.support.cases import sdk, sdk_answer
from tests.support.turns import first, second

SIGNING = ("claude", "openai-responses", "gemini")
FORMATS = ("openai-chat", *SIGNING)
PROVIDERS = {"openai-chat": "openai", "openai-responses": "openai"}
MODELS = {
    "openai-chat": "gpt-6-astra",
    "openai-responses": "gpt-6-astra",
    "claude": "claude-sonnet-5-5",
    "gemini": "gemini-3.8-flash",
}
PAIRS = [(client, upstream) for client in FORMATS for upstream in SIGNING if client != upstream]
pairs = pytest.mark.parametrize(("client", "upstream"), PAIRS)
SIGNED: str = sdk("expected")["signature"]
STAND_IN = "skip_thought_signature_validator"
LOST = "the signature of this call is lost"

Body = dict[str, Any]


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator.load()


def asked(translator: Translator, body: Body, client: str, upstream: str) -> Translated:
    who = PROVIDERS.get(upstream, upstream)
    return translator.request(body, client, upstream, who, MODELS[upstream], False)


def answered(
    translator: Translator, client: str, upstream: str, body: Body | None = None
) -> Answer:
    """The first answer, of two calls with signed thinking, as the client gets it."""
    plan = asked(translator, first(client), client, upstream).plan
    return translator.response(body or sdk(f"{upstream}/answer"), upstream, client, plan)


def recalled(request: Translated, kept: dict[str, str]) -> Translated:
    return request.recalled({key: kept[key] for key in request.wanted if key in kept})


def signatures(body: Any) -> list[str]:
    """Everything in a request that its vendor signed."""
    names = ("signature", "data", "encrypted_content", "thoughtSignature")
    if isinstance(body, list):
        return [found for each in body for found in signatures(each)]
    if not isinstance(body, dict):
        return []
    own = [value for key, value in body.items() if key in names and isinstance(value, str)]
    return own + [found for each in body.values() for found in signatures(each)]


def without_item_ids(body: Body) -> Body:
    """Chat has no place for the vendor's id of a thought."""
    for item in body.get("input", []):
        if item.get("type") == "reasoning":
            item.pop("id", None)
    return body


@pairs
def test_what_a_client_strips_is_put_back_as_if_it_had_come_back(
    translator: Translator, client: str, upstream: str
) -> None:
    answer = answered(translator, client, upstream)
    carried = asked(translator, second(client, answer.body), client, upstream)
    bare = asked(translator, second(client, answer.body, "calls"), client, upstream)
    assert SIGNED not in json.dumps(bare.body)
    restored = recalled(bare, answer.keep)
    assert without_item_ids(restored.body) == without_item_ids(carried.body)
    assert restored.losses == []


@pairs
def test_what_is_put_back_leaves_the_clients_own_document_as_it_was(
    translator: Translator, client: str, upstream: str
) -> None:
    answer = answered(translator, client, upstream)
    body = second(client, answer.body, "calls")
    before = json.dumps(body)
    recalled(asked(translator, body, client, upstream), answer.keep)
    assert json.dumps(body) == before
    assert SIGNED not in json.dumps(asked(translator, body, client, upstream).body)


@pairs
def test_calls_are_known_again_by_what_they_say_where_a_client_writes_its_own_ids(
    translator: Translator, client: str, upstream: str
) -> None:
    answer = answered(translator, client, upstream)
    bare = asked(translator, second(client, answer.body, "words"), client, upstream)
    assert signatures(recalled(bare, answer.keep).body) == [SIGNED]


@pairs
def test_a_stream_and_a_whole_answer_keep_the_same(
    translator: Translator, client: str, upstream: str
) -> None:
    plan = asked(translator, first(client), client, upstream).plan
    stream = translator.stream(upstream, client, plan)
    out = stream.feed(sdk_answer(upstream, "answer", True).body)
    assert out + stream.close()
    assert stream.keep == answered(translator, client, upstream).keep


@pairs
def test_a_client_that_brings_signatures_back_wants_nothing(
    translator: Translator, client: str, upstream: str
) -> None:
    answer = answered(translator, client, upstream)
    assert asked(translator, second(client, answer.body), client, upstream).wanted == []


@pytest.mark.parametrize("client", ["openai-chat", "claude", "openai-responses"])
def test_what_is_not_known_any_more_is_a_stand_in_and_a_loss(
    translator: Translator, client: str
) -> None:
    answer = answered(translator, client, "gemini")
    bare = asked(translator, second(client, answer.body, "calls"), client, "gemini")
    assert signatures(bare.body) == [STAND_IN]
    assert [loss.reason for loss in bare.losses] == [LOST]


def test_one_vendor_does_not_get_what_is_kept_for_another(translator: Translator) -> None:
    answer = answered(translator, "openai-chat", "claude")
    body = second("openai-chat", answer.body, "calls")
    for other in ("openai-responses", "gemini"):
        request = recalled(asked(translator, body, "openai-chat", other), answer.keep)
        assert SIGNED not in json.dumps(request.body)


def test_a_call_known_by_its_id_is_not_taken_for_an_equal_one(translator: Translator) -> None:
    # The same conversation twice: once with this vendor, once with another up to here.
    mine = answered(translator, "openai-chat", "gemini").keep
    answer = answered(translator, "openai-chat", "claude")
    body = second("openai-chat", answer.body, "calls")
    request = asked(translator, body, "openai-chat", "gemini")
    assert signatures(recalled(request, mine | answer.keep).body) == [STAND_IN]


def test_an_upstream_that_signs_nothing_keeps_and_wants_nothing(translator: Translator) -> None:
    answer = answered(translator, "claude", "openai-chat")
    assert answer.keep == {}
    body = second("claude", answer.body, "calls")
    assert asked(translator, body, "claude", "openai-chat").wanted == []


def test_a_server_of_another_kind_of_chat_gets_its_signatures_back(translator: Translator) -> None:
    body = sdk("openai-chat/answer")
    body["choices"][0]["message"]["tool_calls"][0]["extra_content"] = {
        "google": {"thought_signature": "EqQ="}
    }
    asks: dict[str, Any] = {
        "source": "openai-chat",
        "target": "openai-chat",
        "provider": "gemini-openai",
    }
    plan = translator.request(first("openai-chat"), **asks).plan
    answer = translator.response(body, "openai-chat", "openai-chat", plan)
    bare = translator.request(second("openai-chat", answer.body, "calls"), **asks)
    restored = recalled(bare, answer.keep).body["messages"][1]["tool_calls"]
    assert restored[0]["extra_content"] == {"google": {"thought_signature": "EqQ="}}
    assert "extra_content" not in restored[1]


def test_an_id_too_long_for_the_client_is_the_upstreams_own_again(translator: Translator) -> None:
    body, long = sdk("gemini/answer"), "call/" + "x" * 60
    body["candidates"][0]["content"]["parts"][2]["functionCall"]["id"] = long
    answer = answered(translator, "openai-chat", "gemini", body)
    given = answer.body["choices"][0]["message"]["tool_calls"][0]["id"]
    assert len(given) <= 40
    for keep in ("calls", "all"):
        body = second("openai-chat", answer.body, keep)
        request = asked(translator, body, "openai-chat", "gemini")
        *_, turn, results = recalled(request, answer.keep).body["contents"]
        assert turn["parts"][1]["functionCall"]["id"] == long
        assert results["parts"][0]["functionResponse"]["id"] == long


@pytest.mark.parametrize("client", ["openai-chat", "claude", "openai-responses"])
@given(ids=st.lists(st.text(min_size=1, max_size=60), min_size=2, max_size=2, unique=True))
@settings(max_examples=40)
def test_whatever_ids_an_upstream_gives_clients_get_legal_ones_that_lead_back(
    translator: Translator, client: str, ids: list[str]
) -> None:
    body = sdk("gemini/answer")
    parts = body["candidates"][0]["content"]["parts"]
    for part, ident in zip(parts[2:], ids, strict=True):
        part["functionCall"]["id"] = ident
    answer = answered(translator, client, "gemini", body)
    given_ids = [found for found in _ids(answer.body) if found]
    assert len(set(given_ids)) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", ident) for ident in given_ids)
    request = asked(translator, second(client, answer.body), client, "gemini")
    *_, turn, results = recalled(request, answer.keep).body["contents"]
    called = [part["functionCall"]["id"] for part in turn["parts"] if "functionCall" in part]
    assert called == ids
    assert [part["functionResponse"]["id"] for part in results["parts"]] == ids


def _ids(body: Any) -> list[str | None]:
    """The ids of the calls in an answer."""
    if "choices" in body:
        return [call["id"] for call in body["choices"][0]["message"]["tool_calls"]]
    if "output" in body:
        return [item.get("call_id") for item in body["output"]]
    return [block.get("id") for block in body["content"]]


def test_losses_behind_what_was_put_back_are_told_by_the_clients_own_paths(
    translator: Translator,
) -> None:
    answer = answered(translator, "openai-chat", "claude")
    body = second("openai-chat", answer.body, "calls")
    body["messages"][1]["tool_calls"][1]["odd"] = 1
    request = asked(translator, body, "openai-chat", "claude")
    restored = recalled(request, answer.keep)
    assert [loss.path for loss in restored.losses] == ["messages[1].tool_calls[1].odd"]
    rows = {row["out"]: row["in"] for row in restored.explain()}
    assert rows["messages[1].content[3].name"] == ["messages[1].tool_calls[1].function.name"]


def test_thinking_without_its_signature_gives_way_to_the_whole(translator: Translator) -> None:
    # Many chat clients keep reasoning_content and nothing beside it.
    answer = answered(translator, "openai-chat", "claude")
    body = second("openai-chat", answer.body, "calls")
    body["messages"][1]["reasoning_content"] = "Two towns are asked for."
    restored = recalled(asked(translator, body, "openai-chat", "claude"), answer.keep)
    kinds = [block["type"] for block in restored.body["messages"][1]["content"]]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]


def call(ident: str, name: str = "go", **more: Any) -> Body:
    return {"type": "call", "id": ident, "name": name, "arguments": {"to": 1}, **more}


def thought(value: str) -> Body:
    return {"type": "thinking", "text": value, "signature": sealed(value)}


def sealed(value: str) -> Body:
    return {"vendor": "v", "kind": "sig", "value": value}


def request(*turns: list[Body], opening: str = "hi") -> Body:
    """A canonical request: what the user said, then calls, each turn with its results."""
    said: list[Body] = [{"role": "user", "parts": [{"type": "text", "text": opening}]}]
    for parts in turns:
        said.append({"role": "assistant", "parts": parts})
        results = [
            {"type": "result", "call_id": part["id"], "parts": []}
            for part in parts
            if part["type"] == "call"
        ]
        said.append({"role": "user", "parts": results})
    return {"turns": said}


def put_back(body: Body, kept: dict[str, str]) -> Body:
    found = {key: kept[key] for key in memory.wanted(body, "v") if key in kept}
    memory.restore(body, "v", found, lambda before, after: None)
    return body


def test_equal_calls_of_one_conversation_are_told_apart() -> None:
    one = memory.keep(Held(request()), "v", [[call("a", signature=sealed("first"))]])
    two = memory.keep(Held(request([call("a")])), "v", [[call("b", signature=sealed("second"))]])
    body = put_back(request([call("own-1")], [call("own-2")]), one | two)
    assert [turn["parts"][0].get("signature") for turn in body["turns"][1::2]] == [
        sealed("first"),
        sealed("second"),
    ]


def test_equal_calls_of_two_conversations_are_told_apart() -> None:
    kept = memory.keep(Held(request()), "v", [[call("a", signature=sealed("s"))]])
    body = put_back(request([call("own")], opening="something else"), kept)
    assert "signature" not in body["turns"][1]["parts"][0]


def test_thinking_between_words_and_calls_goes_back_to_its_place() -> None:
    text = {"type": "text", "text": "Let me see."}
    parts = [text, thought("one"), call("a"), thought("two"), thought("three"), call("b")]
    kept = memory.keep(Held(request()), "v", [parts])
    body = put_back(request([text, call("a"), call("b")]), kept)
    assert body["turns"][1]["parts"] == parts


def test_a_signed_text_before_a_call_is_signed_again() -> None:
    text = {"type": "text", "text": "Let me see."}
    kept = memory.keep(Held(request()), "v", [[{**text, "signature": sealed("t")}, call("a")]])
    assert "Let me see." not in "".join(kept.values())
    body = put_back(request([text, call("a")]), kept)
    assert body["turns"][1]["parts"][0] == {**text, "signature": sealed("t")}


def test_an_answer_without_calls_or_signatures_keeps_nothing() -> None:
    assert memory.keep(Held(request()), "v", [[thought("alone")]]) == {}
    assert memory.keep(Held(request()), "v", [[call("a")]]) == {}


def test_what_is_too_large_is_not_kept() -> None:
    huge = "x" * MAX_TEXT
    assert memory.keep(Held(request()), "v", [[call("a", signature=sealed(huge))]]) == {}


def test_a_text_in_the_store_that_is_none_of_ours_changes_nothing() -> None:
    body = request([call("a")])
    keys = memory.wanted(body, "v")
    assert put_back(body, dict.fromkeys(keys, "no JSON")) == request([call("a")])


def test_of_a_stream_too_long_nothing_is_held() -> None:
    watcher = Watcher()
    watcher.push({"type": "part_start", "part": 0, "kind": "call", "id": "a", "name": "go"})
    for _ in range(3):
        watcher.push({"type": "args", "part": 0, "delta": "x" * (MAX_STREAM // 2)})
    assert watcher.choices() == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('{"a": 1}', {"arguments": {"a": 1}}),
        ("", {"arguments": {}}),
        ("[1]", {"raw": "[1]"}),
        ("{", {"raw": "{"}),
    ],
)
def test_the_arguments_of_a_stream_are_what_a_history_says_of_them(sent: str, kept: Body) -> None:
    watcher = Watcher()
    watcher.push({"type": "part_start", "part": 0, "kind": "call", "id": "a", "name": "go"})
    watcher.push({"type": "args", "part": 0, "delta": sent})
    assert watcher.choices() == [[{"type": "call", "id": "a", "name": "go", **kept}]]
