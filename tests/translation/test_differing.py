"""Differences of documents, told by their places."""

from typing import Any

import pytest

from engine.translation.differing import LONGEST, MOST, difference


@pytest.mark.parametrize(
    ("made", "wanted", "told"),
    [
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, ""),
        ({"a": 1}, {"a": 2}, "a is 1, not 2"),
        ({"a": [{"b": "x"}]}, {"a": [{"b": None}]}, 'a[0].b is "x", not null'),
        ({"a": 1, "b": {}}, {"a": 1}, "b is {}, not nothing"),
        ({}, {"a": {"b": 1}}, "a.b is nothing, not 1"),
        ({"a": [0]}, {"a": []}, "a[0] is 0, not nothing"),
        ([1], [1, 2], "[1] is nothing, not 2"),
        ("a", "b", 'all of it is "a", not "b"'),
        ({"a": "é" * 999}, {"a": 1}, f'a is "{"é" * (LONGEST - 1)}…, not 1'),
    ],
)
def test_each_place_is_told_with_what_stands_there(made: Any, wanted: Any, told: str) -> None:
    assert difference(made, wanted) == told


def test_of_many_some_are_told_and_the_rest_is_counted() -> None:
    told = difference({str(n): n for n in range(20)}, {str(n): -1 for n in range(20)})
    assert told.count(", not -1") == MOST
    assert told.endswith(f"; and {20 - MOST} more")
