"""The application on a real socket, in the loop of the test."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import uvicorn
import yaml

from engine.gateway import config
from engine.gateway.app import Gateway, create_app
from engine.gateway.state import LocalState
from engine.gateway.upstream import AsyncBaseTransport
from engine.translation.translator import Translator

CHAT = "/v1/chat/completions"
CLAUDE = "/v1/messages"


@cache
def translator() -> Translator:
    """The shipped mappings, loaded once for all tests."""
    return Translator.load()


@dataclass(frozen=True)
class Running:
    """A serving gateway and a client for it."""

    http: httpx.AsyncClient
    gateway: Gateway
    url: str

    async def chat(self, text: str = "hi", model: str = "m", **more: Any) -> httpx.Response:
        return await self.http.post(CHAT, json=chat_request(text, model, **more))

    async def claude(self, text: str = "hi", model: str = "m", **more: Any) -> httpx.Response:
        return await self.http.post(CLAUDE, json=claude_request(text, model, **more))


@asynccontextmanager
async def serving(
    settings: dict[str, Any],
    transport: AsyncBaseTransport | None = None,
    environ: dict[str, str] | None = None,
    state: LocalState | None = None,
) -> AsyncIterator[Running]:
    """The gateway with this configuration, for as long as the block."""
    parsed = config.parse(yaml.safe_dump(settings), environ or {})
    known = translator()
    if parsed.providers is not None:
        known = known.with_settings(parsed.providers)
    app = create_app(parsed, transport, known, state)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, ws="none", proxy_headers=False)
    )
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.005)
        if task.done():
            await task
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        # No certificates are loaded for a client that speaks to loopback in the clear.
        client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=20, verify=False)
        async with client as http:
            yield Running(http, app.state.gateway, url)
    finally:
        server.should_exit = True
        await task
        listening.close()


def credential(provider: str, url: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    """A credential at an upstream of the tests."""
    name = name or provider
    return {"provider": provider, "name": name, "api-key": f"key-{name}", "base-url": url, **more}


def chat_request(text: str = "hi", model: str = "m", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def claude_request(text: str = "hi", model: str = "m", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "max_tokens": 64, "messages": messages, **more}


def chat_answer(text: str = "hello", model: str = "m") -> dict[str, Any]:
    """A whole answer of a chat upstream."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def claude_answer(text: str = "hello", model: str = "m") -> dict[str, Any]:
    """A whole answer of a Claude upstream."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 3},
    }


def event(name: str, **fields: Any) -> bytes:
    """A named event as a Claude upstream sends it."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def chunk(delta: dict[str, Any], finish: str | None = None, model: str = "m") -> bytes:
    """A chunk as a chat upstream sends it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model}
    return f"data: {json.dumps({**body, 'choices': [choice]})}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def chat_stream(*texts: str, model: str = "m") -> list[bytes]:
    """The events of a streamed chat answer."""
    deltas = [chunk({"content": text}, model=model) for text in texts]
    start = chunk({"role": "assistant", "content": ""}, model=model)
    return [start, *deltas, chunk({}, "stop", model=model), DONE]


def claude_stream(*texts: str, model: str = "m") -> list[bytes]:
    """The events of a streamed Claude answer."""
    message = {**claude_answer(model=model), "content": [], "stop_reason": None}
    deltas = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
        for text in texts
    ]
    return [
        event("message_start", message=message),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *deltas,
        event("content_block_stop", index=0),
        event(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": 3},
        ),
        event("message_stop"),
    ]
