"""Each half of the mappings by itself: wire documents to canonical ones and back.

What the other side is, is left open: it speaks the canonical form, so that no half takes it for its
own kind. For the fidelity matrix, and for tests.
"""

from __future__ import annotations

from typing import Any

from engine.errors import Rejected
from engine.language.runtime import Refusal
from engine.translation.encoder import Encoder
from engine.translation.framing import MAX_FRAME
from engine.translation.held import Held
from engine.translation.jsontext import loads
from engine.translation.plan import Plan, decide
from engine.translation.translator import Translator

Body = dict[str, Any]

# No wire format has this name.
HUB = ""


class Halves:
    """The halves of a translator's mappings, at a fixed time."""

    def __init__(self, translator: Translator, now: int = 0) -> None:
        self.translator = translator
        self._now = now

    def plan(
        self,
        client: str,
        upstream: str,
        model: str | None = None,
        body: Any = None,
        provider: str | None = None,
    ) -> Plan:
        """A plan between two formats, either of which may be :data:`HUB`."""
        side = self.translator.formats.get(upstream)
        name = provider or (side.default_provider if side else None)
        who = self.translator.providers.get(name) if name else None
        version = (who.api_version if who else None) or (
            side.api_versions.default if side else None
        )
        given = body or {}
        return Plan(client, upstream, who, model, model, False, version, Held(given), {}, self._now)

    def request_in(self, body: Body, source: str) -> Body:
        """A request of this format in the canonical form. Raises Rejected."""
        side = self.translator.formats[source]
        read = side.spelling.read(body)
        plan = self.plan(source, HUB, str(body.get("model") or "model"), read)
        ctx = plan.ctx(side, side.vendor)
        decide(plan, side.plan_read, read, ctx)
        return self._run(side.read["request"], read, read, plan.data, ctx)

    def request_out(
        self,
        canonical: Body,
        target: str,
        model: str,
        version: str | None = None,
        provider: str | None = None,
        own: bool = False,
    ) -> Body:
        """A canonical request in this format, for a model of a provider. Raises Rejected.

        ``own``: as if a client of the same format had said it.
        """
        side = self.translator.formats[target]
        plan = self.plan(target if own else HUB, target, model, provider=provider)
        plan.api_version = version or plan.api_version
        plan.stream = canonical.get("stream") is True
        who = plan.provider
        ctx = plan.ctx(side, who.vendor if who else side.vendor)
        ctx["limits"] = {**side.limits.row(model), **(who.limits_for(model) if who else {})}
        decide(plan, side.plan_write, canonical, ctx)
        return self._run(side.write["request"], canonical, {}, plan.data, ctx)

    def answer_in(self, body: Body, source: str, plan: Plan) -> Body:
        """A whole answer of this format in the canonical form. Raises Rejected."""
        side = self.translator.formats[source]
        ctx = plan.ctx(side, plan.provider.vendor if plan.provider else side.vendor)
        return self._run(side.read["response"], body, plan.body, plan.data, ctx)

    def answer_out(self, canonical: Body, target: str, request: Body) -> Body:
        """A canonical answer in this format, for the client that sent ``request``."""
        side = self.translator.formats[target]
        plan = self._answering(target, request)
        ctx = plan.ctx(side, side.vendor)
        return self._run(side.write["response"], canonical, request, plan.data, ctx)

    def events_in(self, data: bytes, source: str, plan: Plan) -> list[Body]:
        """The bytes of a stream of this format as canonical events. Raises Refusal."""
        side = self.translator.formats[source]
        half = side.events_in
        assert half is not None
        ctx = plan.ctx(side, plan.provider.vendor if plan.provider else side.vendor)
        roots = (plan.body, plan.data, ctx)
        state, losses = half.start(), half.losses()
        reader = side.framing.kind.reader(MAX_FRAME)
        events: list[Body] = []
        for _, raw in (*reader.feed(data), *reader.close()):
            if raw.rstrip() == side.framing.terminator:
                events += half.step({"done": True}, state, losses, *roots)
            elif raw.strip():
                events += half.step(loads(raw), state, losses, *roots)
        return events + half.finish(state, losses, *roots)

    def events_out(self, events: list[Body], target: str, request: Body) -> bytes:
        """Canonical events in this format, for the client that sent ``request``."""
        side = self.translator.formats[target]
        encoder = Encoder(side, self._answering(target, request))
        return b"".join(encoder.write(event) for event in events)

    def _answering(self, client: str, request: Body) -> Plan:
        """The plan of a client's request that is answered in the canonical form."""
        side = self.translator.formats[client]
        plan = self.plan(client, HUB, "model", request)
        decide(plan, side.plan_read, request, plan.ctx(side, side.vendor))
        return plan

    def _run(self, section: Any, document: Any, *roots: Any) -> Body:
        try:
            result, _ = section.run(document, *roots)
        except Refusal as refusal:
            raise Rejected(refusal.reason) from None
        return dict(result) if isinstance(result, dict) else {}
