"""Whole translations by hand: both halves, and what they are told of each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from benchmarks.handwritten.chat_answer import write_response
from benchmarks.handwritten.chat_request import plan_request, read_request
from benchmarks.handwritten.claude_answer import read_response
from benchmarks.handwritten.claude_request import Requests
from benchmarks.handwritten.common import CHAT, CLAUDE, Body, Losses
from engine.language.schemas import Profiles
from engine.translation.jsontext import dumps


class Translations:
    """From a chat client to Claude, and the answers back.

    ``limits``: those of a model by its name; ``provider``: the facts of the provider's file.
    """

    def __init__(
        self, profiles: Profiles, limits: Callable[[str], Body], provider: Body, now: int
    ) -> None:
        self._requests = Requests(profiles)
        self._limits = limits
        self._provider = provider
        self._now = now

    def ctx(self, body: Body) -> Body:
        """What the halves are told of a translation."""
        model = body.get("model")
        return {
            "model": model,
            "client_model": model,
            "provider": self._provider,
            "vendor": "openai",
            "format": CHAT,
            "client_format": CHAT,
            "upstream_format": CLAUDE,
            "api_version": "2026-10-21",
            "options": {},
            "now": self._now,
            "status": None,
            "headers": {},
        }

    def request(self, body: Body) -> tuple[Body, Body, Losses]:
        """The Claude request, the plan for its answer, what was lost. Raises Refused."""
        plan, ctx = plan_request(body), self.ctx(body)
        canonical, lost = read_request(body, ctx)
        ctx = {**ctx, "vendor": CLAUDE, "format": CLAUDE, "limits": self._limits(ctx["model"])}
        plan |= self._requests.plan(canonical, ctx)
        out, lost_too = self._requests.write(canonical, body, plan, ctx)
        return out, plan, lost + lost_too

    def response(self, answer: Body, body: Body, plan: Body) -> tuple[Body, Losses]:
        """The answer for the chat client that sent ``body``, what was lost. Raises Refused."""
        ctx: Any = _Ctx(self.ctx(body), vendor=CLAUDE, format=CLAUDE)
        canonical, lost = read_response(answer, plan, ctx)
        ctx = _Ctx(ctx, vendor="openai", format=CHAT)
        ctx.body = body
        out, lost_too = write_response(canonical, body, plan, ctx)
        return out, lost + lost_too


class _Ctx(dict[str, Any]):
    """The digest of the request is made when somebody asks for it."""

    body: Any = None

    def __missing__(self, key: str) -> str:
        return hashlib.sha256(dumps(self.body)).hexdigest()[:24]
