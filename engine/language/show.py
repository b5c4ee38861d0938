"""A mapping file as YAML with its fragments put in place, for people to read."""

from __future__ import annotations

from typing import Any

import yaml

from engine.language.source import Map, Node, plain


def resolved(files: dict[str, Node], kind: str) -> str:
    """The sections of ``<kind>.yaml`` as YAML text; a fragment that uses itself stays a ``$use``
    inside."""
    node = files[f"{kind}.yaml"]
    fragments: dict[str, Any] = {}
    for file in (files.get("common.yaml"), node):
        found = file.get("fragments") if isinstance(file, Map) else None
        if isinstance(found, Map):
            fragments |= {str(key.value): plain(each) for key, each in found.entries}
    document = plain(node)
    shown = {
        key: _put(value, fragments, ())
        for key, value in document.items()
        if key not in ("fragments", "tables")
    }
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=110)


def _put(value: Any, fragments: dict[str, Any], inside: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_put(each, fragments, inside) for each in value]
    if not isinstance(value, dict):
        return value
    name = value.get("$use")
    if isinstance(name, str) and name in fragments and name not in inside:
        body = _put(fragments[name], fragments, (*inside, name))
        given = value.get("$with")
        rest = {key: each for key, each in value.items() if key not in ("$use", "$with")}
        if not isinstance(body, dict):
            return body
        names = {"$let": given} if given else {}
        return {**rest, **names, **body}
    return {key: _put(each, fragments, inside) for key, each in value.items()}
