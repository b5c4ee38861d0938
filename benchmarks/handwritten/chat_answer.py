"""Canonical answers as chat ones."""

from __future__ import annotations

from typing import Any

from benchmarks.handwritten.common import CHAT, Body, Losses, inside, keys, more
from engine.language.functions import json_text
from engine.language.leftovers import spread
from engine.translation.functions import answer_id, carry, safe_id

FINISH = {
    "end": "stop",
    "stop_seq": "stop",
    "length": "length",
    "context": "length",
    "tool": "tool_calls",
    "filter": "content_filter",
    "pause": "stop",
    "error": "stop",
}
_NATIVE = keys(CHAT)
_STRANGE = keys("other audio video document")
_ANSWER = keys("error id created model choices usage tier")
_CHOICE = keys("parts index stop explanation category stop_sequence")
_USAGE = keys("input output cache_read cache_write cache_write_5m cache_write_1h reasoning")
_CITATION = keys("kind start end title url text")


def write_response(answer: Body, client: Body, plan: Body, ctx: Body) -> tuple[Body, Losses]:
    """The chat answer, and what was lost on the way."""
    lost: Losses = []
    same = ctx["upstream_format"] == ctx["format"]
    ident = answer.get("id")
    if not same or ident is None:
        ident = answer_id(ident or ctx["request_digest"], "chatcmpl-")
    created = answer.get("created")
    native = inside(answer.get("native"), CHAT)
    out: Body = {
        "id": ident,
        "object": "chat.completion",
        "created": ctx["now"] if created is None else created,
        "choices": [_choice(choice, plan, ctx, same, lost) for choice in answer["choices"]],
        "system_fingerprint": inside(native, "system_fingerprint"),
    }
    if (model := model_name(answer.get("model"), ctx)) is not None:
        out["model"] = model
    if (usage := answer.get("usage")) is not None:
        if usage:
            out["usage"] = write_usage(usage, inside(native, "usage"))
        if more(usage, _USAGE):
            lost.append("usage")
    if (tier := answer.get("tier")) is not None:
        out["service_tier"] = tier
    if not _ANSWER.issuperset(answer):
        _extras(out, answer, native, _ANSWER, lost)
    return out, lost


def model_name(model: Any, ctx: Body) -> Any:
    """The name the client asked for; without an alias the upstream's own, which may say more."""
    asked = ctx["client_model"]
    return asked if (asked != ctx["model"] and asked is not None) or model is None else model


def _extras(out: Body, node: Body, native: Any, known: frozenset[str], lost: Losses) -> None:
    """The same format's own goes back, the rest is lost."""
    if native is not None and spread(out, native):
        lost.append("native")
    for key, value in node.items():
        if key == "native":
            if more(value, _NATIVE):
                lost.append(key)
        elif key not in known and value is not None:
            lost.append(key)


def _choice(choice: Body, plan: Body, ctx: Body, same: bool, lost: Losses) -> Body:
    texts: list[Body] = []
    thoughts: list[Body] = []
    calls: list[Body] = []
    refusals: list[Body] = []
    images: list[Body] = []
    disordered = False
    parts = choice["parts"]
    for part in parts:
        kind = part["type"]
        if kind == "text":
            texts.append(part)
            disordered = bool(calls)
        elif kind == "call":
            calls.append(part)
        elif kind == "thinking":
            thoughts.append(part)
        elif kind == "refusal":
            refusals.append(part)
        elif kind == "image":
            images.append(part)
        elif kind in _STRANGE:
            lost.append(kind)
    if disordered:
        lost.append("parts")
    stop = choice.get("stop")
    native = inside(choice.get("native"), CHAT)
    own = inside(native, "message")
    message: Body = {"role": "assistant"}
    content = inside(own, "content")
    if content is None:
        if texts:
            content = "".join([part.get("text") or "" for part in texts])
        elif not calls and not refusals and stop != "filter":
            content = ""
    message["content"] = content
    message["refusal"] = _refusal(choice, refusals, own, stop)
    signed = [part for part in texts if "signature" in part]
    if (thoughts or signed) and ctx["options"].get("expose-reasoning") is not False:
        _thoughts(message, thoughts, signed, same, ctx)
    legacy = plan.get("legacy_functions")
    if calls:
        if legacy:
            message["function_call"] = _function(calls[0])
            if len(calls) > 1:
                lost.append("calls")
        else:
            message["tool_calls"] = [_call(call, same, lost) for call in calls]
    message["annotations"] = _annotations(texts, lost)
    if images:
        message["images"] = [image_url(image, lost) for image in images]
    if "category" in choice:
        lost.append("category")
    if "stop_sequence" in choice:
        lost.append("stop_sequence")
    logprobs = texts[0].get("logprobs") if texts else None
    index = choice.get("index")
    out: Body = {
        "index": 0 if index is None else index,
        "message": message,
        "logprobs": {"content": logprobs} if logprobs else None,
        "finish_reason": _finish(stop, native, legacy, lost),
    }
    if not _CHOICE.issuperset(choice):
        _extras(out, choice, native, _CHOICE, lost)
    return out


def _refusal(choice: Body, refusals: list[Body], own: Any, stop: Any) -> Any:
    if refusals:
        return "".join([part.get("text") or "" for part in refusals])
    said = choice.get("explanation") if stop == "filter" else None
    return inside(own, "refusal") if said is None else said


def _finish(stop: Any, native: Any, legacy: Any, lost: Losses) -> str:
    own: str | None = inside(native, "finish_reason")
    if own is not None:
        return own
    if stop == "tool" and legacy:
        return "function_call"
    reason = FINISH.get(stop)
    if stop == "pause" or (reason is None and stop is not None):
        lost.append("stop")
    return reason or "stop"


# ---------------------------------------------------------------------------- parts


def _thoughts(
    message: Body, thoughts: list[Body], signed: list[Body], same: bool, ctx: Body
) -> None:
    """Thinking as text and with its signatures, those of texts behind it."""
    if not same:
        texts = [text for part in thoughts if type(text := part.get("text")) is str]
        if thought := "\n\n".join(texts):
            message["reasoning_content"] = thought
    details = [
        reasoning_detail(part, ctx)
        for part in thoughts
        if "signature" in part or inside(inside(part.get("native"), CHAT), "type") is not None
    ]
    for part in signed:
        carried = carry({**part["signature"], "where": "next"}, ctx["vendor"])
        details.append({"type": "reasoning.text", "signature": carried})
    if details:
        message["reasoning_details"] = details


def reasoning_detail(part: Body, ctx: Body) -> Body:
    """A thought with its signature, or what only its vendor can read."""
    signature, text = part.get("signature"), part.get("text")
    native = inside(part.get("native"), CHAT)
    kind = inside(signature, "kind")
    carried = None if signature is None else carry(signature, ctx["vendor"])
    own = inside(signature, "vendor") == ctx["vendor"]
    ident = inside(signature, "id") if own else None
    if kind == "enc" or kind == "redacted":
        detail: Body = {"type": "reasoning.encrypted"}
        _put(detail, "summary", text)
        _put(detail, "data", carried)
        _put(detail, "id", ident)
    elif inside(native, "type") == "reasoning.summary":
        detail = {}
        _put(detail, "summary", text)
    else:
        detail = {"type": "reasoning.text"}
        _put(detail, "text", text)
        _put(detail, "signature", carried)
        _put(detail, "id", ident)
    if native is not None:
        spread(detail, native)
    return detail


def _put(out: Body, key: str, value: Any) -> None:
    if value is not None:
        out[key] = value


def arguments(call: Body) -> str:
    """The arguments of a call as text."""
    raw, given = call.get("raw"), call.get("arguments")
    if call.get("kind") == "custom":
        return json_text({"input": raw}) or ""
    if raw is not None:
        return str(raw)
    return "{}" if given is None else json_text(given) or ""


def _function(call: Body) -> Body:
    made: Body = {"arguments": arguments(call)}
    _put(made, "name", call.get("name"))
    return made


def _call(call: Body, same: bool, lost: Losses) -> Body:
    ident = call.get("id")
    if ident is not None and not same:
        ident = safe_id(ident)
    made: Body = {} if ident is None else {"id": ident}
    if call.get("kind") == "custom":
        made["type"] = "custom"
        raw = call.get("raw")
        made["custom"] = {"input": "" if raw is None else raw}
        _put(made["custom"], "name", call.get("name"))
    else:
        made["type"] = "function"
        made["function"] = _function(call)
        if (mark := call.get("signature")) is not None and (text := carry(mark, "gemini")):
            made["extra_content"] = {"google": {"thought_signature": text}}
    if (native := inside(call.get("native"), CHAT)) is not None and spread(made, native):
        lost.append("call")
    return made


def _annotations(texts: list[Body], lost: Losses) -> list[Any]:
    annotations: list[Any] = []
    start = 0
    for part in texts:
        end = start + len(part.get("text") or "")
        for each in part.get("citations") or ():
            note = annotation(each, start, end, lost)
            if note is not None:
                annotations.append(note)
        start = end
    return annotations


def annotation(citation: Body, start: int, end: int, lost: Losses) -> Any:
    """A citation of an answer's text."""
    native = inside(citation.get("native"), CHAT)
    if citation.get("kind") != "url":
        if native is None:
            lost.append("citation")
        return native
    first, last, title = citation.get("start"), citation.get("end"), citation.get("title")
    cited: Body = {
        "start_index": start if first is None else first,
        "end_index": end if last is None else last,
    }
    _put(cited, "title", citation.get("url") if title is None else title)
    _put(cited, "url", citation.get("url"))
    _put(cited, "content", citation.get("text"))
    note: Body = {"type": "url_citation", "url_citation": cited}
    if not _CITATION.issuperset(citation):
        _extras(note, citation, native, _CITATION, lost)
    return note


def image_url(part: Body, lost: Losses) -> Body:
    source = part.get("source") or {}
    url = source.get("url")
    if url is None:
        url = f"data:{source.get('mime') or ''};base64,{source.get('data') or ''}"
    made: Body = {"type": "image_url", "image_url": {"url": url}}
    if (native := inside(part.get("native"), CHAT)) is not None and spread(made, native):
        lost.append("image")
    return made


# ---------------------------------------------------------------------------- counts


def write_usage(usage: Body, own: Any) -> Body:
    """Counts as chat tells them; ``own``: what the numbers of a chat upstream did not add up to."""
    given, made = usage.get("input"), usage.get("output")
    prompt: Body = {
        "cached_tokens": usage.get("cache_read") or 0,
        "cache_write_tokens": usage.get("cache_write") or 0,
        "audio_tokens": 0,
    }
    completion: Body = {
        "reasoning_tokens": usage.get("reasoning") or 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    counts: Body = {
        "prompt_tokens": 0 if given is None else given,
        "completion_tokens": 0 if made is None else made,
        "total_tokens": (given or 0) + (made or 0),
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    }
    if type(own) is dict:
        _put(counts, "total_tokens", own.get("total_tokens"))
        _known(prompt, own.get("prompt_tokens_details"))
        _known(completion, own.get("completion_tokens_details"))
    return counts


def _known(counts: Body, own: Any) -> None:
    if type(own) is dict:
        counts.update({key: own[key] for key in counts if own.get(key) is not None})
