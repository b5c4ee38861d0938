"""The upstream: a process that answers every POST with bytes it made before.

    python benchmarks/serving/upstream.py PORT DELTAS PAUSE

A request that asks for a stream gets Claude events with so many text deltas, without pause, or
``PAUSE`` seconds apart when its model is a paced one; any other gets a whole Claude answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import uvicorn

if __package__ is None:  # run as a file: make room for the package's own name
    sys.path[0] = str(Path(__file__).parents[2])

from benchmarks import bodies

PACED = "claude-paced"
WORDS = "The chain on order is a hundred and twenty six links long, "

_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8")]


def answer() -> dict[str, Any]:
    """The whole answer."""
    return dict(bodies.case("claude-answer"))


def events(deltas: int) -> list[bytes]:
    """The frames of a stream: text in so many deltas."""
    made = bodies.case("claude-events")
    start = [event for event in made if event["type"] == "message_start"]
    block = {"type": "text", "text": ""}
    counts = {"output_tokens": deltas}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts}
    chosen = [
        *start,
        {"type": "content_block_start", "index": 0, "content_block": block},
        *[_delta(number) for number in range(deltas)],
        {"type": "content_block_stop", "index": 0},
        last,
        {"type": "message_stop"},
    ]
    return [
        f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
        for event in chosen
    ]


def _delta(number: int) -> dict[str, Any]:
    text = {"type": "text_delta", "text": f"{number} {WORDS}"}
    return {"type": "content_block_delta", "index": 0, "delta": text}


class Upstream:
    """The bare ASGI callable."""

    def __init__(self, deltas: int, pause: float) -> None:
        self._answer = json.dumps(answer()).encode()
        self._events = events(deltas)
        self._pause = pause

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if b'"stream":true' not in body and b'"stream": true' not in body:
            length = (b"content-length", b"%d" % len(self._answer))
            await send(_head([*_JSON, length]))
            await send({"type": "http.response.body", "body": self._answer})
            return
        pause = self._pause if PACED.encode() in body else 0
        await send(_head(_EVENTS))
        for frame in self._events:
            if pause:
                await asyncio.sleep(pause)
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _head(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": headers}


def main() -> None:
    """Serve until killed."""
    port, deltas, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    uvicorn.run(
        Upstream(deltas, pause),
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=300,
    )


if __name__ == "__main__":
    main()
