"""From the model name of a request to the credentials that can serve it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.gateway.credentials import Credential
from engine.gateway.patterns import is_glob, matches

if TYPE_CHECKING:
    from engine.gateway.lanes import Lane

_MAX_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Candidate:
    """A credential and the name under which its upstream knows the model.

    ``lanes``: how it is called, by the client's format and whether a stream is wanted; see
    ``lanes.py``.
    """

    credential: Credential
    model: str
    lanes: dict[tuple[str, bool], Lane] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A name that clients may send, and who serves it."""

    id: str
    credential: Credential
    upstream_model: str


class Router:
    """Which credentials serve a model name, in the order of the configuration.

    With ``force_prefix`` names are taken only as ``prefix/name``; a credential without a prefix has
    its provider's name as one. Otherwise a prefix is optional for models listed by name.
    """

    def __init__(
        self,
        credentials: Sequence[Credential],
        force_prefix: bool = False,
        fallbacks: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.credentials = tuple(credentials)
        self._force_prefix = force_prefix
        self._fallbacks = fallbacks or {}
        self._remembered: dict[str, tuple[Candidate, ...]] = {}

    def candidates(self, model: str) -> tuple[Candidate, ...]:
        """Every credential that serves the name; empty when none does."""
        found = self._remembered.get(model)
        if found is None:
            found = tuple(self._find(model))
            if found:
                if len(self._remembered) >= _MAX_REMEMBERED:
                    self._remembered.clear()
                self._remembered[model] = found
        return found

    def chain(self, model: str) -> list[str]:
        """The model and those that may stand in for it, in turn."""
        return list(dict.fromkeys((model, *self._fallbacks.get(model, ()))))

    def lacks_prefix(self, model: str) -> bool:
        """Whether the name is refused only for want of its prefix."""
        if not self._force_prefix or self.candidates(model):
            return False
        return any(upstream_name(credential, model) for credential in self.credentials)

    def listed(self) -> list[ListedModel]:
        """The names without globs that clients may send, each once, in the file's order."""
        listed: dict[str, ListedModel] = {}
        for credential in self.credentials:
            for entry in credential.models:
                name = entry.alias or entry.id
                upstream = upstream_name(credential, name)
                if is_glob(name) or upstream is None:
                    continue
                name = f"{self._prefix(credential) or ''}{name}"
                listed.setdefault(name, ListedModel(name, credential, upstream))
        return list(listed.values())

    def _prefix(self, credential: Credential) -> str | None:
        if credential.prefix is None and self._force_prefix:
            return f"{credential.provider.name}/"
        return credential.prefix

    def _find(self, model: str) -> Iterator[Candidate]:
        for credential in self.credentials:
            prefix = self._prefix(credential)
            upstream: str | None = None
            if prefix and model.startswith(prefix):
                upstream = upstream_name(credential, model[len(prefix) :])
            elif not self._force_prefix:
                # What stands behind a prefix takes a bare name only when it lists it: a catch-all
                # there must not swallow every name.
                upstream = upstream_name(credential, model, exactly=prefix is not None)
            if upstream:
                yield Candidate(credential, upstream)


def upstream_name(credential: Credential, name: str, exactly: bool = False) -> str | None:
    """The upstream's name for a client's name without prefix, or None when it is not served.

    ``exactly``: only what the credential lists by name, not what its globs or an open list would
    take.
    """
    found = _exact(credential, name)
    if found is None and not exactly:
        found = _open(credential, name)
    if found is None:
        return None
    excluded = any(
        matches(pattern, name) or matches(pattern, found) for pattern in credential.excluded_models
    )
    return None if excluded else found


def _exact(credential: Credential, name: str) -> str | None:
    for entry in credential.models:
        if entry.alias == name:
            return name if is_glob(entry.id) else entry.id
    return name if any(entry.id == name for entry in credential.models) else None


def _open(credential: Credential, name: str) -> str | None:
    if not credential.models:
        return name
    for entry in credential.models:
        if entry.alias is not None and is_glob(entry.alias) and matches(entry.alias, name):
            return name if is_glob(entry.id) else entry.id
        if is_glob(entry.id) and matches(entry.id, name):
            return name
    return None
