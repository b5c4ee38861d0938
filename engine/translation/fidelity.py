"""The fidelity matrix: what of the canonical form gets from each wire format to each other one.

Nothing is declared here: every cell is measured with the mappings. A probe
(:mod:`engine.translation.probes`) is written in the source's format, translated to the target's,
and translated back (:mod:`engine.translation.crossings`). ``exact``: it came back as it was said,
and no loss was told. ``changed``, ``lost``, ``refused``: with the reasons that the mappings' own
rules give (:mod:`engine.translation.verdicts`). What a format cannot say has no cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from engine.translation.crossings import Crossing, Crossings, Pair
from engine.translation.probes import Document, Probe, Probes, text
from engine.translation.reasons import Reason, Reasons
from engine.translation.translator import Translator
from engine.translation.variants import NOBODY, Variant, others, variants, with_versions
from engine.translation.verdicts import STATES, Compared, Verdict, says, verdict


@dataclass(frozen=True, slots=True)
class Cell:
    """What becomes of one probe between two formats. ``others``: what else happens to it at some
    models or API versions of the target."""

    state: str
    reasons: tuple[Reason, ...] = ()
    others: tuple[Verdict, ...] = ()


class Matrix:
    """All cells: ``cells[number of the probe][source, target]``."""

    def __init__(self, translator: Translator, probes: Probes) -> None:
        self.probes = probes
        self.measure = Measure(translator)
        self.formats = self.measure.formats
        self.cells = [dict(self.measure.row(probe)) for probe in probes.all]
        self.measure.forget()

    def counts(self) -> dict[str, dict[str, int]]:
        """How many cells are exact, by ``source > target`` and kind of document."""
        found: dict[str, dict[str, int]] = {}
        for probe, row in zip(self.probes.all, self.cells, strict=True):
            for (source, target), cell in row.items():
                kinds = found.setdefault(f"{source} > {target}", {})
                kinds[probe.place.kind] = kinds.get(probe.place.kind, 0) + (cell.state == "exact")
        return found


@dataclass(frozen=True, slots=True)
class _Said:
    """A probe in its source's format, as this speaker of it says it."""

    wire: Any
    speaker: Variant


class Measure:
    """Measures probes with the mappings of the formats that clients may speak."""

    def __init__(self, translator: Translator) -> None:
        sides = translator.formats
        self.formats = sorted(name for name, side in sides.items() if side.serves)
        self._vendors = {name: side.vendor for name, side in sides.items()}
        self._variants = {name: variants(translator, name) for name in self.formats}
        self._speakers = {
            name: (*several, *others(translator, name), *(replace(v, own=True) for v in several))
            for name, several in self._variants.items()
        }
        self._reasons = Reasons(sides.values())
        self._crossings = Crossings(with_versions(translator, self._variants), self._reasons)

    def row(self, probe: Probe) -> Iterator[tuple[tuple[str, str], Cell]]:
        """The cells of a probe, by source and target; none of sources that cannot say it."""
        for source in self.formats:
            said = self._said(probe, source)
            if said is not None:
                for target in self.formats:
                    yield (source, target), self._cell(probe, said, source, target, True)

    def cell(self, probe: Probe, source: str, target: str) -> Cell | None:
        """The best outcome of one pair; None when the source cannot say it."""
        said = self._said(probe, source)
        return None if said is None else self._cell(probe, said, source, target, False)

    def forget(self) -> None:
        """Give back the memory of what was measured."""
        self._crossings.forget()

    def _said(self, probe: Probe, source: str) -> _Said | None:
        """The document in the source's format; None when it cannot say this."""
        vendor, kind = self._vendors[source], probe.place.kind
        wanted = {**probe.surroundings(vendor), **probe.wanted(vendor)}
        for speaker in self._speakers[source]:
            written = self._crossings.written(probe.place, probe.document, source, speaker)
            if written is not None and says(written[1], wanted, kind):
                return _Said(written[0], speaker)
        return None

    def _cell(self, probe: Probe, said: _Said, source: str, target: str, thorough: bool) -> Cell:
        outcomes: dict[str, tuple[Reason, ...]] = {}
        seen_wires: set[str] = set()
        for variant in self._variants[target] if probe.place.kind == "request" else (None,):
            pair = Pair(source, target, variant)
            crossing = self._crossings.cross(probe.place, said.wire, pair)
            wire = text(crossing.refused or crossing.wire)
            if variant is not None:
                wire = wire.replace(text(variant.model), text(NOBODY))
            if wire in seen_wires:
                continue
            seen_wires.add(wire)
            state, reasons = self._outcome(probe, crossing, said.speaker, pair)
            outcomes.setdefault(state, reasons)
            if state == "exact" and not thorough:
                break
        best = min(outcomes, key=STATES.index)
        elsewhere = tuple(
            (state, reasons)
            for state, reasons in outcomes.items()
            if state != best and any(reason.rule for reason in reasons)
        )
        return Cell(best, outcomes[best], elsewhere)

    def _outcome(self, probe: Probe, crossing: Crossing, speaker: Variant, pair: Pair) -> Verdict:
        if crossing.refused is not None:
            return "refused", (crossing.refused,)
        before = self._crossed(probe, probe.base, speaker, pair)
        plain = partial(self._crossed, probe, probe.place.plain, speaker, pair)
        if pair.source == pair.target and probe.place.kind in ("request", "response"):
            compared = Compared.in_own_words(crossing, before)
        else:
            compared = Compared.canonical(probe, crossing, self._vendors[pair.source])
        return verdict(probe, crossing, before, plain, compared, self._reasons)

    def _crossed(self, probe: Probe, document: Document, speaker: Variant, pair: Pair) -> Crossing:
        """What becomes of what a probe is compared with; nothing, where it cannot be said."""
        written = self._crossings.written(probe.place, document, pair.source, speaker)
        if written is None:
            return Crossing()
        return self._crossings.cross(probe.place, written[0], pair)
