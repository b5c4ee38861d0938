"""The framing ``aws-event-stream``: binary messages, each with headers, a payload and checksums.

Lengths, checksums and headers are botocore's to read; here the bytes are cut into whole messages,
so that each is copied once however it arrives.
"""

from __future__ import annotations

import struct
from typing import Any

from engine import extras
from engine.translation.framing import MAX_FRAME, Frame, FramingError, check_size
from engine.translation.jsontext import JsonError, dumps, loads

LIBRARY = "botocore.eventstream"
EXCEPTION = "exception"
"""The name of every frame that stands for an exception or error: ``{type, message, …}``."""

_PRELUDE = 12
_CHECKSUM = 4
# Headers are a name, a type and an id; the library copies the rest of them for each.
_MAX_HEADERS = 16 * 1024
_BROKEN = "the upstream's stream holds what is no event stream message"


class EventStreamReader:
    """Reads messages: the frame's name is the event's type, its data the payload.

    Exceptions and errors are frames of the name EXCEPTION; their data says ``type`` (the
    exception's type or the error's code) and ``message`` beside what the payload says. A message
    of another type is skipped.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        library = extras.load(LIBRARY, "the framing aws-event-stream")
        self._max_frame = max_frame
        self._messages = library.EventStreamBuffer()
        # All that the library raises for bytes that are no message.
        self._broken = (library.ParserError, KeyError, struct.error, UnicodeDecodeError)
        self._buffer = bytearray()
        self._rest = 0  # bytes that follow the prelude of the message being read; 0 before it

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that these bytes complete. Raises FramingError."""
        self._buffer += chunk
        frames: list[Frame] = []
        while len(self._buffer) >= (self._rest or _PRELUDE):
            if not self._rest:
                self._begin()
                continue
            message = self._parsed(self._rest)
            self._rest = 0
            if message is None:
                raise FramingError(_BROKEN)
            frame = _frame(message.headers, message.payload)
            if frame is not None:
                frames.append(frame)
        return frames

    def close(self) -> list[Frame]:
        """Nothing: a message that was cut short tells nothing."""
        self._buffer.clear()
        return []

    def _begin(self) -> None:
        """Take the prelude, which says how long its message is."""
        size = int.from_bytes(self._buffer[:4], "big")
        headers = int.from_bytes(self._buffer[4:8], "big")
        if self._parsed(_PRELUDE) is not None or headers + _PRELUDE + _CHECKSUM > size:
            raise FramingError(_BROKEN)
        if headers > _MAX_HEADERS:
            raise FramingError("the upstream sent an event with too many headers")
        check_size(size, self._max_frame)
        self._rest = size - _PRELUDE

    def _parsed(self, size: int) -> Any:
        """Hand so many bytes on: the message that they end, or None. Raises FramingError."""
        self._messages.add_data(bytes(self._buffer[:size]))
        del self._buffer[:size]
        try:
            return next(self._messages, None)
        except self._broken as error:
            raise FramingError(_BROKEN) from error


def _frame(headers: dict[str, Any], payload: bytes) -> Frame | None:
    match headers.get(":message-type"):
        case "event":
            return (str(headers.get(":event-type", "")), payload or b"{}")
        case "exception" | "error":
            return (EXCEPTION, dumps(_exception(headers, payload)))
    return None


def _exception(headers: dict[str, Any], payload: bytes) -> dict[str, Any]:
    try:
        said = loads(payload)
    except JsonError:
        said = None
    if not isinstance(said, dict):
        said = {"message": payload.decode("utf-8", "replace")} if payload else {}
    told = {
        "type": headers.get(":exception-type", headers.get(":error-code")),
        "message": headers.get(":error-message"),
    }
    return {**{key: str(value) for key, value in told.items() if value is not None}, **said}
