"""Documents on their way from one format to another one and back, each made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from engine.errors import Rejected, UpstreamError
from engine.language.runtime import Refusal
from engine.translation.formats import Format
from engine.translation.halves import HUB, Halves
from engine.translation.losses import Loss
from engine.translation.plan import Plan
from engine.translation.probes import Document, Place, spoken, text
from engine.translation.reasons import Reason, Reasons
from engine.translation.translator import Translator
from engine.translation.variants import NOBODY, Variant

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """From a format to another one; of requests, to this variant of it."""

    source: str
    target: str
    variant: Variant | None = None


@dataclass
class Crossing:
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


class Crossings:
    """Writes canonical documents in a format, and takes them over to other ones and back."""

    def __init__(self, translator: Translator, reasons: Reasons) -> None:
        self._translator = translator
        self._reasons = reasons
        self._halves = Halves(translator)
        self._known: dict[tuple[Any, ...], Any] = {}

    def forget(self) -> None:
        """Give back the memory of what was made."""
        self._known.clear()

    # ---------------------------------------------------------------- in one format

    def written(
        self, place: Place, document: Document, source: str, variant: Variant
    ) -> tuple[Any, Document] | None:
        """A canonical document in a format, and what its read half makes of that; None where
        the format cannot say it."""
        key = ("written", place.kind, text(document), text(place.request), source, variant)
        if key not in self._known:
            said = spoken(document, self._side(source).vendor)
            try:
                self._known[key] = self._write(place, said, source, variant)
            except (Rejected, Refusal, UpstreamError):
                self._known[key] = None
        found: tuple[Any, Document] | None = self._known[key]
        return found

    def _write(
        self, place: Place, document: Document, source: str, variant: Variant
    ) -> tuple[Any, Document]:
        halves = self._halves
        if place.kind == "request":
            body = halves.request_out(
                document, source, variant.model, variant.version, variant.provider, variant.own
            )
            return body, halves.request_in(body, source)
        if place.kind == "error":
            side, faults = self._side(source), self._translator.faults
            answer = faults.write(document, side)
            return answer, faults.read(answer.status, answer.body, side, answer.headers)
        asked = self._asked(place, source)
        plan = halves.plan(HUB, source)
        if place.kind == "response":
            body = halves.answer_out(document, source, asked)
            return body, halves.answer_in(body, source, plan)
        data = halves.events_out(document, source, asked)
        return data, halves.events_in(data, source, plan)

    def _asked(self, place: Place, client: str) -> Body:
        """What a client of this format asked, for an answer."""
        key = ("asked", text(place.request), client)
        if key not in self._known:
            self._known[key] = self._halves.request_out(place.request, client, NOBODY)
        found: Body = self._known[key]
        return found

    # ---------------------------------------------------------------- there and back

    def cross(self, place: Place, wire: Any, pair: Pair) -> Crossing:
        """A document in the source's format on its way to the target and back."""
        key = ("cross", place.kind, text(wire), text(place.request), pair)
        if key not in self._known:
            try:
                crossing = self._crossed(place, wire, pair)
            except Rejected as error:
                crossing = Crossing(refused=self._reasons.rejected(error))
            except UpstreamError as error:
                crossing = Crossing(refused=Reason(error.message, "rejected"))
            crossing.said = wire
            self._known[key] = crossing
        found: Crossing = self._known[key]
        return found

    def _crossed(self, place: Place, wire: Any, pair: Pair) -> Crossing:
        if place.kind == "request":
            return self._request(wire, pair)
        if place.kind == "error":
            return self._error(wire, pair)
        there = self._answered(place, pair.target, pair.source)
        back = self._answered(place, pair.source, pair.target)
        if place.kind == "response":
            return self._response(wire, pair, there, back)
        return self._stream(wire, pair, there, back)

    def _request(self, wire: Body, pair: Pair) -> Crossing:
        source, target, variant = pair.source, pair.target, pair.variant
        assert variant is not None
        there = self._translator.request(
            wire, source, target, provider=variant.provider, model=variant.model
        )
        return Crossing(
            wire=there.body,
            find_losses=lambda: there.losses,
            find_back=partial(self._halves.request_in, there.body, target),
        )

    def _response(self, wire: Body, pair: Pair, there: Plan, back: Plan) -> Crossing:
        answer = self._translator.response(wire, pair.source, pair.target, there)
        return Crossing(
            wire=answer.body,
            find_losses=lambda: answer.losses,
            find_back=partial(self._halves.answer_in, answer.body, pair.target, back),
        )

    def _stream(self, wire: bytes, pair: Pair, there: Plan, back: Plan) -> Crossing:
        stream = self._translator.stream(pair.source, pair.target, there)
        data = stream.feed(wire) + stream.close()
        return Crossing(
            wire=data.decode(),
            find_losses=lambda: stream.losses,
            find_back=partial(self._halves.events_in, data, pair.target, back),
        )

    def _error(self, wire: Any, pair: Pair) -> Crossing:
        there = self._translator.error(
            wire.status, wire.body, pair.source, pair.target, wire.headers
        )
        side, read = self._side(pair.target), self._translator.faults.read
        return Crossing(
            wire=there.body,
            find_back=partial(read, there.status, there.body, side, there.headers),
        )

    def _answered(self, place: Place, client: str, upstream: str) -> Plan:
        """The plan of the request that an answer belongs to."""
        key = ("plan", text(place.request), client, upstream)
        if key not in self._known:
            body = self._asked(place, client)
            self._known[key] = self._translator.request(body, client, upstream).plan
        found: Plan = self._known[key]
        return found

    def _side(self, name: str) -> Format:
        return self._translator.formats[name]
