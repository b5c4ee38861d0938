"""Comparisons of JMESPath as Python: quick where the values are what they mostly are."""

from __future__ import annotations

from typing import Any

from engine.language.codes import Code, Codes
from engine.language.syntax import Ast

ORDER = {"lt": "_lt", "lte": "_lte", "gt": "_gt", "gte": "_gte"}
_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}


def ordered(codes: Codes, operator: str, left: Code, right: Code) -> str:
    """An order; quick for whole numbers."""
    one, tests = left.text, []
    if not left.whole:
        one, bound = codes.bound(left.text)
        tests.append(f"type({bound}) is int")
    other, again = right.text, right.text
    if not right.whole:
        other, bound = codes.bound(right.text)
        tests.append(f"type({bound}) is int")
        # the name is bound only where the tests before hold
        again = right.text if not left.whole else other
    quick = f"{one} {_SIGNS[operator]} {other}"
    if not tests:
        return f"({quick})"
    general = f"{ORDER[operator]}({one}, {again})"
    return f"({quick} if {' and '.join(tests)} else {general})"


def equal(codes: Codes, children: list[Ast], one: str, other: str, positive: bool) -> str:
    """Equality as Python's where that is the same: true is not 1 in JSON."""
    sign = "==" if positive else "!="
    known = [child["value"] for child in children if child["type"] == "literal"]
    if any(value is None for value in known):
        return f"({one} {'is' if positive else 'is not'} {other})"
    if any(isinstance(value, str | list | dict) for value in known):
        return f"({one} {sign} {other})"
    if known:
        given = one if children[1]["type"] == "literal" else other
        return _equals(codes, given, known[0], positive)
    left, bound_left = codes.bound(one)
    right, bound_right = codes.bound(other)
    # equal for Python, true and 1 are not for JSON
    same = f"type({left}) is type({right}) or _eq({left}, {right})"
    return f"({'' if positive else 'not '}(({bound_left}) == ({bound_right}) and ({same})))"


def _equals(codes: Codes, text: str, value: Any, positive: bool) -> str:
    """Equality with a literal true, false or number."""
    if isinstance(value, bool):
        return f"({text} {'is' if positive else 'is not'} {value})"
    if value not in (0, 1):
        return f"({text} {'==' if positive else '!='} {value!r})"
    name, bound = codes.bound(text)
    same = f"({bound}) == {value!r} and {name} is not {bool(value)}"
    return f"({same})" if positive else f"(not ({same}))"
