"""The same wire format in and out: bytes as they are, but for the edits that are allowed."""

from __future__ import annotations

import re
from typing import Any

from engine.errors import UpstreamError
from engine.translation import jsontext
from engine.translation.formats import Framing
from engine.translation.framing import MAX_FRAME
from engine.translation.streams import Stream


def renamed(raw: bytes, document: dict[str, Any], name: str) -> bytes:
    """The document's bytes with another model name and nothing else changed.

    Where the key's place cannot be told from the bytes alone the document is written anew.
    """
    if document.get("model") == name:
        return raw
    if raw.count(b'"model"') == 1:
        old = jsontext.dumps(document["model"])
        edited, count = re.subn(
            rb'"model"(\s*:\s*)' + re.escape(old),
            lambda found: b'"model"' + found[1] + jsontext.dumps(name),
            raw,
        )
        if count == 1:
            return edited
    return jsontext.dumps({**document, "model": name})


class PassThrough:
    """A stream handed on frame by frame while an observer reads along.

    Has the interface of the translator's Stream. ``names``: the upstream's name of the model and
    the client's. Only whole frames are passed on, so that an error can follow a broken one.
    """

    def __init__(
        self, observer: Stream, framing: Framing, names: tuple[str, str] | None = None
    ) -> None:
        self._observer = observer
        self._framing = framing
        self._tail = bytearray()
        self._rename: tuple[re.Pattern[bytes], bytes] | None = None
        if names is not None and names[0] != names[1]:
            old, new = jsontext.dumps(names[0]), jsontext.dumps(names[1])
            self._rename = (re.compile(rb'("model"\s*:\s*)' + re.escape(old)), new)

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
        return self._edited(whole)

    def close(self) -> bytes:
        """What follows when the upstream ended: its last frame, or the terminal error."""
        over = self._observer.done
        rest = self._observer.close()
        if self._observer.error is not None and not over:
            return rest
        last = self._edited(bytes(self._tail))
        if over or self._framing.terminator is None:
            return last
        # Complete, but without the event that tells clients so.
        kind = self._framing.kind
        assert kind.writer is not None  # clients speak it
        end = kind.writer(self._framing.separator).frame(self._framing.terminator, None)
        return last + (kind.ends[0] if last else b"") + end

    def fail(self, kind: str, message: str, status: int | None = None) -> bytes:
        """The terminal error in the client's dialect."""
        return self._observer.fail(kind, message, status)

    def _edited(self, data: bytes) -> bytes:
        if self._rename is None or not data:
            return data
        pattern, new = self._rename
        return pattern.sub(lambda found: found[1] + new, data)
