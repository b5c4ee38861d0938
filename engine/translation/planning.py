"""Planning: from a request to its way, its plan, and the halves that will read and write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from engine.language.runtime import Refusal
from engine.language.sections import Section
from engine.language.source import suggest
from engine.translation.formats import Format
from engine.translation.held import Held
from engine.translation.plan import Ctx, Plan, decide
from engine.translation.providers import Provider
from engine.translation.translated import Half
from engine.translation.ways import Way

Body = dict[str, Any]

NOBODY = ""
"""For the name of a provider: there is none."""

# Ways that are remembered: names of models come from clients.
_WAYS = 1024


class _Formats(dict[str, Format]):
    """By name. Asked for another one it raises ValueError."""

    def __missing__(self, name: str) -> Format:
        raise ValueError(f"unknown wire format {name}{suggest(name, self)}")


class Planner:
    """Plans requests between these formats, to these providers. ``now`` is in seconds since
    1970. All methods raise ValueError for a format or provider that is not there."""

    def __init__(
        self,
        formats: Mapping[str, Format],
        providers: Mapping[str, Provider],
        now: Callable[[], float],
    ) -> None:
        self.formats = _Formats(formats)
        self.providers = providers
        self._now = now
        self._ways: dict[tuple[str | None, ...], Way] = {}

    def planned(
        self,
        body: Body,
        source: str,
        target: str | None,
        provider: str | None,
        model: str | None = None,
        client_model: str | None = None,
        stream: bool | None = None,
        options: Body | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[Way, Plan, Half]:
        """The way of a request, its plan, and the half that reads it."""
        client = self.formats[source]
        read = client.spelling.read(body)
        asked = read.get("model")
        way = self.way(
            source, target, provider, model, asked if isinstance(asked, str) else client_model
        )
        if stream is None:
            stream = bool(read.get("stream"))
        plan = way.plan(read, stream, options or {}, int(self._now()))
        ctx, versions = plan.ctx(client, client.vendor), client.api_versions
        ctx["api_version"] = versions.default
        if headers:
            said = headers
            if not all(map(str.islower, said)):
                said = {key.lower(): value for key, value in said.items()}
            ctx["headers"] = said
            ctx["api_version"] = said.get(versions.header or "") or versions.default
        decide(plan, client.plan_read, read, ctx)
        section = client.read["request"]
        reading = Half(section, read, read, plan.data, ctx)
        plan.read.again = partial(_read_again, section, plan.asked, plan.data, ctx)
        if read is not body:
            reading.spelling = client.spelling, body
        return way, plan, reading

    def way(
        self,
        source: str,
        target: str | None,
        provider: str | None,
        model: str | None,
        client_model: str | None,
    ) -> Way:
        """The way to a model; made once, as its name comes from clients for some time."""
        key = (source, target, provider, model, client_model)
        way = self._ways.get(key)
        if way is None:
            if len(self._ways) >= _WAYS:
                self._ways.clear()
            who, upstream = self.target(target, provider)
            way = Way.of(self.formats[source], upstream, who, model, client_model)
            self._ways[key] = way
        return way

    def plan_of(
        self, client: str, upstream: str, request: Body | None, provider: str | None
    ) -> Plan:
        """The plan of what a client asked, for an answer to it."""
        body = request if isinstance(request, dict) else {}
        way, plan, reading = self.planned(body, client, upstream, provider)
        try:
            plan.read.put(reading.run())
        except Refusal:
            # an answer may come without a request that could be sent
            plan.read.put({})
        writing(way, plan, plan.canonical)
        return plan

    def between(
        self,
        source: str,
        target: str,
        plan: Plan | None,
        request: Body | None,
        provider: str | None,
    ) -> tuple[Format, Format, Plan]:
        """The formats of an upstream's answer and of its client, and the plan it answers to."""
        upstream, client = self.formats[source], self.formats[target]
        return upstream, client, plan or self.plan_of(target, source, request, provider)

    def target(self, target: str | None, provider: str | None) -> tuple[Provider | None, Format]:
        """Who is asked, and in which format; each says the other where it is left out."""
        if provider and provider not in self.providers:
            raise ValueError(f"unknown provider {provider}{suggest(provider, self.providers)}")
        who = self.providers.get(provider) if provider else None
        if target is None:
            if who is None:
                raise ValueError("a translation needs a target format or a provider")
            target = who.format
        upstream = self.formats[target]
        if provider is None:
            who = self.providers.get(upstream.default_provider)
        return who, upstream


def writing(way: Way, plan: Plan, canonical: Any) -> Half:
    """The half that writes the request, with what the plan takes from the canonical one."""
    ctx = way.writing(plan)
    decide(plan, way.upstream.plan_write, canonical, ctx)
    return Half(way.upstream.write["request"], canonical, plan.body, plan.data, ctx)


def _read_again(section: Section, asked: Held, data: Body, ctx: Ctx) -> Body:
    """The canonical form of what a client asked, which was read before."""
    body = asked.get()
    canonical: Body = section.run(body, body, data, ctx)[0]
    return canonical
