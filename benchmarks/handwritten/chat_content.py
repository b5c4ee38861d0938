"""Content of chat messages: texts, images, files, sound."""

from __future__ import annotations

import re
from typing import Any

from benchmarks.handwritten.common import (
    CHAT,
    Body,
    Refused,
    expect,
    inside,
    keep,
    keys,
    listed,
    looked_at,
    tree,
)
from engine.language.encodings import data_url, sniff_mime
from engine.language.functions import json_text
from engine.language.texts import join_text

MARKS = {
    "prompt_cache_breakpoint": looked_at(mode=None, ttl=None),
    "cache_control": looked_at(type=None, ttl=None),
}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PIECES = {
    "text": keys("type text"),
    "image_url": keys("type image_url"),
    "file": keys("type file"),
    "input_audio": keys("type input_audio"),
    "refusal": keys("type refusal"),
    "thinking": keys("type thinking"),
}
_PIECE_TREES = {
    kind: tree(known, **(MARKS if kind not in ("refusal", "thinking") else {}))
    for kind, known in _PIECES.items()
} | {"input_audio": tree(["type"], input_audio=tree(["format", "data"]), **MARKS)}
_AUDIO = keys("format data")


def content_of(content: Any) -> list[Any]:
    """The pieces of a content, which is a text or a list."""
    if type(content) is str:
        return [{"type": "text", "text": content}] if content else []
    if content is None:
        return []
    if type(content) is not list:
        raise Refused("must be a text or a list of parts")
    return content


def pieces(content: Any, ctx: Body) -> list[Body]:
    if type(content) is str:
        return [{"type": "text", "text": content}] if content else []
    return [piece_of(piece, ctx) for piece in content_of(content)]


def piece_of(piece: Any, ctx: Body) -> Body:
    if type(piece) is not dict:
        raise Refused("a content part must be an object")
    kind = piece.get("type")
    if kind == "text":
        text = piece.get("text")
        part: Body = {
            "type": "text",
            "text": "" if text is None else expect(text, str, "string"),
        }
    elif kind == "image_url":
        part = _image(piece.get("image_url"))
    elif kind == "file":
        part = _file(piece.get("file"), ctx)
    elif kind == "input_audio":
        part = _audio(piece.get("input_audio"))
    elif kind == "refusal":
        part = {"type": "refusal"}
        if (said := piece.get("refusal")) is not None:
            part["text"] = said
    elif kind == "thinking":
        thought = piece.get("thinking")
        part = {"type": "thinking"}
        if thought is not None:
            part["text"] = thought if type(thought) is str else join_text(listed(thought), "")
    elif kind is None and type(piece.get("text")) is str:
        return {"type": "text", "text": piece["text"]}
    else:
        return {"type": "other", "native": {CHAT: piece}}
    if not _PIECES[kind].issuperset(piece) or (
        kind == "input_audio" and not _AUDIO.issuperset(piece[kind])
    ):
        if kind != "refusal" and kind != "thinking":
            mark(part, piece)
        keep(part, piece, _PIECE_TREES[kind], CHAT)
    return part


def mark(part: Body, piece: Body) -> None:
    """OpenAI's own cache mark, and the one that others took over from Claude."""
    mark = piece.get("prompt_cache_breakpoint") or piece.get("cache_control")
    if mark:
        ttl = inside(mark, "ttl")
        part["cache"] = {} if ttl is None else {"ttl": ttl}


def _image(image: Any) -> Body:
    part: Body = {"type": "image"}
    url = image if type(image) is str else inside(image, "url")
    if (source := source_at(url)) is not None:
        part["source"] = source
    if (detail := inside(image, "detail")) is not None:
        part["detail"] = detail
    return part


def _file(given: Any, ctx: Body) -> Body:
    part: Body = {"type": "document"}
    if given is None:
        return part
    if (title := inside(given, "filename")) is not None:
        part["title"] = title
    data, ident = inside(given, "file_data"), inside(given, "file_id")
    source = source_at(data) if type(data) is str else None
    if source is None:
        if not ident:
            raise Refused("needs file_data or file_id")
        source = {"kind": "file", "id": ident, "vendor": ctx["vendor"]}
    part["source"] = source
    return part


def _audio(given: Any) -> Body:
    kind, data = inside(given, "format"), inside(given, "data")
    said = kind if type(kind) is str else json_text(kind) or ""
    source: Body = {"kind": "data", "mime": f"audio/{said}"}
    if data is not None:
        source["data"] = data
    part: Body = {"type": "audio", "source": source}
    if kind is not None:
        part["format"] = kind
    return part


def source_at(url: Any) -> Body | None:
    """A URL: data inside it, or a place."""
    if not url:
        return None
    expect(url, str, "string")
    found = data_url(url)
    if found is not None:
        mime = found["mime"]
        if mime.endswith("*"):
            mime = sniff_mime(found["data"]) or mime
        return {"kind": "data", "mime": mime, "data": found["data"]}
    if _SCHEME.match(url):
        return {"kind": "url", "url": url}
    source = {"kind": "data", "data": url}
    if (sniffed := sniff_mime(url)) is not None:
        source["mime"] = sniffed
    return source
