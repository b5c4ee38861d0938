"""JSON Schemas of every sort of YAML file here, for editors: ``ai-proxy schema NAME``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.gateway import failures, payload
from engine.gateway import schema as configuration
from engine.language import json_schema
from engine.resources import shipped
from engine.translation import (
    capabilities,
    cases,
    conformance,
    faults,
    mapping_files,
    probes,
    provider_cases,
    provider_files,
    quirks,
)


def schema(name: str, own: Sequence[Path] = ()) -> dict[str, Any]:
    """The schema of one sort of file; ``own``: further folders of mappings, with quirks of theirs.

    Raises KeyError for a name that is none, MappingError for quirks that do not hold.
    """
    if name in _WRITTEN:
        return _WRITTEN[name]()
    known = quirks.Quirks.load([shipped("mappings"), *own])
    if name == "configuration":
        return configuration.json_schema_of(known)
    if name == "provider":
        return provider_files.json_schema_of(known)
    return json_schema.document(_CHECKED[name], name)


def _keys(keys: dict[str, Any]) -> dict[str, Any]:
    return {"type": "dict", "schema": keys}


def _cases(case: dict[str, Any]) -> dict[str, Any]:
    return _keys({"cases": {"type": "list", "required": True, "schema": _keys(case)}})


def _canonical() -> dict[str, Any]:
    row = {"$ref": "#/$defs/row"}
    fields = {"type": "object", "additionalProperties": row}
    at = {"type": "object", "additionalProperties": fields}
    return json_schema.rules("canonical", at)


def _quirks() -> dict[str, Any]:
    rows = {"type": "object", "additionalProperties": {"$ref": "#/$defs/row"}}
    at = {
        "type": "object",
        "properties": {"quirks": rows},
        "required": ["quirks"],
        "additionalProperties": False,
    }
    return json_schema.rules("quirks", at, meaning={"type": "string"}, absent={})


_WRITTEN: dict[str, Callable[[], dict[str, Any]]] = {
    "mapping": json_schema.mapping,
    "schema-profiles": json_schema.profiles,
    "canonical": _canonical,
    "quirks": _quirks,
}
_CHECKED: dict[str, dict[str, Any]] = {
    "provider-cases": _cases(provider_cases.SCHEMA),
    "cases": _cases(cases.SCHEMA),
    "format": _keys(mapping_files.FACTS),
    "models": _keys(mapping_files.MODELS),
    "capabilities": _keys(capabilities.SCHEMA),
    "conformance": _keys(conformance.SCHEMA),
    "kinds": _keys(faults.STATUSES),
    "fidelity": _keys(probes.SCHEMA),
    "error-classes": failures.SCHEMA,
    "protocols": payload.SCHEMA,
}
NAMES = ("configuration", "provider", *_WRITTEN, *_CHECKED)
