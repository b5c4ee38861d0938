"""The built-in upstream: answers without a network and without a key, in every wire format.

It reads a request with the format's own mapping, makes up a canonical answer and writes it with the
format's write half, so it can say whatever a real upstream of the format can.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from engine.errors import Rejected
from engine.gateway.ingress import Ingress
from engine.gateway.upstream import AsyncBaseTransport, AsyncByteStream, Request, Response
from engine.translation import jsontext
from engine.translation.faults import ErrorAnswer
from engine.translation.standing import Standing
from engine.translation.translator import Translator
from engine.translation.wholes import unfold

Canonical = dict[str, Any]

# Slow enough to be seen arriving, quick enough not to wait for.
DELTA_SECONDS = 0.01
_WORD = re.compile(r"\s*\S+")
_WORDS_A_DELTA = 3


class _Stream(AsyncByteStream):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if piece:
                yield piece
                await asyncio.sleep(DELTA_SECONDS)


class DemoTransport(AsyncBaseTransport):
    """The demo provider as a transport."""

    def __init__(self, translator: Translator) -> None:
        self._standing = Standing(translator)
        self._faults = translator.faults
        self._ingress = Ingress(translator.formats)

    async def handle_async_request(self, request: Request) -> Response:
        headers = dict(request.headers)
        match = next(iter(self._ingress.find("POST", request.url.path, headers)), None)
        if match is None:
            return Response(404, json={"error": {"message": "the demo serves no such path"}})
        name = match.format.name
        body: dict[str, Any] = jsontext.loads(request.content)
        try:
            asked = self._standing.read_request(body, name)
        except Rejected as refusal:
            fault = self._faults.own(refusal.kind, str(refusal), target=name)
            return _error(fault)
        asked.setdefault("model", match.model or "demo")
        answer = compose(asked)
        if not match.streamed(body):
            written = self._standing.write_response(answer, name, body)
            return Response(200, content=jsontext.dumps(written), headers=_JSON)
        pieces = self._standing.write_stream(unfold(answer, cut=words), name, body)
        return Response(
            200, stream=_Stream(pieces), headers={"content-type": match.format.content_type}
        )


_JSON = {"content-type": "application/json"}


def _error(fault: ErrorAnswer) -> Response:
    return Response(fault.status, content=jsontext.dumps(fault.body), headers=_JSON)


def compose(asked: Canonical) -> Canonical:
    """A canonical answer: an echo, a call when asked for one, thinking when wanted."""
    said, results = _last(asked)
    digest = hashlib.sha256(jsontext.dumps([asked.get("model"), said, len(asked["turns"])]))
    parts: list[Canonical] = []
    if _thinks(asked):
        parts.append(
            {"type": "thinking", "text": "The demo thinks: an echo will do.", "signature": _SIGNED}
        )
    tool = None if results else _tool(asked, said)
    if tool is not None:
        parts.append(_call(tool, digest.hexdigest()[:12]))
    else:
        parts.append({"type": "text", "text": _text(asked, said, results)})
    text = "".join(str(part.get("text", "")) for part in parts)
    output = max(1, len(text) // 4)
    return {
        "id": f"demo-{digest.hexdigest()[:16]}",
        "model": asked["model"],
        "created": 0,
        "choices": [{"index": 0, "parts": parts, "stop": "tool" if tool else "end"}],
        "usage": {"input": max(1, len(said) // 4), "output": output},
    }


_SIGNED = {"vendor": "demo", "kind": "sig", "value": "ZGVtbw=="}


def _last(asked: Canonical) -> tuple[str, list[Canonical]]:
    """The text of the last user turn, and the tool results in it."""
    for turn in reversed(asked.get("turns", [])):
        if turn["role"] == "user":
            parts = turn["parts"]
            text = " ".join(part["text"] for part in parts if part["type"] == "text")
            return text, [part for part in parts if part["type"] == "result"]
    return "", []


def _thinks(asked: Canonical) -> bool:
    if asked.get("thinking") == "disabled" or asked.get("effort") == "none":
        return False
    return any(key in asked for key in ("thinking", "effort", "budget"))


def _tool(asked: Canonical, said: str) -> Canonical | None:
    """The tool to call: the one that is forced, or the first when the text asks for one."""
    offered: list[Canonical] = asked.get("tools", [])
    tools = [tool for tool in offered if tool["type"] in ("function", "custom")]
    choice = asked.get("tool_choice", {})
    if not tools or choice.get("mode") == "none":
        return None
    for tool in tools:
        if choice.get("name") == tool["name"] or tool["name"].lower() in said.lower():
            return tool
    return tools[0] if choice.get("mode") == "required" or "tool" in said.lower() else None


def _call(tool: Canonical, digest: str) -> Canonical:
    part: Canonical = {"type": "call", "id": f"call_{digest}", "name": tool["name"]}
    if tool["type"] == "custom":
        return {**part, "kind": "custom", "raw": "demo"}
    arguments = sample(tool.get("schema"))
    return {**part, "arguments": arguments if isinstance(arguments, dict) else {}}


def _text(asked: Canonical, said: str, results: list[Canonical]) -> str:
    output = asked.get("output", {}).get("type")
    if output == "schema":
        return jsontext.compact_json(sample(asked["output"].get("schema")))
    if output == "json":
        return jsontext.compact_json({"echo": said})
    if results:
        heard = " ".join(
            part["text"] for result in results for part in result["parts"] if part["type"] == "text"
        )
        return f"The tool said: {heard}"
    return f"This is the demo provider; no model was asked. You said: {said}"


def sample(schema: Any, depth: int = 0) -> Any:
    """A small value that fits a JSON Schema, as far as types and enumerations go."""
    if not isinstance(schema, dict) or depth > 8:
        return {} if depth == 0 else "demo"
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: sample(properties[name], depth + 1) for name in properties}
    if kind == "array":
        return [sample(schema.get("items"), depth + 1)]
    return {"integer": 1, "number": 1.5, "boolean": True, "null": None}.get(str(kind), "demo")


def words(text: str) -> list[str]:
    """A text in pieces of some words."""
    found = _WORD.findall(text)
    whole = "".join(found)
    pieces = [
        "".join(found[at : at + _WORDS_A_DELTA]) for at in range(0, len(found), _WORDS_A_DELTA)
    ]
    return [*pieces, text[len(whole) :]] if len(whole) < len(text) else pieces
