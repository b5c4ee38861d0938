"""Cutting a stream of bytes into frames, and writing frames.

Readers take bytes cut anywhere and never decode data, so a character cut by a read is whole again
in its frame. Each costs linear time, keeps at most one frame, and that within a bound.
"""

from __future__ import annotations

import re
from typing import Protocol

from engine.errors import UpstreamError
from engine.translation.jsontext import ValueScanner

MAX_FRAME = 16 * 1024 * 1024
"""Bytes of one frame, unless a reader is told otherwise."""

_BOM = b"\xef\xbb\xbf"
_CR, _LF = b"\r\n"
_LINE_END = re.compile(rb"\r\n|\r|\n")
# Names of events come from mappings; more than these may come from an upstream.
_HEADS = 64
# What most events have before their data, when no other line follows.
_HEAD = re.compile(rb"(?:event: ([^\n]*)\n)?data: (?=[^\n]*+\Z)")
_BETWEEN = re.compile(r"[ \t\r\n,]*")


class FramingError(UpstreamError):
    """The stream cannot be cut into frames: one is too long, or it is no stream of that framing."""


# One event of a stream: the name beside its data, if any, and the data, not yet parsed. Plain
# tuples: making one of a class of its own costs as much as finding where the event ends.
Frame = tuple[str | None, bytes]


class Reader(Protocol):
    """What every framing's reader does; ``max_frame`` of its constructor is in bytes."""

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that these bytes complete. Raises FramingError; the reader is then done."""

    def close(self) -> list[Frame]:
        """The last frame, if the stream ended without finishing it. It may be cut short."""


class Writer(Protocol):
    """What every framing's writer does; its constructor takes what ends a frame."""

    def frame(self, data: bytes, name: str | None) -> bytes:
        """The bytes of one event; ``data`` is one line of JSON text."""


class SseReader:
    """Server-sent events: lines end at CR, LF or CRLF, a blank line ends an event.

    Comments, unknown fields, a byte-order mark and events without a data line are skipped.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._start: bytes | None = b""  # the first bytes, while they may be a byte-order mark
        self._line = bytearray()  # a line whose end has not come
        self._after_cr = False
        self._head = b"data: "  # of the last whole event, and its name
        self._headed: str | None = None
        self._name: bytes | None = None
        self._data: bytes | bytearray | None = None

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that these bytes complete. Raises FramingError."""
        if self._start is not None:
            chunk = self._start + chunk
            if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
                self._start = chunk
                return []
            self._start = None
            chunk = chunk.removeprefix(_BOM)
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[0] == _LF:
                chunk = chunk[1:]
        if b"\r" in chunk:
            return self._cut(chunk)
        frames: list[Frame] = []
        if self._line or self._data is not None or self._name is not None:
            end = chunk.find(b"\n\n") + 2
            if end < 2:
                return self._cut(chunk)
            frames, chunk = self._cut(chunk[:end]), chunk[end:]
        end = chunk.rfind(b"\n\n") + 2
        if end >= 2:
            frames += self._whole(chunk[:end])
            chunk = chunk[end:]
        return frames + self._cut(chunk) if chunk else frames

    def _cut(self, chunk: bytes) -> list[Frame]:
        """The frames of bytes that begin and end anywhere."""
        if b"\n" not in chunk and b"\r" not in chunk:
            self._line += chunk
            check_size(len(self._line), self._max_frame)
            return []
        lines = (b"".join((self._line, chunk)) if self._line else chunk).splitlines()
        self._line.clear()
        self._after_cr = chunk[-1] == _CR
        if chunk[-1] not in (_CR, _LF):
            self._line += lines.pop()
        return self._lines(lines)

    def _lines(self, lines: list[bytes]) -> list[Frame]:
        frames = []
        for line in lines:
            if line:
                self._field(line)
                continue
            if self._data is not None:
                name = self._name.decode(errors="replace") if self._name else None
                frames.append((name, bytes(self._data)))
                self._data = None
            self._name = None
        return frames

    def _whole(self, chunk: bytes) -> list[Frame]:
        """The frames of whole events; nearly all are a line with data, perhaps one with a name."""
        if len(chunk) > self._max_frame:
            return self._cut(chunk)
        frames: list[Frame] = []
        for event in chunk[:-2].split(b"\n\n"):
            # most begin as the one before
            head = self._head
            length = len(head)
            if event[:length] != head or event.find(b"\n", length) >= 0:
                found = _HEAD.match(event)
                if found is None:
                    frames += self._lines([*event.split(b"\n"), b""])
                    continue
                name, length = found[1], found.end()
                self._head = event[:length]
                self._headed = name.decode(errors="replace") if name else None
            frames.append((self._headed, event[length:]))
        return frames

    def close(self) -> list[Frame]:
        """The last event, if no blank line ended it."""
        return self.feed(b"\n\n")

    def _field(self, line: bytes) -> None:
        if line.startswith(b"data: "):
            value = line[6:]
        elif line.startswith(b"data:"):
            value = line[5:]
        elif line == b"data":
            value = b""
        else:
            field, _, value = line.partition(b":")
            if field == b"event":
                self._name = value.removeprefix(b" ")
            return
        if self._data is None:
            self._data = value
        elif isinstance(self._data, bytes):
            self._data = bytearray(b"\n".join((self._data, value)))
        else:
            self._data += b"\n"
            self._data += value
        check_size(len(self._data), self._max_frame)


class NdjsonReader:
    """One JSON value a line; lines end at LF, blank ones are skipped."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._line = bytearray()

    def feed(self, chunk: bytes) -> list[Frame]:
        """The lines that these bytes complete. Raises FramingError."""
        if b"\n" not in chunk:
            self._line += chunk
            check_size(len(self._line), self._max_frame)
            return []
        *lines, rest = b"".join((self._line, chunk)).split(b"\n")
        self._line = bytearray(rest)
        frames: list[Frame] = []
        for line in lines:
            check_size(len(line), self._max_frame)
            if data := line.strip():
                frames.append((None, data))
        return frames

    def close(self) -> list[Frame]:
        """The last line, if no LF ended it."""
        return self.feed(b"\n")


class JsonArrayReader:
    """A JSON array sent element by element, each given out as soon as its last bracket is read.

    A lone object in place of the array is one element: errors are sent so.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._element = bytearray()
        self._scanner: ValueScanner | None = None  # of the element that is being read
        self._opened = False
        self._over = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """The elements that these bytes complete. Raises FramingError."""
        frames: list[Frame] = []
        text = chunk.decode("latin-1")  # a character a byte: positions are the same in both
        position = 0
        while not self._over:
            if self._scanner is None:
                position = self._next_element(text, position)
                if self._scanner is None:
                    break
            end = self._scanner.feed(text, position)
            self._element += chunk[position:end] if end >= 0 else chunk[position:]
            check_size(len(self._element), self._max_frame)
            if end < 0:
                break
            frames.append((None, bytes(self._element)))
            self._element.clear()
            self._scanner = None
            position = end
        return frames

    def close(self) -> list[Frame]:
        """The element that the stream broke off in."""
        data = bytes(self._element)
        self._element.clear()
        self._over = True
        return [(None, data)] if data else []

    def _next_element(self, text: str, position: int) -> int:
        """Go to where the next element begins, if it does in this text, and make its scanner."""
        while True:
            between = _BETWEEN.match(text, position)
            position = between.end() if between else position
            character = text[position : position + 1]
            if character == "[" and not self._opened:
                self._opened = True
                position += 1
                continue
            if character == "]" and self._opened:
                self._over = True
            elif character == "{":
                self._scanner = ValueScanner()
            elif character:
                raise FramingError("the upstream's stream is no JSON array of objects")
            return position


class SseWriter:
    """Writes server-sent events; ``separator`` ends each and is two line ends."""

    def __init__(self, separator: bytes) -> None:
        self._separator = separator
        # what stands before the data of an event, by the event's name
        self._heads: dict[str | None, bytes] = {}

    def frame(self, data: bytes, name: str | None) -> bytes:
        """One event; ``data`` is one line, as JSON text is."""
        head = self._heads.get(name)
        if head is None:
            head = sse_frame(b"", name, self._separator).removesuffix(self._separator)
            if len(self._heads) < _HEADS:
                self._heads[name] = head
        return head + data + self._separator


class LineWriter:
    """Writes one JSON value a line; names have no place there."""

    def __init__(self, separator: bytes) -> None:
        self._separator = separator

    def frame(self, data: bytes, name: str | None) -> bytes:
        """One line."""
        return data + self._separator


def sse_frame(data: bytes, name: str | None, separator: bytes) -> bytes:
    """One server-sent event; ``separator`` ends it and is two line ends (LF LF or CRLF CRLF)."""
    line_end = separator[: len(separator) // 2]
    if b"\n" in data or b"\r" in data:
        data = (line_end + b"data: ").join(_LINE_END.split(data))
    if name is None:
        return b"data: %b%b" % (data, separator)
    # A line end in a name would begin a field of its own.
    event = name.encode("utf-8", "replace")
    if b"\n" in event or b"\r" in event:
        event = _LINE_END.sub(b" ", event)
    return b"event: %b%bdata: %b%b" % (event, line_end, data, separator)


def check_size(size: int, bound: int) -> None:
    """Raises FramingError when a frame of so many bytes is beyond the bound."""
    if size > bound:
        raise FramingError(f"the upstream sent an event of more than {bound} bytes")
