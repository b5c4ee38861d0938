"""What a client adds up of a stream in its format, in a form in which a whole answer says it too.

Written after the SDKs of the vendors, not after the mappings. The form leaves
out what a stream cannot know better: derived ids of items, in how many pieces a text came, and
whether a signature that has no place of its own stands before what it belongs to or after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from engine.translation.framing import SseReader
from engine.translation.jsontext import loads
from tests.support.translations import translator

Body = dict[str, Any]

_DERIVED = re.compile(r"^(?:msg|rs|fc|ctc|ig)_[0-9a-f]{24}$")
_MOVED = re.compile(r"^gw1\.(?P<vendor>[^.]*)\.(?P<scope>[^.]*)\.(?P<kind>[^.]*)\.(?:prev|next)\.")
_AFTER = ".prev."


def events(data: bytes) -> list[Body]:
    """The documents of a stream of server-sent events."""
    reader = SseReader()
    frames = [*reader.feed(data), *reader.close()]
    return [loads(text) for _, text in frames if text != b"[DONE]"]


def gathered(format: str, data: bytes) -> Body:
    """What the stream says, in the form."""
    return _GATHER[format](events(data))


def whole(format: str, body: Body) -> Body:
    """What a whole answer says, in the form."""
    body = json.loads(json.dumps(body))
    return _FORM[format](body)


# ------------------------------------------------------------------------------------------- chat


def _chat(chunks: list[Body]) -> Body:
    answer: Body = {key: value for key, value in chunks[0].items() if key != "choices"}
    choices: dict[int, Body] = {}
    for chunk in chunks:
        if chunk.get("usage"):
            answer["usage"] = chunk["usage"]
        for each in chunk["choices"]:
            choice = choices.setdefault(each["index"], {"index": each["index"], "message": {}})
            _add(choice["message"], each["delta"])
            if each["finish_reason"]:
                choice["finish_reason"] = each["finish_reason"]
            if each["logprobs"]:
                kept = choice.setdefault("logprobs", {"content": []})
                kept["content"] += each["logprobs"]["content"]
    return _chat_form({**answer, "choices": list(choices.values())})


def _add(message: Body, delta: Body) -> None:
    for key, value in delta.items():
        before = message.get(key)
        if key == "tool_calls":
            for call in value:
                calls = message.setdefault(key, {})
                _add(calls.setdefault(call["index"], {}), {**call, "index": None})
        elif isinstance(before, str) and key not in ("role", "type", "id"):
            message[key] = before + (value or "")
        elif isinstance(before, dict):
            _add(before, value)
        elif isinstance(before, list):
            before += value
        elif value is not None:
            message[key] = value


def _chat_form(answer: Body) -> Body:
    answer.pop("object", None)
    for choice in answer["choices"]:
        message = choice["message"]
        calls = message.get("tool_calls") or []
        message["tool_calls"] = list(calls.values()) if isinstance(calls, dict) else calls
        for number, detail in enumerate(message.get("reasoning_details", ())):
            detail.setdefault("index", number)
            # its words are told beside it
            if "signature" in detail and not detail.get("text"):
                detail.pop("text", None)
    return _body(answer)


# ----------------------------------------------------------------------------------------- claude


def _claude(rows: list[Body]) -> Body:
    message: Body = {}
    blocks: list[Body] = []
    for row in rows:
        kind = row["type"]
        if kind == "message_start":
            message = row["message"]
        elif kind == "content_block_start":
            blocks.append(row["content_block"])
            pieces: list[str] = []
        elif kind == "content_block_delta":
            _block(blocks[-1], row["delta"], pieces)
        elif kind == "content_block_stop" and "".join(pieces):
            blocks[-1]["input"] = _input("".join(pieces))
        elif kind == "message_delta":
            message |= row["delta"]
            message["usage"] |= row["usage"]
            message |= {key: row[key] for key in row.keys() - {"type", "delta", "usage"}}
    return _claude_form({**message, "content": blocks})


def _block(block: Body, delta: Body, pieces: list[str]) -> None:
    kind = delta["type"]
    if kind == "text_delta":
        block["text"] += delta["text"]
    elif kind == "thinking_delta":
        block["thinking"] += delta["thinking"]
    elif kind == "signature_delta":
        block["signature"] = delta["signature"]
    elif kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or []), delta["citation"]]
    else:
        pieces.append(delta["partial_json"])


def _input(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"_raw": text}


def _claude_form(message: Body) -> Body:
    message["content"] = _signed_first(message["content"], "thinking", "signature")
    return _body(message)


# -------------------------------------------------------------------------------------- responses


def _responses(rows: list[Body]) -> Body:
    answer: Body = rows[-1]["response"]
    return _responses_form(answer)


def _responses_form(answer: Body) -> Body:
    for item in answer["output"]:
        if _DERIVED.match(item.get("id") or ""):
            item["id"] = "derived"
    answer["output"] = _signed_first(answer["output"], "reasoning", "encrypted_content")
    return _body(answer)


# ----------------------------------------------------------------------------------------- gemini


def _gemini(chunks: list[Body]) -> Body:
    answer: Body = {}
    found: dict[int, Body] = {}
    for chunk in chunks:
        for each in chunk.pop("candidates", ()):
            candidate = found.setdefault(each.get("index", 0), {"content": {"parts": []}})
            content = each.pop("content", {})
            candidate["content"]["parts"] += content.pop("parts", [])
            candidate["content"] |= content
            candidate |= each
        answer |= chunk
    return _gemini_form({**answer, "candidates": list(found.values())})


def _gemini_form(answer: Body) -> Body:
    for candidate in answer.get("candidates", ()):
        content = candidate.setdefault("content", {})
        content["parts"] = list(_parts(content.get("parts") or []))
        content.setdefault("role", "model")
    return _body(answer)


def _parts(parts: list[Body]) -> Iterator[Body]:
    """Texts side by side are one, until a signature ends them; it stands in a part of its own."""
    said: Body | None = None
    for part in parts:
        words = part.keys() <= {"text", "thought", "thoughtSignature"}
        if said and not (words and part.get("thought") == said.get("thought")):
            yield said
            said = None
        if not words:
            signed = part.pop("thoughtSignature", None) if "functionCall" not in part else None
            yield part
            if signed:
                yield {"text": "", "thoughtSignature": signed}
            continue
        if part["text"]:
            said = {**part, "text": (said or {}).get("text", "") + part["text"]}
            said.pop("thoughtSignature", None)
        if "thoughtSignature" in part:
            if said:
                yield said
            said = None
            yield {**part, "text": ""}
    if said:
        yield said


# ----------------------------------------------------------------------------------------- shared


def _signed_first(items: list[Body], kind: str, key: str) -> list[Body]:
    """Signatures of what stands beside them, each before what it belongs to; of the last one that
    is nothing, or what came before."""
    placed: list[Body] = []
    for position, item in enumerate(items):
        mark = item.get(key) or ""
        if item["type"] == kind and _MOVED.match(mark):
            after = mark.startswith(mark.partition(_AFTER)[0] + _AFTER)
            moved = {**item, key: _MOVED.sub("moved.", mark)}
            last = position == len(items) - 1
            placed.insert(max(len(placed) - 1, 0) if after or last else len(placed), moved)
        else:
            placed.append(item)
    return placed


def _present(value: Any) -> Any:
    """Without what is empty."""
    if isinstance(value, dict):
        kept = {key: _present(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in (None, "", [], {})}
    return [_present(each) for each in value] if isinstance(value, list) else value


def _body(value: Any) -> Body:
    found: Body = _present(value)
    return found


_GATHER: dict[str, Callable[[list[Body]], Body]] = {
    "claude": _claude,
    "gemini": _gemini,
    "openai-chat": _chat,
    "openai-responses": _responses,
}
_FORM: dict[str, Callable[[Body], Body]] = {
    "claude": _claude_form,
    "gemini": _gemini_form,
    "openai-chat": _chat_form,
    "openai-responses": _responses_form,
}
assert _GATHER.keys() == {name for name, side in translator().formats.items() if side.serves}
