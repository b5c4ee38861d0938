"""Claude event streams as canonical events."""

from __future__ import annotations

from typing import Any

from benchmarks.handwritten.claude_answer import (
    STOPS,
    TIERS,
    cite_alone,
    read_error,
    read_usage,
)
from benchmarks.handwritten.common import (
    CLAUDE,
    Body,
    Losses,
    inside,
    keep,
    keys,
    looked_at,
    more,
    tree,
)
from engine.language.functions import json_text, merge_present, parse_json
from engine.translation.functions import uncarry

_DELTA = keys("type index delta")
_DELTAS = {
    "text_delta": keys("type text"),
    "input_json_delta": keys("type partial_json"),
    "thinking_delta": keys("type thinking"),
    "signature_delta": keys("type signature"),
    "citations_delta": keys("type citation"),
}
_TYPE = keys("type")
_STOP = keys("type index")
_TEXT_TREE = tree(["type", "index"], content_block=tree(keys("type citations text")))
_CALL_TREE = tree(["type", "index"], content_block=tree(keys("type name input id")))
_THINKING_TREE = tree(["type", "index"], content_block=tree(keys("type thinking signature")))
_COUNTS = keys(
    "input_tokens output_tokens cache_read_input_tokens cache_creation_input_tokens"
    " server_tool_use inference_geo iterations"
)
_COUNTS_INSIDE = {
    "cache_creation": tree(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]),
    "output_tokens_details": tree(["thinking_tokens"]),
}
_START_TREE = tree(
    ["type"],
    message=tree(
        keys("type role content id model"),
        usage=looked_at(**tree([*_COUNTS, "service_tier"], **_COUNTS_INSIDE)),
    ),
)
_END_TREE = tree(
    ["type"],
    usage=tree(_COUNTS, **_COUNTS_INSIDE),
    delta=tree(["stop_reason", "stop_sequence"], stop_details=tree(["explanation", "category"])),
)
_OWN_USAGE = ("server_tool_use", "inference_geo", "iterations")


class ReadClaude:
    """Reads one stream."""

    def __init__(self, plan: Body, ctx: Body) -> None:
        self._plan = plan
        self._ctx = ctx
        self._usage: Body | None = {}
        self._ending: Body = {}
        self._odd: Any = None  # index of a call whose arguments need a second look, and why
        self._why = ""
        self._pieces: list[str] = []
        self._called = False
        self._done = False
        self.lost: Losses = []

    def step(self, wire: Body) -> list[Body]:
        """The canonical events of one event."""
        if self._done:
            return []
        kind = wire.get("type")
        if kind == "content_block_delta":
            return self._delta(wire)
        if kind == "content_block_start":
            return self._start(wire)
        if kind == "content_block_stop":
            return self._stop(wire)
        if kind == "message_start":
            return self._begin(wire)
        if kind == "message_delta":
            self._told(wire)
            return []
        if kind == "message_stop":
            return self._end(wire)
        if kind == "error" or wire.get("error"):
            self._done = True
            error = read_error(wire, self._ctx)
            return [{"type": "error", "error": error, "choice": 0}]
        if kind != "ping":
            self.lost.append("event")
        return []

    def end(self) -> list[Body]:
        """The bytes are over."""
        return []

    # ------------------------------------------------------------------------ deltas

    def _delta(self, wire: Body) -> list[Body]:
        index = wire.get("index")
        delta: Body = wire.get("delta") or {}
        kind = delta.get("type")
        known = _DELTAS.get(kind or "")
        if known is None:
            self.lost.append("delta")
            return []
        if not known.issuperset(delta) or not _DELTA.issuperset(wire):
            if more(delta, known) or more(wire, _DELTA):
                self.lost.append("delta")
        if kind == "text_delta":
            return [{"type": "text", "choice": 0, "part": index, "delta": delta["text"]}]
        if kind == "input_json_delta":
            if self._odd is not None and self._odd == index:
                return self._odd_delta(index, delta["partial_json"])
            return [{"type": "args", "choice": 0, "part": index, "delta": delta["partial_json"]}]
        if kind == "thinking_delta":
            return [{"type": "thinking", "choice": 0, "part": index, "delta": delta["thinking"]}]
        if kind == "signature_delta":
            return self._signed(index, delta.get("signature"), "sig")
        event: Body = {"type": "citation", "choice": 0, "part": index}
        event["citation"] = cite_alone(delta["citation"])
        return [event]

    def _odd_delta(self, index: Any, text: str) -> list[Body]:
        if self._why == "custom":
            self._pieces.append(text)
            return []
        if self._why == "answer":
            return [{"type": "text", "choice": 0, "part": index, "delta": text}]
        if not text:
            return []
        self._odd = None
        return [{"type": "args", "choice": 0, "part": index, "delta": text}]

    def _signed(self, index: Any, text: Any, kind: str) -> list[Body]:
        if not text:
            return []
        signature = uncarry(text, self._ctx["vendor"], kind)
        return [{"type": "signature", "choice": 0, "part": index, "signature": signature}]

    # ------------------------------------------------------------------------ blocks

    def _start(self, wire: Body) -> list[Body]:
        index = wire.get("index")
        block = wire.get("content_block")
        kind = inside(block, "type")
        start: Body = {"type": "part_start", "choice": 0, "part": index}
        if kind == "tool_use":
            return self._call(wire, start)
        if kind == "text":
            start["kind"] = "text"
            keep(start, wire, _TEXT_TREE, CLAUDE)
            if text := wire["content_block"].get("text"):
                return [start, {"type": "text", "choice": 0, "part": index, "delta": text}]
            return [start]
        if kind == "thinking":
            start["kind"] = "thinking"
            keep(start, wire, _THINKING_TREE, CLAUDE)
            out = [start]
            if text := wire["content_block"].get("thinking"):
                out.append({"type": "thinking", "choice": 0, "part": index, "delta": text})
            return out + self._signed(index, wire["content_block"].get("signature"), "sig")
        if kind == "redacted_thinking":
            start |= {"kind": "thinking", "redacted": True}
            mark: Body = {"type": "signature", "choice": 0, "part": index}
            data = wire["content_block"].get("data")
            if data and (signature := uncarry(data, self._ctx["vendor"], "redacted")):
                mark["signature"] = signature
            return [start, mark]
        start |= {"kind": "other", "native": {CLAUDE: {"content_block": block}}}
        return [start]

    def _call(self, wire: Body, start: Body) -> list[Body]:
        block, plan, index = wire["content_block"], self._plan, start["part"]
        name = block.get("name")
        if names := plan.get("names_back"):
            name = names.get(name, name)
        answer = name is not None and name == plan.get("structured")
        custom = name in (plan.get("custom") or ())
        given = block.get("input")
        self._odd = index if not given or answer or custom else None
        self._why = "answer" if answer else "custom" if custom else "bare"
        self._pieces = []
        if answer:
            start["kind"] = "text"
        else:
            self._called = True
            start["kind"] = "call"
            if (ident := block.get("id")) is not None:
                start["id"] = ident
            if name is not None:
                start["name"] = name
            if custom:
                start["call_kind"] = "custom"
        keep(start, wire, _CALL_TREE, CLAUDE)
        if not given:
            return [start]
        # some servers send the arguments at once
        delta: Body = {"type": "text" if answer else "args", "choice": 0, "part": index}
        delta["delta"] = given.get("input") if custom and not answer else json_text(given)
        return [start, delta]

    def _stop(self, wire: Body) -> list[Body]:
        index = wire.get("index")
        out: list[Body] = []
        if self._odd is not None and self._odd == index:
            if self._why == "bare":  # a call without arguments has none: {}
                out.append({"type": "args", "choice": 0, "part": index, "delta": "{}"})
            elif self._why == "custom":
                text = "".join(self._pieces)
                said = inside(parse_json(text), "input")
                said = text if said is None else said
                out.append({"type": "args", "choice": 0, "part": index, "delta": said})
            self._odd = None
        if more(wire, _STOP):
            self.lost.append("stop")
        out.append({"type": "part_end", "choice": 0, "part": index})
        return out

    # ------------------------------------------------------------------------ the whole

    def _begin(self, wire: Body) -> list[Body]:
        message = wire.get("message") or {}
        usage = message.get("usage")
        self._usage = {} if usage is None else usage
        start: Body = {"type": "start", "choice": 0}
        for key in ("id", "model"):
            if (value := message.get(key)) is not None:
                start[key] = value
        if usage:
            if (tier := usage.get("service_tier")) is not None:
                if tier in TIERS:
                    start["tier"] = TIERS[tier]
                else:
                    self.lost.append("tier")
            start["usage"] = read_usage(usage)
        keep(start, wire, _START_TREE, CLAUDE)
        return [start]

    def _told(self, wire: Body) -> None:
        self._usage = merge_present(self._usage, wire.get("usage"))
        delta = wire.get("delta")
        told: Body = {}
        if type(delta) is dict:
            details = delta.get("stop_details")
            found = {
                "reason": delta.get("stop_reason"),
                "stop_sequence": delta.get("stop_sequence"),
                "explanation": inside(details, "explanation"),
                "category": inside(details, "category"),
            }
            told = {key: value for key, value in found.items() if value is not None}
        keep(told, wire, _END_TREE, CLAUDE)
        self._ending.update(told)

    def _end(self, wire: Body) -> list[Body]:
        self._done = True
        out: list[Body] = []
        if usage := self._usage:
            counts = read_usage(usage)
            own = {key: usage[key] for key in _OWN_USAGE if usage.get(key) is not None}
            if own:
                counts["native"] = {CLAUDE: own}
            out.append({"type": "usage", "choice": 0, "usage": counts})
        reason = self._ending.pop("reason", None)
        stop = STOPS.get(reason or "")
        if stop is None:
            stop = "tool" if self._called else "end"
            if reason is not None:
                self.lost.append("reason")
        elif stop == "tool" and not self._called:
            stop = "end"
        out.append({"type": "stop", "choice": 0, "reason": stop, **self._ending})
        out.append({"type": "end", "choice": 0})
        if more(wire, _TYPE):
            self.lost.append("event")
        return out
