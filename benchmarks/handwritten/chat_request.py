"""Chat Completions requests in the canonical form."""

from __future__ import annotations

from typing import Any

from benchmarks.handwritten.chat_content import content_of, piece_of, pieces
from benchmarks.handwritten.chat_tools import read_choice, read_tools
from benchmarks.handwritten.common import (
    CHAT,
    Body,
    Losses,
    Refused,
    expect,
    inside,
    keep,
    keys,
    more,
    tree,
)
from engine.language.functions import parse_json
from engine.language.runtime import derived_id
from engine.language.saying import is_a, wrong
from engine.translation.functions import raw_id, uncarry

_EFFORTS = keys("none minimal low medium high xhigh max")
_INSTRUCTING = ("system", "developer")

# Fields that keep their value under the canonical name.
_FIELDS: dict[str, tuple[str, type, str]] = {
    "model": ("model", str, "string"),
    "stream": ("stream", bool, "boolean"),
    "parallel_tool_calls": ("parallel", bool, "boolean"),
    "n": ("n", int, "integer"),
    "seed": ("seed", int, "integer"),
    "logit_bias": ("logit_bias", dict, "object"),
    "logprobs": ("logprobs", bool, "boolean"),
    "top_logprobs": ("top_logprobs", int, "integer"),
    "top_k": ("top_k", int, "integer"),
    "metadata": ("metadata", dict, "object"),
    "service_tier": ("tier", str, "string"),
    "modalities": ("modalities", list, "list"),
    "store": ("store", bool, "boolean"),
    "verbosity": ("verbosity", str, "string"),
}
_NUMBERS = keys("temperature top_p frequency_penalty presence_penalty")


_SAID = keys("role content name")
_SAID_TREE = tree(_SAID, function_call=tree(["name"]))
_RESULT = keys("role content tool_call_id")
_RESULT_TREE = tree(_RESULT, function_call=tree(["name"]))
_ASSISTANT = keys("role content name refusal tool_calls reasoning_content")
_ASSISTANT_TREE = tree(
    [*_ASSISTANT, "reasoning", "reasoning_details", "annotations"],
    function_call=tree(["name", "arguments"]),
    audio=tree(["id"]),
)
_DETAIL_TREE = tree(keys("signature data text summary type index format id"))
_CALL = keys("id type function")
_CALL_FUNCTION = keys("name arguments")
_CALL_TREE = tree(
    ["id", "custom", "type"],
    function=tree(_CALL_FUNCTION),
    extra_content=tree([], google=tree(["thought_signature"])),
)
_WIRE = keys(
    "messages max_tokens tools functions web_search_options tool_choice function_call"
    " reasoning_effort max_completion_tokens stop prompt_cache_key safety_identifier user"
) | _FIELDS.keys() | _NUMBERS  # fmt: skip
_PLAIN_OPTIONS = {"include_usage": True}
_STREAM_OPTIONS = keys("include_usage include_obfuscation")
_SCHEMA = keys("name description schema strict")
_WIRE_TREE = tree(_WIRE, stream_options=tree(_STREAM_OPTIONS), response_format=tree(["type"]))
_SCHEMA_TREE = _WIRE_TREE | {"response_format": tree(["type"], json_schema=tree(_SCHEMA))}


def plan_request(wire: Body) -> Body:
    """What the answer must know of the client's request."""
    plan: Body = {}
    include = inside(wire.get("stream_options"), "include_usage")
    if include is not None:
        plan["include_usage"] = include
    if wire.get("functions") and not wire.get("tools"):
        plan["legacy_functions"] = True
    return plan


def read_request(wire: Body, ctx: Body) -> tuple[Body, Losses]:
    """The canonical request, and what was lost on the way. Raises Refused."""
    lost: Losses = []
    messages = wire.get("messages")
    if messages is None:
        raise Refused("is missing")
    expect(messages, list, "list")
    request: Body = {}
    first = _first_turn(messages)
    if first:
        instructions = _instructions(messages[:first], ctx, lost)
        if instructions:
            request["instructions"] = instructions
    request["turns"] = _turns(messages, first, ctx, lost)
    extra = False
    for key, value in wire.items():
        if value is None:
            continue
        if (field := _FIELDS.get(key)) is not None:
            name, kind, said = field
            if type(value) is not kind:
                raise Refused(wrong(value, said))
            request[name] = value
        elif key in _NUMBERS:
            if not is_a(value, "number"):
                raise Refused(wrong(value, "number"))
            request[key] = value
        elif key not in _WIRE and not (key == "stream_options" and value == _PLAIN_OPTIONS):
            extra = True
    tools = read_tools(wire, ctx)
    if tools is not None:
        request["tools"] = tools
    choice = wire.get("tool_choice") or wire.get("function_call")
    if choice:
        request["tool_choice"] = read_choice(choice, lost)
    effort = wire.get("reasoning_effort")
    if effort is not None:
        if type(effort) is str and effort in _EFFORTS:
            request["effort"] = effort
        else:
            lost.append("reasoning_effort")
    shown = ctx["options"].get("expose-reasoning")
    request["show_thinking"] = True if shown is None else shown
    most = wire.get("max_completion_tokens")
    if most is None:
        most = wire.get("max_tokens")
    elif wire.get("max_tokens") is not None:
        lost.append("max_tokens")
    if most is not None:
        request["max_output"] = expect(most, int, "integer")
    stop = wire.get("stop")
    if stop is not None:
        request["stop"] = stop if type(stop) is list else [stop]
    if (cache_key := wire.get("prompt_cache_key")) is not None:
        request["cache_key"] = cache_key
    user = _user(wire, ctx, lost)
    if user is not None:
        request["user"] = user
    if extra:
        _extras(request, wire, ctx, lost)
    return request, lost


def _extras(request: Body, wire: Body, ctx: Body, lost: Losses) -> None:
    """The form of the answer, options of the stream, and what nobody else has."""
    known = _WIRE_TREE
    given = inside(wire.get("response_format"), "type")
    if given == "json_schema":
        request["output"] = _schema(wire["response_format"].get("json_schema"))
        known = _SCHEMA_TREE
    elif given == "json_object":
        request["output"] = {"type": "json"}
    elif given == "text":
        request["output"] = {"type": "text"}
    elif given is not None:
        lost.append("response_format")
    if ctx["client_format"] == ctx["upstream_format"]:
        padded = inside(wire.get("stream_options"), "include_obfuscation")
        if padded is not None:
            request["native"] = {CHAT: {"stream_options": {"include_obfuscation": padded}}}
    keep(request, wire, known, CHAT)


def _schema(given: Any) -> Body:
    output: Body = {"type": "schema"}
    if type(given) is dict:
        for key in ("name", "description", "schema"):
            if (value := given.get(key)) is not None:
                output[key] = value
        if (strict := given.get("strict")) is not None:
            output["strict"] = expect(strict, bool, "boolean")
    return output


def _user(wire: Body, ctx: Body, lost: Losses) -> Any:
    user, named = wire.get("user"), wire.get("safety_identifier")
    if named is None:
        named = user
    elif named and user is not None and ctx["upstream_format"] != ctx["format"]:
        lost.append("user")
    if named is not None:
        expect(named, str, "string")
    return named


# ---------------------------------------------------------------------------- conversation


def _first_turn(messages: list[Any]) -> int | None:
    """Where the instructions before the conversation end; None: there is nothing else."""
    for position, message in enumerate(messages):
        if inside(message, "role") not in _INSTRUCTING:
            return position
    return len(messages) if messages else None


def _instructions(messages: list[Body], ctx: Body, lost: Losses) -> list[Body]:
    instructions: list[Body] = []
    for message in messages:
        name = message.get("name")
        for piece in content_of(message.get("content")):
            if inside(piece, "text") == "":
                continue
            part = piece_of(piece, ctx)
            part["level"] = message["role"]
            if name is not None:
                part["name"] = name
            instructions.append(part)
        if more(message, _SAID):
            lost.append("message")
    return instructions


def _turns(messages: list[Any], first: int | None, ctx: Body, lost: Losses) -> list[Body]:
    """The conversation; results go together, and with what the user says after them."""
    turns: list[Body] = []
    ids: set[Any] | None = None
    asked: dict[str, int] = {}
    turn: Body
    for position in range(first or 0, len(messages)):
        message = messages[position]
        if type(message) is not dict:
            raise Refused("a message must be an object")
        role = message.get("role")
        if role == "user":
            turn = {"role": "user"}
            _name(turn, message)
            turn["parts"] = pieces(message.get("content"), ctx)
            if not _SAID.issuperset(message):
                keep(turn, message, _SAID_TREE, CHAT)
        elif role == "assistant":
            turn = _assistant(message, position, ctx, lost)
        elif role == "tool":
            if ids is None:
                ids = _ids(messages)
            turn = _answer(_call_id(message, ids), message, _RESULT, _RESULT_TREE, ctx)
        elif role == "function":
            named = message.get("name")
            if named is None:
                raise Refused("is missing")
            expect(named, str, "string")
            ident = derived_id("call_", asked.get(named), named)
            turn = _answer(ident, message, _SAID, _SAID_TREE, ctx)
            turn["parts"][0]["name"] = named
        elif role in _INSTRUCTING:
            turn = {"role": "instruction", "level": role}
            _name(turn, message)
            turn["parts"] = pieces(message.get("content"), ctx)
            if not _SAID.issuperset(message):
                keep(turn, message, _SAID_TREE, CHAT)
        elif role is not None:
            raise Refused(f"{role} is no role of a message")
        else:
            turn = {"role": "user", "parts": pieces(message.get("content"), ctx)}
        called = inside(message.get("function_call"), "name")
        if called:
            asked[called] = position
        if turns and turn["role"] == "user" and _answers(turns[-1]):
            _join(turns[-1], turn, lost)
        else:
            turns.append(turn)
    return turns


def _name(turn: Body, message: Body) -> None:
    if (name := message.get("name")) is not None:
        turn["name"] = expect(name, str, "string")


def _answers(turn: Body) -> bool:
    parts = turn["parts"]
    return turn["role"] == "user" and bool(parts) and parts[-1]["type"] == "result"


def _join(before: Body, turn: Body, lost: Losses) -> None:
    for key, value in turn.items():
        if key == "parts":
            before["parts"] += value
        elif key not in before:
            before[key] = value
        elif before[key] != value:
            lost.append(key)


def _ids(messages: list[Any]) -> set[Any]:
    """The ids of all calls of the conversation."""
    return {
        call["id"]
        for message in messages
        if type(calls := inside(message, "tool_calls")) is list
        for call in calls
        if type(inside(call, "id")) is str
    }


def _call_id(message: Body, ids: set[Any]) -> str:
    ident = message.get("tool_call_id")
    if ident is None:
        raise Refused("is missing")
    if type(ident) is not str or ident not in ids:
        raise Refused("answers no call of the conversation")
    return raw_id(ident)


def _answer(ident: str, message: Body, known: frozenset[str], whole: Body, ctx: Body) -> Body:
    parts = pieces(message.get("content"), ctx)
    result: Body = {"type": "result", "call_id": ident, "parts": parts}
    if not known.issuperset(message):
        keep(result, message, whole, CHAT)
    return {"role": "user", "parts": [result]}


def _assistant(message: Body, position: int, ctx: Body, lost: Losses) -> Body:
    turn: Body = {"role": "assistant"}
    _name(turn, message)
    parts: list[Body] = []
    simple = _ASSISTANT.issuperset(message)
    if not simple or "reasoning_content" in message:
        _thinking(parts, message, ctx, lost)
    content = message.get("content")
    if content is not None:
        parts += pieces(content, ctx)
    if refusal := message.get("refusal"):
        parts.append({"type": "refusal", "text": refusal})
    calls = message.get("tool_calls")
    if calls is not None:
        for number, call in enumerate(expect(calls, list, "list")):
            parts.append(_call(call, position, number, ctx))
    if not simple:
        old: Any = message.get("function_call")
        if name := inside(old, "name"):
            call = {"type": "call", "id": derived_id("call_", position, name), "name": name}
            _arguments(call, old.get("arguments"))
            parts.append(call)
        if heard := inside(message.get("audio"), "id"):
            source = {"kind": "file", "id": heard, "vendor": ctx["vendor"]}
            parts.append({"type": "audio", "source": source})
        cited = message.get("annotations")
        if cited is not None and ctx["client_format"] == ctx["upstream_format"]:
            turn["native"] = {CHAT: {"annotations": cited}}
        elif cited:
            lost.append("annotations")
        keep(turn, message, _ASSISTANT_TREE, CHAT)
    turn["parts"] = parts
    return turn


def _thinking(parts: list[Body], message: Body, ctx: Body, lost: Losses) -> None:
    """Thinking, told in fields that no two servers call the same: what says most counts."""
    content, plain = message.get("reasoning_content"), message.get("reasoning")
    if content and plain and ctx["upstream_format"] == ctx["format"]:
        lost.append("reasoning")
    if details := message.get("reasoning_details"):
        parts += [_detail(detail, ctx) for detail in expect(details, list, "list")]
    elif content and type(content) is str:
        parts.append({"type": "thinking", "text": content})
    elif plain and type(plain) is str:
        parts.append({"type": "thinking", "text": plain})


def _detail(detail: Body, ctx: Body) -> Body:
    part: Body = {"type": "thinking"}
    text = detail.get("text")
    if text is None:
        text = detail.get("summary")
    if text:
        part["text"] = text
    mark = None
    if signature := detail.get("signature"):
        mark = uncarry(signature, ctx["vendor"], "sig")
    elif data := detail.get("data"):
        mark = uncarry(data, ctx["vendor"], "enc")
    if mark is not None:
        ident = detail.get("id")
        part["signature"] = mark if ident is None else {**mark, "id": ident}
        if mark["kind"] == "redacted":
            part["redacted"] = True
    if ctx["client_format"] == ctx["upstream_format"]:
        said = {key: detail[key] for key in ("type", "index", "format") if key in detail}
        if said:
            part["native"] = {CHAT: said}
    if not _DETAIL_TREE.keys() >= detail.keys():
        keep(part, detail, _DETAIL_TREE, CHAT)
    return part


def _call(call: Any, position: int, number: int, ctx: Body) -> Body:
    if type(call) is not dict:
        call = {}
    function: Any = call.get("function")
    custom: Any = None
    name = function.get("name") if type(function) is dict else None
    ident = call.get("id")
    part: Body = {
        "type": "call",
        "id": derived_id("call_", position, number, name) if ident is None else raw_id(ident),
    }
    simple = _CALL.issuperset(call)
    if not simple:
        custom = call.get("custom")
        if name is None:
            name = inside(custom, "name")
        mark = inside(inside(call.get("extra_content"), "google"), "thought_signature")
        if mark and (signature := uncarry(mark, "gemini", "sig")):
            part["signature"] = signature
    if name is not None:
        part["name"] = name
    if inside(custom, "name"):
        part["kind"] = "custom"
        given = custom.get("input")
        part["raw"] = "" if given is None else given
    else:
        if custom is not None and ctx["client_format"] == ctx["upstream_format"]:
            part["native"] = {CHAT: {"custom": custom}}
        _arguments(part, inside(function, "arguments"))
    if not simple or (type(function) is dict and not _CALL_FUNCTION.issuperset(function)):
        keep(part, call, _CALL_TREE, CHAT)
    return part


def _arguments(part: Body, given: Any) -> None:
    sent = parse_json(given)
    if type(sent) is dict:
        part["arguments"] = sent
    elif type(given) is str and given.strip():
        part["raw"] = given
    else:
        part["arguments"] = {}
