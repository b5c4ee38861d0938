"""The canonical schema of mappings/canonical.yaml, as the tests hold documents against it."""

from functools import cache
from typing import Any

import yaml
from cerberus import Validator, schema_registry

from engine.resources import shipped


@cache
def _schemas() -> dict[str, dict[str, Any]]:
    text = (shipped("mappings") / "canonical.yaml").read_text(encoding="utf-8")
    schemas: dict[str, dict[str, Any]] = yaml.safe_load(text)
    for name, schema in schemas.items():
        schema_registry.add(name, schema)
    return schemas


def problems(name: str, document: dict[str, Any]) -> list[str]:
    """What breaks the schema of that name, as `path: reason`; usage counts must add up, too."""
    validator = Validator(_schemas()[name], ignore_none_values=False)
    validator.validate(document)
    found = list(_told(validator.errors, ""))
    usages = [document.get("usage")] if name in ("response", "event") else []
    return found + [each for usage in usages if usage for each in usage_problems(usage)]


def usage_problems(usage: dict[str, Any]) -> list[str]:
    """Which sums of a canonical usage do not hold."""
    count = {key: value for key, value in usage.items() if key != "native"}
    read, write = count.get("cache_read", 0), count.get("cache_write", 0)
    found: list[str] = []
    if any(value < 0 for value in count.values()):
        found.append("a count is negative")
    if "input" in count and count["input"] < read + write:
        found.append("input is less than what was read from and written to caches")
    if "output" in count and count["output"] < count.get("reasoning", 0):
        found.append("output is less than reasoning")
    kinds = [count[key] for key in ("cache_write_5m", "cache_write_1h") if key in count]
    if kinds and sum(kinds) != write:
        found.append("cache_write is not the sum of its kinds")
    return found


def _told(errors: Any, path: str) -> list[str]:
    found: list[str] = []
    for key, inner in errors.items():
        place = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".lstrip(".")
        for each in inner:
            found += _told(each, place) if isinstance(each, dict) else [f"{place}: {each}"]
    return found
