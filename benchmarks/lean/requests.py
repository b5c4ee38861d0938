"""Chat requests to Claude ones as a good engineer would write them by hand, in one step.

Beside what the measured documents hold it takes their neighbourhood: other content, thinking
modes, wrong types, odd arguments, cache marks. Losses are found by a set comparison an object, and
noted for each thing left out. JSON Schemas of tools go through the project's own rewriting, as
they do in the compiled mappings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

Body = dict[str, Any]
Rewrite = Callable[[Any], tuple[Any, list[str]]]

_REQUEST = frozenset(
    "model messages stream stream_options max_completion_tokens max_tokens stop user"
    " safety_identifier tool_choice parallel_tool_calls tools temperature top_p top_k n seed"
    " reasoning_effort response_format metadata store".split()
)
_MESSAGE = frozenset({"role", "content", "name"})
_ASSISTANT = frozenset({"role", "content", "name", "tool_calls", "refusal", "reasoning_content"})
_RESULT = frozenset({"role", "content", "tool_call_id"})
_TEXT = frozenset({"type", "text", "cache_control"})
_IMAGE = frozenset({"type", "image_url", "cache_control"})
_IMAGE_URL = frozenset({"url", "detail"})
_CALL = frozenset({"id", "type", "function"})
_CALL_FUNCTION = frozenset({"name", "arguments"})
_TOOL = frozenset({"type", "function", "cache_control"})
_FUNCTION = frozenset({"name", "description", "parameters", "strict"})

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DATA_URL = re.compile(r"data:([^;,]*)[^,]*;base64,(.*)", re.S)
_CHOICES = {"auto": "auto", "required": "any", "any": "any", "none": "none"}
_EFFORTS = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}


class Wrong(ValueError):
    """The request cannot be sent."""


class Requests:
    """Converts requests.

    ``rewrite``: a JSON Schema as Claude takes it; ``limits``: those of a model by its name.
    """

    def __init__(self, rewrite: Rewrite, limits: Callable[[str], Body]) -> None:
        self._rewrite = rewrite
        self._limits = limits

    def convert(self, body: Body) -> tuple[Body, list[str]]:
        """The Claude request and what was lost. Raises Wrong."""
        lost: list[str] = []
        if not _REQUEST.issuperset(body):
            lost.append("request")
        model = body.get("model")
        if type(model) is not str:
            raise Wrong("model")
        limits = self._limits(model)
        system, messages = self._messages(body, lost)
        if not messages:
            raise Wrong("messages")
        if messages[-1]["role"] == "assistant" and not limits["prefill"]:
            raise Wrong("prefill")
        most = limits.get("max_output")
        max_tokens = body.get("max_completion_tokens")
        if max_tokens is None:
            max_tokens = body.get("max_tokens")
        if max_tokens is None:
            max_tokens = most or 32000
        elif type(max_tokens) is not int:
            raise Wrong("max_tokens")
        elif most is not None and max_tokens > most:
            max_tokens = most
            lost.append("max_tokens")
        out: Body = {"model": model, "max_tokens": max_tokens}
        if system:
            out["system"] = system
        out["messages"] = messages
        tools = body.get("tools")
        if tools:
            out["tools"] = [self._tool(tool, lost) for tool in tools]
            self._choice(body, out, limits, lost)
        self._thinking(body, out, limits, lost)
        stop = body.get("stop")
        if stop is not None:
            texts = [stop] if type(stop) is str else stop
            kept = [text for text in texts if text.strip()]
            if len(kept) != len(texts):
                lost.append("stop")
            if kept:
                out["stop_sequences"] = kept
        for key in ("temperature", "top_p", "top_k"):
            if body.get(key) is not None:
                lost.append(key)
        for key in ("seed", "metadata", "store"):
            if body.get(key) is not None:
                lost.append(key)
        if (body.get("n") or 1) > 1:
            raise Wrong("n")
        user = body.get("safety_identifier") or body.get("user")
        if user is not None:
            if type(user) is not str:
                raise Wrong("user")
            out["metadata"] = {"user_id": user}
        stream = body.get("stream")
        if stream is not None:
            if type(stream) is not bool:
                raise Wrong("stream")
            out["stream"] = stream
        return out, lost

    # ---------------------------------------------------------------- conversation

    def _messages(self, body: Body, lost: list[str]) -> tuple[list[Body], list[Body]]:
        given = body.get("messages")
        if type(given) is not list:
            raise Wrong("messages")
        system: list[Body] = []
        messages: list[Body] = []
        calls: set[str] = set()
        leading = True
        for message in given:
            if type(message) is not dict:
                raise Wrong("messages")
            role = message.get("role")
            if role in ("system", "developer"):
                if not _MESSAGE.issuperset(message):
                    lost.append("message")
                blocks = self._content(message.get("content"), lost)
                if leading:
                    system += blocks
                elif blocks:
                    messages.append({"role": "system", "content": blocks})
                continue
            leading = False
            if role == "tool":
                if not _RESULT.issuperset(message):
                    lost.append("message")
                blocks = [self._result(message, calls, lost)]
                role = "user"
            elif role == "user":
                if not _MESSAGE.issuperset(message):
                    lost.append("message")
                blocks = self._content(message.get("content"), lost)
            elif role == "assistant":
                if not _ASSISTANT.issuperset(message):
                    lost.append("message")
                blocks = self._said(message, calls, lost)
            else:
                raise Wrong("role")
            if message.get("name") is not None:
                lost.append("name")
            if not blocks:
                continue
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"] += blocks
            else:
                messages.append({"role": role, "content": blocks})
        return system, messages

    def _content(self, content: Any, lost: list[str]) -> list[Body]:
        if type(content) is str:
            return [{"type": "text", "text": content}] if content else []
        if content is None:
            return []
        if type(content) is not list:
            raise Wrong("content")
        blocks: list[Body] = []
        for part in content:
            if type(part) is not dict:
                raise Wrong("content")
            kind = part.get("type")
            if kind == "text":
                if not _TEXT.issuperset(part):
                    lost.append("part")
                text = part.get("text")
                if type(text) is not str:
                    raise Wrong("text")
                if not text:
                    continue
                block: Body = {"type": "text", "text": text}
            elif kind == "image_url":
                block = self._image(part, lost)
            else:
                raise Wrong("part")
            mark = part.get("cache_control")
            if mark is not None:
                block["cache_control"] = _mark(mark)
            blocks.append(block)
        return blocks

    def _image(self, part: Body, lost: list[str]) -> Body:
        image = part.get("image_url")
        if not _IMAGE.issuperset(part):
            lost.append("part")
        if type(image) is dict and not _IMAGE_URL.issuperset(image):
            lost.append("part")
        url = image.get("url") if type(image) is dict else image
        if type(url) is not str:
            raise Wrong("image_url")
        if type(image) is dict and image.get("detail") not in (None, "auto"):
            lost.append("detail")
        data = _DATA_URL.fullmatch(url)
        if data is None:
            return {"type": "image", "source": {"type": "url", "url": url}}
        mime = data[1]
        if mime not in ("image/png", "image/jpeg", "image/gif", "image/webp"):
            raise Wrong("image_url")
        return {"type": "image", "source": {"type": "base64", "media_type": mime, "data": data[2]}}

    def _said(self, message: Body, calls: set[str], lost: list[str]) -> list[Body]:
        blocks = self._content(message.get("content"), lost)
        if message.get("reasoning_content") is not None:
            lost.append("reasoning_content")  # another model's, or without a signature
        refusal = message.get("refusal")
        if refusal:
            blocks.append({"type": "text", "text": refusal})
        for call in message.get("tool_calls") or ():
            function = call.get("function")
            if type(function) is not dict:
                raise Wrong("tool_calls")
            if not _CALL.issuperset(call) or not _CALL_FUNCTION.issuperset(function):
                lost.append("call")
            ident = call.get("id")
            if type(ident) is not str:
                raise Wrong("id")
            calls.add(ident)
            block = {
                "type": "tool_use",
                "id": ident if _SAFE_ID.fullmatch(ident) else _hashed(ident),
                "name": _name(function.get("name")),
                "input": _arguments(function.get("arguments"), lost),
            }
            blocks.append(block)
        return blocks

    def _result(self, message: Body, calls: set[str], lost: list[str]) -> Body:
        ident = message.get("tool_call_id")
        if ident not in calls:
            raise Wrong("tool_call_id")
        block: Body = {
            "type": "tool_result",
            "tool_use_id": ident if _SAFE_ID.fullmatch(ident) else _hashed(ident),
        }
        content = message.get("content")
        if type(content) is not str:
            content = self._content(content, lost)
        if content:
            block["content"] = content
        return block

    # ---------------------------------------------------------------- tools

    def _tool(self, tool: Body, lost: list[str]) -> Body:
        function = tool.get("function")
        if tool.get("type") != "function" or type(function) is not dict:
            raise Wrong("tools")
        if not _TOOL.issuperset(tool) or not _FUNCTION.issuperset(function):
            lost.append("tool")
        out: Body = {"name": _name(function.get("name"))}
        description = function.get("description")
        if description is not None:
            out["description"] = description
        schema = function.get("parameters")
        if schema is None:
            out["input_schema"] = {"type": "object", "properties": {}}
        else:
            out["input_schema"], changes = self._rewrite(schema)
            if changes:
                lost.append("parameters")
        mark = tool.get("cache_control")
        if mark is not None:
            out["cache_control"] = _mark(mark)
        return out

    def _choice(self, body: Body, out: Body, limits: Body, lost: list[str]) -> None:
        choice = body.get("tool_choice")
        alone = body.get("parallel_tool_calls") is False
        if choice is None:
            wanted: Body | None = {"type": "auto"} if alone else None
        elif type(choice) is str:
            wanted = {"type": _CHOICES.get(choice) or "auto"}
        else:
            wanted = {"type": "tool", "name": _name((choice.get("function") or {}).get("name"))}
        if wanted is None:
            return
        if not limits["forced"] and wanted["type"] in ("any", "tool"):
            wanted = {"type": "auto"}
            lost.append("tool_choice")
        if alone and wanted["type"] != "none":
            wanted["disable_parallel_tool_use"] = True
        out["tool_choice"] = wanted

    def _thinking(self, body: Body, out: Body, limits: Body, lost: list[str]) -> None:
        effort = body.get("reasoning_effort")
        config: Body = {}
        if effort is None:
            if limits["disabled"] == "no":
                out["thinking"] = {"type": "adaptive", "display": "summarized"}
        elif effort not in _EFFORTS:
            lost.append("reasoning_effort")
        elif effort == "none" and limits["disabled"] != "no":
            out["thinking"] = {"type": "disabled"}
        elif effort == "none" and limits["between"]:
            out["thinking"] = {"type": "between_tools"}
        else:
            out["thinking"] = {"type": "adaptive", "display": "summarized"}
            if effort in ("none", "minimal"):
                effort = "low"
            elif effort == "xhigh" and not limits["xhigh"]:
                effort = "high"
                lost.append("reasoning_effort")
            config["effort"] = effort
        wanted = body.get("response_format")
        if wanted is not None and wanted.get("type") == "json_schema":
            schema, changes = self._rewrite((wanted.get("json_schema") or {}).get("schema"))
            if changes:
                lost.append("response_format")
            config["format"] = {"type": "json_schema", "schema": schema}
        if config:
            out["output_config"] = config


def _mark(mark: Any) -> Body:
    ttl = mark.get("ttl") if type(mark) is dict else None
    return {"type": "ephemeral", "ttl": ttl} if ttl in ("5m", "1h") else {"type": "ephemeral"}


def _hashed(ident: str) -> str:
    raise Wrong(ident)


def _name(name: Any) -> str:
    if type(name) is not str or not _SAFE_NAME.fullmatch(name):
        raise Wrong("name")
    return name


def _arguments(text: Any, lost: list[str]) -> Any:
    if text is None or not text.strip():
        return {}
    try:
        value = orjson.loads(text)
    except ValueError:
        value = None
    if type(value) is dict:
        return value
    lost.append("arguments")
    return {"_raw": text}
