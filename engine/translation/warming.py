"""Compiling ahead what requests will need, so that none of them waits for it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from engine.language.sections import Section
from engine.translation.formats import Format


def warm(formats: Iterable[Format], pause: float = 0.02) -> None:
    """Compile now what translations, losses and explanations will need, with pauses of seconds
    between.

    Without it the first request that needs it waits for it. For a thread of its own.
    """
    sides = list(formats)
    for side in sides:
        for half in side.halves():
            half.ready()
            time.sleep(pause)
    quicken(sides, pause)
    for section in _sections(sides):
        section.prepare()
        time.sleep(pause)


def lacking(formats: Iterable[Format]) -> bool:
    """Whether there is something left to compile that could be kept, so that another process may do
    it."""
    sides = list(formats)
    halves = [half for side in sides for half in side.halves()]
    halves[0].ready()
    if not halves[0].kept("plain"):
        return False
    forms = [(half, "plain") for half in halves]
    forms += [(each, form) for each in _sections(sides) for form in ("quick", "traced")]
    return not all(half.kept(form) for half, form in forms)


def quicken(formats: Iterable[Format], pause: float = 0.0) -> None:
    """Compile now the quick forms of all mappings, where no earlier start has."""
    for section in _sections(formats):
        section.quicken()
        time.sleep(pause)


def _sections(formats: Iterable[Format]) -> list[Section]:
    return [
        section
        for side in formats
        for section in (side.plan_write, *side.read.values(), *side.write.values())
        if section is not None
    ]
