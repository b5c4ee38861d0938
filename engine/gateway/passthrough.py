"""The same wire format in and out: bytes as they are, but for the edits that are allowed."""

from __future__ import annotations

import re
from typing import Any

from engine.errors import UpstreamError
from engine.translation import jsontext
from engine.translation.formats import Framing, UsageOnRequest
from engine.translation.framing import MAX_FRAME
from engine.translation.jsontext import JsonError
from engine.translation.streams import Stream


def renamed(raw: bytes, document: dict[str, Any], name: str, key: str = "model") -> bytes:
    """The document's bytes with another model name at ``key`` and nothing else changed.

    Where the key's place cannot be told from the bytes alone the document is written anew.
    """
    if document.get(key) == name:
        return raw
    quoted = jsontext.dumps(key)
    if raw.count(quoted) == 1:
        old = jsontext.dumps(document[key])
        edited, count = re.subn(
            re.escape(quoted) + rb"(\s*:\s*)" + re.escape(old),
            lambda found: quoted + found[1] + jsontext.dumps(name),
            raw,
        )
        if count == 1:
            return edited
    return jsontext.dumps({**document, key: name})


def asking(raw: bytes, asks: UsageOnRequest) -> bytes:
    """The document's bytes with the field that asks for the counts, and nothing else changed.

    Where there is something beside the field already the document is written anew.
    """
    document = jsontext.loads(raw)
    first, *rest = asks.field
    end = raw.rstrip()
    wanted = _within(document.get(first), rest)
    if document.get(first) is None and first not in document and end.endswith(b"}"):
        return b"%b,%b:%b}" % (end[:-1], jsontext.dumps(first), jsontext.dumps(wanted))
    return jsontext.dumps({**document, first: wanted})


def _within(value: Any, keys: list[str]) -> Any:
    """The value with true at the end of the keys."""
    if not keys:
        return True
    there = value if isinstance(value, dict) else {}
    return {**there, keys[0]: _within(there.get(keys[0]), keys[1:])}


class PassThrough:
    """A stream handed on frame by frame while an observer reads along.

    Has the interface of the translator's Stream. ``names``: the upstream's name of the model and
    the client's, which events have at ``key``. ``hidden``: the event with the counts was not the
    client's wish and is left out. Only whole frames are passed on, so that an error can follow a
    broken one.
    """

    def __init__(
        self,
        observer: Stream,
        framing: Framing,
        names: tuple[str, str] | None = None,
        hidden: UsageOnRequest | None = None,
        key: str = "model",
    ) -> None:
        self._observer = observer
        self._framing = framing
        self._hidden = hidden
        self._ended = framing.terminator is None
        self._tail = bytearray()
        self._rename: tuple[re.Pattern[bytes], bytes] | None = None
        if names is not None and names[0] != names[1]:
            old, new = jsontext.dumps(names[0]), jsontext.dumps(names[1])
            named = re.escape(jsontext.dumps(key))
            self._rename = (re.compile(b"(" + named + rb"\s*:\s*)" + re.escape(old)), new)

    @property
    def started(self) -> bool:
        return self._observer.started

    @property
    def done(self) -> bool:
        return self._observer.done

    @property
    def error(self) -> dict[str, Any] | None:
        return self._observer.error

    @property
    def usage(self) -> dict[str, Any] | None:
        return self._observer.usage

    @property
    def losses(self) -> list[Any]:
        """Nothing is lost: the client gets the upstream's bytes."""
        return []

    def feed(self, chunk: bytes) -> bytes:
        """The frames that these bytes complete. Raises UpstreamError for a frame without end."""
        written = self._observer.feed(chunk)
        if self._observer.error is not None:
            # The observer had written the frames before this read's as they were; what it wrote now
            # holds the rest and the error, also where the upstream's own was no proper event.
            return written
        tail = self._tail
        fresh = max(0, len(tail) - 3)  # a mark may be cut by the read
        tail += chunk
        found = [(tail.rfind(mark, fresh), len(mark)) for mark in self._framing.kind.ends]
        end = max(at + length if at >= 0 else 0 for at, length in found)
        whole = bytes(tail[:end])
        del tail[:end]
        if len(tail) > MAX_FRAME:
            raise UpstreamError("an event of the stream is too long")
        return self._edited(whole) + self._end(whole)

    def _end(self, whole: bytes) -> bytes:
        """The event that tells clients the end, once all is said, unless it is in these frames."""
        terminator = self._framing.terminator
        if self._ended or terminator is None or not self._observer.done:
            return b""
        self._ended = True
        if whole.rstrip().endswith(terminator):
            return b""
        writer = self._framing.kind.writer
        assert writer is not None  # clients speak it
        return writer(self._framing.separator).frame(terminator, None)

    def close(self) -> bytes:
        """What follows when the upstream ended: its last frame, or the terminal error."""
        over = self._observer.done
        rest = self._observer.close()
        if self._observer.error is not None and not over:
            return rest
        if over:
            return b""
        last = bytes(self._tail)
        whole = last + self._framing.kind.ends[0] if last else b""
        end = self._end(last)
        # As it came, unless something follows.
        return self._edited(whole if end else last) + end

    def fail(self, kind: str, message: str, status: int | None = None) -> bytes:
        """The terminal error in the client's dialect."""
        return self._observer.fail(kind, message, status)

    def _shown(self, data: bytes) -> bytes:
        """The frames without the one that was asked for on the client's behalf."""
        hidden, kind = self._hidden, self._framing.kind
        if hidden is None or self._observer.usage is None:
            return data
        marks = b"|".join(re.escape(mark) for mark in sorted(kind.ends, key=len, reverse=True))
        frames = re.findall(rb"(?s).+?(?:" + marks + rb"|\Z)", data)
        return b"".join(frame for frame in frames if not self._is_hidden(frame, hidden))

    def _is_hidden(self, frame: bytes, hidden: UsageOnRequest) -> bool:
        reader = self._framing.kind.reader(MAX_FRAME)
        for _, raw in (*reader.feed(frame), *reader.close()):
            try:
                return hidden.is_answer(jsontext.loads(raw))
            except JsonError:
                return False
        return False

    def _edited(self, data: bytes) -> bytes:
        data = self._shown(data)
        if self._rename is None or not data:
            return data
        pattern, new = self._rename
        return pattern.sub(lambda found: found[1] + new, data)
