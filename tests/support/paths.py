"""Paths of documents without positions, as losses are told by."""

import re
from typing import Any

from engine.translation.jsontext import loads

# Where frames hold JSON behind something else; binary ones are read elsewhere.
_DATA = re.compile(rb"^(?:data:\s*)?(\{.*)$", re.MULTILINE)


def bare(path: str) -> str:
    """A path without its positions."""
    return re.sub(r"\[\d*\]", "", path)


def paths(value: Any, path: str = "") -> set[str]:
    """The paths of all that is in a document."""
    found = {path} if path else set()
    if isinstance(value, dict):
        for key, each in value.items():
            found |= paths(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for each in value:
            found |= paths(each, path)
    return found


def of_events(body: bytes) -> set[str]:
    """The paths of all that is in the events of a stream of text."""
    found: set[str] = set()
    for data in _DATA.findall(body):
        try:
            found |= paths(loads(data.strip()))
        except ValueError:
            continue
    return found
