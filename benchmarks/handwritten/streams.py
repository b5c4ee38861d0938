"""Whole streams: bytes of the upstream in, bytes for the client out.

Framing, JSON and the order of parts are the project's own stages, as around the mappings.
"""

from __future__ import annotations

from typing import Any

from benchmarks.handwritten.common import CHAT, CLAUDE, Body
from benchmarks.handwritten.read_chat_stream import ReadChat
from benchmarks.handwritten.read_claude_stream import ReadClaude
from benchmarks.handwritten.write_chat_stream import WriteChat
from benchmarks.handwritten.write_claude_stream import WriteClaude
from engine.translation.framing import SseReader
from engine.translation.jsontext import dumps, loads
from engine.translation.ordering import Ordering, Passthrough

READ: dict[str, type[ReadChat] | type[ReadClaude]] = {CHAT: ReadChat, CLAUDE: ReadClaude}
WRITE: dict[str, type[WriteChat] | type[WriteClaude]] = {CHAT: WriteChat, CLAUDE: WriteClaude}


class Stream:
    """One stream from one format to the other."""

    def __init__(self, source: str, target: str, plan: Body, reading: Body, writing: Body) -> None:
        self._reader = SseReader()
        self._read = READ[source](plan, reading)
        self._write = WRITE[target](plan, writing)
        self._order: Any = Ordering() if target == CLAUDE else Passthrough()
        self._named = target == CLAUDE

    def feed(self, chunk: bytes) -> bytes:
        """What these bytes give."""
        out: list[bytes] = []
        for _, raw in self._reader.feed(chunk):
            event = {"done": True} if raw == b"[DONE]" else loads(raw)
            for canonical in self._read.step(event):
                for ordered in self._order.push(canonical):
                    for written in self._write.step(ordered):
                        if self._named:
                            out.append(b"event: " + written["type"].encode() + b"\n")
                        out += (b"data: ", dumps(written), b"\n\n")
        return b"".join(out)
