"""Wire formats: the facts of ``format.yaml`` and the compiled sections of one folder of
mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from engine.language.events import EventHalf
from engine.language.sections import Section, Served
from engine.language.source import Node
from engine.translation.framings import FRAMINGS, Kind
from engine.translation.limits import Limits
from engine.translation.spelling import Spelling
from engine.translation.wholes import Natives

# Files with a read and a write half, and what the write half starts from.
KINDS = {"request": "request", "response": "response", "error": "error", "stream": "event"}


@dataclass(frozen=True, slots=True)
class Route:
    """One path a client may call; ``path`` may hold ``{model}``.

    ``within``: what is told before the name that the path holds.
    """

    method: str
    path: str
    call: str
    within: str = ""


@dataclass(frozen=True, slots=True)
class ApiVersions:
    """Versions of a format's API: the header that names one, the default, all that are known."""

    header: str | None = None
    default: str | None = None
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Framing:
    """How the events of a format lie on the wire. ``event_name``: the key of an event that holds
    the name which the framing gives it, if any. ``asked_by``: the query parameter
    (``name=value``) without which clients get the events as one JSON array."""

    kind: Kind
    event_name: str | None
    separator: bytes
    terminator: bytes | None
    content_type: str
    asked_by: str | None = None

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Framing:
        """From ``framing`` of a format.yaml."""
        kind = FRAMINGS[facts["kind"]]
        separator, terminator = facts.get("separator"), facts.get("terminator")
        own = kind.ends[0] if kind.ends else b""
        return cls(
            kind,
            facts.get("event-name"),
            own if separator is None else str(separator).encode(),
            str(terminator).encode() if terminator else None,
            facts.get("content-type") or kind.content_type,
            facts.get("asked-by"),
        )


@dataclass(frozen=True, slots=True)
class UsageOnRequest:
    """How a stream is asked to tell its counts. ``field``: what asks for it, as keys; ``quirk``: of
    providers that understand it. The event that was asked for has ``told_in``, and nothing in the
    list ``beside``."""

    field: tuple[str, ...]
    quirk: str
    told_in: str
    beside: str

    def asked(self, body: dict[str, Any]) -> bool:
        """Whether a request asks for it."""
        value: Any = body
        for key in self.field:
            value = value.get(key) if isinstance(value, dict) else None
        return value is True

    def is_answer(self, event: Any) -> bool:
        """Whether an event says what was asked for and nothing else."""
        return (
            isinstance(event, dict) and bool(event.get(self.told_in)) and not event.get(self.beside)
        )


@dataclass(slots=True)
class Format:
    """One wire format, compiled."""

    name: str
    vendor: str
    default_provider: str
    routes: tuple[Route, ...]
    model_in: str
    model_told: str
    stream_in: str
    upstream: dict[str, str]
    api_versions: ApiVersions
    auth_out: dict[str, str]
    identify: dict[str, str]
    spelling: Spelling
    framing: Framing
    keepalive: bytes
    parts: str
    early_start: bool
    signs: bool
    request_id_header: str
    headers: dict[str, str]
    affinity: dict[str, Any]
    limits: Limits
    # what stands for ``{collection}`` in paths; names of all but the first bear it
    collections: tuple[str, ...] = ()
    usage_on_request: UsageOnRequest | None = None
    # the key of its last event that holds the whole answer
    whole_in: str | None = None
    natives: Natives = field(default_factory=dict)
    read: dict[str, Section] = field(default_factory=dict)
    write: dict[str, Section] = field(default_factory=dict)
    plan_read: Section | None = None
    plan_write: Section | None = None
    events_in: EventHalf | None = None
    events_out: EventHalf | None = None
    lists: dict[str, Section] = field(default_factory=dict)
    # where upstreams list their models; what the provider file of an unknown one extends
    models_path: str | None = None
    unknown: str | None = None
    # its files as trees, for people to look at
    files: Callable[[], dict[str, Node]] = dict

    def halves(self) -> Iterator[Served]:
        """All that is compiled of it, what requests need first before all else."""
        yield from (half for half in (self.plan_read, self.plan_write) if half is not None)
        yield from (*self.read.values(), *self.write.values())
        yield from (half for half in (self.events_in, self.events_out) if half is not None)
        yield from self.lists.values()

    @property
    def serves(self) -> bool:
        """Whether clients may speak it; else it is only a way to speak to upstreams."""
        return bool(self.routes)

    @property
    def content_type(self) -> str:
        """Content type of a stream."""
        return self.framing.content_type

    def upstream_path(self, model: str, stream: bool) -> str:
        """The path of a call, with the model put in where the format wants it."""
        word = "stream-path" if stream else "path"
        path = self.upstream.get(word, self.upstream["path"])
        if self.collections:
            first, _, rest = model.partition("/")
            known = bool(rest) and first in self.collections
            path = path.replace("{collection}", first if known else self.collections[0])
            model = rest if known else model
        if "{" not in path:
            return path
        return path.replace("{model}", quote(model, safe="", errors="surrogatepass"))


def format_of(name: str, facts: dict[str, Any], limits: Limits) -> Format:
    """A format without its sections, from the data of its ``format.yaml``."""
    versions = facts.get("api-versions") or {}
    return Format(
        name=name,
        vendor=facts.get("vendor", name),
        default_provider=facts.get("default-provider", name),
        routes=tuple(_routes(facts)),
        collections=tuple(facts.get("collections") or ()),
        model_in=facts.get("model-in", "body.model"),
        model_told=facts.get("model-told", "model"),
        stream_in=facts.get("stream-in", "body.stream"),
        upstream=facts.get("upstream") or {"path": "/"},
        api_versions=ApiVersions(
            versions.get("header"), versions.get("default"), tuple(versions.get("known") or ())
        ),
        auth_out=facts.get("auth") or {"header": "authorization", "prefix": "Bearer "},
        identify=facts.get("identify") or {},
        spelling=Spelling.of(facts.get("normalise")),
        framing=Framing.of(facts["framing"]),
        keepalive=str(facts.get("keepalive") or "").encode(),
        parts=facts.get("parts", "interleaved"),
        early_start=bool(facts.get("early-start")),
        signs=bool(facts.get("signs")),
        request_id_header=facts.get("request-id-header", "x-request-id"),
        headers=dict(facts.get("headers") or {}),
        affinity=dict(facts.get("affinity") or {}),
        limits=limits,
        usage_on_request=_usage_on_request(facts.get("usage-on-request")),
        models_path=(facts.get("models-list") or {}).get("path"),
        unknown=facts.get("unknown"),
        whole_in=facts.get("whole-in"),
        natives={
            word: (where.partition(".")[0], where.partition(".")[2])
            for word, where in (facts.get("natives") or {}).items()
        },
    )


def _usage_on_request(facts: dict[str, str] | None) -> UsageOnRequest | None:
    if facts is None:
        return None
    field = tuple(facts["field"].split("."))
    return UsageOnRequest(field, facts["quirk"], facts["told-in"], facts["beside"])


def _routes(facts: dict[str, Any]) -> Iterator[Route]:
    """The routes, one that holds a collection for each of them."""
    for route in facts.get("routes") or ():
        if "{collection}" not in route["path"]:
            yield Route(**route)
            continue
        for position, name in enumerate(facts["collections"]):
            within = f"{name}/" if position else ""
            path = route["path"].replace("{collection}", name)
            yield Route(**{**route, "path": path}, within=within)
