"""Chat streams as canonical events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.handwritten.chat_content import source_at
from benchmarks.handwritten.common import CHAT, Body, Losses, inside, keep, keys, more, tree
from engine.language.functions import json_text, merge_present, parse_json
from engine.language.leftovers import rest
from engine.language.runtime import derived_id
from engine.language.texts import join_text
from engine.translation.functions import uncarry

_STOPS = {
    "stop": "end",
    "length": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filter",
    "sensitive": "filter",
    "model_length": "context",
    "model_context_window_exceeded": "context",
    "insufficient_system_resource": "error",
    "network_error": "error",
    "error": "error",
    "eos": "end",
    "eos_token": "end",
    "end_turn": "end",
    "STOP": "end",
    "": "end",
}
_CHUNK = keys(
    "choices usage error x_groq message detail object code type obfuscation p id model created"
    " service_tier system_fingerprint done"
)
_CHOICE = keys("index delta finish_reason logprobs error usage message reasoning_content")
_DELTA = keys(
    "role content tool_calls function_call reasoning_content reasoning reasoning_details refusal"
    " annotations images"
)
_THOUGHTS = keys("reasoning_content reasoning reasoning_details")
_DETAIL = keys("type text summary index format id signature data")
_FRAGMENT = keys("index id type function")
_WHOLE_FRAGMENT = _FRAGMENT | keys("custom extra_content")
_FUNCTION = keys("name arguments")
_CUSTOM = keys("name input")
_EXTRA = keys("google")
_GOOGLE = keys("thought_signature")
_NOTE_TREE = tree(["type"], url_citation=tree(keys("url title content start_index end_index")))
_USAGE_TREE = tree(
    keys(
        "prompt_tokens completion_tokens total_tokens cached_tokens num_cached_tokens"
        " prompt_cache_hit_tokens prompt_cache_miss_tokens"
        " cache_read_input_tokens cache_creation_input_tokens"
    ),
    prompt_tokens_details=tree(["cached_tokens", "cache_write_tokens", "audio_tokens"]),
    prompt_token_details=tree(["cached_tokens"]),
    completion_tokens_details=tree(
        keys("reasoning_tokens audio_tokens accepted_prediction_tokens rejected_prediction_tokens")
    ),
)


class Uncovered(Exception):
    """What these halves leave to others: errors in mid-stream, and <think> tags in texts."""


class ReadChat:
    """Reads one stream."""

    def __init__(self, plan: Body, ctx: Body) -> None:
        self._plan = plan
        self._ctx = ctx
        if ctx["provider"].get("think_tags"):
            raise Uncovered
        self._emulated: list[str] = plan.get("emulated_tools") or []
        self._names: Body = plan.get("names_back") or {}
        self._begun = False
        self._id: Any = None
        self._open: dict[int, str] = {}  # by choice: the open part (calls need no end)
        self._calls: dict[tuple[int, Any], Body] = {}
        self._count = 0
        self._ids: set[str] = set()
        self._kept: dict[int, list[str]] = {}  # texts that wait for a name, or for their end
        self._wrapped: list[tuple[int, int]] = []  # free-text calls given out as functions
        self._called: set[int] = set()
        self._worded: set[int] = set()  # choices whose thinking comes in plain words
        self._live: tuple[int, Any] | None = None  # the call whose arguments came last
        self._finish: dict[int, str] = {}
        self._usage: Body | None = None
        self._done = False
        self.lost: Losses = []

    def step(self, wire: Body) -> list[Body]:
        """The canonical events of one chunk. Raises Uncovered."""
        if self._done:
            return []
        choices = wire.get("choices")
        out: list[Body] = []
        if wire.get("error") or not choices:
            self._check(wire, choices)
        if not self._begun and (choices or wire.get("usage")):
            self._begun = True
            out.append(self._start(wire))
        if choices:
            if len(choices) == 1:
                self._one(choices[0], out)
            else:
                self._several(choices, out)
        counts = wire.get("usage") or inside(wire.get("x_groq"), "usage")
        if choices and not counts:
            counts = choices[0].get("usage")
        if counts:
            self._usage = merge_present(self._usage, read_usage(counts, self._ctx))
            if rest(counts, _USAGE_TREE) or self._missed(counts):
                self.lost.append("usage")
        if not _CHUNK.issuperset(wire) and more(wire, _CHUNK):
            self.lost.append("chunk")
        if not choices and (counts or wire.get("done")):
            if self._finish:
                self._done = True
                out += self._ending()
            elif wire.get("done"):
                self._done = True
                error = {"kind": "upstream", "message": "the upstream's stream ended early"}
                out.append({"type": "error", "error": error})
        return out

    def end(self) -> list[Body]:
        """The bytes are over."""
        if self._done or not self._finish:
            return []
        self._done = True
        return list(self._ending())

    def _check(self, wire: Body, choices: Any) -> None:
        flat = wire.get("message") or wire.get("detail") or wire.get("object") == "error"
        if wire.get("error") or (choices is None and flat):
            raise Uncovered

    def _missed(self, usage: Body) -> bool:
        """Whether what was not cached is told, and other counts do not say it."""
        missed = usage.get("prompt_cache_miss_tokens")
        if missed is None or self._ctx["client_format"] == CHAT:
            return False
        return bool(missed != (usage.get("prompt_tokens") or 0) - (_told_cached(usage) or 0))

    def _start(self, wire: Body) -> Body:
        start: Body = {"type": "start", "choice": 0}
        for key, name in (("id", "id"), ("model", "model"), ("created", "created"),
                          ("service_tier", "tier")):  # fmt: skip
            if (value := wire.get(key)) is not None:
                start[name] = value
        if (fingerprint := wire.get("system_fingerprint")) is not None:
            start["native"] = {CHAT: {"system_fingerprint": fingerprint}}
        self._id = wire.get("id")
        return start

    # ------------------------------------------------------------------------ choices

    def _one(self, choice: Body, out: list[Body]) -> None:
        """The common chunk: one choice that says one thing."""
        i = choice.get("index") or 0
        delta = choice.get("delta")
        reason = choice.get("finish_reason")
        if type(delta) is not dict:
            delta = {}
        if not _CHOICE.issuperset(choice) or not _DELTA.issuperset(delta):
            if more(choice, _CHOICE) or more(delta, _DELTA):
                self.lost.append("choice")
        content = delta.get("content")
        beside = choice.get("reasoning_content")
        if beside or not _THOUGHTS.isdisjoint(delta) or type(content) is list:
            self._details(i, delta, out)
            self._thinking(i, delta, beside, out)
        if content:
            self._text(i, choice, content, out)
        if refusal := delta.get("refusal"):
            self._spoken(i, "refusal", refusal, None, out)
        if images := delta.get("images"):
            self._images(i, images, out)
        if notes := delta.get("annotations"):
            self._annotations(i, notes, out)
        if calls := delta.get("tool_calls"):
            for position, call in enumerate(calls):
                self._call(i, position, call, choice.get("index"), out)
        if old := delta.get("function_call"):
            self._old_call(i, old, out)
        if reason:
            if reason == "error" and choice.get("error"):
                raise Uncovered
            self._finish.setdefault(i, reason)

    def _several(self, choices: list[Body], out: list[Body]) -> None:
        """Of several choices each kind of thing is told for all, before the next kind."""
        said = [(each.get("index") or 0, each, each.get("delta") or {}) for each in choices]
        for i, choice, delta in said:
            if more(choice, _CHOICE) or more(delta, _DELTA):
                self.lost.append("choice")
            self._details(i, delta, out)
        for i, choice, delta in said:
            self._thinking(i, delta, choice.get("reasoning_content"), out)
        for i, choice, delta in said:
            if content := delta.get("content"):
                self._text(i, choice, content, out)
        for i, _, delta in said:
            if refusal := delta.get("refusal"):
                self._spoken(i, "refusal", refusal, None, out)
        for i, _, delta in said:
            if images := delta.get("images"):
                self._images(i, images, out)
        for i, _, delta in said:
            if notes := delta.get("annotations"):
                self._annotations(i, notes, out)
        for i, choice, delta in said:
            for position, call in enumerate(delta.get("tool_calls") or ()):
                self._call(i, position, call, choice.get("index"), out)
            if old := delta.get("function_call"):
                self._old_call(i, old, out)
        for i, choice, _ in said:
            if reason := choice.get("finish_reason"):
                self._finish.setdefault(i, reason)

    def _spoken(self, i: int, kind: str, said: str, logprobs: Any, out: list[Body]) -> None:
        was = self._open.get(i)
        if was != kind:
            if was:
                out.append({"type": "part_end", "choice": i, "part": was})
            out.append({"type": "part_start", "choice": i, "part": kind, "kind": kind})
            self._open[i] = kind
        self._live = None
        event: Body = {"type": kind, "choice": i, "part": kind, "delta": said}
        if logprobs is not None:
            event["logprobs"] = logprobs
        out.append(event)

    def _text(self, i: int, choice: Body, content: Any, out: list[Body]) -> None:
        if type(content) is list:
            pieces = [piece for piece in content if inside(piece, "type") == "text"]
            content = join_text(pieces, "")
        if type(content) is str and content:
            self._spoken(i, "text", content, inside(choice.get("logprobs"), "content"), out)

    def _thinking(self, i: int, delta: Body, beside: Any, out: list[Body]) -> None:
        """Thinking without marks, under whatever name: the first that says something counts."""
        details = delta.get("reasoning_details")
        if not (details and _marked(details)):
            for said in (*_thoughts(delta), beside):
                if said and type(said) is str:
                    self._spoken(i, "thinking", said, None, out)
                    break
        if delta.get("reasoning_content") or delta.get("reasoning"):
            self._worded.add(i)

    def _details(self, i: int, delta: Body, out: list[Body]) -> None:
        """Thoughts that are signed, or that only their vendor can read: each mark ends one."""
        details = delta.get("reasoning_details")
        if not details:
            return
        for detail in details:
            if more(detail, _DETAIL):
                self.lost.append("detail")
        if not _marked(details):
            return
        self._live = None
        plain: Any = delta.get("reasoning_content") or delta.get("reasoning")
        words = self._new_words(i, plain, details)
        if words == "none":
            self._spoken(i, "thinking", plain, None, out)
        signed = [each for each in details if each.get("signature") and _words(each)]
        mixed = words != "all" and len(signed) > 1
        was = self._open.pop(i, None)
        for detail in details:
            was = self._detail(i, was, detail, words, mixed, out)
        if was:
            self._open[i] = was

    def _new_words(self, i: int, plain: Any, details: list[Body]) -> str:
        """Which words of details are new: all, unsigned ones (a signature comes with the whole
        text, also of what was told already), or none beside plain words that say others."""
        if not plain:
            return "unsigned" if i in self._worded else "all"
        if plain == "".join([_words(each) or "" for each in details]):
            return "all"
        unsigned = [_words(each) or "" for each in details if not each.get("signature")]
        return "unsigned" if plain == "".join(unsigned) else "none"

    def _detail(
        self, i: int, was: str | None, detail: Body, words: str, mixed: bool, out: list[Body]
    ) -> str | None:
        """One thought or a piece of it; gives the part that is open now."""
        vendor, ident = self._ctx["vendor"], {"id": detail.get("id")}
        signature, data, text = detail.get("signature"), detail.get("data"), _words(detail)
        new = text if words == "all" or (words == "unsigned" and not signature) else None
        lost = mixed and signature and text
        if lost:
            self.lost.append("signature")
            if was == "thinking":
                out.append({"type": "part_end", "choice": i, "part": was})
                was = None
        elif signature or (new and not data):
            if was != "thinking":
                if was:
                    out.append({"type": "part_end", "choice": i, "part": was})
                out.append(_part(i, "thinking"))
                was = "thinking"
            if new:
                out.append({"type": "thinking", "choice": i, "part": was, "delta": new})
            if signature:
                mark = merge_present(uncarry(signature, vendor, "sig"), ident)
                out.append(_signature(i, was, mark))
                out.append({"type": "part_end", "choice": i, "part": was})
                was = None
        if data:
            mark = merge_present(uncarry(data, vendor, "enc"), ident)
            if was:
                out.append({"type": "part_end", "choice": i, "part": was})
            start = _part(i, "sealed")
            if mark is not None and mark["kind"] == "redacted":
                start["redacted"] = True
            out.append(start)
            if new and not signature:
                out.append({"type": "thinking", "choice": i, "part": "sealed", "delta": new})
            out.append(_signature(i, "sealed", mark))
            out.append({"type": "part_end", "choice": i, "part": "sealed"})
            was = None
        return was

    def _images(self, i: int, images: list[Body], out: list[Body]) -> None:
        self._live = None
        if was := self._open.pop(i, None):
            out.append({"type": "part_end", "choice": i, "part": was})
        for image in images:
            start = _part(i, "image", "image")
            if (source := source_at(inside(image.get("image_url"), "url"))) is not None:
                start["source"] = source
            out += [start, {"type": "part_end", "choice": i, "part": "image"}]

    def _annotations(self, i: int, notes: list[Body], out: list[Body]) -> None:
        if self._open.get(i) != "text":
            return
        for note in notes:
            event: Body = {"type": "citation", "choice": i, "part": "text"}
            event["citation"] = _citation(note)
            out.append(event)

    # ------------------------------------------------------------------------ calls

    def _old_call(self, i: int, old: Body, out: list[Body]) -> None:
        if old.get("name") or old.get("arguments"):
            self._call(i, -1, {"function": old}, i, out)

    def _call(self, i: int, position: int, piece: Body, index: Any, out: list[Body]) -> None:
        """A fragment belongs to the call at its index, unless it bears another id: then it begins
        one."""
        place = piece.get("index")
        at = (i, position if place is None else place)
        function, said_id = piece.get("function"), piece.get("id")
        custom = None
        if not _FRAGMENT.issuperset(piece) or (function and not _FUNCTION.issuperset(function)):
            custom = piece.get("custom")
            self._unread(piece)
        call = self._calls.get(at)
        named = inside(function, "name") or inside(custom, "name")
        fresh = call is None or bool(said_id and call["said"] and said_id != call["said"])
        if fresh or call is None:
            self._count += 1
            call = self._calls[at] = self._new(i, said_id, named, custom is not None)
            starts = bool(named)
        else:
            starts = not call["name"] and bool(named)
            if call["said"] is None:
                call["said"] = said_id
            if not call["name"]:
                call["name"] = named
        self._called.add(i)
        if self._live == at and said_id is None and inside(function, "arguments") == "":
            out.append({"type": "args", "choice": i, "part": call["part"], "delta": ""})
        else:
            self._told(i, call, starts, _said(function, custom), out)
        live = call["name"] and index == 0 and call["name"] not in self._emulated
        self._live = at if live else None
        mark = inside(inside(piece.get("extra_content"), "google"), "thought_signature")
        if mark and call["name"]:
            out.append(_signature(i, call["part"], uncarry(mark, "gemini", "sig")))

    def _new(self, i: int, said_id: Any, named: Any, custom: bool) -> Body:
        ident = said_id
        if not ident or ident in self._ids:
            ident = derived_id("call_", self._id, i, self._count)
        self._ids.add(ident)
        part = self._count
        return {"part": part, "said": said_id, "id": ident, "name": named, "custom": custom}

    def _told(self, i: int, call: Body, starts: bool, said: Any, out: list[Body]) -> None:
        name, part = call["name"], call["part"]
        emulated = bool(self._emulated) and name in self._emulated
        if starts:
            if was := self._open.pop(i, None):
                out.append({"type": "part_end", "choice": i, "part": was})
            start = _part(i, part, "call")
            start["id"], start["name"] = call["id"], self._names.get(name, name)
            if call["custom"] or emulated:
                start["call_kind"] = "custom"
            out.append(start)
            if emulated:
                self._wrapped.append((i, part))
            elif before := "".join(self._kept.get(part, ())):
                out.append({"type": "args", "choice": i, "part": part, "delta": before})
        if said:
            if name and not emulated:
                out.append({"type": "args", "choice": i, "part": part, "delta": said})
            else:
                self._kept.setdefault(part, []).append(said)

    def _unread(self, piece: Body) -> None:
        google = inside(piece.get("extra_content"), "google")
        if (
            more(piece, _WHOLE_FRAGMENT)
            or more(piece.get("function") or {}, _FUNCTION)
            or more(piece.get("custom") or {}, _CUSTOM)
            or more(piece.get("extra_content") or {}, _EXTRA)
            or more(google or {}, _GOOGLE)
        ):
            self.lost.append("call")

    # ------------------------------------------------------------------------ the end

    def _ending(self) -> Iterator[Body]:
        for i, part in self._wrapped:
            text = "".join(self._kept.get(part, ()))
            said = inside(parse_json(text), "input")
            delta = text if said is None else said
            yield {"type": "args", "choice": i, "part": part, "delta": delta}
        if self._usage:
            yield {"type": "usage", "choice": 0, "usage": self._usage}
        words = self._ctx["provider"].get("finish_map") or {}
        for i, reason in self._finish.items():
            stop = words.get(reason) or _STOPS.get(reason)
            if stop is None:
                self.lost.append("finish_reason")
                stop = "end"
            if i in self._called and stop == "end":
                stop = "tool"
            elif i not in self._called and stop == "tool":
                stop = "end"
            yield {"type": "stop", "choice": i, "reason": stop}
        yield {"type": "end", "choice": 0}


def _thoughts(delta: Body) -> Iterator[Any]:
    yield delta.get("reasoning_content")
    yield delta.get("reasoning")
    if details := delta.get("reasoning_details"):
        yield "".join([_words(each) or "" for each in details])
    content = delta.get("content")
    if type(content) is list:
        found: list[Any] = []
        for piece in content:
            if inside(piece, "type") == "thinking":
                thinking = piece.get("thinking")
                found += thinking if type(thinking) is list else [thinking]
        yield join_text(found, "")


def _marked(details: list[Body]) -> bool:
    return any(detail.get("signature") or detail.get("data") for detail in details)


def _words(detail: Body) -> Any:
    text = detail.get("text")
    return detail.get("summary") if text is None else text


def _part(i: int, part: Any, kind: str = "thinking") -> Body:
    return {"type": "part_start", "choice": i, "part": part, "kind": kind}


def _signature(i: int, part: Any, mark: Any) -> Body:
    return {"type": "signature", "choice": i, "part": part, "signature": mark}


def _said(function: Any, custom: Any) -> Any:
    given = inside(function, "arguments")
    if type(given) is dict:
        return json_text(given)
    return given or inside(custom, "input")


def _citation(note: Body) -> Body:
    if note.get("type") != "url_citation":
        return {"kind": "other", "native": {CHAT: note}}
    cited = note.get("url_citation") or {}
    made: Body = {"kind": "url"}
    for key, name in (("url", "url"), ("title", "title"), ("content", "text"),
                      ("start_index", "start"), ("end_index", "end")):  # fmt: skip
        if (value := cited.get(key)) is not None:
            made[name] = value
    keep(made, note, _NOTE_TREE, CHAT)
    return made


def _said_first(*counts: Any) -> Any:
    return next((count for count in counts if count is not None), None)


def _told_cached(usage: Body) -> Any:
    return _said_first(
        inside(usage.get("prompt_tokens_details"), "cached_tokens"),
        inside(usage.get("prompt_token_details"), "cached_tokens"),
        usage.get("cached_tokens"),
        usage.get("num_cached_tokens"),
        usage.get("prompt_cache_hit_tokens"),
        usage.get("cache_read_input_tokens"),
    )


def read_usage(usage: Body, ctx: Body) -> Body:
    """Counts, all-inclusive on both sides."""
    provider = ctx["provider"]
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    details = usage.get("prompt_tokens_details")
    told = _told_cached(usage)
    included = provider.get("cached_included")
    apart = included is False or (
        included is not True and told is not None and prompt is not None and told > prompt
    )
    made: Body = {}
    if apart:
        if prompt is not None or told is not None:
            made["input"] = (prompt or 0) + (told or 0)
        cached = told
    else:
        if prompt is not None:
            made["input"] = prompt
        cached = min(told, prompt) if told is not None and prompt is not None else told
    inner = usage.get("completion_tokens_details")
    reasoning = inside(inner, "reasoning_tokens")
    output, total = completion, usage.get("total_tokens")
    if provider.get("reasoning_included") is False:
        output = (completion or 0) + (reasoning or 0)
    elif provider.get("reasoning_included") is not True and total is not None:
        if total > (prompt or 0) + (completion or 0):
            output = total - (prompt or 0)
    elif reasoning is not None and completion is not None:
        reasoning = min(reasoning, completion)
    written = _said_first(
        inside(details, "cache_write_tokens"), usage.get("cache_creation_input_tokens")
    )
    found = {
        "output": output,
        "cache_read": cached,
        "cache_write": written,
        "cache_write_5m": written,
        "reasoning": reasoning,
    }
    made.update({key: value for key, value in found.items() if value is not None})
    return made
