"""Canonical events as chat streams."""

from __future__ import annotations

from typing import Any

from benchmarks.handwritten.chat_answer import (
    FINISH,
    annotation,
    image_url,
    model_name,
    reasoning_detail,
    write_usage,
)
from benchmarks.handwritten.common import CHAT, Body, Losses, inside, keys, more
from engine.translation.functions import answer_id, carry, safe_id

_SAID = keys("type choice part delta logprobs")
_ARGS = keys("type choice part delta")
_NATIVE = keys(CHAT)
_USAGE = keys("input output cache_read cache_write cache_write_5m cache_write_1h reasoning")
_BEGIN = keys("type choice usage id model created tier native")
_START = keys("type choice part kind id name call_kind redacted source")
_ENDING = keys("type choice reason stop_sequence category explanation redacted")
_TYPES = {
    "billing": "insufficient_quota",
    "quota": "insufficient_quota",
    "timeout": "timeout_error",
    "rate-limit": "rate_limit_error",
    "internal": "server_error",
    "upstream": "server_error",
    "overloaded": "server_error",
    "upstream-timeout": "server_error",
}
_CODES = {
    "context": "context_length_exceeded",
    "auth": "invalid_api_key",
    "billing": "insufficient_quota",
    "forbidden": "permission_denied",
    "not-found": "model_not_found",
    "unknown-path": "unknown_url",
    "conflict": "conflict",
    "too-large": "request_too_large",
    "rate-limit": "rate_limit_exceeded",
    "quota": "insufficient_quota",
    "upstream": "upstream_error",
    "overloaded": "overloaded",
    "upstream-timeout": "timeout",
    "unserved": "unsupported_endpoint",
    "method": "method_not_allowed",
}
_FIRST: Body = {"role": "assistant", "content": "", "refusal": None}


class WriteChat:
    """Writes one stream."""

    def __init__(self, plan: Body, ctx: Body) -> None:
        self._ctx = ctx
        self._legacy = bool(plan.get("legacy_functions"))
        self._include_usage = bool(plan.get("include_usage"))
        self._shown = ctx["options"].get("expose-reasoning") is not False
        self._same = ctx["upstream_format"] == ctx["format"]
        self._head: Body = {"object": "chat.completion.chunk", "system_fingerprint": None}
        self._begun = {0}
        self._calls: dict[tuple[Any, Any], Body] = {}
        self._counts: dict[Any, int] = {}
        self._kinds: dict[tuple[Any, Any], str] = {}  # of all parts but texts
        self._thought: dict[tuple[Any, Any], list[str]] = {}
        self._last: dict[Any, Any] = {}
        self._details = 0
        self._usage: Body | None = None
        self._done = False
        self.lost: Losses = []

    def step(self, event: Body) -> list[Body]:
        """The chunks for the client."""
        if self._done:
            return []
        kind = event["type"]
        if kind == "text":
            if not _SAID.issuperset(event):
                self.lost.append("text")
            choice: Body = {
                "index": event.get("choice") or 0,
                "delta": {"content": event["delta"]},
                "logprobs": None,
                "finish_reason": None,
            }
            if logprobs := event.get("logprobs"):
                choice["logprobs"] = {"content": logprobs}
            return [self._chunk(choice)]
        if kind == "args":
            return self._arguments(event)
        if kind == "thinking":
            return self._thinking(event)
        if kind == "part_start" or kind == "stop":
            out = self._first(event)
            if kind == "stop":
                return out + self._stop(event)
            if not _START.issuperset(event) and more(event, _START):
                self.lost.append("part")
            if (what := event.get("kind")) in ("thinking", "image", "other"):
                self._kinds[event.get("choice"), event.get("part")] = what
            if what == "image":
                delta = {"images": [image_url(event, self.lost)]}
                return [*out, self._told(event, delta)]
            return out + self._call(event) if what == "call" else out
        if kind == "start":
            return [self._start(event)]
        if kind == "refusal":
            if not _ARGS.issuperset(event):
                self.lost.append("refusal")
            return [self._told(event, {"refusal": event["delta"]})]
        if kind == "signature":
            return self._signature(event)
        if kind == "citation":
            note = annotation(event["citation"], 0, 0, self.lost)
            return [self._told(event, {"annotations": [note]})] if note else []
        if kind == "usage":
            self._usage = event["usage"]
            if more(event["usage"], _USAGE):
                self.lost.append("usage")
        elif kind == "end":
            return self._end()
        elif kind == "error":
            return [self._failed(event)]
        return []

    def end(self) -> list[Body]:
        """Nothing is held for the end of the bytes."""
        return []

    def _chunk(self, choice: Body) -> Body:
        if self._include_usage:
            return {**self._head, "choices": [choice], "usage": None}
        return {**self._head, "choices": [choice]}

    def _told(self, event: Body, delta: Body) -> Body:
        """One choice says something."""
        choice = {
            "index": event.get("choice") or 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": None,
        }
        return self._chunk(choice)

    def _start(self, event: Body) -> Body:
        ctx = self._ctx
        ident = event.get("id")
        if not self._same or not ident:
            ident = answer_id(ident or ctx["request_digest"], "chatcmpl-")
        created = event.get("created")
        head: Body = {
            "id": ident,
            "object": "chat.completion.chunk",
            "created": ctx["now"] if created is None else created,
        }
        if (model := model_name(event.get("model"), ctx)) is not None:
            head["model"] = model
        if (tier := event.get("tier")) is not None:
            head["service_tier"] = tier
        native = event.get("native") or {}
        head["system_fingerprint"] = inside(native.get(CHAT), "system_fingerprint")
        self._head = head
        if more(event, _BEGIN) or more(native, _NATIVE):
            self.lost.append("start")
        return self._told(event, _FIRST)

    def _first(self, event: Body) -> list[Body]:
        """The first chunk of another choice."""
        choice = event.get("choice") or 0
        if choice in self._begun:
            return []
        self._begun.add(choice)
        return [self._told(event, _FIRST)]

    # ------------------------------------------------------------------------ calls

    def _call(self, event: Body) -> list[Body]:
        choice, ident, name = event.get("choice"), event.get("id"), event.get("name")
        index = self._counts.get(choice, 0)
        self._counts[choice] = index + 1
        if ident is not None and not self._same:
            ident = safe_id(ident)
        custom = event.get("call_kind") == "custom"
        call = {"index": index, "id": ident, "name": name, "custom": custom, "told": False}
        self._calls[choice, event.get("part")] = call
        function: Body = {"arguments": ""} if name is None else {"name": name, "arguments": ""}
        if self._legacy:
            return [self._told(event, {"function_call": function})] if index == 0 else []
        if custom:
            return []
        made: Body = {"index": index, "type": "function", "function": function}
        if ident is not None:
            made["id"] = ident
        return [self._told(event, {"tool_calls": [made]})]

    def _arguments(self, event: Body) -> list[Body]:
        call = self._calls.get((event.get("choice"), event.get("part")))
        if call is None:
            return []
        if not _ARGS.issuperset(event):
            self.lost.append("args")
        delta = event["delta"]
        if self._legacy:
            if call["index"]:
                return []
            return [self._told(event, {"function_call": {"arguments": delta}})]
        made: Body = {"index": call["index"]}
        if not call["custom"]:
            made["function"] = {"arguments": delta}
        elif call["told"]:
            made["custom"] = {"input": delta}
        else:  # a free-text call goes out whole with its first text
            call["told"] = True
            made |= {"id": call["id"], "type": "custom"}
            made["custom"] = {"name": call["name"], "input": delta}
        return [self._told(event, {"tool_calls": [made]})]

    # ------------------------------------------------------------------------ thinking

    def _thinking(self, event: Body) -> list[Body]:
        if not _ARGS.issuperset(event):
            self.lost.append("thinking")
        if not self._shown:
            return []
        choice, part, delta = event.get("choice"), event.get("part"), event["delta"]
        last = self._last.get(choice)
        gap = "\n\n" if last is not None and last != part else ""
        self._last[choice] = part
        self._thought.setdefault((choice, part), []).append(delta)
        return [self._told(event, {"reasoning_content": gap + delta})]

    def _signature(self, event: Body) -> list[Body]:
        place = (event.get("choice"), event.get("part"))
        signature = event.get("signature")
        if (call := self._calls.get(place)) is not None:
            google = {"thought_signature": carry(signature or {}, "gemini")}
            made: Body = {"index": call["index"], "function": {"arguments": ""}}
            made["extra_content"] = {"google": google}
            return [self._told(event, {"tool_calls": [made]})]
        kind = self._kinds.get(place)
        if kind in ("image", "other"):
            self.lost.append("signature")
            return []
        if not self._shown:
            return []
        if kind is None:  # that of a text is told as that of what follows the thinking
            signature = {**(signature or {}), "where": "next"}
        thought: Body = {"type": "thinking"}
        if text := "".join(self._thought.pop(place, ())):
            thought["text"] = text
        if signature is not None:
            thought["signature"] = signature
        detail = {**reasoning_detail(thought, self._ctx), "index": self._details}
        self._details += 1
        return [self._told(event, {"reasoning_details": [detail]})]

    # ------------------------------------------------------------------------ the end

    def _stop(self, event: Body) -> list[Body]:
        if not _ENDING.issuperset(event) and more(event, _ENDING):
            self.lost.append("stop")
        for unsaid in ("stop_sequence", "category"):
            if event.get(unsaid) is not None:
                self.lost.append(unsaid)
        out: list[Body] = []
        reason, explanation = event.get("reason"), event.get("explanation")
        if reason == "filter" and explanation:
            out.append(self._told(event, {"refusal": explanation}))
        word = FINISH.get(reason or "")
        if reason == "tool" and self._legacy:
            word = "function_call"
        elif reason == "pause" or (word is None and reason is not None):
            self.lost.append("reason")
        chunk = self._told(event, {})
        chunk["choices"][0]["finish_reason"] = word or "stop"
        return [*out, chunk]

    def _end(self) -> list[Body]:
        self._done = True
        if not self._include_usage or not self._usage:
            return []
        return [{**self._head, "choices": [], "usage": write_usage(self._usage, None)}]

    def _failed(self, event: Body) -> Body:
        self._done = True
        given = event["error"]
        kind = given["kind"]
        return {
            "error": {
                "message": given["message"],
                "type": _TYPES.get(kind, "invalid_request_error"),
                "param": given.get("param"),
                "code": _CODES.get(kind),
            }
        }
