"""Payload rules: the operator's last word on the body that an upstream gets.

They run after the translation, on every route: defaults first, then overrides, then filters, each
in the order of the file. Paths are ``a.b[0].c``; ``[-1]`` is the last element; ``\\.`` a dot in a
key.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.gateway.patterns import matches
from engine.language import source
from engine.language.source import plain, suggest

Step = str | int

# Of protocols.yaml.
SCHEMA: dict[str, Any] = {
    "type": "dict",
    "valuesrules": {"type": "list", "schema": {"type": "string"}},
}

_PIECE = re.compile(r"((?:[^.\[\]\\]|\\.)+)((?:\[-?[0-9]{1,6}\])*)")
_INDEX = re.compile(r"\[(-?[0-9]+)\]")


@dataclass(frozen=True, slots=True)
class Target:
    """What a rule is for: a glob over the upstream's model names, and a wire format or any."""

    model: str
    protocol: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``name`` is its place in the configuration; a filter's values are not used."""

    action: str
    name: str
    targets: tuple[Target, ...]
    params: tuple[tuple[str, Any], ...]


class Payload:
    """The rules of a configuration, in the order in which they run."""

    def __init__(self, rules: Sequence[Rule], formats: Iterable[str]) -> None:
        """Raises ConfigError for a protocol that nobody knows."""
        words = {**protocols(), **{name: (name,) for name in formats}}
        problems = [
            f"{rule.name}: there is no protocol {target.protocol}{suggest(target.protocol, words)}"
            for rule in rules
            for target in rule.targets
            if target.protocol is not None and target.protocol.lower() not in words
        ]
        if problems:
            raise ConfigError(problems)
        self._words = words
        self._rules = tuple(rules)

    def applying(self, model: str, format: str) -> list[Rule]:
        """The rules for an upstream's model name and the wire format it is asked in."""
        return [
            rule
            for rule in self._rules
            if any(
                matches(target.model, model)
                and (target.protocol is None or format in self._words[target.protocol.lower()])
                for target in rule.targets
            )
        ]


def apply(
    rules: Sequence[Rule], body: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The body as the rules want it, and rows for explain: ``{out, in, rule, how}``."""
    rows: list[dict[str, Any]] = []
    if rules:
        body = copy.deepcopy(body)  # parts of it are the client's own
    for rule in rules:
        for path, value in rule.params:
            if _change(rule.action, body, steps(path), value):
                rows.append({"out": path, "in": [], "rule": rule.name, "how": rule.action})
    return body, rows


def _change(action: str, body: dict[str, Any], path: Sequence[Step], value: Any) -> bool:
    """Whether the body was changed; a path through what is no such container changes nothing."""
    place: Any = body
    for number, step in enumerate(path[:-1]):
        if not _has(place, step):
            makes = action != "filter" and isinstance(place, dict) and isinstance(step, str)
            if not makes or isinstance(path[number + 1], int):
                return False
            place[step] = {}
        place = place[step]
    last = path[-1]
    if _has(place, last):
        if action == "default":
            return False
    elif action == "filter" or not (isinstance(place, dict) and isinstance(last, str)):
        return False
    if action == "filter":
        del place[last]
    else:
        place[last] = copy.deepcopy(value)
    return True


def _has(place: Any, step: Step) -> bool:
    if isinstance(step, str):
        return isinstance(place, dict) and step in place
    return isinstance(place, list) and -len(place) <= step < len(place)


def steps(path: str) -> tuple[Step, ...]:
    """The keys and indices of a path. Raises ValueError."""
    found: list[Step] = []
    at = 0
    while True:
        piece = _PIECE.match(path, at)
        if piece is None:
            raise ValueError(f"{path} is no path like a.b[0].c")
        found.append(re.sub(r"\\(.)", r"\1", piece[1]))
        found += [int(index) for index in _INDEX.findall(piece[2])]
        at = piece.end()
        if at == len(path):
            return tuple(found)
        if path[at] != "." or at + 1 == len(path):
            raise ValueError(f"{path} is no path like a.b[0].c")
        at += 1


@cache
def protocols() -> Mapping[str, tuple[str, ...]]:
    """Further words for wire formats, read once."""
    path = Path(__file__).with_name("protocols.yaml")
    return {word: tuple(names) for word, names in plain(source.read(path, path.name)).items()}
