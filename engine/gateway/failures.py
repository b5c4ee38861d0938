"""Failures of upstream calls, and the rules that say what follows from each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cerberus

from engine.errors import ConfigError, MappingError
from engine.gateway.schema import Rule as SchemaRule
from engine.language import source
from engine.language.source import Node, plain
from engine.translation.faults import ErrorAnswer

VERBS = ("stop", "next", "cool", "again")
RESTS = ("429", "5xx", "network", "auth")

# A vendor's Retry-After of days would take a credential out for good.
MAX_REST_SECONDS = 3600.0
_TEXT_LIMIT = 4096

_WORDS: SchemaRule = {"anyof": [{"type": "string"}, {"type": "list", "schema": {"type": "string"}}]}
_RULE: dict[str, SchemaRule] = {
    "match": {
        "type": "dict",
        "required": True,
        "schema": {
            "cause": _WORDS,
            "kind": _WORDS,
            "status": {"type": ["integer", "string"], "regex": r"[1-5][0-9]{2}(-[1-5][0-9]{2})?"},
            "text": {"type": "string"},
            "provider": _WORDS,
        },
    },
    "do": {"type": "string", "required": True, "allowed": list(VERBS)},
    "then": {"type": "string", "allowed": ["stop", "next", "cool"]},
    "rest": {"type": "string", "allowed": list(RESTS)},
    "scope": {"type": "string", "allowed": ["credential", "model"]},
    "hide": {"type": "boolean"},
}
SCHEMA: SchemaRule = {"type": "list", "schema": {"type": "dict", "schema": _RULE}}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call. ``answer`` is the whole error in the client's format."""

    cause: str
    kind: str
    message: str
    status: int
    retry_after: float | None
    answer: ErrorAnswer


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows: the verb, which rest of what, and whether the client may see it."""

    do: str
    rest: str | None = None
    scope: str = "credential"
    hide: bool = False


@dataclass(frozen=True, slots=True)
class _Rule:
    causes: frozenset[str]
    kinds: frozenset[str]
    providers: frozenset[str]
    statuses: range | None
    text: re.Pattern[str] | None
    verdict: Verdict
    then: str

    def matches(self, failure: Failure, provider: str) -> bool:
        return (
            (not self.causes or failure.cause in self.causes)
            and (not self.kinds or failure.kind in self.kinds)
            and (not self.providers or provider in self.providers)
            and (self.statuses is None or failure.status in self.statuses)
            and (self.text is None or self.text.search(failure.message[:_TEXT_LIMIT]) is not None)
        )


class Classes:
    """The rules of an error-class file, in its order."""

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self._rules = tuple(rules)

    def verdict(self, failure: Failure, provider: str, repeated: bool = False) -> Verdict:
        """What follows from a failure; ``repeated``: the credential had its second try already."""
        for rule in self._rules:
            if rule.matches(failure, provider):
                found = rule.verdict
                if found.do == "again" and repeated:
                    return Verdict(rule.then, found.rest, found.scope, found.hide)
                return found
        return Verdict("next")

    def open(self) -> Classes:
        """The same, but that nothing is kept from who asks: for the operator."""
        rules = self._rules
        return Classes([replace(each, verdict=replace(each.verdict, hide=False)) for each in rules])

    @classmethod
    def load(cls, path: Path) -> Classes:
        """The rules of a file. Raises ConfigError."""
        try:
            tree = source.read(path, path.name)
        except MappingError as error:
            raise ConfigError(error.problems) from None
        if not isinstance(tree, source.Seq):
            raise ConfigError([tree.pos.problem("error classes are a list of rules")])
        problems: list[str] = []
        rules = [_rule(node, problems) for node in tree.items]
        if problems:
            raise ConfigError(problems)
        return cls([rule for rule in rules if rule is not None])


@cache
def shipped() -> Classes:
    """The rules that come with the package, read once."""
    return Classes.load(Path(__file__).with_name("error-classes.yaml"))


def _rule(node: Node, problems: list[str]) -> _Rule | None:
    row = plain(node)
    validator = cerberus.Validator(_RULE)
    if not isinstance(row, dict) or not validator.validate(row):
        problems.append(
            node.pos.problem(f"this rule does not hold: {validator.errors or 'no map'}")
        )
        return None
    match = row["match"]
    try:
        text = re.compile(match["text"], re.IGNORECASE) if "text" in match else None
    except re.error as error:
        problems.append(node.pos.problem(f"text is no regular expression: {error}"))
        return None
    statuses = None
    if "status" in match:
        low, _, high = str(match["status"]).partition("-")
        statuses = range(int(low), int(high or low) + 1)
    verdict = Verdict(
        row["do"], row.get("rest"), row.get("scope", "credential"), row.get("hide", False)
    )
    return _Rule(
        _words(match.get("cause")),
        _words(match.get("kind")),
        _words(match.get("provider")),
        statuses,
        text,
        verdict,
        row.get("then", "next"),
    )


def _words(value: Any) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else value or ())
