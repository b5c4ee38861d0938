"""Neighbours in a list that are equal in some keys, made one: what ``$join`` says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_MISSING = object()


def joined(
    items: list[Any],
    same: tuple[str, ...],
    concat: tuple[str, ...],
    strict: bool,
    when: Callable[[Any, Any], bool] | None,
    lost: Callable[[Any, str], None],
    moved: Callable[..., None] | None = None,
) -> list[Any]:
    """Neighbours equal in all of ``same`` merged; ``strict``: not when other keys differ; ``lost``
    is told else."""
    if len(items) < 2 or not _alike(items, same[0]):
        return items
    result: list[Any] = []
    before: Any = None
    first, *others = same
    # the keys of the last element whose lists were made here; None: it is as it came
    mine: set[str] | None = None
    for item in items:
        if (
            type(before) is not dict
            or type(item) is not dict
            or before.get(first) != item.get(first)
            or (others and _different(before, item, others))
            or (strict and _differ(before, item, same, concat))
            or (when is not None and not when(before, item))
        ):
            result.append(item)
            before, mine = item, None
            continue
        if mine is None:
            merged, mine = dict(before), set()
        else:
            merged = before
        for key, value in item.items():
            if key in same:
                continue
            if key not in merged:
                merged[key] = value
            elif value is None or (merged[key] == value and key not in concat):
                continue
            elif merged[key] is None:
                merged[key] = value
            elif key in concat and type(value) is type(merged[key]) in (list, str):
                if key in mine:
                    merged[key] += value
                else:
                    merged[key] = merged[key] + value
                    mine.add(key)
            else:
                lost(item, key)
        if moved is not None:
            moved(before, merged)
            moved(item, merged, concat)
        result[-1] = before = merged
    return result


def _alike(items: list[Any], key: str) -> bool:
    """Whether two neighbours hold the same: most lists have none, and are not made anew."""
    last: Any = _MISSING
    for item in items:
        if type(item) is dict:
            value = item.get(key)
            if value == last:
                return True
            last = value
        else:
            last = _MISSING
    return False


def _different(one: dict[str, Any], other: dict[str, Any], keys: list[str]) -> bool:
    for key in keys:
        if one.get(key) != other.get(key):
            return True
    return False


def _differ(
    one: dict[str, Any], other: dict[str, Any], same: Iterable[str], concat: Iterable[str]
) -> bool:
    free = {*same, *concat}
    keys = {*one, *other} - free
    return any(one.get(key) != other.get(key) for key in keys)
