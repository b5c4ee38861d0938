"""What a request needs of the model that is to answer it, held against what is known of that."""

from __future__ import annotations

from typing import Any

from engine.translation.capabilities import Capabilities
from engine.translation.planning import Planner
from engine.translation.refusals import run
from engine.translation.translated import Half

Body = dict[str, Any]


class Requirements:
    """Checks requests by the capabilities that models may lack."""

    def __init__(self, planner: Planner, capabilities: Capabilities) -> None:
        self._planner = planner
        self._capabilities = capabilities

    def check(
        self,
        body: Body,
        source: str,
        target: str,
        provider: str,
        model: str,
        stream: bool | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Raise Rejected when the client's request asks for what this model of the provider
        lacks by what is known of it, and when it cannot be read."""
        way = self._planner.way(source, target, provider, model, None)
        streams = way.who is None or way.who.streams(model, True)
        if streams and not self._capabilities.lacking(way.limits):
            return
        given = (model, None, stream, None, headers)
        way, plan, reading = self._planner.planned(body, source, target, provider, *given)
        canonical = run(reading, None)
        ctx = plan.ctx(way.upstream, way.upstream.vendor)
        ctx["limits"], ctx["provider"] = way.limits, {**ctx["provider"], "streams": streams}
        rules = self._capabilities.rules
        run(Half(rules, canonical, plan.body, plan.data, ctx), reading)
