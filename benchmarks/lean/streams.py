"""Event streams between Claude and chat: text and calls, one after the other."""

from __future__ import annotations

from typing import Any

import orjson

from benchmarks.lean.answers import TIERS

Event = dict[str, Any]

_DELTA_EVENT = frozenset({"type", "index", "delta"})
_TEXT = frozenset({"type", "text"})
_ARGUMENTS = frozenset({"type", "partial_json"})
_START_EVENT = frozenset({"type", "index", "content_block"})
_CALL_BLOCK = frozenset({"type", "id", "name", "input"})
_CHUNK = frozenset(
    "id object created model choices usage service_tier system_fingerprint obfuscation".split()
)
_CHOICE = frozenset({"index", "delta", "logprobs", "finish_reason"})
_DELTA = frozenset({"role", "content", "refusal", "tool_calls"})
_CALL = frozenset({"index", "id", "type", "function"})
_FUNCTION = frozenset({"name", "arguments"})


class Frames:
    """Cuts server-sent events out of bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that these bytes complete."""
        data = self._rest + chunk if self._rest else chunk
        *events, self._rest = data.replace(b"\r\n", b"\n").split(b"\n\n")
        found = []
        for event in events:
            lines = [line[5:].lstrip() for line in event.split(b"\n") if line.startswith(b"data:")]
            if lines:
                found.append(b"\n".join(lines))
        return found


class ToChat:
    """Claude events as chat chunks."""

    def __init__(self, model: str, now: int) -> None:
        self._model = model
        self._now = now
        self._id = ""
        self._tier: str | None = None
        self._calls: dict[int, int] = {}
        self._frames = Frames()
        self.lost: set[str] = set()

    def feed(self, chunk: bytes) -> bytes:
        """Bytes for the client."""
        out = []
        for data in self._frames.feed(chunk):
            for event in self.event(orjson.loads(data)):
                out.append(b"data: " + orjson.dumps(event) + b"\n\n")
        return b"".join(out)

    def event(self, event: Event) -> list[Event]:
        """The chunks of one event."""
        kind = event.get("type")
        if kind == "content_block_delta":
            if not _DELTA_EVENT.issuperset(event):
                self.lost.add("event")
            delta = event["delta"]
            kind = delta.get("type")
            if kind == "text_delta":
                if not _TEXT.issuperset(delta):
                    self.lost.add("delta")
                return [self._chunk({"content": delta["text"]})]
            if kind == "input_json_delta":
                if not _ARGUMENTS.issuperset(delta):
                    self.lost.add("delta")
                text = delta["partial_json"]
                if not text:
                    return []
                call = {"index": self._calls[event["index"]], "function": {"arguments": text}}
                return [self._chunk({"tool_calls": [call]})]
            self.lost.add("delta")
        elif kind == "content_block_start":
            block = event["content_block"]
            if not _START_EVENT.issuperset(event) or not _CALL_BLOCK.issuperset(block):
                self.lost.add("event")
            if block.get("type") == "tool_use":
                number = self._calls[event["index"]] = len(self._calls)
                call = {"index": number, "id": block["id"], "type": "function"}
                call["function"] = {"name": block.get("name"), "arguments": ""}
                return [self._chunk({"tool_calls": [call]})]
        elif kind == "message_start":
            message = event["message"]
            self._id = "chatcmpl-" + message["id"].removeprefix("msg_")
            self._tier = TIERS.get(message["usage"].get("service_tier"))
            return [self._chunk({"role": "assistant", "content": "", "refusal": None})]
        return []

    def _chunk(self, delta: Event) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        chunk: Event = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._now,
            "model": self._model,
        }
        if self._tier is not None:
            chunk["service_tier"] = self._tier
        chunk["system_fingerprint"] = None
        chunk["choices"] = [choice]
        chunk["usage"] = None
        return chunk


class ToClaude:
    """Chat chunks as Claude events."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._started = False
        self._next = 0
        self._open: str | int | None = None
        self._frames = Frames()
        self.lost: set[str] = set()

    def feed(self, chunk: bytes) -> bytes:
        """Bytes for the client."""
        out = []
        for data in self._frames.feed(chunk):
            for event in self.event(orjson.loads(data)):
                name = event["type"].encode()
                out.append(b"event: " + name + b"\ndata: " + orjson.dumps(event) + b"\n\n")
        return b"".join(out)

    def event(self, chunk: Event) -> list[Event]:
        """The events of one chunk."""
        if not _CHUNK.issuperset(chunk):
            self.lost.add("chunk")
        out: list[Event] = []
        if not self._started:
            self._started = True
            out.append(self._start(chunk))
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if not _CHOICE.issuperset(choice) or not _DELTA.issuperset(delta):
                self.lost.add("choice")
            if choice.get("logprobs") is not None:
                self.lost.add("logprobs")
            text = delta.get("content")
            if text:
                if self._open != "text":
                    self._begin(out, "text", {"type": "text", "text": ""})
                out.append(self._delta({"type": "text_delta", "text": text}))
            for call in delta.get("tool_calls") or ():
                function = call.get("function") or {}
                if not _CALL.issuperset(call) or not _FUNCTION.issuperset(function):
                    self.lost.add("call")
                number = call.get("index") or 0
                if self._open != number:
                    block = {"type": "tool_use", "id": call["id"], "name": function["name"]}
                    self._begin(out, number, {**block, "input": {}})
                text = function.get("arguments")
                if text:
                    out.append(self._delta({"type": "input_json_delta", "partial_json": text}))
        return out

    def _start(self, chunk: Event) -> Event:
        message = {
            "id": "msg_" + chunk["id"].removeprefix("chatcmpl-"),
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0, "service_tier": "standard"},
        }
        return {"type": "message_start", "message": message}

    def _begin(self, out: list[Event], what: str | int, block: Event) -> None:
        if self._open is not None:
            out.append({"type": "content_block_stop", "index": self._next - 1})
        out.append({"type": "content_block_start", "index": self._next, "content_block": block})
        self._open = what
        self._next += 1

    def _delta(self, delta: Event) -> Event:
        return {"type": "content_block_delta", "index": self._next - 1, "delta": delta}
