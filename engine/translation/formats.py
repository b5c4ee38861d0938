"""Wire formats: the facts of ``format.yaml`` and the compiled sections of one folder of
mappings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.errors import MappingError
from engine.language.envelope import check
from engine.language.events import EventHalf
from engine.language.results import Library
from engine.language.schemas import Profiles
from engine.language.sections import Roots, Section
from engine.language.source import Map, Node, plain, read, suggest
from engine.translation.framings import FRAMINGS, Kind
from engine.translation.limits import Limits
from engine.translation.spelling import Spelling

CTX = frozenset(
    "model client_model stream provider vendor format api_version limits now request_digest"
    " options status headers client_format upstream_format".split()
)
# Files with a read and a write half, and what the write half starts from.
KINDS = {"request": "request", "response": "response", "error": "error", "stream": "event"}
HALVES = {"read": None, "write": None, "tables": None, "fragments": None}

TEXT = {"type": "string"}
OPTIONAL = {"type": "string", "nullable": True}
FACTS: dict[str, Any] = {
    "name": {"type": "string", "required": True},
    "vendor": {"type": "string", "required": True},
    "default-provider": TEXT,
    "routes": {
        "type": "list",
        "schema": {
            "type": "dict",
            "schema": {
                "method": {"type": "string", "required": True},
                "path": {"type": "string", "required": True},
                "call": {"type": "string", "allowed": ["generate", "models", "model", "unserved"]},
            },
        },
    },
    "model-in": {"type": "string", "allowed": ["body.model", "path"], "default": "body.model"},
    "stream-in": {"type": "string", "allowed": ["body.stream", "path"], "default": "body.stream"},
    "upstream": {"type": "dict", "required": True, "schema": {"path": TEXT, "stream-path": TEXT}},
    "api-versions": {
        "type": "dict",
        "schema": {"header": OPTIONAL, "default": OPTIONAL, "known": {"type": "list"}},
    },
    "auth": {"type": "dict", "schema": {"header": TEXT, "prefix": TEXT}},
    "identify": {"type": "dict", "schema": {"header": TEXT}},
    "normalise": {
        "type": "dict",
        "schema": {
            "keys": {"type": "string", "allowed": ["camel"]},
            "opaque": {"type": "list", "schema": TEXT},
            "lists": {"type": "list", "schema": TEXT},
        },
    },
    "framing": {
        "type": "dict",
        "required": True,
        "schema": {
            "kind": {"type": "string", "allowed": list(FRAMINGS), "required": True},
            "event-name": OPTIONAL,
            "separator": TEXT,
            "terminator": OPTIONAL,
            "content-type": TEXT,
            "asked-by": OPTIONAL,
        },
    },
    "keepalive": TEXT,
    "parts": {"type": "string", "allowed": ["one-at-a-time", "interleaved"]},
    "early-start": {"type": "boolean"},
    "request-id-header": TEXT,
    "headers": {"type": "dict", "valuesrules": TEXT},
    "affinity": {
        "type": "dict",
        "schema": {
            "turns": {"type": "string", "required": True},
            "with": {"type": "list", "schema": TEXT},
            "unstable": {"type": "list", "schema": TEXT},
        },
    },
    "models-list": {"type": "dict"},
}
MODELS: dict[str, Any] = {
    "normalise": {"type": "dict"},
    "default": {"type": "dict"},
    "models": {"type": "list", "schema": {"type": "dict", "allow_unknown": True}},
}


@dataclass(frozen=True, slots=True)
class Route:
    """One path a client may call; ``path`` may hold ``{model}``."""

    method: str
    path: str
    call: str


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


@dataclass(slots=True)
class Format:
    """One wire format, compiled."""

    name: str
    vendor: str
    default_provider: str
    routes: tuple[Route, ...]
    model_in: str
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
    request_id_header: str
    headers: dict[str, str]
    affinity: dict[str, Any]
    limits: Limits
    read: dict[str, Section] = field(default_factory=dict)
    write: dict[str, Section] = field(default_factory=dict)
    plan_read: Section | None = None
    plan_write: Section | None = None
    events_in: EventHalf | None = None
    events_out: EventHalf | None = None
    lists: dict[str, Section] = field(default_factory=dict)
    files: dict[str, Node] = field(default_factory=dict)

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
        return path.replace("{model}", quote(model, safe=""))


def load(folders: Iterable[Path]) -> dict[str, Format]:
    """All wire formats of the folders; files of later folders replace those of earlier ones.

    Raises MappingError with every mistake of every file.
    """
    files: dict[str, dict[str, Path]] = {}
    shared: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            shared[path.name] = path
        for sub in sorted(each for each in folder.iterdir() if each.is_dir()):
            own = files.setdefault(sub.name, {})
            own.update({path.name: path for path in sorted(sub.glob("*.yaml"))})
    profiles = (
        Profiles.load(shared["schema-profiles.yaml"]) if "schema-profiles.yaml" in shared else {}
    )
    formats: dict[str, Format] = {}
    problems: list[str] = []
    for name, own in files.items():
        if "format.yaml" not in own:
            continue
        try:
            formats[name] = _Folder(name, own, profiles).format()
        except MappingError as error:
            problems += error.problems
    if problems:
        raise MappingError(problems)
    return formats


class _Folder:
    """One folder of mappings being loaded."""

    def __init__(self, name: str, paths: dict[str, Path], profiles: Any) -> None:
        self.name = name
        self.problems: list[str] = []
        self.nodes: dict[str, Node] = {}
        for file, path in paths.items():
            if file.endswith(".test.yaml"):
                continue
            try:
                self.nodes[file] = read(path, f"mappings/{name}/{file}")
            except MappingError as error:
                self.problems += error.problems
        self.library = Library(name, profiles=profiles)
        self._collect("common.yaml", self.library)

    def format(self) -> Format:
        """Everything compiled. Raises MappingError with all mistakes of the folder."""
        facts = self._facts("format.yaml", FACTS)
        limits = self._facts("models.yaml", MODELS) if "models.yaml" in self.nodes else {}
        if self.problems:
            # what the other files miss from a file that could not be read is no news
            raise MappingError(self.problems)
        made = _format(self.name, facts, Limits.of(limits))
        made.files = self.nodes
        for kind, root in KINDS.items():
            self._kind(made, kind, root)
        self._lists(made)
        if not self.problems:
            self._whole(made)
        if self.problems:
            raise MappingError(self.problems)
        return made

    def _whole(self, made: Format) -> None:
        """Tell the halves that are missing: of the client's side only where there are routes."""
        halves = {f"read in {kind}.yaml": kind in made.read for kind in ("response", "error")}
        halves |= {
            "read in stream.yaml": made.events_in is not None,
            "write in request.yaml": "request" in made.write,
        }
        if made.serves:
            own = {f"write in {kind}.yaml": kind in made.write for kind in ("response", "error")}
            halves |= {
                "read in request.yaml": "request" in made.read,
                "write in stream.yaml": made.events_out is not None,
                **own,
            }
        node = self.nodes["format.yaml"]
        missing = ", ".join(half for half, found in halves.items() if not found)
        if missing:
            self.problems.append(node.pos.problem(f"{made.name} has no {missing}"))
        if made.serves and made.framing.kind.writer is None:
            routes = node.get("routes") if isinstance(node, Map) else None
            able = " or ".join(name for name, kind in FRAMINGS.items() if kind.writer)
            self.problems.append(
                (routes or node).pos.problem(
                    f"clients can be answered in {able} only; without routes a format is for"
                    " upstreams alone"
                )
            )

    def _facts(self, file: str, schema: dict[str, Any]) -> dict[str, Any]:
        try:
            return check(self.nodes[file], schema)
        except KeyError:
            return {}
        except MappingError as error:
            self.problems += error.problems
            return {}

    def _collect(self, file: str, library: Library) -> None:
        node = self.nodes.get(file)
        if not isinstance(node, Map):
            return
        tables, fragments = node.get("tables"), node.get("fragments")
        if isinstance(tables, Map):
            library.tables |= {str(key.value): plain(table) for key, table in tables.entries}
        if isinstance(fragments, Map):
            library.fragments |= {str(key.value): each for key, each in fragments.entries}

    def _kind(self, made: Format, kind: str, root: str) -> None:
        node = self.nodes.get(f"{kind}.yaml")
        if node is None:
            return
        if not isinstance(node, Map):
            self.problems.append(node.pos.problem("a map with read and write is wanted here"))
            return
        known = {*HALVES, *(["plan"] if kind == "request" else [])}
        for key, _ in node.entries:
            if key.value not in known:
                self.problems.append(
                    key.pos.problem(f"unknown key {key.value}{suggest(str(key.value), known)}")
                )
        library = Library(
            self.name,
            dict(self.library.tables),
            dict(self.library.fragments),
            self.library.profiles,
        )
        self._collect(f"{kind}.yaml", library)
        for half, document in (("read", "wire"), ("write", root)):
            body = node.get(half)
            if body is not None:
                self._half(made, kind, half, body, document, library)
        plan = node.get("plan")
        if isinstance(plan, Map):
            for half, document in (("read", "wire"), ("write", "request")):
                body = plan.get(half)
                if body is not None:
                    section = self._section(f"plan.{half}", body, document, library)
                    setattr(made, f"plan_{half}", section)

    def _half(
        self, made: Format, kind: str, half: str, body: Node, document: str, library: Library
    ) -> None:
        if kind != "stream":
            section = self._section(f"{kind}.{half}", body, document, library)
            if section is not None:
                (made.read if half == "read" else made.write)[kind] = section
            return
        try:
            events = EventHalf(f"{self.name}/stream.{half}", body, library, _roots(document))
        except MappingError as error:
            self.problems += [each for each in error.problems if each not in self.problems]
            return
        if half == "read":
            made.events_in = events
        else:
            made.events_out = events

    def _section(self, label: str, body: Node, document: str, library: Library) -> Section | None:
        try:
            # a plan takes what it needs and leaves the rest to others
            whole = not label.startswith("plan.")
            return Section(f"{self.name}/{label}", body, library, _roots(document), whole)
        except MappingError as error:
            self.problems += [each for each in error.problems if each not in self.problems]
            return None

    def _lists(self, made: Format) -> None:
        node = self.nodes["format.yaml"]
        lists = node.get("models-list") if isinstance(node, Map) else None
        if not isinstance(lists, Map):
            return
        for word, document in (("list", "models"), ("one", "model")):
            body = lists.get(word)
            if body is not None:
                section = self._section(f"models-list.{word}", body, document, self.library)
                if section is not None:
                    made.lists[word] = section


def _roots(document: str) -> Roots:
    return Roots(document, ("client", "plan"), (("ctx", CTX),))


def _format(name: str, facts: dict[str, Any], limits: Limits) -> Format:
    versions = facts.get("api-versions") or {}
    return Format(
        name=name,
        vendor=facts.get("vendor", name),
        default_provider=facts.get("default-provider", name),
        routes=tuple(Route(**route) for route in facts.get("routes") or ()),
        model_in=facts.get("model-in", "body.model"),
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
        request_id_header=facts.get("request-id-header", "x-request-id"),
        headers=dict(facts.get("headers") or {}),
        affinity=dict(facts.get("affinity") or {}),
        limits=limits,
    )
