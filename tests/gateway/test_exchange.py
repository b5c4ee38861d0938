"""The client's side of one request, against servers that tell its leaving in their own ways."""

from __future__ import annotations

import asyncio

import pytest

from engine.gateway.context import Context
from engine.gateway.exchange import ClientGone, Exchange, Message


async def unheard(message: Message) -> None:
    raise AssertionError(message)


def test_a_client_that_leaves_ends_the_block_however_its_server_waits_for_it() -> None:
    async def main() -> list[str]:
        steps: list[str] = []
        news = asyncio.Queue[str]()

        async def receive() -> Message:
            await asyncio.sleep(0)
            return {"type": await news.get()}

        with pytest.raises(ClientGone):
            async with Exchange(unheard, receive, Context("POST", "/"), []) as exchange:
                await asyncio.sleep(0.01)
                news.put_nowait("http.request")
                await asyncio.sleep(0.01)
                steps.append(f"gone: {exchange.gone}")
                news.put_nowait("http.disconnect")
                await asyncio.sleep(10)
                steps.append("stayed")
        task = asyncio.current_task()
        assert task is not None
        return [*steps, f"cancelling: {task.cancelling()}"]

    assert asyncio.run(main()) == ["gone: False", "cancelling: 0"]


def test_a_server_is_no_longer_asked_when_the_block_is_over() -> None:
    async def main() -> list[str]:
        steps: list[str] = []
        news = asyncio.Event()

        async def receive() -> Message:
            try:
                await news.wait()
            finally:
                steps.append("ended")
            raise AssertionError

        async with Exchange(unheard, receive, Context("POST", "/"), []):
            news.set()  # as a server does when the answer is complete: news and end come together
        await asyncio.sleep(0.01)
        return [*steps, f"tasks: {len(asyncio.all_tasks())}"]

    assert asyncio.run(main()) == ["ended", "tasks: 1"]
