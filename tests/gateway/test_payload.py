"""Payload rules change what an upstream gets, on every route."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.errors import ConfigError
from engine.gateway import config, payload
from engine.gateway.snapshot import build
from tests.gateway.harness import (
    CHAT,
    CLAUDE,
    chat_answer,
    chat_request,
    claude_answer,
    claude_request,
    credential,
    serving,
    translator,
)
from tests.gateway.wire import Wire, answers, upstream


def any_model() -> list[dict[str, str]]:
    return [{"name": "*"}]


def changed(action: str, body: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    rule = payload.Rule(action, "r", (payload.Target("*", None),), tuple(params.items()))
    return payload.apply([rule], body)[0]


@pytest.mark.parametrize(
    ("action", "body", "params", "wanted"),
    [
        ("default", {}, {"a": 1}, {"a": 1}),
        ("default", {"a": None}, {"a": 1}, {"a": None}),
        ("default", {}, {"a.b.c": 1}, {"a": {"b": {"c": 1}}}),
        ("default", {"a": "text"}, {"a.b": 1}, {"a": "text"}),
        ("override", {"a": 2}, {"a": 1}, {"a": 1}),
        ("override", {"a": [{"b": 1}, {"b": 2}]}, {"a[1].b": 3}, {"a": [{"b": 1}, {"b": 3}]}),
        ("override", {"a": [1, 2]}, {"a[-1]": 9}, {"a": [1, 9]}),
        ("override", {"a": [1]}, {"a[1]": 9}, {"a": [1]}),
        ("override", {}, {"a[0].b": 9}, {}),
        ("override", {"a.b": 1}, {r"a\.b": 2}, {"a.b": 2}),
        ("filter", {"a": {"b": 1, "c": 2}}, {"a.b": None}, {"a": {"c": 2}}),
        ("filter", {"a": [1, 2]}, {"a[0]": None}, {"a": [2]}),
        ("filter", {"a": 1}, {"b.c": None, "d": None}, {"a": 1}),
    ],
)
def test_a_rule_changes_its_place_and_nothing_else(
    action: str, body: dict[str, Any], params: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert changed(action, body, params) == wanted


def test_the_document_that_was_given_stays_as_it_is() -> None:
    body = {"a": {"b": 1}}
    assert changed("override", body, {"a.b": 2}) == {"a": {"b": 2}}
    assert body == {"a": {"b": 1}}


def test_explain_says_which_rule_changed_what() -> None:
    rule = payload.Rule("filter", "payload.filter[0]", (), (("a", None), ("absent", None)))
    _, rows = payload.apply([rule], {"a": 1})
    assert rows == [{"out": "a", "in": [], "rule": "payload.filter[0]", "how": "filter"}]


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a[x]", "a[", "[0]", "a]"])
def test_what_is_no_path_is_an_error_with_its_place(path: str) -> None:
    text = f"payload: {{ filter: [{{ models: [{{ name: x }}], params: ['{path}'] }}] }}"
    with pytest.raises(ConfigError) as caught:
        config.parse(text, {})
    assert caught.value.problems[0].startswith("configuration:1:")


def test_an_unknown_protocol_is_an_error() -> None:
    text = "payload: { filter: [{ models: [{ name: x, protocol: clade }], params: [a] }] }"
    with pytest.raises(ConfigError, match="did you mean claude"):
        build(config.parse(text, {}), translator=translator(), environ={})


@pytest.mark.parametrize(
    ("protocol", "format", "fits"),
    [
        ("openai", "openai-chat", True),
        ("OpenAI", "openai-responses", True),
        ("openai-compat", "openai-chat", True),
        ("claude", "claude", True),
        ("openai", "claude", False),
        ("openai-chat", "openai-responses", False),
    ],
)
def test_a_protocol_is_a_wire_format_or_an_older_word(
    protocol: str, format: str, fits: bool
) -> None:
    rule = payload.Rule("filter", "r", (payload.Target("up-*", protocol),), ())
    rules = payload.Payload([rule], translator().formats)
    assert bool(rules.applying("up-1", format)) == fits
    assert not rules.applying("other", format)


def ask(provider: str, path: str, settings: dict[str, Any]) -> Wire:
    """One call of a client whose model is known upstream under another name."""
    body = claude_request(temperature=0.5) if path == CLAUDE else chat_request(temperature=0.5)
    good = claude_answer() if provider == "claude" else chat_answer()

    async def main() -> Wire:
        async with upstream(answers(good)) as wire:
            models = [{"id": "up-1", "alias": "m"}]
            rows = [credential(provider, wire.url, models=models)]
            async with serving({"credentials": rows, "payload": settings}) as gw:
                answer = await gw.http.post(path, json=body)
                assert answer.status_code == 200, answer.text
            return wire

    return asyncio.run(main())


@pytest.mark.parametrize("path", [CHAT, CLAUDE])
@pytest.mark.parametrize("provider", ["openai", "claude"])
def test_rules_run_after_translation_in_their_order_on_every_route(
    provider: str, path: str
) -> None:
    settings = {
        "default": [{"models": any_model(), "params": {"top_p": 0.5, "temperature": 0.9}}],
        "override": [
            {"models": [{"name": "up-*"}], "params": {"messages[0].content": "changed"}},
            {"models": [{"name": "m"}], "params": {"top_p": 0.1}},
        ],
        "filter": [{"models": any_model(), "params": ["temperature"]}],
    }
    (heard,) = ask(provider, path, settings).heard
    assert heard.document["messages"][0]["content"] == "changed"
    assert heard.document["top_p"] == 0.5
    assert "temperature" not in heard.document
