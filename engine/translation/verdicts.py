"""What became of one probe on its way between two formats: compared, and said in a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.translation.crossings import Crossing
from engine.translation.probes import Document, Leaves, Probe, leaves, seen, text
from engine.translation.reasons import Reason, Reasons

STATES = ("exact", "changed", "lost", "refused")
"""What may become of a field, the best first."""

Verdict = tuple[str, tuple[Reason, ...]]
"""A word of STATES, and why."""

_VOID: Any = object()
_INDEX = re.compile(r"\[\d+\]")


def says(document: Document, wanted: Leaves, kind: str) -> bool:
    """Whether a canonical document has all of these leaves."""
    found = leaves(seen(kind, document))
    return all(found.get(path, _VOID) == value for path, value in wanted.items())


@dataclass(frozen=True, slots=True)
class Compared:
    """What was to come back, and what did."""

    wanted: Leaves
    found: Leaves

    @classmethod
    def canonical(cls, probe: Probe, crossing: Crossing, vendor: str) -> Compared:
        """By the canonical form; ``vendor`` is the source's."""
        return cls(probe.wanted(vendor), leaves(seen(probe.place.kind, crossing.back)))

    @classmethod
    def in_own_words(cls, crossing: Crossing, before: Crossing) -> Compared:
        """Of one format to itself; ``before`` is the document without what is asked for."""
        known, said = leaves(before.said), leaves(crossing.said)
        wanted = {path: each for path, each in said.items() if known.get(path, _VOID) != each}
        return cls(wanted, leaves(crossing.wire))

    @property
    def gone(self) -> list[str]:
        """The paths of what did not come back as it was."""
        found = self.found
        return [path for path, each in self.wanted.items() if found.get(path, _VOID) != each]


def verdict(
    probe: Probe,
    crossing: Crossing,
    before: Crossing,
    plain: Callable[[], Crossing],
    compared: Compared,
    reasons: Reasons,
) -> Verdict:
    """What became of a probe that was not refused; ``before`` is what its base comes to, ``plain``
    the plain document."""
    gone = compared.gone
    told = _told(crossing, before, reasons)
    if gone and not told:
        # what the place itself loses, the field loses with it
        told = _told(crossing, plain(), reasons)
    if not gone and not told:
        return "exact", ()
    away = bool(gone) and _is_away(probe, compared)
    if told:
        made = any(reason.kind in ("clamped", "emulated") for reason in told)
        return "lost" if away and not made else "changed", told
    if away and crossing.wire == before.wire:
        return "lost", (Reason("read on purpose; nothing is sent for it"),)
    return "changed", (_otherwise(gone[0], compared, before, probe),)


def _told(crossing: Crossing, before: Crossing, reasons: Reasons) -> tuple[Reason, ...]:
    """The reasons of the losses that were not there before."""
    known = {(loss.path, loss.reason) for loss in before.losses}
    new = [loss for loss in crossing.losses if (loss.path, loss.reason) not in known]
    return tuple(dict.fromkeys(map(reasons.lost, new)))


def _is_away(probe: Probe, compared: Compared) -> bool:
    """Whether nothing of what was wanted came back."""
    wanted, found = compared.wanted, compared.found
    if probe.field:
        return all(path not in found for path in wanted)
    # of a part that is gone others may have the place
    there = {(_INDEX.sub("[]", path), text(value)) for path, value in found.items()}
    return all((_INDEX.sub("[]", path), text(each)) not in there for path, each in wanted.items())


def _otherwise(path: str, compared: Compared, before: Crossing, probe: Probe) -> Reason:
    """How something comes back that is not what it was, although no loss was told."""
    wanted, found = compared.wanted, compared.found
    if path in found:
        return Reason(f"{text(wanted[path])} comes back as {text(found[path])}")
    known = leaves(seen(probe.place.kind, before.back))
    new = [each for each, value in found.items() if known.get(each, _VOID) != value]
    # the same words elsewhere, else what stands near it
    likely = [each for each in new if found[each] == wanted[path]] or [
        each for each in new if re.split(r"[.\[]", each)[0] == re.split(r"[.\[]", path)[0]
    ]
    said = ", ".join(f"{each} {text(found[each])}" for each in (likely or new)[:2])
    return Reason(f"comes back as {said}" if said else f"{path} does not come back")
