"""The conversation of a Claude request: messages and their blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from benchmarks.handwritten.common import CLAUDE, Body, Losses, Refused, inside, keys, more
from engine.language.encodings import b64_decode, sniff_mime
from engine.language.leftovers import spread
from engine.translation.functions import carry, safe_id

_OLD = "2023-06-01"
_IMAGES = keys("image/png image/jpeg image/gif image/webp")
_TRAILING = re.compile(r"[ \n\t]+$")

# Keys that need no second look, by the type of the part.
_TEXT = keys("type text")
_CALL = keys("type id name kind arguments raw")
_RESULT = keys("type name kind call_id parts is_error")
_REDACTED = keys("type redacted signature")
_THINKING = keys("type text signature")
_IMAGE = keys("type source detail")
_ANY_SOURCE = keys("kind id vendor native")
_SOURCES = {
    "data": _ANY_SOURCE | {"mime", "data"},
    "url": _ANY_SOURCE | {"url"},
    "text": _ANY_SOURCE | {"mime", "text"},
    "parts": _ANY_SOURCE | {"parts"},
}
_UPLOAD = keys("type source")
_DOCUMENT = keys("type source title context cite")
_TURN = keys("role parts")
_TURN_KNOWN = _TURN | keys("name phase level")
_DATA = keys("kind mime data")
_URL = keys("kind url")
_SIMPLE_TEXT = ["type", "text"]


@dataclass(slots=True)
class Marks:
    """Cache marks: Claude takes four; of more the last ones stay, those whose rank (the number of
    marks before them) is not below the surplus. ``ttl`` is theirs whose own is none of Claude's."""

    tools: int
    early: int
    count: int
    surplus: int
    ttl: str

    @classmethod
    def of(cls, request: Body, ttl: str | None) -> Marks:
        """Count those of a request."""
        tools = sum("cache" in tool for tool in request.get("tools") or ())
        early = tools + sum("cache" in part for part in request.get("instructions") or ())
        count = early
        for turn in request.get("turns") or ():
            for part in turn["parts"]:
                if "cache" in part:
                    count += 1
        surplus = count - (3 if "cache" in request else 4)
        return cls(tools, early, count, surplus, ttl or "5m")


def mark(cache: Body, kept: bool, marks: Marks, lost: Losses) -> Body | None:
    """A cache mark; OpenAI's lifetimes become the cheapest that is near."""
    if not kept:
        lost.append("cache")
        return None
    ttl = cache.get("ttl")
    if ttl is None:
        return {"type": "ephemeral"}
    if ttl != "5m" and ttl != "1h":
        if ttl != marks.ttl:
            lost.append("cache")
        ttl = marks.ttl
    return {"type": "ephemeral", "ttl": ttl}


def extras(out: Body, node: Body, known: frozenset[str], lost: Losses) -> None:
    """What a canonical object holds beyond known keys: Claude's own goes back, the rest is lost."""
    for key, value in node.items():
        if key in known or value is None:
            continue
        if key != "native":
            lost.append(key)
            continue
        for word, own in value.items():
            if word != CLAUDE:
                lost.append(word)
            elif spread(out, own):
                lost.append(key)


def instruction(block: Body, kept: bool, marks: Marks, lost: Losses) -> Any:
    """A part of the system prompt."""
    kind = block["type"]
    if kind == "text":
        if not (text := block.get("text")):
            return None
        made: Body = {"type": "text", "text": text}
        if (cache := block.get("cache")) is not None:
            _mark(made, cache, kept, marks, lost)
        if "name" in block:
            lost.append("name")
        if "native" in block:
            extras(made, {"native": block["native"]}, _TEXT, lost)
        return made
    if kind == "other":
        return _other(block, lost)
    raise Refused("Claude takes instructions as text only")


def messages(
    request: Body,
    turns: list[Body],
    spoken: list[Body],
    plan: Body,
    ctx: Body,
    marks: Marks,
    lost: Losses,
) -> list[Body] | None:
    """The conversation. Raises Refused."""
    limits = ctx["limits"]
    prefilled = bool(turns) and turns[-1]["role"] == "assistant"
    if prefilled and not limits["prefill"]:
        if not any(part["type"] == "other" for part in turns[-1]["parts"]):
            raise Refused(
                "This model does not support assistant message prefill. The conversation must end"
                " with a user message."
            )
    if not spoken:
        return [_instructed(request, turns, marks, lost)]
    if not limits["late_system"]:
        for turn in turns:
            if turn["role"] == "instruction":
                extras({}, turn, _TURN_KNOWN, lost)
        turns = spoken
    return _Conversation(plan, ctx, marks, lost).write(turns, prefilled)


def _instructed(request: Body, turns: list[Body], marks: Marks, lost: Losses) -> Body:
    """Instructions alone are the user's message."""
    lost.append("instructions")
    content = []
    for block in request.get("instructions") or ():
        content.append(instruction(block, True, marks, lost))
    for turn in turns:
        content += [instruction(block, True, marks, lost) for block in turn["parts"]]
    return {"role": "user", "content": [block for block in content if block is not None]}


def _mark(made: Body, cache: Body, kept: bool, marks: Marks, lost: Losses) -> None:
    if (written := mark(cache, kept, marks, lost)) is not None:
        made["cache_control"] = written


def _other(part: Body, lost: Losses) -> Any:
    kept = inside(part.get("native"), CLAUDE)
    if kept is None and "native" in part:
        lost.append("native")
    return kept


def _turn_extras(out: Body, turn: Body, lost: Losses) -> None:
    """What a turn that becomes a message says beside its parts."""
    if turn["role"] != "instruction" and ("name" in turn or "phase" in turn):
        lost.append("name")
    if (own := inside(turn.get("native"), CLAUDE)) is not None and spread(out, own):
        lost.append("native")


class _Conversation:
    """Writes one conversation."""

    def __init__(self, plan: Body, ctx: Body, marks: Marks, lost: Losses) -> None:
        self._names: Body = plan.get("names") or {}
        self._ctx = ctx
        self._marks = marks
        self._lost = lost
        self._any_id = ctx["provider"].get("tool_ids") == "any"

    def write(self, turns: list[Body], prefilled: bool) -> list[Body]:
        """Messages whose roles alternate.

        An instruction stands behind a user message only: elsewhere it waits for the next one.
        Assistant messages hold no images: they wait, too.
        """
        written: list[Body] = []
        waiting: list[Body] = []
        moved: list[Body] = []
        role = None
        rank = self._marks.early
        last = len(turns) - 1
        for position, turn in enumerate(turns):
            parts, said = turn["parts"], turn["role"]
            if not _TURN.issuperset(turn):
                extras({}, turn, _TURN_KNOWN, self._lost)
            if said == "instruction":
                content = self._instructions(parts, rank)
                if role == "user":
                    if content:
                        self._add(written, "system", content, turn)
                else:
                    self._lost.append("instruction")
                    waiting += content
            elif said == "user":
                content = self._blocks(self._user(parts, moved), said, rank)
                if content:
                    self._add(written, said, content, turn)
                    moved, role = [], said
                if waiting:
                    self._add(written, "system", waiting, None)
                    if content:
                        waiting = []
            else:
                media = [part for part in parts if part["type"] in ("image", "document")]
                if media:
                    self._lost.append("media")
                    moved = moved + media
                    parts = [part for part in parts if part not in media]
                content = self._blocks(parts, said, rank)
                if content:
                    if prefilled and position == last:
                        _strip(content)
                    self._add(written, said, content, turn)
                    role = said
            if self._marks.count:
                rank += sum("cache" in part for part in turn["parts"])
        if waiting:
            self._lost.append("instruction")
            self._add(written, "user", waiting, None)
        return written

    def _add(self, written: list[Body], role: str, content: list[Body], turn: Body | None) -> None:
        message: Body = {"role": role, "content": content}
        if turn is not None and not _TURN.issuperset(turn):
            _turn_extras(message, turn, self._lost)
        if written and written[-1]["role"] == role:
            before = written[-1]
            for key, value in message.items():
                if key == "content":
                    before["content"] = before["content"] + value
                elif before.setdefault(key, value) != value:
                    self._lost.append(key)
        else:
            written.append(message)

    def _user(self, parts: list[Body], moved: list[Body]) -> list[Body]:
        """Results first, the last one of a call; then what moved here; then the user's words."""
        results = [part for part in parts if part["type"] == "result"]
        if not results and not moved:
            return parts
        if len(results) > 1:
            latest: dict[str, Body] = {}
            for part in reversed(results):
                latest.setdefault(part["call_id"], part)
            kept = list(latest.values())[::-1]
            if len(kept) < len(results):
                self._lost.append("results")
            results = kept
        return results + moved + [part for part in parts if part["type"] != "result"]

    def _instructions(self, parts: list[Body], rank: int) -> list[Body]:
        kept = rank >= self._marks.surplus
        blocks = [instruction(part, kept, self._marks, self._lost) for part in parts]
        return [block for block in blocks if block is not None]

    def _blocks(self, parts: list[Body], role: str, rank: int) -> list[Body]:
        surplus = self._marks.surplus
        blocks = []
        for part in parts:
            block = self._block(part, role, rank >= surplus)
            if block is not None:
                blocks.append(block)
            if "cache" in part:
                rank += 1
        return blocks

    # ------------------------------------------------------------------------ blocks

    def _block(self, part: Body, role: str, kept: bool) -> Any:
        kind = part["type"]
        if kind == "text":
            text = part.get("text")
            if not text:
                self._lost.append("text")
                return None
            block: Body = {"type": "text", "text": text}
            if not _TEXT.issuperset(part):
                self._text(block, part, role, kept)
            return block
        if kind == "call":
            return self._call(part, kept)
        if kind == "result":
            return self._result(part, role, kept)
        if kind == "thinking":
            return self._thinking(part)
        if kind == "image":
            return self._image(part, kept)
        if kind == "document":
            return self._document(part, role, kept)
        if kind == "refusal":
            if more(part, _TEXT):
                self._lost.append("refusal")
            if not part.get("text"):
                return None
            self._lost.append("type")
            return {"type": "text", "text": part["text"]}
        if kind == "other":
            return _other(part, self._lost)
        raise Refused(f"Claude takes no {kind}")

    def _rest(self, block: Body, part: Body, known: frozenset[str], kept: bool) -> None:
        if (cache := part.get("cache")) is not None:
            _mark(block, cache, kept, self._marks, self._lost)
        extras(block, part, known | {"cache"}, self._lost)

    def _text(self, block: Body, part: Body, role: str, kept: bool) -> None:
        if citations := part.get("citations"):
            if role == "assistant" or self._ctx["api_version"] == _OLD:
                cited = [cite for each in citations if (cite := citation(each, self._lost))]
                if cited:
                    block["citations"] = cited
            else:
                self._lost.append("citations")
        self._rest(block, part, _TEXT | {"citations"}, kept)

    def _call(self, part: Body, kept: bool) -> Body:
        name: Any = part.get("name")
        block: Body = {
            "type": "tool_use",
            "id": self._id(part.get("id")),
            "name": self._names.get(name, name) if self._names else name,
        }
        if name is None:
            del block["name"]
        if part.get("kind") == "custom":
            block["input"] = {"input": part["raw"]} if "raw" in part else {}
        elif (arguments := part.get("arguments")) is not None:
            block["input"] = arguments
        elif raw := part.get("raw"):
            self._lost.append("raw")
            block["input"] = {"_raw": raw}
        else:
            block["input"] = {}
        if not _CALL.issuperset(part):
            self._rest(block, part, _CALL, kept)  # a signature here is another vendor's
        return block

    def _result(self, part: Body, role: str, kept: bool) -> Body:
        block: Body = {"type": "tool_result", "tool_use_id": self._id(part.get("call_id"))}
        parts = part.get("parts")
        if parts and len(parts) == 1 and parts[0].get("text") and list(parts[0]) == _SIMPLE_TEXT:
            block["content"] = parts[0]["text"]
        elif parts:
            blocks = [self._block(inner, role, True) for inner in parts]
            if inner := [each for each in blocks if each is not None]:
                block["content"] = inner
        if (failed := part.get("is_error")) is not None:
            block["is_error"] = failed
        if not _RESULT.issuperset(part):
            self._rest(block, part, _RESULT, kept)
        return block

    def _id(self, ident: Any) -> Any:
        return ident if self._any_id else safe_id(ident)

    def _thinking(self, part: Body) -> Body | None:
        signature: Any = part.get("signature")
        vendor = self._ctx["vendor"]
        if inside(signature, "vendor") == vendor:
            if part.get("redacted"):
                block: Body = {"type": "redacted_thinking", "data": carry(signature, vendor)}
                extras(block, part, _REDACTED, self._lost)
                return block
            text = part.get("text")
            block = {"type": "thinking", "thinking": "" if text is None else text}
            block["signature"] = carry(signature, vendor)
            extras(block, part, _THINKING, self._lost)
            return block
        if not signature and self._ctx["provider"].get("plain_thinking"):
            block = {"type": "thinking", "signature": ""}
            if (text := part.get("text")) is not None:
                block["thinking"] = text
            return block
        self._lost.append("thinking")
        return None

    def _image(self, part: Body, kept: bool) -> Body:
        given: Any = part.get("source")
        kind = inside(given, "kind")
        block: Body = {"type": "image"}
        if kind == "data":
            data = given["data"]
            block["source"] = {"type": "base64", "media_type": _mime(given), "data": data}
            if more(given, _DATA):
                self._lost.append("source")
        elif kind == "url":
            block["source"] = {"type": "url", "url": given["url"]}
            if more(given, _URL):
                self._lost.append("source")
        elif kind == "file":
            block["source"] = self._file(given)
        elif kind is not None:
            raise Refused("this image has no Claude form")
        detail = part.get("detail")
        if detail is not None and detail != "auto":
            self._lost.append("detail")
        self._rest(block, part, _IMAGE, kept)
        return block

    def _file(self, source: Body) -> Body:
        if source.get("vendor") != self._ctx["vendor"]:
            raise Refused("a file of another vendor cannot be reached")
        return {"type": "file", "file_id": source["id"]}

    def _document(self, part: Body, role: str, kept: bool) -> Body:
        given: Any = part.get("source")
        own = inside(inside(part.get("native"), CLAUDE), "type")
        theirs = inside(inside(inside(given, "native"), CLAUDE), "type")
        if own == "search_result":
            block: Body = {"type": "search_result"}
            _put(block, "source", part.get("context"))
            inner = [self._block(each, role, True) for each in inside(given, "parts") or ()]
            block["content"] = [each for each in inner if each is not None]
        elif theirs == "container_upload" and given["vendor"] == self._ctx["vendor"]:
            block = {"type": "container_upload", "file_id": given["id"]}
            self._rest(block, part, _UPLOAD, kept)
            return block
        else:
            block = {"type": "document"}
            if given is not None:
                block["source"] = self._source(given, role)
                if more(given, _SOURCES.get(given["kind"], _ANY_SOURCE)):
                    self._lost.append("source")
            _put(block, "context", part.get("context"))
        _put(block, "title", part.get("title"))
        if (cite := part.get("cite")) is not None:
            block["citations"] = {"enabled": cite}
        self._rest(block, part, _DOCUMENT, kept)
        return block

    def _source(self, given: Body, role: str) -> Body:
        kind = given["kind"]
        if kind == "data":
            data, mime = given.get("data"), given.get("mime")
            if mime != "application/pdf":
                if mime and mime.startswith("text/"):
                    text = b64_decode(data or "")
                    return {"type": "text", "media_type": "text/plain", "data": text}
                if sniff_mime(data or "") != "application/pdf":
                    raise Refused("Claude takes PDF and text documents only")
            return {"type": "base64", "media_type": "application/pdf", "data": data}
        if kind == "url":
            return {"type": "url", "url": given["url"]}
        if kind == "text":
            return {"type": "text", "media_type": "text/plain", "data": given["text"]}
        if kind == "parts":
            inner = [self._block(each, role, True) for each in given["parts"]]
            return {"type": "content", "content": [each for each in inner if each is not None]}
        if kind == "file":
            return self._file(given)
        raise Refused("this document has no Claude form")


def _put(out: Body, key: str, value: Any) -> None:
    if value is not None:
        out[key] = value


def _mime(source: Body) -> str:
    mime: str | None = source.get("mime")
    if mime is not None and mime in _IMAGES:
        return mime
    if mime == "image/jpg":
        return "image/jpeg"
    if mime is not None and mime != "application/octet-stream" and mime[:6] != "image/":
        raise Refused("Claude takes png, jpeg, gif and webp only")
    found = sniff_mime(source["data"])
    if found is None or found.startswith("application"):
        raise Refused("this is no image Claude takes (png, jpeg, gif, webp)")
    return found


def _strip(content: list[Body]) -> None:
    """White space at the end of a prefill is refused."""
    last = content[-1]
    if last.get("type") == "text":
        content[-1] = {**last, "text": _TRAILING.sub("", last["text"])}


_CITATION = keys("kind title text url start end")


def citation(given: Body, lost: Losses) -> Body | None:
    """A citation of Claude's own; an invented one would be refused on replay."""
    own = inside(given.get("native"), CLAUDE)
    if not own:
        lost.append("citation")
        return None
    made: Body = {"type": own.get("type") or "web_search_result_location"}
    _put(made, "cited_text", given.get("text"))
    _put(made, "url", given.get("url"))
    titled = "document_title" if given.get("kind") == "document" else "title"
    _put(made, titled, given.get("title"))
    extras(made, given, _CITATION, lost)
    return made
