"""Cutting a stream of bytes into frames, and writing frames.

Readers take bytes cut anywhere and never decode data, so a character cut by a read is whole again
in its frame. Each costs linear time, keeps at most one frame, and that within a bound.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from engine.errors import UpstreamError
from engine.translation.jsontext import ValueScanner

MAX_FRAME = 16 * 1024 * 1024
"""Bytes of one frame, unless a reader is told otherwise."""

_BOM = b"\xef\xbb\xbf"
_CR, _LF = b"\r\n"
_LINE_END = re.compile(rb"\r\n|\r|\n")
# Names of events come from mappings; more than these may come from an upstream.
_HEADS = 64
_BETWEEN = re.compile(r"[ \t\r\n,]*")


class FramingError(UpstreamError):
    """The stream cannot be cut into frames: one is too long, or it is no stream of that framing."""


class Frame(NamedTuple):
    """One event of a stream: the name beside its data, if any, and the data, not yet parsed."""

    name: str | None
    data: bytes


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
        if not self._line and self._data is None and chunk[-2:] == b"\n\n" and b"\r" not in chunk:
            return self._whole(chunk)
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
                frames.append(Frame(name, bytes(self._data)))
                self._data = None
            self._name = None
        return frames

    def _whole(self, chunk: bytes) -> list[Frame]:
        """The frames of whole events; nearly all are a line with data, perhaps one with a name."""
        frames = []
        for event in chunk[:-2].split(b"\n\n"):
            head, line_end, data = event.rpartition(b"\n")
            named = head[:7] == b"event: " and b"\n" not in head
            if data[:6] == b"data: " and (named or not line_end):
                check_size(len(data) - 6, self._max_frame)
                name = head[7:] if named else self._name
                frames.append(Frame(name.decode(errors="replace") if name else None, data[6:]))
            else:
                frames += self._lines([*event.split(b"\n"), b""])
            self._name = None
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
        frames = []
        for line in lines:
            check_size(len(line), self._max_frame)
            if data := line.strip():
                frames.append(Frame(None, data))
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
            frames.append(Frame(None, bytes(self._element)))
            self._element.clear()
            self._scanner = None
            position = end
        return frames

    def close(self) -> list[Frame]:
        """The element that the stream broke off in."""
        data = bytes(self._element)
        self._element.clear()
        self._over = True
        return [Frame(None, data)] if data else []

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
