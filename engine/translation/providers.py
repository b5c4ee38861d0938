"""Provider files: who is asked, in which wire format, with what facts.

``providers/<name>.yaml``, kebab-case keys. Mappings see the facts as ``ctx.provider`` with
underscores in the keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import MappingError
from engine.language.envelope import check
from engine.language.source import read

TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "name": {"type": "string", "required": True},
    "format": {"type": "string", "required": True},
    "wires": {"type": "list", "schema": TEXT},
    "base-url": {"type": "string", "nullable": True},
    "path": TEXT,
    "key-env": {"type": "string", "nullable": True},
    "auth": {
        "type": "dict",
        "nullable": True,
        "schema": {"header": {"type": "string", "required": True}, "prefix": TEXT},
    },
    "api-version": {"type": "string", "nullable": True},
    "vendor": TEXT,
    "headers": {"type": "dict", "valuesrules": TEXT},
    "quirks": {"type": "dict"},
    "limits": {"type": "list", "schema": {"type": "dict", "allow_unknown": True}},
    "demo": {"type": "boolean"},
    "docs": TEXT,
}


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider file. ``auth`` None: the wire format's own way; ``base_url`` None: nothing to
    call (demo).

    ``facts``: what mappings see as ``ctx.provider``.
    """

    name: str
    format: str
    wires: tuple[str, ...]
    base_url: str | None = None
    path: str | None = None
    key_env: str | None = None
    auth: dict[str, str] | None = None
    api_version: str | None = None
    vendor: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    quirks: dict[str, Any] = field(default_factory=dict)
    limits: list[dict[str, Any]] = field(default_factory=list)
    demo: bool = False
    facts: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        # what mappings see as ctx.provider
        facts = {"name": self.name, "demo": self.demo, **self.quirks}
        object.__setattr__(self, "facts", facts)


def load(folders: Iterable[Path], formats: Iterable[str]) -> dict[str, Provider]:
    """All provider files of the folders, later ones over earlier. Raises MappingError with every
    mistake."""
    known = set(formats)
    found: dict[str, Provider] = {}
    problems: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            if path.name.endswith(".test.yaml"):
                continue
            try:
                provider = _provider(path, f"{folder.name}/{path.name}", known)
            except MappingError as error:
                problems += error.problems
            else:
                found[provider.name] = provider
    if problems:
        raise MappingError(problems)
    return found


def _provider(path: Path, name: str, formats: set[str]) -> Provider:
    node = read(path, name)
    data = check(node, SCHEMA)
    if data["name"] != path.stem:
        node.pos.error(f"name is {data['name']}, but the file is {path.name}; make them equal")
    for wire in (data["format"], *data.get("wires", ())):
        if wire not in formats:
            node.pos.error(f"unknown wire format {wire}; there is no folder mappings/{wire}")
    return Provider(
        name=data["name"],
        format=data["format"],
        wires=tuple(data.get("wires") or (data["format"],)),
        base_url=data.get("base-url"),
        path=data.get("path"),
        key_env=data.get("key-env"),
        auth=data.get("auth"),
        api_version=data.get("api-version"),
        vendor=data.get("vendor") or data["name"],
        headers=dict(data.get("headers") or {}),
        quirks=dict(data.get("quirks") or {}),
        limits=list(data.get("limits") or ()),
        demo=bool(data.get("demo")),
    )
