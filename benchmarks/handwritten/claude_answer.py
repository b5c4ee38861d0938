"""Claude answers in the canonical form."""

from __future__ import annotations

import re
from typing import Any

from benchmarks.handwritten.common import (
    CLAUDE,
    Body,
    Losses,
    expect,
    inside,
    keep,
    keys,
    looked_at,
    tree,
)
from engine.language.functions import json_text
from engine.language.texts import join_text
from engine.translation.functions import uncarry

STOPS = {
    "end_turn": "end",
    "stop_sequence": "stop_seq",
    "max_tokens": "length",
    "model_context_window_exceeded": "context",
    "tool_use": "tool",
    "refusal": "filter",
    "pause_turn": "pause",
}
TIERS = {"standard": "default", "priority": "priority", "batch": "batch"}

_TEXT = keys("type text citations")
_CALL = keys("type name input id text")
_THINKING = keys("type thinking signature text")
_REDACTED = keys("type data text")
_TEXT_TREE, _CALL_TREE = tree(_TEXT), tree(_CALL)
_THINKING_TREE, _REDACTED_TREE = tree(_THINKING), tree(_REDACTED)
_CITATION_TREE = tree(keys("type url title cited_text"))
_DOCUMENT_TREE = tree(keys("type document_title cited_text"))
_OTHER_TREE = tree(keys("type title cited_text"))
_DOCUMENTS = keys("char_location page_location content_block_location")
_COUNTS = keys(
    "input_tokens output_tokens cache_read_input_tokens cache_creation_input_tokens service_tier"
)
_CREATION = keys("ephemeral_5m_input_tokens ephemeral_1h_input_tokens")
_USAGE_TREE = looked_at(
    **tree(
        _COUNTS | {"speed", "iterations"},
        cache_creation=tree(_CREATION),
        output_tokens_details=tree(["thinking_tokens"]),
    )
)
_KNOWN = keys("type role id model content stop_reason stop_sequence usage")
_TREE = tree(
    _KNOWN | keys("error message detail request_id"),
    usage=_USAGE_TREE,
    stop_details=tree(["explanation", "category"]),
)

_TOO_LONG = re.compile(
    "(?i)prompt is too long|context_length_exceeded|maximum context length"
    "|exceeds the maximum number of tokens"
)
_QUOTA = re.compile(
    "(?i)credit balance is too low|spend(ing)? limit|API usage limits|insufficient_quota"
)
_TYPE_KINDS = {
    "invalid_request_error": "invalid",
    "authentication_error": "auth",
    "permission_error": "forbidden",
    "not_found_error": "not-found",
    "request_too_large": "too-large",
    "rate_limit_error": "rate-limit",
    "timeout_error": "timeout",
    "api_error": "internal",
    "conflict_error": "conflict",
    "memory_precondition_failed_error": "conflict",
    "memory_path_conflict_error": "conflict",
}


def read_response(wire: Body, plan: Body, ctx: Body) -> tuple[Body, Losses]:
    """The canonical answer, and what was lost on the way. Raises Refused."""
    lost: Losses = []
    choice = _choice(wire, plan, ctx, lost)
    answer: Body = {"choices": [choice]}
    for key in ("id", "model"):
        if (value := wire.get(key)) is not None:
            answer[key] = value
    simple = _KNOWN.issuperset(wire)
    if usage := wire.get("usage"):
        answer["usage"] = read_usage(usage)
        tier = usage.get("service_tier")
        if usage.get("speed") == "fast":
            answer["tier"] = "fast"
        elif tier is not None:
            if tier in TIERS:
                answer["tier"] = TIERS[tier]
            else:
                lost.append("service_tier")
        if not _COUNTS.issuperset(usage):
            _own_usage(answer, usage)
            simple = False
    if not simple:
        if details := wire.get("stop_details"):
            for key in ("explanation", "category"):
                if (value := inside(details, key)) is not None:
                    choice[key] = value
        if wire.get("error"):
            choice["stop"] = "error"
            answer["error"] = read_error(wire, ctx)
        keep(answer, wire, _TREE, CLAUDE)
    return answer, lost


def _choice(wire: Body, plan: Body, ctx: Body, lost: Losses) -> Body:
    content = wire.get("content")
    parts: list[Body] = []
    offset = calls = 0
    if content is not None:
        for block in expect(content, list, "list"):
            kind = inside(block, "type")
            if kind == "text":
                text = block.get("text")
                part: Body = {"type": "text", "text": "" if text is None else text}
                if not _TEXT.issuperset(block):
                    keep(part, block, _TEXT_TREE, CLAUDE)
                if (citations := block.get("citations")) is not None:
                    _cite(part, expect(citations, list, "list"), offset)
                offset += len(text or "")
            elif kind == "tool_use":
                calls += 1
                part = _call(block, plan)
            elif kind == "thinking" or kind == "redacted_thinking":
                part = _thinking(block, ctx)
            else:
                part = {"type": "other", "native": {CLAUDE: block}}
            parts.append(part)
    choice: Body = {"parts": parts}
    stop = wire.get("stop_reason")
    if stop == "tool_use" and calls < 2 and plan.get("structured"):
        choice["stop"] = "end"  # a call that stood for the structured answer is no call
    elif stop is None or stop in STOPS:
        choice["stop"] = "end" if stop is None else STOPS[stop]
    else:
        choice["stop"] = "end"
        if not wire.get("error"):
            lost.append("stop_reason")
    if (sequence := wire.get("stop_sequence")) is not None:
        choice["stop_sequence"] = sequence
    return choice


def _call(block: Body, plan: Body) -> Body:
    name, given = block.get("name"), block.get("input")
    if plan:
        if (back := plan.get("names_back")) and name in back:
            name = back[name]
        if (answer := plan.get("structured")) and name == answer:
            return {"type": "text", "text": json_text(given)}
    part: Body = {"type": "call"}
    if (ident := block.get("id")) is not None:
        part["id"] = ident
    if name is not None:
        part["name"] = name
    if (custom := plan.get("custom")) and name in custom:
        part["kind"] = "custom"
        text = inside(given, "input")
        part["raw"] = "" if text is None else text
    else:
        part["arguments"] = {} if given is None else given
    if not _CALL.issuperset(block):
        keep(part, block, _CALL_TREE, CLAUDE)
    return part


def _thinking(block: Body, ctx: Body) -> Body:
    part: Body = {"type": "thinking"}
    if block["type"] == "thinking":
        if (text := block.get("thinking")) is not None:
            part["text"] = text
        signature, kind, known, whole = (
            block.get("signature"),
            "sig",
            _THINKING,
            _THINKING_TREE,
        )
    else:
        part["redacted"] = True
        signature, kind, known, whole = (
            block.get("data"),
            "redacted",
            _REDACTED,
            _REDACTED_TREE,
        )
    if signature and (found := uncarry(signature, ctx["vendor"], kind)) is not None:
        part["signature"] = found
    if not known.issuperset(block):
        keep(part, block, whole, CLAUDE)
    return part


def _cite(part: Body, citations: list[Any], offset: int) -> None:
    if citations:
        end = offset + len(part["text"])
        part["citations"] = [_citation(each, offset, end) for each in citations]


def _citation(given: Body, start: int, end: int) -> Body:
    kind = given.get("type")
    made: Body
    if kind == "web_search_result_location":
        made, title, known = {"kind": "url"}, given.get("title"), _CITATION_TREE
        _put(made, "url", given.get("url"))
        _put(made, "title", given.get("url") if title is None else title)
    else:
        native: Body = {} if kind is None else {"type": kind}
        if kind in _DOCUMENTS:
            made, known = {"kind": "document", "native": {CLAUDE: native}}, _DOCUMENT_TREE
            _put(made, "title", given.get("document_title"))
        else:
            made, known = {"kind": "other", "native": {CLAUDE: native}}, _OTHER_TREE
            _put(made, "title", given.get("title"))
    _put(made, "text", given.get("cited_text"))
    made["start"], made["end"] = start, end
    keep(made, given, known, CLAUDE)
    return made


def cite_alone(given: Body) -> Body:
    """A citation as it comes in a stream; where the cited text stands is not known yet."""
    kind = given.get("type")
    made: Body = {"kind": "document" if kind in _DOCUMENTS else "other", "native": {CLAUDE: given}}
    if kind == "web_search_result_location":
        made["kind"] = "url"
    titles = (given.get("title"), given.get("document_title"), given.get("url"))
    _put(made, "title", next((title for title in titles if title is not None), None))
    _put(made, "url", given.get("url"))
    _put(made, "text", given.get("cited_text"))
    return made


def _put(out: Body, key: str, value: Any) -> None:
    if value is not None:
        out[key] = value


# ---------------------------------------------------------------------------- counts


def read_usage(usage: Body) -> Body:
    """Counts, all-inclusive: Claude's input leaves out what the cache read and wrote."""
    fresh, read = usage.get("input_tokens"), usage.get("cache_read_input_tokens")
    written, output = usage.get("cache_creation_input_tokens"), usage.get("output_tokens")
    counts: Body = {}
    if fresh is not None or read is not None or written is not None:
        counts["input"] = (fresh or 0) + (read or 0) + (written or 0)
    if output is not None:
        counts["output"] = output
    if read is not None:
        counts["cache_read"] = read
    if written is not None:
        counts["cache_write"] = written
    if (creation := usage.get("cache_creation")) is not None:
        _put(counts, "cache_write_5m", inside(creation, "ephemeral_5m_input_tokens"))
        _put(counts, "cache_write_1h", inside(creation, "ephemeral_1h_input_tokens"))
    if (details := usage.get("output_tokens_details")) is not None:
        _put(counts, "reasoning", inside(details, "thinking_tokens"))
    if iterations := usage.get("iterations"):
        _compacted(counts, usage, iterations)
    return counts


def _compacted(counts: Body, usage: Body, iterations: list[Body]) -> None:
    """With compaction the top level leaves out what the compaction itself took, unless a fallback
    model answered."""
    kinds = [each.get("type") for each in iterations]
    if "compaction" not in kinds or "fallback_message" in kinds:
        return
    billed = [each for each in iterations if each.get("type") in ("message", "compaction")]
    counts["input"] = sum(
        each.get(key) or 0
        for each in billed
        for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    counts["output"] = sum(each.get("output_tokens") or 0 for each in billed)
    own = {key: usage[key] for key in ("input_tokens", "output_tokens") if key in usage}
    counts["native"] = {CLAUDE: own}


def _own_usage(answer: Body, usage: Body) -> None:
    own: Body = {}
    _put(own, "iterations", usage.get("iterations"))
    speed = usage.get("speed")
    if speed == "fast":
        _put(own, "service_tier", usage.get("service_tier"))
    else:
        _put(own, "speed", speed)
    if own:
        answer["native"] = {CLAUDE: {"usage": own}}


# ---------------------------------------------------------------------------- errors


def read_error(wire: Body, ctx: Body) -> Body:
    """An error in place of an answer or in mid-stream, although the status was 200."""
    error = wire.get("error")
    kind, status = inside(error, "type"), ctx["status"]
    words = _words(wire)
    made: Body = {"kind": _kind(words, kind, status), "message": words}
    _put(made, "status", status)
    _put(made, "type", kind)
    details = inside(error, "details")
    code = inside(details, "error_code")
    if type(code) is str:
        made["code"] = code
    ident = wire.get("request_id")
    _put(made, "request_id", inside(ctx["headers"], "request-id") if ident is None else ident)
    if details is not None:
        made["native"] = {CLAUDE: {"error": {"details": details}}}
    return made


def _words(wire: Body) -> str:
    error, detail = wire.get("error"), wire.get("detail")
    for said in (inside(error, "message"), error, wire.get("message"), detail):
        if type(said) is str and said:
            return said
    if type(detail) is list:
        found = join_text([msg for each in detail if (msg := inside(each, "msg"))], "; ")
        if found:
            return found
    for said in (error, wire.get("message"), detail):
        if said is not None:
            return json_text(said) or ""
    return "the upstream gave no reason"


def _kind(words: str, kind: Any, status: int | None) -> str:
    if _TOO_LONG.search(words):
        return "context"
    if kind == "billing_error" or status == 402:
        return "billing"
    if _QUOTA.search(words):
        return "quota"
    if kind == "overloaded_error":
        return "overloaded"
    return _TYPE_KINDS.get(kind, "internal")
