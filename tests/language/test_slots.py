"""Variables that are never needed at one time share a place; what a function gives is the same."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

from engine.language.events import EventHalf
from engine.language.programs import Program
from engine.language.slots import share
from tests.support.translations import translator

# A call of a function with many more asks the system for memory each time.
MOST = 256

APART = """
def f(a):
    t1 = a + 1
    t2 = t1 * 2
    t3 = t2 - a
    return t3
"""

BRANCHES = """
def f(a):
    if a > 2:
        t1 = a + 1
        r = t1
    else:
        t2 = a * 2
        r = t2
    t3 = r + a
    return t3
"""

CARRIED = """
def f(a):
    last = None
    out = []
    for x in range(a):
        t1 = x * 2
        if last is not None:
            out.append(last + t1)
        t2 = t1 + 1
        last = t2
    t3 = len(out)
    return out, t3, last
"""

LATE = """
def f(a):
    found = 0
    for x in range(a):
        for y in range(x):
            t1 = x * y
            if (t2 := t1 % 3):
                found += t2
        t3 = found
    return found, [t4 for t4 in range(a)], (lambda: t3)() if a else None
"""

WHILE = """
def f(a):
    n = a
    s = 0
    while (t1 := n) > 0:
        t2 = t1 % 2
        n = t1 - 1
        s += t2
    t3 = s * 2
    return t3, n
"""


def _made(source: str, shared: bool) -> Callable[[int], Any]:
    tree = ast.parse(source)
    names: dict[str, Any] = {}
    exec(compile(share(tree) if shared else tree, "f", "exec"), names)
    made: Callable[[int], Any] = names["f"]
    return made


@pytest.mark.parametrize("source", [APART, BRANCHES, CARRIED, LATE, WHILE])
def test_a_function_gives_the_same_with_fewer_variables(source: str) -> None:
    before, after = _made(source, False), _made(source, True)
    assert [after(a) for a in range(7)] == [before(a) for a in range(7)]
    assert after.__code__.co_nlocals < before.__code__.co_nlocals


def test_what_a_loop_needs_from_one_turn_to_the_next_is_not_given_away() -> None:
    code = _made(CARRIED, True).__code__
    assert "last" in code.co_varnames and "out" in code.co_varnames


def test_a_variable_that_an_inner_function_reads_stays_its_own() -> None:
    assert "t3" in _made(LATE, True).__code__.co_cellvars


def test_lines_stay_where_they_are() -> None:
    with pytest.raises(TypeError) as caught:
        _made(BRANCHES, True)("x")  # type: ignore[arg-type]
    assert caught.traceback[-1].lineno == 2


def test_no_function_of_the_shipped_mappings_has_more_variables_than_a_call_has_room_for() -> None:
    programs: list[Program] = []
    for side in translator().formats.values():
        programs += [each.program for each in (*side.read.values(), *side.write.values())]
        halves: tuple[EventHalf | None, ...] = (side.events_in, side.events_out)
        programs += [half.program for half in halves if half is not None]
    sizes = {
        f"{program.label} {name}": found.__code__.co_nlocals
        for program in programs
        for name, found in program.names.items()
        if getattr(getattr(found, "__code__", None), "co_filename", "") == program.label
    }
    assert len(sizes) > 100
    assert {name: size for name, size in sizes.items() if size > MOST} == {}
