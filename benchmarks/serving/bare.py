"""The yardstick: the least that passes a request on with the project's own stack.

    python benchmarks/serving/bare.py PORT UPSTREAM

uvicorn, one bare ASGI callable, the transport of the gateway called directly. No keys, no routes,
no log, no look at the body.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import uvicorn

if __package__ is None:  # run as a file: make room for the package's own name
    sys.path[0] = str(Path(__file__).parents[2])

from engine.gateway.upstream import AiohttpTransport, Limits, chunks, prepare

_HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}
_LIMITS = Limits(connect=10, read=60)


class Bare:
    """The bare ASGI callable."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.transport = AiohttpTransport()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        parts = []
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        request = prepare(self._upstream + scope["path"], _HEADERS, b"".join(parts), _LIMITS)
        response = await self.transport.handle_async_request(request)
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": response.status_code,
                    "headers": [
                        (name, value)
                        for name, value in response.headers.raw
                        if name.lower() in (b"content-type", b"content-length")
                    ],
                }
            )
            async for chunk in chunks(response):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await response.aclose()


def main() -> None:
    """Serve until killed."""
    uvicorn.run(
        Bare(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=300,
    )


if __name__ == "__main__":
    main()
