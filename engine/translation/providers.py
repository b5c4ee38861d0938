"""Providers: who is asked, in which wire format, with what facts.

Mappings see the quirks of a provider, those of the model's rows over its own, as ``ctx.provider``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelRow:
    """What holds for the models whose names match a glob."""

    match: str
    quirks: dict[str, Any]
    limits: dict[str, Any]
    streaming: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. ``auth`` None: the wire format's own way; ``base_url`` None: nothing to call
    (demo). Addresses may hold ``{region}``. ``signs`` None: as its wire format does.

    ``facts``: what mappings see as ``ctx.provider``, without the rows of models. ``sources``: the
    place of every fact, by its key (``quirks.strict``, ``models[0]``). ``changed``: an operator
    says quirks or limits of it.
    """

    name: str
    format: str
    wires: tuple[str, ...]
    base_url: str | None = None
    base_urls: dict[str, str] = field(default_factory=dict)
    path: str | None = None
    key_env: str | None = None
    auth: dict[str, str] | None = None
    signing: dict[str, str] | None = None
    region: str | None = None
    api_version: str | None = None
    vendor: str = ""
    signs: bool | None = None
    headers: dict[str, str] = field(default_factory=dict)
    quirks: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    models: tuple[ModelRow, ...] = ()
    streaming: str = "both"
    demo: bool = False
    document: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    changed: bool = False
    facts: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        facts = {"name": self.name, "demo": self.demo, **self.quirks}
        object.__setattr__(self, "facts", facts)

    def rows(self, model: str | None) -> list[ModelRow]:
        """The rows for a model, the strongest first."""
        name = (model or "").lower()
        return [row for row in self.models if fnmatchcase(name, row.match)]

    def facts_for(self, model: str | None) -> dict[str, Any]:
        """``ctx.provider`` of a call for this model."""
        if not self.models:
            return self.facts
        facts = dict(self.facts)
        for row in reversed(self.rows(model)):
            facts.update(row.quirks)
        return facts

    def streams(self, model: str | None, wanted: bool) -> bool:
        """Whether a call for this model is streamed, when the client wants that or not."""
        said = (row.streaming for row in self.rows(model) if row.streaming is not None)
        return {"only": True, "none": False}.get(next(said, self.streaming), wanted)

    def limits_for(self, model: str | None) -> dict[str, Any]:
        """What lies over the format's limits of this model."""
        limits = dict(self.limits)
        for row in reversed(self.rows(model)):
            limits.update(row.limits)
        return limits
