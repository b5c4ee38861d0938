"""Objects and lists that take up another one: made in one step where nobody sees a difference."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from engine.language.gathering import gathered
from engine.language.statements import blocks


def made(text: str) -> str:
    """The function with this body, after all that can be put together."""
    module = ast.parse("def main(x, L):\n" + "\n".join(f"    {line}" for line in text.split("\n")))
    (function,) = module.body
    assert isinstance(function, ast.FunctionDef)
    for body in blocks(function):
        for position in range(len(body) - 1, -1, -1):
            while gathered(function, body, position):
                pass
    return "\n".join(line[4:] for line in ast.unparse(function).split("\n")[1:])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = {}\na.update(b)", "a = {**b}"),
        ("a = {}\na.update(b)\na.update(c)", "a = {**b, **c}"),
        ("a = []\na += b", "a = [*b]"),
        ("d = {'k': 1}\na = {}\na.update(d)", "d = {'k': 1}\na = d"),
        (
            "d = {'k': 1}\nif x:\n    d['l'] = x\na = {}\na.update(d)",
            "d = {'k': 1}\nif x:\n    d['l'] = x\na = d",
        ),
        ("a = {}\na.update(a)", "a = {}\na.update(a)"),
        ("a = {}\nb.update(a)", "a = {}\nb.update(a)"),
    ],
)
def test_what_begins_empty_is_made_of_what_it_takes_up(before: str, after: str) -> None:
    assert made(before) == after


@pytest.mark.parametrize(
    "before",
    [
        # read once more, held by another, or taken up again in each turn of a loop
        "d = {'k': 1}\na = {}\na.update(d)\nL.append(d)",
        "d = {'k': 1}\nL['d'] = d\na = {}\na.update(d)",
        "d = {'k': 1}\nfor y in x:\n    a = {}\n    a.update(d)",
        # of two places nobody knows which made it
        "d = {'k': 1}\nif x:\n    d = x\na = {}\na.update(d)",
    ],
)
def test_an_object_that_somebody_else_may_see_is_copied(before: str) -> None:
    assert "a = {**d}" in made(before)
    assert "a = d" not in made(before)


def test_what_is_made_so_gives_the_same() -> None:
    text = dedent("""
        d = {'k': 1}
        if x:
            d['l'] = x
        a = {}
        a.update(d)
        a['m'] = [2]
        b = []
        b += a['m']
        b += [3]
        return (a, b)
    """).strip()
    for x in (None, [4]):
        results = []
        for body in (text, made(text)):
            scope: dict[str, object] = {}
            indented = "\n".join(f"    {line}" for line in body.split("\n"))
            exec(f"def main(x):\n{indented}\n    return (a, b)", scope)
            main = scope["main"]
            assert callable(main)
            results.append(main(x))
        assert results[0] == results[1]
