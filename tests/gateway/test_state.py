"""Cooldowns end, turns are fair, texts are bounded: in one process and among several."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.gateway import shared
from engine.gateway.shared import FILE, SharedState
from engine.gateway.state import Bounds, Cooldown, LocalState, State

Make = Callable[..., State]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shared.prepare(tmp_path)
    return tmp_path


@pytest.fixture
def sharing(folder: Path, clock: Clock) -> Iterator[Make]:
    """Makes workers of one machine."""
    made: list[State] = []

    def make(bounds: Bounds | None = None) -> State:
        made.append(SharedState(folder, clock, bounds))
        return made[-1]

    yield make
    for state in made:
        state.close()


@pytest.fixture(params=["local", "shared"])
def make(request: pytest.FixtureRequest, sharing: Make, clock: Clock) -> Make:
    """Makes a state of either kind."""
    if request.param == "shared":
        return sharing
    return lambda bounds=None: LocalState(clock, bounds)


def turns(states: list[State], weights: dict[str, int], count: int) -> list[str]:
    """The turns of several workers, one after the other."""

    async def main() -> list[str]:
        return [await states[at % len(states)].turn("group", weights) for at in range(count)]

    return asyncio.run(main())


def cooling(state: State, *keys: str) -> dict[str, Cooldown]:
    return asyncio.run(state.cooling(keys))


def cool(state: State, key: str, until: float, kind: str = "auth") -> None:
    asyncio.run(state.cool(key, Cooldown(until, kind)))


def remember(state: State, **texts: str) -> None:
    asyncio.run(state.remember(texts))


def recall(state: State, *keys: str) -> dict[str, str]:
    return asyncio.run(state.recall(keys))


def test_a_rest_ends_and_a_shorter_one_does_not_cut_it(make: Make, clock: Clock) -> None:
    state = make()
    cool(state, "k", clock.now + 60, "rate-limit")
    cool(state, "k", clock.now + 10, "internal")
    rest = Cooldown(clock.now + 60, "rate-limit")
    assert cooling(state, "k", "other") == {"k": rest}
    assert asyncio.run(state.resting()) == {"k": rest}
    clock.now += 60
    assert cooling(state, "k") == {}
    assert asyncio.run(state.resting()) == {}


def test_a_rest_can_be_ended(make: Make, clock: Clock) -> None:
    state = make()
    cool(state, "k", clock.now + 60)
    asyncio.run(state.release("k"))
    assert cooling(state, "k") == {}


def test_turns_follow_the_weights_and_are_spread(make: Make) -> None:
    taken = turns([make()], {"a": 2, "b": 1, "c": 1}, 8)
    assert Counter(taken) == {"a": 4, "b": 2, "c": 2}
    assert set(taken[:3]) == {"a", "b", "c"}  # not the heavy one first, alone


def test_a_credential_that_rests_does_not_skew_the_others(make: Make) -> None:
    state = make()
    turns([state], {"a": 1, "b": 1, "c": 1}, 4)
    assert Counter(turns([state], {"b": 1, "c": 1}, 100)) == {"b": 50, "c": 50}
    back = Counter(turns([state], {"a": 1, "b": 1, "c": 1}, 300))
    assert all(abs(count - 100) <= 1 for count in back.values())


def test_rests_are_bounded(clock: Clock) -> None:
    state = LocalState(clock, Bounds(entries=2))
    for key in ("a", "b", "c"):
        cool(state, key, clock.now + 60)
    assert sorted(cooling(state, "a", "b", "c")) == ["b", "c"]


def test_a_state_is_blank_until_a_text_is_kept(make: Make) -> None:
    state = make()
    asyncio.run(state.cool("a", Cooldown(2_000_000.0, "quota")))
    assert state.blank
    asyncio.run(state.remember({"key": "text"}))
    assert not state.blank


def test_a_text_is_kept_and_replaced(make: Make) -> None:
    state = make()
    remember(state, a="1", b="2")
    remember(state, a="3")
    assert recall(state, "a", "b", "c") == {"a": "3", "b": "2"}


def test_more_keys_than_one_query_takes_are_found(make: Make) -> None:
    state = make()
    texts = {f"k{number}": str(number) for number in range(1200)}
    remember(state, **texts)
    assert recall(state, *texts) == texts


def test_a_text_ends_some_time_after_it_was_last_used(make: Make, clock: Clock) -> None:
    state = make(Bounds(seconds=100))
    remember(state, used="1", unused="2")
    for _ in range(5):
        clock.now += 60
        assert recall(state, "used") == {"used": "1"}
    assert recall(state, "used", "unused") == {"used": "1"}


def test_the_texts_longest_unused_make_room(make: Make, clock: Clock) -> None:
    state = make(Bounds(entries=3))
    for key in ("a", "b", "c"):
        clock.now += 1
        remember(state, **{key: key})
    clock.now += 1000
    recall(state, "a")
    clock.now += 1
    remember(state, d="d")
    assert recall(state, "a", "b", "c", "d") == {"a": "a", "c": "c", "d": "d"}


def test_texts_are_bounded_in_bytes(make: Make, clock: Clock) -> None:
    state = make(Bounds(bytes=100_000))
    for number in range(40):
        clock.now += 1
        remember(state, **{f"k{number}": "x" * 10_000})
    found = recall(state, *(f"k{number}" for number in range(40)))
    assert 0 < sum(map(len, found.values())) <= 100_000
    assert "k39" in found and "k0" not in found


def test_a_text_larger_than_the_bound_is_not_kept(make: Make) -> None:
    state = make(Bounds(bytes=1000))
    remember(state, a="x" * 2000)
    assert recall(state, "a") == {}


def test_what_is_too_old_leaves_the_file(folder: Path, clock: Clock, sharing: Make) -> None:
    state = sharing(Bounds(seconds=100))
    for number in range(20):
        remember(state, **{f"secret-{number}": f"kept-text-{number}"})
    clock.now += 200
    for number in range(20):
        remember(state, **{f"new-{number}": "x"})
    with sqlite3.connect(folder / FILE) as db:
        kept = {row[0] for row in db.execute("SELECT text FROM texts")}
        assert db.execute("SELECT entries FROM totals").fetchone() == (20,)
    db.close()
    assert kept == {"x"}


# -- several workers


def test_workers_know_each_others_rests(sharing: Make, clock: Clock) -> None:
    one, two = sharing(), sharing()
    assert cooling(two, "k") == {}
    cool(one, "k", clock.now + 60, "quota")
    assert cooling(two, "k") == {"k": Cooldown(clock.now + 60, "quota")}
    cool(two, "other", clock.now + 60)
    assert sorted(asyncio.run(one.resting())) == ["k", "other"]
    asyncio.run(two.release("k"))
    assert cooling(one, "k") == {}
    assert cooling(one, "other")


def test_a_worker_that_comes_later_knows_the_rests(sharing: Make, clock: Clock) -> None:
    cool(sharing(), "k", clock.now + 60)
    assert "k" in cooling(sharing(), "k")


def test_rests_long_over_are_told_no_more_and_new_ones_still_are(
    sharing: Make, clock: Clock
) -> None:
    one, two = sharing(), sharing()
    for number in range(10):
        cool(one, f"k{number}", clock.now + 1)
        clock.now += 7200
    cool(two, "last", clock.now + 60)
    assert list(asyncio.run(one.resting())) == ["last"]
    assert list(asyncio.run(sharing().resting())) == ["last"]


def test_workers_take_turns_as_one(sharing: Make) -> None:
    taken = turns([sharing(), sharing(), sharing()], {"a": 2, "b": 1, "c": 1}, 8)
    assert Counter(taken) == {"a": 4, "b": 2, "c": 2}


def test_what_one_worker_keeps_another_finds(sharing: Make) -> None:
    one, two = sharing(), sharing()
    remember(one, a="1")
    assert recall(two, "a") == {"a": "1"}


def test_a_worker_knows_that_another_kept_a_text(sharing: Make) -> None:
    one, other = sharing(), sharing()
    assert other.blank
    asyncio.run(one.remember({"key": "text"}))
    assert not other.blank


def test_names_that_are_no_unicode_are_names(make: Make, clock: Clock) -> None:
    state = make()
    cool(state, "model\ud800", clock.now + 60)
    assert cooling(state, "model\ud800")
    assert turns([state], {"a": 1}, 1) == ["a"]
    assert asyncio.run(state.turn("group\ud800", {"a": 1})) == "a"
    remember(state, **{"key\ud800": "1"})
    assert recall(state, "key\ud800") == {"key\ud800": "1"}


def test_the_file_is_the_owners_and_holds_no_key_of_a_text(folder: Path, sharing: Make) -> None:
    state = sharing()
    remember(state, **{"client|somebody": "text"})
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert b"somebody" not in file.read_bytes()


def test_a_worker_that_cannot_write_goes_on_by_itself(
    folder: Path, sharing: Make, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    state = sharing()
    other = sqlite3.connect(folder / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert Counter(turns([state], {"a": 1, "b": 1}, 4)) == {"a": 2, "b": 2}
        cool(state, "k", clock.now + 60)
        assert cooling(state, "k")
        remember(state, a="1")
        assert recall(state, "a") == {}
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the workers' shared state failed"
    ]
    remember(state, a="1")
    assert recall(state, "a") == {"a": "1"}
