"""What is known of providers, for people: one with the place of every fact, and the tables of
docs/providers.md.

``python -m engine.translation.provider_manual FILE`` writes the tables anew between the file's
markers.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.resources import shipped
from engine.translation.capabilities import Capabilities
from engine.translation.provider_files import MERGED, SCHEMA
from engine.translation.providers import Provider
from engine.translation.quirks import Quirks
from engine.translation.translator import Translator


def facts(provider: Provider, model: str | None = None) -> Iterator[tuple[str, Any, str]]:
    """Every fact of a provider: its key, its value, and the place of the file that says it.

    With a model the rows that match it lie over what holds for all, as in a call for it.
    """
    places = provider.sources
    quirks = {key: (value, places[f"quirks.{key}"]) for key, value in provider.quirks.items()}
    limits = {key: (value, places[f"limits.{key}"]) for key, value in provider.limits.items()}
    streaming: tuple[Any, str] | None = None
    if model is not None:
        rows = [
            (row, places[f"models[{i}]"])
            for i, row in enumerate(provider.models)
            if row in provider.rows(model)
        ]
        for row, place in reversed(rows):
            quirks |= {key: (value, place) for key, value in row.quirks.items()}
            limits |= {key: (value, place) for key, value in row.limits.items()}
            streaming = streaming if row.streaming is None else (row.streaming, place)
    if streaming is not None:
        yield "streaming", *streaming
    for key, value in provider.document.items():
        if key == "streaming" and streaming is not None:
            continue
        if key not in (*MERGED, "models", "extends"):
            yield key, value, places[key]
        elif key in MERGED and key not in ("quirks", "limits"):
            yield from (
                (f"{key}.{name}", each, places[f"{key}.{name}"]) for name, each in value.items()
            )
    yield from ((f"quirks.{key}", *found) for key, found in quirks.items())
    yield from ((f"limits.{key}", *found) for key, found in limits.items())
    if model is None:
        for i, row in enumerate(provider.document.get("models") or ()):
            yield f"models[{i}]", row, places[f"models[{i}]"]


def keys_table() -> str:
    """The keys of a provider file."""
    rows = ["| key | meaning |", "| --- | --- |"]
    for key, rule in SCHEMA.items():
        rows.append(f"| `{key}` | {rule['meta']} |")
        inner = rule.get("schema", {}).get("schema", {}) if rule["type"] == "list" else {}
        rows += [f"| `{key}[].{name}` | {each['meta']} |" for name, each in inner.items()]
    return "\n".join(rows)


def quirks_table(quirks: Quirks, mappings: Path) -> str:
    """The keys under ``quirks:``, with the formats whose mappings read them."""
    texts = {
        folder.name: "".join(
            path.read_text(encoding="utf-8")
            for path in sorted(folder.glob("*.yaml"))
            if not path.name.endswith(".test.yaml")
        )
        for folder in sorted(each for each in mappings.iterdir() if each.is_dir())
    }
    rows = [
        "| quirk | values | without it | read by | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in quirks.values():
        absent = json.dumps(row.absent) if not isinstance(row.absent, str) else row.absent
        asked = re.compile(rf"ctx\.provider\.{row.name}\b")
        by = ", ".join(name for name, text in texts.items() if asked.search(text))
        rows.append(f"| `{row.name}` | {row.values} | `{absent}` | {by} | {row.meaning} |")
    return "\n".join(rows)


def limits_table(capabilities: Capabilities) -> str:
    """The limits that say what a model has."""
    rows = ["| limit | `false`: a request is not for this model when it holds |", "| --- | --- |"]
    rows += [f"| `{name}` | {meaning} |" for name, meaning in capabilities.items()]
    return "\n".join(rows)


def providers_table(providers: dict[str, Provider]) -> str:
    """The shipped providers."""
    rows = ["| provider | wire formats | base URL | key |", "| --- | --- | --- | --- |"]
    for name, each in sorted(providers.items()):
        key = f"`{each.key_env}`" if each.key_env else ""
        url = each.base_url or ""
        rows.append(f"| `{name}` | {', '.join(each.wires)} | {url} | {key} |")
    return "\n".join(rows)


def renewed(text: str) -> str:
    """The document with its tables made anew from what is shipped."""
    known, mappings = Translator.load(), shipped("mappings")
    tables = {
        "keys": keys_table(),
        "quirks": quirks_table(Quirks.load([mappings]), mappings),
        "limits": limits_table(Capabilities.load([mappings])),
        "providers": providers_table(known.providers),
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(renewed(document.read_text(encoding="utf-8")), encoding="utf-8")
