"""The fidelity matrix: what of the canonical form gets from each wire format to each other one.

Nothing is declared here: every cell is measured with the mappings. A probe
(:mod:`engine.translation.probes`) is written in the source's format, translated to the target's,
and translated back. ``exact``: it came back as it was said, and no loss was told. ``changed``,
``lost``, ``refused``: with the reasons that the mappings' own rules give. What a format cannot say
has no cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import PurePath
from typing import Any

from engine.errors import Rejected, UpstreamError
from engine.language.runtime import Refusal
from engine.language.source import Source
from engine.translation.formats import Format
from engine.translation.halves import HUB, Halves
from engine.translation.losses import Loss
from engine.translation.plan import Plan
from engine.translation.probes import (
    Document,
    Leaves,
    Place,
    Probe,
    Probes,
    leaves,
    seen,
    spoken,
)
from engine.translation.translator import Translator

Body = dict[str, Any]

STATES = ("exact", "changed", "lost", "refused")
"""What may become of a field, the best first."""

NOBODY = "model"
"""A model that no row of limits knows."""


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """Why a cell is not exact. ``kind`` of the loss, empty where no loss is told; ``rule``:
    ``file:line:column``; ``section``: the file and its mark of the tables."""

    text: str
    kind: str = ""
    section: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What becomes of one probe between two formats. ``others``: what else happens to it at some
    models or API versions of the target."""

    state: str
    reasons: tuple[Reason, ...] = ()
    others: tuple[tuple[str, tuple[Reason, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class _Variant:
    """A model and an API version of a format, as the limits of its models tell them apart."""

    model: str
    version: str | None
    provider: str | None
    # what only clients of the format itself may say
    own: bool = False


@dataclass
class _Crossing:
    """One document on its way there and back. What is seldom asked for is found when it is."""

    said: Document = None  # what the target was sent from, in the source's own words
    wire: Any = None  # what the target is sent
    refused: Reason | None = None
    find_losses: Callable[[], list[Loss]] = list
    find_back: Callable[[], Document] = dict

    @cached_property
    def losses(self) -> list[Loss]:
        """What the way there lost."""
        return self.find_losses()

    @cached_property
    def back(self) -> Document:
        """Canonical, as the target's read half reads it."""
        return self.find_back()


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


class Measure:
    """Measures probes with the mappings of the formats that clients may speak."""

    def __init__(self, translator: Translator) -> None:
        self.formats = sorted(name for name, side in translator.formats.items() if side.serves)
        self._variants = {name: _variants(translator, name) for name in self.formats}
        self._translator = _with_versions(translator, self._variants)
        self._speakers = {
            name: (*several, *_others(translator, name), *(replace(v, own=True) for v in several))
            for name, several in self._variants.items()
        }
        self._halves = Halves(self._translator)
        self._sources = {
            node.pos.source.name: node.pos.source
            for side in translator.formats.values()
            for node in side.files().values()
        }
        self._known: dict[tuple[Any, ...], Any] = {}

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
        self._known.clear()

    # ---------------------------------------------------------------- one probe

    def _said(self, probe: Probe, source: str) -> Any:
        """The document in the source's format; None when it cannot say this."""
        vendor, kind = self._vendor(source), probe.place.kind
        wanted = {**probe.surroundings(vendor), **probe.wanted(vendor)}
        for variant in self._speakers[source]:
            written = self._written(probe.place, probe.document, source, variant)
            if written is not None and _holds(written[1], wanted, kind):
                return written[0], variant
        return None

    def _written(
        self, place: Place, document: Document, source: str, variant: _Variant
    ) -> tuple[Any, Document] | None:
        """A canonical document in a format, and what its read half makes of that."""
        key = ("written", place.kind, _text(document), _text(place.request), source, variant)
        if key not in self._known:
            self._known[key] = self._write(
                place, spoken(document, self._vendor(source)), source, variant
            )
        found: tuple[Any, Document] | None = self._known[key]
        return found

    def _write(
        self, place: Place, document: Document, source: str, variant: _Variant
    ) -> tuple[Any, Document] | None:
        halves = self._halves
        try:
            if place.kind == "request":
                body = halves.request_out(
                    document, source, variant.model, variant.version, variant.provider, variant.own
                )
                return body, halves.request_in(body, source)
            if place.kind == "error":
                answer = self._translator.faults.write(document, self._side(source))
                said = self._translator.faults.read(
                    answer.status, answer.body, self._side(source), answer.headers
                )
                return answer, said
            asked = self._asked(place, source)
            plan = halves.plan(HUB, source)
            if place.kind == "response":
                body = halves.answer_out(document, source, asked)
                return body, halves.answer_in(body, source, plan)
            data = halves.events_out(document, source, asked)
            return data, halves.events_in(data, source, plan)
        except (Rejected, Refusal, UpstreamError):
            return None

    def _asked(self, place: Place, client: str) -> Body:
        """What a client of this format asked, for an answer."""
        key = ("asked", _text(place.request), client)
        if key not in self._known:
            self._known[key] = self._halves.request_out(place.request, client, NOBODY)
        found: Body = self._known[key]
        return found

    # ---------------------------------------------------------------- there and back

    def _cell(
        self, probe: Probe, said: tuple[Any, _Variant], source: str, target: str, thorough: bool
    ) -> Cell:
        document, speaker = said
        outcomes: dict[str, tuple[Reason, ...]] = {}
        seen_wires: set[str] = set()
        for variant in self._variants[target] if probe.place.kind == "request" else (None,):
            crossing = self._cross(probe.place, document, source, target, variant)
            wire = _text(crossing.refused or crossing.wire)
            if variant is not None:
                wire = wire.replace(_text(variant.model), _text(NOBODY))
            if wire in seen_wires:
                continue
            seen_wires.add(wire)
            state, reasons = self._outcome(probe, crossing, speaker, source, target, variant)
            outcomes.setdefault(state, reasons)
            if state == "exact" and not thorough:
                break
        best = min(outcomes, key=STATES.index)
        others = tuple(
            (state, reasons)
            for state, reasons in outcomes.items()
            if state != best and any(reason.rule for reason in reasons)
        )
        return Cell(best, outcomes[best], others)

    def _outcome(
        self,
        probe: Probe,
        crossing: _Crossing,
        speaker: _Variant,
        source: str,
        target: str,
        variant: _Variant | None,
    ) -> tuple[str, tuple[Reason, ...]]:
        """What became of a probe: a word of STATES, and why."""
        if crossing.refused is not None:
            return "refused", (crossing.refused,)
        before = self._base(probe, probe.base, speaker, source, target, variant)
        wanted, found = self._compared(probe, crossing, before, source, target)
        gone = [path for path, value in wanted.items() if found.get(path, VOID) != value]
        reasons = self._told(crossing, before)
        if gone and not reasons:
            # what the place itself loses, the field loses with it
            plain = self._base(probe, probe.place.plain, speaker, source, target, variant)
            reasons = self._told(crossing, plain)
        if not gone and not reasons:
            return "exact", ()
        away = bool(gone) and _away(probe, wanted, found)
        if reasons:
            made = any(reason.kind in ("clamped", "emulated") for reason in reasons)
            return "lost" if away and not made else "changed", reasons
        if away and crossing.wire == before.wire:
            return "lost", (Reason("read on purpose; nothing is sent for it"),)
        return "changed", tuple(_said(path, wanted, found, before, probe) for path in gone[:1])

    def _told(self, crossing: _Crossing, before: _Crossing) -> tuple[Reason, ...]:
        """The reasons of the losses that were not there before."""
        known = {(loss.path, loss.reason) for loss in before.losses}
        new = [loss for loss in crossing.losses if (loss.path, loss.reason) not in known]
        return tuple(dict.fromkeys(self._reason(loss) for loss in new))

    def _compared(
        self, probe: Probe, crossing: _Crossing, before: _Crossing, source: str, target: str
    ) -> tuple[Leaves, Leaves]:
        """What was to come back, and what did; of one format to itself in its own words."""
        kind = probe.place.kind
        if source == target and kind in ("request", "response"):
            known = leaves(before.said)
            wanted = {
                path: each
                for path, each in leaves(crossing.said).items()
                if known.get(path, VOID) != each
            }
            return wanted, leaves(crossing.wire)
        return probe.wanted(self._vendor(source)), leaves(seen(kind, crossing.back))

    def _base(
        self,
        probe: Probe,
        document: Document,
        speaker: _Variant,
        source: str,
        target: str,
        variant: _Variant | None,
    ) -> _Crossing:
        written = self._written(probe.place, document, source, speaker)
        if written is None:
            return _Crossing()
        return self._cross(probe.place, written[0], source, target, variant)

    def _cross(
        self, place: Place, wire: Any, source: str, target: str, variant: _Variant | None
    ) -> _Crossing:
        key = ("cross", place.kind, _text(wire), _text(place.request), source, target, variant)
        if key not in self._known:
            crossing = _Crossing(said=wire)
            try:
                _WAYS[place.kind](self, crossing, place, wire, source, target, variant)
            except Rejected as error:
                crossing.refused = Reason(
                    error.reason, "rejected", self._section(error.rule), error.rule or ""
                )
            except UpstreamError as error:
                crossing.refused = Reason(error.message, "rejected")
            self._known[key] = crossing
        found: _Crossing = self._known[key]
        return found

    def _request(
        self,
        crossing: _Crossing,
        place: Place,
        wire: Body,
        source: str,
        target: str,
        variant: _Variant,
    ) -> None:
        there = self._translator.request(
            wire, source, target, provider=variant.provider, model=variant.model
        )
        crossing.wire = there.body
        crossing.find_losses = lambda: there.losses
        crossing.find_back = partial(self._halves.request_in, there.body, target)

    def _response(
        self, crossing: _Crossing, place: Place, wire: Body, source: str, target: str, _: Any
    ) -> None:
        answer = self._translator.response(
            wire, source, target, self._answered(place, target, source)
        )
        crossing.wire = answer.body
        crossing.find_losses = lambda: answer.losses
        plan = self._answered(place, source, target)
        crossing.find_back = partial(self._halves.answer_in, answer.body, target, plan)

    def _stream(
        self, crossing: _Crossing, place: Place, wire: bytes, source: str, target: str, _: Any
    ) -> None:
        stream = self._translator.stream(source, target, self._answered(place, target, source))
        data = stream.feed(wire) + stream.close()
        crossing.wire = data.decode()
        crossing.find_losses = lambda: stream.losses
        plan = self._answered(place, source, target)
        crossing.find_back = partial(self._halves.events_in, data, target, plan)

    def _error(
        self, crossing: _Crossing, place: Place, wire: Any, source: str, target: str, _: Any
    ) -> None:
        there = self._translator.error(wire.status, wire.body, source, target, wire.headers)
        crossing.wire = there.body
        crossing.find_back = partial(
            self._translator.faults.read,
            there.status,
            there.body,
            self._side(target),
            there.headers,
        )

    def _answered(self, place: Place, client: str, upstream: str) -> Plan:
        """The plan of the request that an answer belongs to."""
        key = ("plan", _text(place.request), client, upstream)
        if key not in self._known:
            body = self._asked(place, client)
            self._known[key] = self._translator.request(body, client, upstream).plan
        found: Plan = self._known[key]
        return found

    # ---------------------------------------------------------------- words

    def _side(self, name: str) -> Format:
        return self._translator.formats[name]

    def _vendor(self, name: str) -> str:
        return self._side(name).vendor

    def _reason(self, loss: Loss) -> Reason:
        return Reason(loss.reason, loss.kind, self._section(loss.rule), loss.rule)

    def _section(self, rule: str | None) -> str:
        """The file of a rule, and the mark of the tables that stands at it or above it."""
        if not rule:
            return ""
        name, line, _ = rule.rsplit(":", 2)
        source = self._sources.get(name)
        mark = _mark(source, int(line)) if source else ""
        return f"{'/'.join(PurePath(name).parts[-2:])} {mark}".strip()


VOID: Any = object()
_WAYS: dict[str, Callable[..., None]] = {
    "request": Measure._request,
    "response": Measure._response,
    "stream": Measure._stream,
    "error": Measure._error,
}
_INDEX = re.compile(r"\[\d+\]")
_MARK = re.compile(r"§ ([a-z]+ \d+)")


def _mark(source: Source, line: int) -> str:
    """The mark at a line, else the nearest one above it that is not further in."""
    indent = 1_000
    for text in reversed(source.lines[:line]):
        own = len(text) - len(text.lstrip())
        if text.strip() and own <= indent:
            indent = own
            found = _MARK.search(text)
            if found:
                return f"§ {found[1]}"
    return ""


def _variants(translator: Translator, name: str) -> tuple[_Variant, ...]:
    """The models and API versions of a format that may be treated differently."""
    side = translator.formats[name]
    who = translator.providers.get(side.default_provider)
    default = (who.api_version if who else None) or side.api_versions.default
    versions = [default, *(each for each in side.api_versions.known if each != default)]
    models: dict[str, str] = {}
    for model in (NOBODY, *(str(row["match"]) for row in side.limits.rows)):
        models.setdefault(_text(side.limits.row(model)), model)
    return tuple(
        _Variant(model, version, _named(side.default_provider, version) if who else None)
        for version in versions
        for model in models.values()
    )


def _others(translator: Translator, name: str) -> tuple[_Variant, ...]:
    """The other providers of a format: what its clients may say where its own vendor's may not."""
    own = translator.formats[name].default_provider
    return tuple(
        _Variant(NOBODY, who.api_version, who.name)
        for who in translator.providers.values()
        if who.format == name and who.name != own
    )


def _named(provider: str, version: str | None) -> str:
    return f"{provider}@{version}"


def _with_versions(translator: Translator, variants: dict[str, tuple[_Variant, ...]]) -> Translator:
    """The same mappings, with a provider for each API version of a format; at a fixed time."""
    who = dict(translator.providers)
    for name, several in variants.items():
        own = who.get(translator.formats[name].default_provider)
        for variant in several:
            if own is not None and variant.provider is not None:
                who[variant.provider] = replace(own, api_version=variant.version)
    return Translator(translator.formats, who, translator.kinds, lambda: 0.0)


def _away(probe: Probe, wanted: Leaves, found: Leaves) -> bool:
    """Whether nothing of what was wanted came back."""
    if probe.field:
        return all(path not in found for path in wanted)
    # of a part that is gone others may have the place
    there = {(_INDEX.sub("[]", path), _text(value)) for path, value in found.items()}
    return all((_INDEX.sub("[]", path), _text(each)) not in there for path, each in wanted.items())


def _holds(document: Document, wanted: Leaves, kind: str) -> bool:
    found = leaves(seen(kind, document))
    return all(found.get(path, VOID) == value for path, value in wanted.items())


def _said(path: str, wanted: Leaves, found: Leaves, before: _Crossing, probe: Probe) -> Reason:
    """How something comes back that is not what it was, although no loss was told."""
    if path in found:
        return Reason(f"{_text(wanted[path])} comes back as {_text(found[path])}")
    known = leaves(seen(probe.place.kind, before.back))
    new = [each for each, value in found.items() if known.get(each, VOID) != value]
    # the same words elsewhere, else what stands near it
    likely = [each for each in new if found[each] == wanted[path]] or [
        each for each in new if re.split(r"[.\[]", each)[0] == re.split(r"[.\[]", path)[0]
    ]
    said = ", ".join(f"{each} {_text(found[each])}" for each in (likely or new)[:2])
    return Reason(f"comes back as {said}" if said else f"{path} does not come back")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)
