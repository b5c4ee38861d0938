"""What a request decided and its answer needs.

A plan is a pure function of the client's body and of who is asked, so a stream or an answer can be
translated from the body alone. Mappings see ``plan.data`` as ``plan``, the body as ``client``, the
rest through ``ctx``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from engine.language.runtime import Refusal
from engine.language.sections import Section, Served
from engine.translation.formats import Format
from engine.translation.held import Held
from engine.translation.jsontext import dumps
from engine.translation.providers import Provider


class Ctx(dict[str, Any]):
    """``ctx`` of one translation; the digest of the request is made when a rule first asks for
    it."""

    __slots__ = ("asked",)
    asked: Held

    def __missing__(self, key: str) -> Any:
        if key != "request_digest":
            raise KeyError(key)
        value = hashlib.sha256(dumps(self.asked.get())).hexdigest()[:24]
        self[key] = value
        return value


@dataclass(slots=True)
class Plan:
    """The decisions of one request, made once. ``model`` is the upstream's name, ``client_model``
    the client's; ``vendor`` is whose signatures the upstream makes, ``signs`` whether it makes any
    that it wants back; ``scope`` tells the account from others there, where accounts are told
    apart; ``asked`` is the client's request and ``read`` the canonical one, both let go of while
    the upstream works."""

    source: str
    target: str
    provider: Provider | None
    model: str | None
    client_model: str | None
    stream: bool
    api_version: str | None
    asked: Held
    options: dict[str, Any]
    now: int
    vendor: str = ""
    signs: bool = False
    scope: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    read: Held = field(default_factory=lambda: Held({}), repr=False, compare=False)
    _facts: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def body(self) -> dict[str, Any]:
        """The client's request."""
        return self.asked.get()

    @property
    def canonical(self) -> dict[str, Any]:
        """The request as it was read."""
        return self.read.get()

    def client(self, half: Served) -> dict[str, Any]:
        """As much of the client's request as a half of the answer reads."""
        asked = self.asked
        return asked.of(half.asks("client")) if asked.value is None else asked.value

    def ctx(self, side: Format, vendor: str) -> Ctx:
        """The ``ctx`` of a section that reads or writes the format ``side`` with this vendor's
        signatures."""
        ctx = Ctx(self._facts or self._known())
        ctx["vendor"], ctx["format"] = vendor, side.name
        ctx.asked = self.asked
        return ctx

    def _known(self) -> dict[str, Any]:
        """What ``ctx`` says for both sides."""
        given = (self.model, self.client_model, self.provider, self.api_version)
        self._facts = {
            **facts(*given, self.source, self.target),
            "stream": self.stream,
            "options": self.options,
            "now": self.now,
        }
        return self._facts


def facts(
    model: str | None,
    client_model: str | None,
    provider: Provider | None,
    api_version: str | None,
    source: str,
    target: str,
) -> dict[str, Any]:
    """What ``ctx`` says of all requests from one format to a model behind another one; the rest of
    its keys are there."""
    return {
        "model": model,
        "client_model": client_model,
        "stream": False,
        "provider": provider.facts_for(model) if provider else {},
        "vendor": "",
        "format": "",
        "api_version": api_version,
        "limits": {},
        "now": 0,
        "options": {},
        "status": None,
        "headers": {},
        "client_format": source,
        "upstream_format": target,
    }


def decide(plan: Plan, section: Section | None, document: Any, ctx: Ctx) -> None:
    """Add to the plan what its half in a mapping finds in a request, the client's own or the
    canonical one."""
    if section is None or type(document) is not dict:
        return
    try:
        found, _ = section.run(document, plan.asked.get(), plan.data, ctx)
    except Refusal:
        # the request itself says what is wrong with it; a plan is best effort
        return
    if not found or not isinstance(found, dict):
        return
    plan.data.update(found)
    names = found.get("names")
    if isinstance(names, dict):
        plan.data["names_back"] = {alias: name for name, alias in names.items()}
