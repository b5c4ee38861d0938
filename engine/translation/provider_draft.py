"""The first file of a provider and its first cases, written for a person to go on from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from engine.translation.conformance import Check
from engine.translation.formats import Format

# What a person wants to see of a server's models; some list hundreds, and may call them anything.
MODELS_SHOWN = 12
NAME_SHOWN = 80

# Where, beside the files, the JSON Schemas are by which editors check them.
SCHEMAS = "schemas"
_SCHEMA_LINE = f"# yaml-language-server: $schema={SCHEMAS}/{{}}.json"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a new provider. ``path`` where it is not the format's own, ``key_env`` None:
    it wants no key."""

    name: str
    format: Format
    wires: Sequence[str]
    base_url: str
    path: str | None = None
    key_env: str | None = None
    models: Sequence[str] = ()
    quirks: Mapping[str, Any] = field(default_factory=dict)

    def with_quirks(self, quirks: Mapping[str, Any]) -> Draft:
        """The same with these quirks, too."""
        return replace(self, quirks={**self.quirks, **quirks})

    def file(self) -> str:
        """The provider's file."""
        lines = [_SCHEMA_LINE.format("provider")]
        lines += [f"# {self.base_url}, as it answered `ai-proxy providers new`.", ""]
        lines.append(f"name: {self.name}")
        if self.format.unknown:
            lines.append(f"extends: {self.format.unknown}")
        else:
            lines.append(f"format: {self.format.name}")
        facts: dict[str, Any] = {"base-url": self.base_url}
        if len(self.wires) > 1:
            facts = {"wires": list(self.wires), **facts}
        facts |= {"path": self.path} if self.path else {}
        facts |= {"key-env": self.key_env} if self.key_env else {}
        if self.quirks:
            facts["quirks"] = dict(self.quirks)
        lines += [f"{key}: {_flow(value)}" for key, value in facts.items()]
        if self.models:
            shown = ", ".join(map(_shown, self.models[:MODELS_SHOWN]))
            more = len(self.models) - MODELS_SHOWN
            lines += ["", f"# Its models: {shown}{f' and {more} more' if more > 0 else ''}"]
        return "\n".join(lines) + "\n"

    def cases(self, checks: Iterable[Check], model: str) -> str:
        """The file of its cases: what it gets for the requests of these checks."""
        rows = [
            {
                "name": check.name,
                "from": check.format,
                "model": model,
                **({"stream": True} if check.stream else {}),
                "request": {"model": model, **check.request},
            }
            for check in checks
            if check.model is None
        ]
        head = (
            f"{_SCHEMA_LINE.format('provider-cases')}\n"
            "# What this provider gets for what a client asks. The outcomes are in snapshots/;\n"
            f"# `ai-proxy providers test {self.name} --update` writes them anew.\n\n"
        )
        body = yaml.safe_dump({"cases": rows}, sort_keys=False, allow_unicode=True, width=120)
        return head + str(body)


def _shown(name: str) -> str:
    """A model's name as a comment may hold it."""
    plain = "".join(each if each.isprintable() else "?" for each in name)
    return plain if len(plain) <= NAME_SHOWN else f"{plain[:NAME_SHOWN]}…"


def _flow(value: Any) -> str:
    """A value in one line; JSON is YAML, and most texts need no quotes."""
    if isinstance(value, str):
        text: str = yaml.safe_dump(value, width=10_000, default_flow_style=True)
        return text.removesuffix("\n").removesuffix("\n...").strip()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)
