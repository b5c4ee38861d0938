"""Provider files: ``providers/<name>.yaml``, kebab-case keys.

A file that ``extends`` another says only what differs; with its own name it changes the file that
it lies over. What a configuration says of providers is read as one file more for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.errors import MappingError
from engine.language.cache import Cache
from engine.language.envelope import check
from engine.language.source import Map, Node, Scalar, Seq, suggest, tree
from engine.resources import file_name
from engine.translation.capabilities import Capabilities
from engine.translation.formats import Format
from engine.translation.providers import ModelRow, Provider
from engine.translation.quirks import Quirks

TEXT = {"type": "string"}
ANY = {"type": "dict"}
TEXTS = {"type": "dict", "keysrules": TEXT, "valuesrules": TEXT}
STREAMING = {"type": "string", "allowed": ["both", "only", "none"]}
SCHEMA: dict[str, Any] = {
    "name": {"type": "string", "required": True, "meta": "as the file is called"},
    "extends": {
        **TEXT,
        "meta": "a provider whose facts hold where this file says nothing; its own name: the file "
        "that this one lies over",
    },
    "format": {**TEXT, "meta": "the wire format that it is asked in"},
    "wires": {
        "type": "list",
        "schema": TEXT,
        "meta": "all wire formats that it offers, the best first; default: `format`",
    },
    "base-url": {**TEXT, "nullable": True, "meta": "where it answers, the version included"},
    "base-urls": {**TEXTS, "meta": "by wire format, where one of `wires` answers elsewhere"},
    "path": {**TEXT, "meta": "the path of a call, where it is not the format's own"},
    "key-env": {**TEXT, "nullable": True, "meta": "the variable that holds the key"},
    "auth": {
        "type": "dict",
        "nullable": True,
        "schema": {"header": TEXT, "prefix": TEXT, "query": TEXT},
        "minlength": 1,
        "meta": "the `header` of the key and the `prefix` before it, or the `query` parameter that "
        "it is; default: the format's own",
    },
    "signing": {
        "type": "dict",
        "nullable": True,
        "schema": {
            "method": {"type": "string", "required": True, "meta": "such as `aws-sigv4`"},
            "service": {"type": "string", "required": True, "meta": "what the signature is for"},
        },
        "meta": "how requests are signed for credentials with `signing` in place of a key",
    },
    "region": {
        **TEXT,
        "nullable": True,
        "meta": "takes the place of `{region}` in the addresses, and is signed with; a "
        "credential's own goes before",
    },
    "api-version": {**TEXT, "nullable": True, "meta": "the version it is asked with"},
    "vendor": {
        **TEXT,
        "meta": "whose signatures and files it takes; default: the name, so nobody else's",
    },
    "signs": {
        "type": "boolean",
        "meta": "its answers hold signatures that it wants back; default: as its format does",
    },
    "headers": {**TEXTS, "meta": "sent with every call"},
    "streaming": {
        **STREAMING,
        "meta": "`only`: it answers with a stream and nothing else, which is gathered for clients "
        "that want a whole answer; `none`: it cannot stream, its whole answer is told as a stream; "
        "default: `both`",
    },
    "rename": {
        **TEXTS,
        "meta": "fields of requests in `format` that it calls otherwise, like `seed: random_seed`",
    },
    "quirks": {**ANY, "meta": "what it does otherwise, see below"},
    "limits": {**ANY, "meta": "what its models take, over the format's models.yaml, see below"},
    "models": {
        "type": "list",
        "schema": {
            "type": "dict",
            "schema": {
                "match": {"type": "string", "required": True, "meta": "a glob, in small letters"},
                "quirks": {**ANY, "meta": "over those of the file"},
                "limits": {**ANY, "meta": "over those of the file"},
                "streaming": {**STREAMING, "meta": "over that of the file"},
            },
        },
        "meta": "what holds for some models; of all rows that match, the first that says a key",
    },
    "demo": {"type": "boolean", "meta": "answers are made up here, nobody is called"},
    "docs": {**TEXT, "meta": "where it is described"},
}

# What a file says of itself alone.
OWN = frozenset({"name", "extends", "vendor", "demo", "docs"})
# What is put together key by key.
MERGED = ("quirks", "limits", "rename", "headers", "base-urls")
# What a configuration says of a provider stands under its name.
UNNAMED = {key: rule for key, rule in SCHEMA.items() if key != "name"}


@dataclass(frozen=True, slots=True)
class _Text:
    """A file, the name that messages show, its bytes."""

    path: Path
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _File:
    node: Map
    data: dict[str, Any]
    # the file of the same name that this one lies over
    under: _File | None
    # the place of the name, where the node does not say it
    named: str | None = None


class ProviderFiles:
    """All provider files of some folders, later ones over earlier.

    ``providers`` is what they come to. Making it raises MappingError with every mistake of every
    file.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        formats: Mapping[str, Format],
        quirks: Quirks,
        capabilities: Capabilities | None = None,
        cache: Cache | None = None,
    ) -> None:
        cache = cache or Cache(None)
        self._formats = formats
        self._quirks = quirks
        self._capabilities = capabilities or Capabilities()
        self._texts = [
            _Text(path, file_name(path), path.read_bytes())
            for folder in folders
            for path in sorted(folder.glob("*.yaml"))
            if not path.name.endswith(".test.yaml")
        ]
        files = [part for text in self._texts for part in (text.path.stem, text.name, text.data)]
        known = [(name, sorted(side.limits.keys())) for name, side in formats.items()]
        rules = [part for pair in quirks.texts for part in pair]
        more = repr((known, list(self._capabilities), len(rules)))
        key = cache.key("providers", more, *rules, *files)
        kept = cache.get(key)
        if kept is None:
            kept = [_kept(provider) for provider in _all(*self._read()).values()]
            cache.put(key, kept)
        self.providers = {provider.name: provider for provider in map(_provider_of, kept)}

    def under(self, settings: Node | None) -> dict[str, Provider]:
        """The providers with what a configuration says of them.

        ``settings`` is a map of names: an entry is a file without its name, and changes the
        provider of its name unless it extends another. Raises MappingError with every mistake.
        """
        if not isinstance(settings, Map):
            return self.providers
        files = dict(self._files)
        problems: list[str] = []
        for key, node in settings.entries:
            try:
                files[key.value] = self._setting(key, node)
            except MappingError as error:
                problems += error.problems
        return _all(files, problems)

    @cached_property
    def _files(self) -> dict[str, _File]:
        """The trees, of files that hold."""
        return self._read()[0]

    def _read(self) -> tuple[dict[str, _File], list[str]]:
        files: dict[str, _File] = {}
        problems: list[str] = []
        len(self._quirks)  # what is wrong there is told by itself
        for text in self._texts:
            stem = text.path.stem
            try:
                files[stem] = self._checked(text, files.get(stem))
            except MappingError as error:
                problems += error.problems
        return files, problems

    def _checked(self, text: _Text, under: _File | None) -> _File:
        path, node = text.path, tree(text.data, text.name)
        data = check(node, SCHEMA)
        assert isinstance(node, Map)
        if data["name"] != path.stem:
            node.pos.error(f"name is {data['name']}, but the file is {path.name}; make them equal")
        self._names(node, data)
        return _File(node, data, under)

    def _setting(self, key: Scalar, node: Node) -> _File:
        """What a configuration says of the provider ``key``."""
        name, files = str(key.value), self._files
        data = {"name": name, **check(node, UNNAMED)}
        assert isinstance(node, Map)
        if "extends" not in data and "format" not in data:
            if name not in files:
                key.pos.error(
                    f"unknown provider {name}; a new one says extends or format"
                    f"{suggest(name, files)}"
                )
            data["extends"] = name
        self._names(node, data)
        return _File(node, data, files.get(name), str(key.pos))

    def _names(self, node: Map, data: Mapping[str, Any]) -> None:
        """Raise MappingError for the names in a file that nobody knows."""
        wires = [data["format"]] if "format" in data else []
        for wire in (*wires, *data.get("wires", ()), *data.get("base-urls", ())):
            if wire not in self._formats:
                node.pos.error(f"unknown wire format {wire}; there is no folder mappings/{wire}")
        limits = {key for side in self._formats.values() for key in side.limits.keys()}
        limits |= set(self._capabilities)
        rows = node.get("models")
        for part in (node, *(rows.items if isinstance(rows, Seq) else ())):
            assert isinstance(part, Map)
            said = part.get("quirks")
            if said is not None:
                self._quirks.checked(said)
            limited = part.get("limits")
            for key, _ in limited.entries if isinstance(limited, Map) else ():
                if key.value not in limits:
                    key.pos.error(f"unknown limit {key.value}{suggest(str(key.value), limits)}")


def _all(files: Mapping[str, _File], problems: Iterable[str]) -> dict[str, Provider]:
    """What the files come to. Raises MappingError with these problems and those found here."""
    problems = list(problems)
    found: dict[str, Provider] = {}
    for file in files.values():
        try:
            provider = _provider(*_resolved(file, files, []), file.node)
        except MappingError as error:
            problems += error.problems
        else:
            found[provider.name] = provider
    if problems:
        raise MappingError(list(dict.fromkeys(problems)))
    return found


def _kept(provider: Provider) -> dict[str, Any]:
    """A provider as plain data."""
    data = {each.name: getattr(provider, each.name) for each in fields(Provider) if each.init}
    rows = tuple((row.match, row.quirks, row.limits, row.streaming) for row in provider.models)
    return {**data, "models": rows}


def _provider_of(data: dict[str, Any]) -> Provider:
    return Provider(**{**data, "models": tuple(ModelRow(*row) for row in data["models"])})


def json_schema_of(quirks: Quirks) -> dict[str, Any]:
    """The JSON Schema of a provider file in which these quirks are known."""
    # knows all directives of mappings, and so all that compiles them
    from engine.language import json_schema

    return json_schema.document({"type": "dict", "schema": with_quirks(quirks)}, "provider")


def with_quirks(quirks: Quirks) -> dict[str, Any]:
    """The schema of a provider file, the rules of these quirks put in."""
    rules = {
        name: {**row.rule, "meta": row.meaning, "default": row.absent}
        for name, row in quirks.items()
    }
    said = {"type": "dict", "schema": rules}
    row = SCHEMA["models"]["schema"]
    rows = {**row, "schema": {**row["schema"], "quirks": said}}
    return {**SCHEMA, "quirks": said, "models": {"type": "list", "schema": rows}}


def _resolved(
    file: _File, files: Mapping[str, _File], seen: list[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The data of a file over that of the file it extends, and the place of every fact."""
    own, sources = file.data, _places(file.node)
    if file.named is not None:
        sources["name"] = file.named
    base = own.get("extends")
    if base is None:
        return own, sources
    pos = (file.node.get("extends") or file.node).pos
    itself = base == own["name"]
    if itself and file.under is None:
        pos.error(f"{base} extends itself, and there is no file of that name below this one")
    if not itself and own["name"] in seen:
        pos.error(f"these extend each other: {', '.join([*seen, own['name']])}")
    below = file.under if itself else files.get(base)
    if below is None:
        pos.error(f"unknown provider {base}{suggest(base, files)}")
    under, places = _resolved(below, files, seen if itself else [*seen, own["name"]])
    kept = {key: under[key] for key in under if itself or key not in OWN}
    merged = {**kept, **own}
    for word in MERGED:
        if word in kept and word in own:
            merged[word] = {**kept[word], **own[word]}
    if "models" in kept:
        # the rows of this file are asked first
        mine = len(own.get("models", ()))
        merged["models"] = [*own.get("models", ()), *kept["models"]]
        moved = {f"models[{i}]": f"models[{i + mine}]" for i in range(len(kept["models"]))}
        places = {moved.get(key, key): place for key, place in places.items()}
    given = {
        key: place
        for key, place in places.items()
        if key.partition(".")[0].partition("[")[0] in kept
    }
    return merged, {**given, **sources}


def _places(node: Map) -> dict[str, str]:
    """Where each fact of a file stands, by its key."""
    found: dict[str, str] = {}
    for key, value in node.entries:
        name = str(key.value)
        if name in MERGED and isinstance(value, Map):
            found |= {f"{name}.{inner.value}": str(inner.pos) for inner, _ in value.entries}
        elif name == "models" and isinstance(value, Seq):
            found |= {f"models[{i}]": str(item.pos) for i, item in enumerate(value.items)}
        else:
            found[name] = str(key.pos)
    return found


def _provider(data: dict[str, Any], sources: dict[str, str], node: Node) -> Provider:
    if "format" not in data:
        node.pos.error("the key format is missing, here and in what this file extends")
    return Provider(
        name=data["name"],
        format=data["format"],
        wires=tuple(data.get("wires") or (data["format"],)),
        base_url=data.get("base-url"),
        base_urls=dict(data.get("base-urls") or {}),
        path=data.get("path"),
        key_env=data.get("key-env"),
        auth=data.get("auth"),
        signing=data.get("signing"),
        region=data.get("region"),
        api_version=data.get("api-version"),
        vendor=data.get("vendor") or data["name"],
        signs=data.get("signs"),
        headers=dict(data.get("headers") or {}),
        quirks=dict(data.get("quirks") or {}),
        limits=dict(data.get("limits") or {}),
        rename=dict(data.get("rename") or {}),
        models=tuple(
            ModelRow(
                row["match"].lower(),
                row.get("quirks") or {},
                row.get("limits") or {},
                row.get("streaming"),
            )
            for row in data.get("models") or ()
        ),
        streaming=data.get("streaming", "both"),
        demo=bool(data.get("demo")),
        document=data,
        sources=sources,
        changed=any(
            key.startswith(("quirks", "limits", "models", "rename"))
            and not place.startswith("providers/")
            for key, place in sources.items()
        ),
    )
