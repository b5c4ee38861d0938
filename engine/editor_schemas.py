"""JSON Schemas of every sort of YAML file here, for editors: ``ai-proxy schema NAME``."""

from __future__ import annotations

from typing import Any

from engine.gateway import schema as configuration
from engine.language import json_schema
from engine.resources import shipped
from engine.translation import (
    capabilities,
    cases,
    conformance,
    mapping_files,
    provider_cases,
    provider_files,
    quirks,
)

NAMES = (
    "configuration",
    "provider",
    "provider-cases",
    "mapping",
    "cases",
    "format",
    "models",
    "quirks",
    "capabilities",
    "conformance",
)


def schema(name: str) -> dict[str, Any]:
    """The schema of one sort of file. Raises KeyError."""
    if name == "mapping":
        return json_schema.mapping()
    known = quirks.Quirks.load([shipped("mappings")])
    if name == "configuration":
        return configuration.json_schema_of(known)
    if name == "provider":
        return provider_files.json_schema_of(known)
    return json_schema.document(_CHECKED[name], name)


def _cases(case: dict[str, Any]) -> dict[str, Any]:
    rows = {"type": "list", "required": True, "schema": {"type": "dict", "schema": case}}
    return {"cases": rows}


_CHECKED: dict[str, dict[str, Any]] = {
    "provider-cases": _cases(provider_cases.SCHEMA),
    "cases": _cases(cases.SCHEMA),
    "format": mapping_files.FACTS,
    "models": mapping_files.MODELS,
    "quirks": quirks.SCHEMA,
    "capabilities": capabilities.SCHEMA,
    "conformance": conformance.SCHEMA,
}
