"""Cooldowns end, turns are fair, memory is bounded."""

from __future__ import annotations

import asyncio
from collections import Counter

from engine.gateway.state import Cooldown, LocalState


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def turns(state: LocalState, weights: dict[str, int], count: int) -> list[str]:
    async def main() -> list[str]:
        return [await state.turn("group", weights) for _ in range(count)]

    return asyncio.run(main())


def cooling(state: LocalState, *keys: str) -> dict[str, Cooldown]:
    return asyncio.run(state.cooling(keys))


def test_a_rest_ends_and_a_shorter_one_does_not_cut_it() -> None:
    clock = Clock()
    state = LocalState(clock)
    asyncio.run(state.cool("k", Cooldown(1060, "rate-limit")))
    asyncio.run(state.cool("k", Cooldown(1010, "internal")))
    assert cooling(state, "k", "other") == {"k": Cooldown(1060, "rate-limit")}
    clock.now = 1060
    assert cooling(state, "k") == {}


def test_a_rest_can_be_ended() -> None:
    state = LocalState(Clock())
    asyncio.run(state.cool("k", Cooldown(2000, "auth")))
    asyncio.run(state.release("k"))
    assert cooling(state, "k") == {}


def test_turns_follow_the_weights_and_are_spread() -> None:
    taken = turns(LocalState(), {"a": 2, "b": 1, "c": 1}, 8)
    assert Counter(taken) == {"a": 4, "b": 2, "c": 2}
    assert set(taken[:3]) == {"a", "b", "c"}  # not the heavy one first, alone


def test_a_credential_that_rests_does_not_skew_the_others() -> None:
    state = LocalState()
    turns(state, {"a": 1, "b": 1, "c": 1}, 4)
    assert Counter(turns(state, {"b": 1, "c": 1}, 100)) == {"b": 50, "c": 50}
    back = Counter(turns(state, {"a": 1, "b": 1, "c": 1}, 300))
    assert all(abs(count - 100) <= 1 for count in back.values())


def test_what_is_longest_unused_is_forgotten() -> None:
    state = LocalState(Clock(), max_entries=2)
    for key in ("a", "b", "c"):
        asyncio.run(state.cool(key, Cooldown(2000, "auth")))
    assert sorted(cooling(state, "a", "b", "c")) == ["b", "c"]
