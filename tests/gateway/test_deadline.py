"""A limit that moves ends its block in time, once, and takes nobody else's cancellation."""

from __future__ import annotations

import asyncio

import pytest

from engine.gateway.deadline import NEVER, Deadline

LONG = 60.0
SHORT = 0.02


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_a_block_ends_when_no_time_is_left_and_its_task_goes_on() -> None:
    async def main() -> int:
        with pytest.raises(TimeoutError), Deadline(SHORT) as limit:
            await forever()
        assert limit.expired
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert asyncio.run(main()) == 0


@pytest.mark.parametrize("first", [LONG, NEVER])
def test_a_limit_moved_nearer_holds(first: float) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError), Deadline(first) as limit:
            limit.left(SHORT)
            await forever()

    asyncio.run(main())


def test_a_limit_moved_away_does_not_ring_at_the_old_time() -> None:
    async def main() -> bool:
        with Deadline(SHORT) as limit:
            for _ in range(5):
                limit.left(LONG)
                await asyncio.sleep(SHORT)
            limit.left(NEVER)
            await asyncio.sleep(SHORT)
        return limit.expired

    assert not asyncio.run(main())


def test_a_limit_moved_away_and_back_holds() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError), Deadline(SHORT) as limit:
            limit.left(LONG)
            await asyncio.sleep(SHORT * 2)
            limit.left(SHORT)
            await forever()

    asyncio.run(main())


def test_a_limit_does_nothing_after_its_block() -> None:
    async def main() -> bool:
        with Deadline(SHORT) as limit:
            pass
        limit.left(SHORT)
        await asyncio.sleep(SHORT * 2)
        return limit.expired

    assert not asyncio.run(main())


def test_who_is_cancelled_by_another_is_cancelled_even_when_the_time_is_over_as_well() -> None:
    async def limited() -> None:
        with Deadline(SHORT):
            try:
                await forever()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                raise

    async def main() -> bool:
        task = asyncio.create_task(limited())
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(main())


def test_an_error_of_the_block_is_its_own() -> None:
    async def main() -> None:
        with pytest.raises(KeyError), Deadline(LONG):
            raise KeyError

    asyncio.run(main())
