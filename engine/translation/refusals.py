"""Running the halves of a translation: what a rule refuses is told by the client's own path."""

from __future__ import annotations

from typing import Any

from engine.errors import Rejected, UpstreamError
from engine.language.runtime import Refusal
from engine.language.sections import Section
from engine.translation.runs import Moved, Origins
from engine.translation.translated import Half

MAX_REASON = 500
"""Characters of the reason that a client is told: it may quote the client's own words."""


def run(half: Half, reading: Half | None, moved: Moved | None = None) -> Any:
    """Run a half of a request; ``reading`` is the one that ran before it, and made what it reads.
    Raises Rejected."""
    try:
        return half.run()
    except Refusal as refusal:
        raise _rejected(half, reading, refusal, moved) from None


def unusable(half: Half, refusal: Refusal) -> UpstreamError:
    """What a client is told when a half of an answer refused it."""
    told = _rejected(half, None, refusal, None)
    return UpstreamError(f"the upstream's answer cannot be used: {told}")


def _rejected(half: Half, reading: Half | None, refusal: Refusal, moved: Moved | None) -> Rejected:
    """The refusal with its path, which is found by running once more, traced."""
    try:
        half.trace()
    except Refusal as traced:
        path = traced.path
        if reading is not None and path:
            path = Origins(reading.trace(), moved).near(path)
        path = path and (reading or half).spelt(path)
        return _told(traced, path, half.section, traced=True)
    return _told(refusal, None, half.section, traced=False)


def _told(refusal: Refusal, path: str | None, section: Section, traced: bool) -> Rejected:
    rule = section.rule(refusal.rule, traced).place if refusal.rule >= 0 else None
    reason = refusal.reason
    if len(reason) > MAX_REASON:
        reason = reason[: MAX_REASON - 1] + "…"
    return Rejected(reason, path, refusal.status, rule=rule)
