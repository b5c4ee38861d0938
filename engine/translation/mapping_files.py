"""The files of one folder of mappings: read, checked, compiled.

What comes of it is kept (:mod:`engine.translation.folders`), so this runs when a file is new, and
when somebody wants to see the tree.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import MappingError
from engine.language.assembling import section_program
from engine.language.envelope import check
from engine.language.programs import Program
from engine.language.results import Library
from engine.language.rules import half_program
from engine.language.sections import Roots
from engine.language.source import Map, Node, Pos, plain, suggest, tree
from engine.translation.formats import KINDS
from engine.translation.framings import FRAMINGS

CTX = frozenset(
    "model client_model stream provider vendor format api_version limits now request_digest"
    " options status headers client_format upstream_format".split()
)
HALVES = {"read": None, "write": None, "tables": None, "fragments": None, "usual": None}

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
    "model-told": TEXT,
    "collections": {"type": "list", "schema": TEXT, "minlength": 1},
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
    "signs": {"type": "boolean"},
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
    "usage-on-request": {
        "type": "dict",
        "schema": {
            "field": {"type": "string", "required": True},
            "quirk": {"type": "string", "required": True},
            "told-in": {"type": "string", "required": True},
            "beside": {"type": "string", "required": True},
        },
    },
    "whole-in": TEXT,
    "natives": {
        "type": "dict",
        "keysrules": {"type": "string", "allowed": ["start", "part", "other", "stop"]},
        "valuesrules": {"type": "string", "regex": r"(answer|choice|part)\.\w+"},
    },
    "models-list": {
        "type": "dict",
        "schema": {"list": {}, "one": {}, "path": TEXT, "read": {}},
    },
    "unknown": TEXT,
}
MODELS: dict[str, Any] = {
    "normalise": {"type": "dict"},
    "default": {"type": "dict"},
    "models": {"type": "list", "schema": {"type": "dict", "allow_unknown": True}},
}


@dataclass(frozen=True, slots=True)
class _Part:
    """One section of a file. ``whole``: what nothing reads of its document is a loss."""

    node: Node
    library: Library
    roots: Roots
    whole: bool = True


class Files:
    """The files of one folder as trees. ``texts``: what messages call each, and its bytes.
    ``problems``: what was found wrong so far."""

    def __init__(self, name: str, texts: Mapping[str, tuple[str, bytes]], profiles: Any) -> None:
        self.name = name
        self.problems: list[str] = []
        self.nodes: dict[str, Node] = {}
        for file, (label, data) in texts.items():
            try:
                self.nodes[file] = tree(data, label)
            except MappingError as error:
                self.problems += error.problems
        self.library = Library(name, profiles=profiles)
        self._collect("common.yaml", self.library)

    def facts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The data of ``format.yaml`` and of ``models.yaml``. Raises MappingError."""
        facts = self._facts("format.yaml", FACTS)
        limits = self._facts("models.yaml", MODELS) if "models.yaml" in self.nodes else {}
        if self.problems:
            # what the other files miss from a file that could not be read is no news
            raise MappingError(self.problems)
        return facts, limits

    def labels(self) -> list[str]:
        """The labels of all sections, in files that hold."""
        return [label for label, _ in self._parts()]

    def programs(self, facts: Mapping[str, Any]) -> dict[str, Program]:
        """All sections compiled, by label (``request.read``, ``plan.write``, ``models-list.one``).

        Raises MappingError with all mistakes of the folder.
        """
        made: dict[str, Program] = {}
        for label, part in self._parts():
            try:
                made[label] = self._compiled(label, part, traced=False)
            except MappingError as error:
                self.problems += [each for each in error.problems if each not in self.problems]
        if not self.problems:
            self._whole(made, facts)
        if self.problems:
            raise MappingError(self.problems)
        return made

    def _whole(self, labels: Container[str], facts: Mapping[str, Any]) -> None:
        """Tell the halves that are missing: of the client's side only where there are routes."""
        node = self.nodes["format.yaml"]
        routes = node.get("routes") if isinstance(node, Map) else None
        serves = bool(facts.get("routes"))
        wanted = ["response.read", "error.read", "stream.read", "request.write"]
        if serves:
            wanted += ["request.read", "stream.write", "response.write", "error.write"]
        missing = [label.partition(".") for label in wanted if label not in labels]
        if missing:
            words = ", ".join(f"{half} in {kind}.yaml" for kind, _, half in missing)
            self.problems.append(node.pos.problem(f"{self.name} has no {words}"))
        paths = [
            *facts["upstream"].values(),
            *(route["path"] for route in facts.get("routes") or ()),
        ]
        if not facts.get("collections") and any("{collection}" in path for path in paths):
            self.problems.append(
                (routes or node).pos.problem(
                    "a path holds {collection}, but there are no collections"
                )
            )
        if serves and FRAMINGS[facts["framing"]["kind"]].writer is None:
            able = " or ".join(name for name, kind in FRAMINGS.items() if kind.writer)
            self.problems.append(
                (routes or node).pos.problem(
                    f"clients can be answered in {able} only; without routes a format is for"
                    " upstreams alone"
                )
            )

    def program(self, label: str, traced: bool) -> Program:
        """One section compiled, in files that hold."""
        return self._compiled(label, dict(self._parts())[label], traced)

    def _compiled(self, label: str, part: _Part, traced: bool) -> Program:
        name = f"{self.name}/{label}"
        if label.startswith("stream."):
            return half_program(name, part.node, part.library, part.roots, traced)
        return section_program(name, part.node, part.library, part.roots, part.whole, traced)

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

    def _parts(self) -> Iterator[tuple[str, _Part]]:
        """The sections of all files, each after what is wrong with the file around it."""
        for kind, root in KINDS.items():
            node = self.nodes.get(f"{kind}.yaml")
            if isinstance(node, Map):
                yield from self._sections(kind, root, node)
            elif node is not None:
                self.problems.append(node.pos.problem("a map with read and write is wanted here"))
        node = self.nodes["format.yaml"]
        lists = node.get("models-list") if isinstance(node, Map) else None
        words = {"list": "models", "one": "model"}
        yield from _given(lists, "models-list", words, self.library)
        # what a server says of its models beyond their names is not asked for
        yield from _given(lists, "models-list", {"read": "wire"}, self.library, whole=False)

    def _usual(self, node: Node | None, half: str) -> dict[str, tuple[Pos, frozenset[str]]]:
        """What ``usual`` says of a half: the keys that most objects of a name have at most."""
        said = node.get(half) if isinstance(node, Map) else None
        found: dict[str, tuple[Pos, frozenset[str]]] = {}
        for key, value in said.entries if isinstance(said, Map) else ():
            keys = plain(value)
            if isinstance(keys, list) and all(isinstance(each, str) for each in keys):
                found[str(key.value)] = key.pos, frozenset(keys)
            else:
                self.problems.append(
                    value.pos.problem("usual takes lists of keys, like {message: [role, content]}")
                )
        return found

    def _sections(self, kind: str, root: str, node: Map) -> Iterator[tuple[str, _Part]]:
        known = {*HALVES, *(["plan"] if kind == "request" else [])}
        known -= {"usual"} if kind == "stream" else set()
        for key, _ in node.entries:
            if key.value not in known:
                self.problems.append(
                    key.pos.problem(f"unknown key {key.value}{suggest(str(key.value), known)}")
                )
        shared = self.library
        tables, fragments = dict(shared.tables), dict(shared.fragments)
        library = Library(self.name, tables, fragments, shared.profiles)
        self._collect(f"{kind}.yaml", library)
        said = node.get("usual") if kind != "stream" else None
        for half, document in (("read", "wire"), ("write", root)):
            own = replace(library, usual=self._usual(said, half))
            yield from _given(node, kind, {half: document}, own)
        # a plan takes what it needs and leaves the rest to others; what it reads of a client's
        # document are single fields, of the canonical one whole lists
        usual = {name: keys for name, keys in own.usual.items() if name[0] != "$"}
        yield from _given(node.get("plan"), "plan", {"read": "wire"}, library, whole=False)
        own = replace(library, usual=usual)
        yield from _given(node.get("plan"), "plan", {"write": "request"}, own, whole=False)


def _given(
    node: Node | None, label: str, documents: dict[str, str], library: Library, whole: bool = True
) -> Iterator[tuple[str, _Part]]:
    """The sections under these keys of a map, each with the name of the document it reads."""
    for word, document in documents.items():
        body = node.get(word) if isinstance(node, Map) else None
        if body is not None:
            roots = Roots(document, ("client", "plan"), (("ctx", CTX),))
            yield f"{label}.{word}", _Part(body, library, roots, whole)
