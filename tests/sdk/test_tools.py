"""Free-text tools and namespaces of the Responses format, whichever format the upstream has."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from engine.translation.standing import Standing
from engine.translation.translator import Translator
from engine.translation.wholes import unfold
from tests.sdk.conftest import UPSTREAMS
from tests.sdk.test_responses import ask
from tests.support.clients import openai_client
from tests.support.gateway import Gateway
from tests.support.upstream import Answer, Upstream, document, stream

Body = dict[str, Any]

targets = pytest.mark.parametrize("target", UPSTREAMS)
streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])

PATCH = '*** Begin "Patch"\n+größer\n*** End'
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin"'}
FIND: Body = {
    "type": "function",
    "name": "find",
    "description": "Finds.",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    "strict": False,
}
TOOLS: list[Body] = [
    {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": GRAMMAR},
    {"type": "namespace", "name": "crm", "description": "Customers.", "tools": [FIND]},
    {"type": "namespace", "name": "shop", "description": "Orders.", "tools": [FIND]},
]
QUESTION: Body = {"input": [{"role": "user", "content": "Patch it, then find x."}], "tools": TOOLS}
# Where free-text tools are none, they are functions with one argument.
EMULATED = ("claude", "gemini")
FIRST: Body = {"type": "call", "id": "call_1", "name": "apply_patch"}
SECOND: Body = {"type": "call", "id": "call_2", "name": "shop__find", "arguments": {"q": "x"}}


@cache
def translator() -> Translator:
    return Translator.load()


def calls(format: str, streamed: bool) -> Answer:
    """What an upstream of the format says: a call of each kind of tool."""
    patch: Body = {"kind": "custom", "raw": PATCH}
    if format in EMULATED:
        patch = {"arguments": {"input": PATCH}}
    parts = [{**FIRST, **patch}, SECOND]
    return told(format, {"parts": parts, "stop": "tool"}, streamed)


def told(format: str, choice: Body, streamed: bool) -> Answer:
    usage = {"input": 20, "output": 10}
    answer = {"id": "answer_1", "model": "m", "choices": [choice], "usage": usage}
    if streamed:
        made = stream(b"".join(Standing(translator()).write_stream(unfold(answer), format, {})))
    else:
        made = document(Standing(translator()).write_response(answer, format, {}))
    if format != "openai-responses":
        return made
    # The format's own services know namespaces.
    member = re.compile(rb'"name": ?"shop__find"')
    return replace(made, body=member.sub(b'"name":"find","namespace":"shop"', made.body))


def understood(output: list[Any]) -> list[tuple[str, str, str, str | None, str]]:
    """The calls in an answer: type, id, name, namespace, and what they are called with."""
    items = [item.model_dump() for item in output]
    return [
        (
            item["type"],
            item["call_id"],
            item["name"],
            item.get("namespace"),
            item.get("input") or item["arguments"],
        )
        for item in items
        if item["type"] in ("custom_tool_call", "function_call")
    ]


EXPECTED = [
    ("custom_tool_call", "call_1", "apply_patch", None, PATCH),
    ("function_call", "call_2", "find", "shop", '{"q":"x"}'),
]


@targets
@streamed
def test_each_kind_of_call_is_the_clients_own_again(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(calls(target, streamed))
    answer = ask(gateway.url, {**QUESTION, "model": f"rail-{target}"}, streamed)
    assert understood(answer.output) == EXPECTED


@targets
def test_the_input_of_a_free_text_tool_streams_in_events_of_its_own(
    target: str, gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers(calls(target, True))
    with openai_client(gateway.url) as client:
        body: Any = {**QUESTION, "model": f"rail-{target}", "stream": True}
        came = list(client.responses.create(**body))
    deltas = [e.delta for e in came if e.type == "response.custom_tool_call_input.delta"]
    assert "".join(deltas) == PATCH
    done = [e.input for e in came if e.type == "response.custom_tool_call_input.done"]
    assert done == [PATCH]
    arguments = [e.arguments for e in came if e.type == "response.function_call_arguments.done"]
    assert arguments == ['{"q":"x"}']
    assert [event.sequence_number for event in came] == list(range(len(came)))
    added = [e.item for e in came if e.type == "response.output_item.added"]
    assert [(item.type, item.name) for item in added] == [
        ("custom_tool_call", "apply_patch"),
        ("function_call", "find"),
    ]


@targets
@streamed
def test_calls_and_results_of_each_kind_go_back(
    target: str, streamed: bool, gateway: Gateway, upstream: Upstream
) -> None:
    final = told(target, {"parts": [{"type": "text", "text": "Done."}], "stop": "end"}, streamed)
    upstream.answers(calls(target, streamed), final)
    asked = {**QUESTION, "model": f"rail-{target}"}
    output = ask(gateway.url, asked, streamed).output
    said = [item.model_dump(exclude_none=True) for item in output]
    results = [
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "Patched."},
        {"type": "function_call_output", "call_id": "call_2", "output": "Nothing."},
    ]
    answer = ask(gateway.url, {**asked, "input": [*asked["input"], *said, *results]}, streamed)
    assert answer.output_text == "Done."
    found = history(target, upstream.received[1].document)
    if target == "openai-responses":
        assert found == [
            ("apply_patch", PATCH, "Patched."),
            ("shop.find", '{"q":"x"}', "Nothing."),
        ]
    else:
        patch = PATCH if target not in EMULATED else {"input": PATCH}
        assert found == [
            ("apply_patch", patch, "Patched."),
            ("shop__find", {"q": "x"}, "Nothing."),
        ]


def history(format: str, body: Body) -> list[tuple[str, Any, str]]:
    """The calls of an upstream request: name, what it was called with, and its result."""
    made: dict[str, tuple[str, Any]] = {}
    found: list[tuple[str, Any, str]] = []
    if format == "openai-chat":
        for message in body["messages"]:
            for call in message.get("tool_calls", []):
                own = call.get("custom") or call["function"]
                with_ = own["input"] if "input" in own else json.loads(own["arguments"])
                made[call["id"]] = own["name"], with_
            if message["role"] == "tool":
                found.append((*made[message["tool_call_id"]], message["content"]))
    elif format == "openai-responses":
        for item in body["input"]:
            kind = item.get("type", "message")
            if kind.endswith("_call"):
                name = ".".join(filter(None, (item.get("namespace"), item["name"])))
                made[item["call_id"]] = name, item.get("input") or item["arguments"]
            elif kind.endswith("_output"):
                found.append((*made[item["call_id"]], item["output"]))
    elif format == "claude":
        for block in (block for message in body["messages"] for block in message["content"]):
            if block["type"] == "tool_use":
                made[block["id"]] = block["name"], block["input"]
            elif block["type"] == "tool_result":
                text = block["content"]
                text = text if isinstance(text, str) else text[0]["text"]
                found.append((*made[block["tool_use_id"]], text))
    else:
        for part in (part for turn in body["contents"] for part in turn["parts"]):
            if call := part.get("functionCall"):
                made[call["id"]] = call["name"], call["args"]
            elif result := part.get("functionResponse"):
                (text,) = result["response"].values()
                found.append((*made[result["id"]], text))
    return found
