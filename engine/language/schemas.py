"""What each target takes of JSON Schema: the profiles of ``mappings/schema-profiles.yaml``.

``Profiles.load(path)[name].rewrite(schema)`` gives the schema as the target takes it and what was
taken out of it. The rules are data; ``engine.language.schema_walk`` follows them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from engine.errors import MappingError
from engine.language.schema_rules import Rules, rules_of
from engine.language.schema_walk import Walk
from engine.language.source import Map, Node, read, tree

Schema = dict[str, Any]

# Clients send the same tools with every request: results are kept by the text of the schema.
_REMEMBERED = 256
_REMEMBERED_BYTES = 32_768
# Up to this size the text itself is the key: no longer than many a result, and quicker than a hash.
_SHORT = 4_096


class Outcome(NamedTuple):
    """A rewritten schema. ``schema`` is None when the caller's own object stands."""

    schema: Schema | None
    losses: tuple[str, ...]
    accepted: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """One target's rules. The caller's schema is never changed."""

    name: str
    rules: Rules
    _known: dict[bytes, Outcome]

    def rewrite(self, schema: Any) -> tuple[Any, list[str]]:
        """The schema as the target takes it, and a sentence for each thing taken out.

        The same object comes back when nothing changes. The result may share parts with the
        argument: treat both as frozen.
        """
        outcome = self._outcome(schema)
        return schema if outcome.schema is None else outcome.schema, list(outcome.losses)

    def accepts(self, schema: Any) -> bool:
        """Whether rewriting changes no meaning and leaves nothing that the target refuses."""
        return self._outcome(schema).accepted

    def _outcome(self, schema: Any) -> Outcome:
        try:
            key: bytes | None = orjson.dumps(schema)
        except TypeError:  # odd ones are not kept
            key = None
        if key is not None and len(key) > _SHORT:
            key = _digest(key)
        if key is not None and (known := self._known.get(key)) is not None:
            return known
        walk = Walk(self.rules, schema)
        result = walk.run()
        outcome = Outcome(
            None if result is schema else result, tuple(walk.losses), not walk.meaning_changed
        )
        if key is not None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = outcome
        return outcome


class Profiles(Mapping[str, Profile]):
    """All profiles of a file, by name."""

    def __init__(self, make: Callable[[], dict[str, Profile]]) -> None:
        self._make = make

    @cached_property
    def _profiles(self) -> dict[str, Profile]:
        return self._make()

    @classmethod
    def load(cls, source: Path | Node) -> Profiles:
        """The profiles of a file or of its tree. Raises MappingError with every problem."""
        loaded = _profiles_of(read(source) if isinstance(source, Path) else source)
        return cls(lambda: loaded)

    @classmethod
    def later(cls, data: bytes, name: str) -> Profiles:
        """The profiles of a file that is known to hold, read when one is first asked for."""
        return cls(lambda: _profiles_of(tree(data, name)))

    def __getitem__(self, name: str) -> Profile:
        return self._profiles[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._profiles)

    def __len__(self) -> int:
        return len(self._profiles)


def _profiles_of(root: Node) -> dict[str, Profile]:
    listed = root.get("profiles") if isinstance(root, Map) else None
    if not isinstance(listed, Map):
        root.pos.error("no profiles here; write `profiles:` with a map of them")
    problems: list[str] = []
    loaded = {
        str(name.value): Profile(str(name.value), rules_of(node, problems), {})
        for name, node in listed.entries
    }
    if problems:
        raise MappingError(problems)
    return loaded


def _digest(text: bytes) -> bytes | None:
    """The key of a long text; None for one that is too long to be kept."""
    return hashlib.blake2b(text).digest() if len(text) <= _REMEMBERED_BYTES else None
