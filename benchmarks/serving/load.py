"""Load: many requests at once from one client, every answer verified."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

HEADERS = {
    "content-type": "application/json",
    "authorization": "Bearer bench",
    "anthropic-version": "2026-10-21",
}

Check = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Job:
    """Requests of one kind: so many, so many at once. ``check`` gives what is wrong, or ""."""

    url: str
    body: bytes
    check: Check
    count: int
    at_once: int


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that keeps its connections, as agents and SDKs do."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session


async def run(session: aiohttp.ClientSession, job: Job) -> list[float]:
    """Do it; seconds of each request. Raises ValueError for the first wrong answer."""
    left = iter(range(job.count))
    taken: list[float] = []

    async def asked(again: bool = True) -> tuple[int, bytes]:
        try:
            async with session.post(job.url, data=job.body, headers=HEADERS) as response:
                return response.status, await response.read()
        except aiohttp.ServerDisconnectedError:
            # a kept connection that is closed as a request comes: SDKs try once more, too
            if again:
                return await asked(again=False)
            raise

    async def one_after_another() -> None:
        for _ in left:
            begun = time.perf_counter()
            try:
                status, answer = await asked()
            except aiohttp.ClientError as error:
                raise ValueError(f"{job.url}: {error!r}") from error
            taken.append(time.perf_counter() - begun)
            wrong = f"status {status}" if status != 200 else job.check(answer)
            if wrong:
                raise ValueError(f"{job.url}: {wrong}: {answer[:300]!r}")

    async with asyncio.TaskGroup() as group:
        for _ in range(min(job.at_once, job.count)):
            group.create_task(one_after_another())
    return taken


# ---------------------------------------------------------------------------- verification


def exactly(expected: bytes) -> Check:
    """The answer is these bytes."""
    return lambda answer: "" if answer == expected else "other bytes"


def says(expected: Any) -> Check:
    """A chat answer or stream says this: see :func:`said`."""

    def check(answer: bytes) -> str:
        found = said(answer)
        return "" if found == expected else f"says {str(found)[:200]}"

    return check


def said(answer: bytes) -> dict[str, Any]:
    """What a chat answer or stream says: text, calls, why it ended."""
    if answer.startswith(b"{"):
        choice = json.loads(answer)["choices"][0]
        message = choice["message"]
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        return {
            "text": message["content"],
            "calls": [(call["name"], json.loads(call["arguments"])) for call in calls],
            "end": choice["finish_reason"],
        }
    text, end = "", None
    for line in answer.split(b"\n"):
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:]).get("choices") or ():
                text += choice["delta"].get("content") or ""
                end = choice.get("finish_reason") or end
    return {"text": text, "calls": [], "end": end}
