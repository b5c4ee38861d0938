"""Standing in for an upstream: a request is read, and a canonical answer written, in one format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from engine.translation.encoder import Encoder
from engine.translation.planning import NOBODY
from engine.translation.refusals import run
from engine.translation.translated import Half
from engine.translation.translator import Translator

Body = dict[str, Any]


class Standing:
    """What stands in for upstreams of all formats, by their mappings."""

    def __init__(self, translator: Translator) -> None:
        self._planner = translator.planner

    def read_request(self, body: Body, source: str) -> Body:
        """A request of this format in the canonical form. Raises Rejected."""
        _, _, reading = self._planner.planned(body, source, source, NOBODY)
        return dict(run(reading, None))

    def write_response(self, answer: Body, target: str, request: Body) -> Body:
        """A canonical answer in this format, for the client that sent ``request``."""
        client = self._planner.formats[target]
        plan = self._planner.plan_of(target, target, request, None)
        ctx = plan.ctx(client, client.vendor)
        return dict(Half(client.write["response"], answer, request, plan.data, ctx).run())

    def write_stream(self, events: Iterable[Body], target: str, request: Body) -> Iterator[bytes]:
        """Canonical events in this format, for the client that sent ``request``; bytes for each
        event."""
        client = self._planner.formats[target]
        encoder = Encoder(client, self._planner.plan_of(target, target, request, None))
        for event in events:
            yield encoder.write(event)
