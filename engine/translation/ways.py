"""Ways: from a client's wire format to a model of a provider, with all that no request changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.translation.formats import Format
from engine.translation.held import Held
from engine.translation.plan import Ctx, Plan, facts
from engine.translation.providers import Provider

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """From the format ``client`` to ``upstream``, for one model of a provider (``who``).

    ``limits`` are those of the model; ``renamed`` is what the provider calls fields of its usual
    format otherwise; ``headers`` are sent besides; ``paths`` those of a whole call and of a
    streamed one. Nothing of it is changed.
    """

    client: Format
    upstream: Format
    who: Provider | None
    model: str | None
    client_model: str | None
    vendor: str
    signs: bool
    api_version: str | None
    limits: Mapping[str, Any]
    renamed: Mapping[str, str]
    headers: Mapping[str, str]
    paths: tuple[str, str]
    _facts: Body

    @classmethod
    def of(
        cls,
        client: Format,
        upstream: Format,
        who: Provider | None,
        model: str | None,
        client_model: str | None,
    ) -> Way:
        """The way to this model; ``client_model`` is what the client calls it."""
        model, client_model = model or client_model, client_model or model
        versions = upstream.api_versions
        version = (who.api_version if who else None) or versions.default
        headers = dict(who.headers) if who else {}
        if versions.header and version:
            headers[versions.header] = version
        own = who.path if who else None
        return cls(
            client,
            upstream,
            who,
            model,
            client_model,
            who.vendor if who else upstream.vendor,
            upstream.signs if who is None or who.signs is None else who.signs,
            version,
            {**upstream.limits.row(model), **(who.limits_for(model) if who else {})},
            who.rename if who is not None and who.format == upstream.name else {},
            headers,
            (
                own or upstream.upstream_path(model or "", False),
                own or upstream.upstream_path(model or "", True),
            ),
            facts(model, client_model, who, version, client.name, upstream.name),
        )

    def plan(self, body: Body, stream: bool, options: Body, now: int) -> Plan:
        """The plan of one request on this way."""
        return Plan(
            self.client.name,
            self.upstream.name,
            self.who,
            self.model,
            self.client_model,
            stream,
            self.api_version,
            Held(body),
            options,
            now,
            self.vendor,
            self.signs,
            None,
            {},
            Held(),
            {**self._facts, "stream": stream, "options": options, "now": now},
        )

    def writing(self, plan: Plan) -> Ctx:
        """The ``ctx`` of the half that writes the request."""
        ctx = plan.ctx(self.upstream, plan.vendor)
        ctx["limits"] = self.limits
        return ctx
