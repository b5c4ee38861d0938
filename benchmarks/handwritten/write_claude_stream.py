"""Canonical events as Claude event streams."""

from __future__ import annotations

from typing import Any

from benchmarks.handwritten.claude_blocks import citation, extras
from benchmarks.handwritten.common import CLAUDE, Body, Losses, inside, keys, more
from engine.language.functions import json_text
from engine.language.leftovers import spread
from engine.translation.functions import answer_id, carry, safe_id

_TEXT = keys("type choice part delta")
_CALL_START = keys("type kind choice part call_kind id name")
_THINKING_START = keys("type kind redacted choice part")
_TEXT_START = keys("type kind redacted choice part native")
_NATIVE = keys(CLAUDE)
_SIGNED = keys("type choice part signature")
_BEGIN = keys("type choice created id model usage tier")
_ENDING = keys("type choice reason stop_sequence explanation category")
_COUNTS = keys("input output cache_read cache_write cache_write_5m cache_write_1h reasoning")
_REASONS = {
    "end": "end_turn",
    "stop_seq": "stop_sequence",
    "length": "max_tokens",
    "context": "model_context_window_exceeded",
    "tool": "tool_use",
    "filter": "refusal",
    "pause": "pause_turn",
    "error": "end_turn",
}
_ANSWER_TIERS = {"default": "standard", "priority": "priority", "batch": "batch"}
_ERROR_TYPES = {
    "invalid": "invalid_request_error",
    "context": "invalid_request_error",
    "auth": "authentication_error",
    "billing": "billing_error",
    "forbidden": "permission_error",
    "not-found": "not_found_error",
    "unknown-path": "not_found_error",
    "timeout": "timeout_error",
    "conflict": "conflict_error",
    "too-large": "invalid_request_error",
    "unprocessable": "invalid_request_error",
    "rate-limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "gone": "not_found_error",
    "overloaded": "overloaded_error",
    "upstream-timeout": "timeout_error",
    "unserved": "not_found_error",
    "method": "invalid_request_error",
}


class WriteClaude:
    """Writes one stream; its parts come one after the other."""

    def __init__(self, plan: Body, ctx: Body) -> None:
        self._ctx = ctx
        self._next = 0  # index of the next block
        self._open: int | None = None  # that of the open one; text opens with its first words
        self._kind: str | None = None
        self._own: Body | None = None  # what only this format says of the text that is open
        self._pieces: list[str] = []  # the input of a free-text call
        self._signature: Any = None  # one that came on a text or a call
        self._usage: Body | None = None
        self._refused = False
        self._done = False
        self.lost: Losses = []

    def step(self, event: Body) -> list[Body]:
        """The events for the client."""
        if self._done:
            return []
        if event.get("choice"):
            self.lost.append("choice")
            return []
        kind = event["type"]
        if kind == "text" or kind == "refusal":
            return self._text(event)
        if kind == "args":
            return self._arguments(event)
        if kind == "thinking":
            if not _TEXT.issuperset(event):
                self.lost.append("thinking")
            return [self._delta({"type": "thinking_delta", "thinking": event["delta"]})]
        if kind == "part_start":
            return self._part(event)
        if kind == "part_end":
            return self._end()
        if kind == "start":
            return [self._begin(event)]
        if kind == "signature":
            return self._signed(event)
        if kind == "citation":
            return self._cited(event)
        if kind == "usage":
            self._usage = event["usage"]
            if any(word != CLAUDE for word in event["usage"].get("native") or ()):
                self.lost.append("usage")
            return []
        if kind == "stop":
            return [self._stop(event)]
        if kind == "end":
            return [{"type": "message_stop"}]
        return [self._failed(event)] if kind == "error" else []

    def end(self) -> list[Body]:
        """Nothing is held for the end of the bytes."""
        return []

    def _delta(self, delta: Body) -> Body:
        event: Body = {"type": "content_block_delta", "delta": delta}
        if self._open is not None:
            event["index"] = self._open
        return event

    def _text(self, event: Body) -> list[Body]:
        if not _TEXT.issuperset(event):
            self.lost.append("text")
        text = event.get("delta")
        if self._open is not None and event["type"] == "text":
            return [
                {
                    "type": "content_block_delta",
                    "index": self._open,
                    "delta": {"type": "text_delta", "text": text},
                }
            ]
        if not text:
            return []
        out = self._opened()
        self._next = (self._open or 0) + 1
        out.append(self._delta({"type": "text_delta", "text": text}))
        return out

    def _opened(self) -> list[Body]:
        """A block of text opens with its first words: none is empty."""
        if self._open is None:
            self._open = self._next
        if self._open != self._next:
            return []
        block = {**(self._own or {}), "type": "text", "text": ""}
        return [{"type": "content_block_start", "index": self._open, "content_block": block}]

    def _arguments(self, event: Body) -> list[Body]:
        if "broken" in event:
            if self._ctx["upstream_format"] != self._ctx["format"]:
                self.lost.append("args")
            return []
        if not _TEXT.issuperset(event):
            self.lost.append("args")
        if self._kind == "custom":
            self._pieces.append(event["delta"])
            return []
        if self._open is None:
            return []  # of a block that only another format knows
        return [
            {
                "type": "content_block_delta",
                "index": self._open,
                "delta": {"type": "input_json_delta", "partial_json": event["delta"]},
            }
        ]

    def _part(self, event: Body) -> list[Body]:
        kind = event.get("kind")
        if kind == "text" or kind == "refusal":
            self._open, self._kind = None, kind
            self._refused = self._refused or kind == "refusal"
            native = event.get("native")
            self._own = inside(inside(native, CLAUDE), "content_block")
            if more(event, _TEXT_START) or more(native or {}, _NATIVE):
                self.lost.append("part")
            return []
        native = inside(event.get("native"), CLAUDE)
        if kind == "thinking" and event.get("redacted"):
            self._open, self._kind = None, "redacted"
            return []
        if kind not in ("thinking", "call") and not inside(native, "content_block"):
            self._open, self._kind = None, "unknown"
            self.lost.append("part")
            return []
        start: Body = {"type": "content_block_start", "index": self._next}
        self._open, self._kind = self._next, kind
        self._next += 1
        known = _THINKING_START
        if kind == "thinking":
            start["content_block"] = {"type": "thinking", "thinking": "", "signature": ""}
        elif kind == "call":
            known = _CALL_START
            self._pieces = []
            if event.get("call_kind") == "custom":
                self._kind = "custom"
            block: Body = {"type": "tool_use", "input": {}}
            if (ident := event.get("id")) is not None and (safe := safe_id(ident)):
                block["id"] = safe
            if (name := event.get("name")) is not None:
                block["name"] = name
            start["content_block"] = block
        if not known.issuperset(event):
            extras(start, event, known, self.lost)
        return [start]

    def _end(self) -> list[Body]:
        out: list[Body] = []
        if self._kind == "custom":
            text = json_text({"input": "".join(self._pieces)})
            out.append(self._delta({"type": "input_json_delta", "partial_json": text}))
        if self._open is not None:
            out.append({"type": "content_block_stop", "index": self._open})
        if self._signature:
            index = self._next
            block = {"type": "thinking", "thinking": "", "signature": ""}
            mark = carry({**self._signature, "where": "prev"}, self._ctx["vendor"])
            delta = {"type": "signature_delta", "signature": mark}
            out += [
                {"type": "content_block_start", "index": index, "content_block": block},
                {"type": "content_block_delta", "index": index, "delta": delta},
                {"type": "content_block_stop", "index": index},
            ]
            self._next += 1
        self._open = self._kind = self._signature = None
        return out

    def _signed(self, event: Body) -> list[Body]:
        if not _SIGNED.issuperset(event):
            self.lost.append("signature")
        signature = event.get("signature")
        vendor = self._ctx["vendor"]
        if self._kind == "thinking":
            mark = carry(signature, vendor) if signature else None
            return [self._delta({"type": "signature_delta", "signature": mark})]
        if self._kind == "redacted":
            self._open = self._next
            self._next += 1
            data = carry(signature, vendor) if signature else None
            block = {"type": "redacted_thinking", "data": data}
            if data is None:
                del block["data"]
            start = {"type": "content_block_start", "index": self._open, "content_block": block}
            return [start]
        if self._kind == "unknown":
            self.lost.append("signature")
            return []
        self._signature = signature  # it follows what it belongs to in a block of its own
        return []

    def _cited(self, event: Body) -> list[Body]:
        given = event["citation"]
        if not inside(given.get("native"), CLAUDE):
            self.lost.append("citation")
            return []
        out = self._opened()
        written = citation(given, self.lost)
        out.append(self._delta({"type": "citations_delta", "citation": written}))
        self._next = max(self._next, (self._open or 0) + 1)
        return out

    # ------------------------------------------------------------------------ the whole

    def _begin(self, event: Body) -> Body:
        ctx = self._ctx
        ident = event.get("id") or ctx["request_digest"]
        model, asked = event.get("model"), ctx["client_model"]
        if (asked != ctx["model"] and asked is not None) or model is None:
            model = "" if asked is None else asked
        counts = event.get("usage") or {}
        usage = _counts(counts)
        short, long = counts.get("cache_write_5m"), counts.get("cache_write_1h")
        written = counts.get("cache_write")
        if short is not None or long is not None or (written or 0) > 0:
            usage["cache_creation"] = {
                "ephemeral_5m_input_tokens": (written or 0) - (long or 0)
                if short is None
                else short,
                "ephemeral_1h_input_tokens": 0 if long is None else long,
            }
        if (tier := event.get("tier")) is not None:
            if tier in _ANSWER_TIERS:
                usage["service_tier"] = _ANSWER_TIERS[tier]
            else:
                self.lost.append("tier")
        if more(counts, _COUNTS | {"native"}):
            self.lost.append("usage")
        message: Body = {
            "id": answer_id(ident, "msg_"),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        start: Body = {"type": "message_start", "message": message}
        if not _BEGIN.issuperset(event):
            extras(start, event, _BEGIN, self.lost)
        return start

    def _stop(self, event: Body) -> Body:
        reason = event.get("reason")
        word = _REASONS.get(reason or "")
        if self._refused:
            word = "refusal"
        elif word is None:
            word = "end_turn"
            if reason is not None:
                self.lost.append("reason")
        delta: Body = {"stop_reason": word, "stop_sequence": event.get("stop_sequence")}
        explanation, category = event.get("explanation"), event.get("category")
        if reason == "filter" or explanation or category:
            delta["stop_details"] = {
                "type": "refusal",
                "category": category,
                "explanation": explanation,
            }
        usage = _counts(self._usage or {})
        own = inside((self._usage or {}).get("native"), CLAUDE)
        if own is not None and spread(usage, own):
            self.lost.append("usage")
        stop: Body = {"type": "message_delta", "delta": delta, "usage": usage}
        if not _ENDING.issuperset(event):
            extras(stop, event, _ENDING, self.lost)
        return stop

    def _failed(self, event: Body) -> Body:
        self._done = True
        given = event["error"]
        kind = _ERROR_TYPES.get(given["kind"], "api_error")
        error: Body = {"type": "error", "error": {"type": kind, "message": given["message"]}}
        if (ident := given.get("request_id")) is not None:
            error["request_id"] = ident
        return error


def _counts(usage: Body) -> Body:
    """A type demands numbers: what nobody counted is 0."""
    own = inside(usage.get("native"), CLAUDE)
    read, written = usage.get("cache_read"), usage.get("cache_write")
    fresh, output = inside(own, "input_tokens"), inside(own, "output_tokens")
    if fresh is None:
        fresh = max((usage.get("input") or 0) - (read or 0) - (written or 0), 0)
    if output is None:
        output = usage.get("output") or 0
    counts: Body = {"input_tokens": fresh, "output_tokens": output}
    if written is not None:
        counts["cache_creation_input_tokens"] = written
    if read is not None:
        counts["cache_read_input_tokens"] = read
    if (reasoning := usage.get("reasoning")) is not None:
        counts["output_tokens_details"] = {"thinking_tokens": reasoning}
    return counts
