"""Requests that real coding agents sent: they are what quick forms are for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from engine.translation import translated
from engine.translation.losses import Loss, told
from engine.translation.runs import Moved
from engine.translation.translated import Half
from tests.support.recordings import ABSENT, FOLDER
from tests.support.translations import clients, translator

FORMATS = {
    "/v1/chat/completions": "openai-chat",
    "/v1/messages": "claude",
    "/v1/responses": "openai-responses",
    "/v1beta/models": "gemini",
}


def _captured() -> list[ParameterSet]:
    """The body and wire format of each request for an answer."""
    found = []
    for path in sorted((FOLDER / "cli").glob("*.json")):
        request = json.loads(path.read_text())
        where = request["path"].partition(":")[0]
        where = "/v1beta/models" if where.startswith("/v1beta/models/") else where
        if where in FORMATS and request.get("body"):
            found.append(pytest.param(request["body"], FORMATS[where], id=path.stem))
    absent = pytest.param(None, None, marks=pytest.mark.skip(reason=ABSENT), id="absent")
    return found or [absent]


@pytest.mark.parametrize(("body", "source"), _captured())
def test_an_agents_request_goes_to_every_other_format_in_the_quick_form(
    body: dict[str, Any], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # with nothing to end it, a quick form that does not fit fails
    monkeypatch.setattr("engine.language.sections.ENDS", ())
    for target in set(clients()) - {source}:
        made = translator().request(body, source, target)
        assert made.body


@pytest.mark.parametrize(("body", "source"), _captured())
def test_what_an_agents_request_loses_is_told_as_a_traced_run_tells_it(
    body: dict[str, Any], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = translated.losses

    def both(read: Half, write: Half | None, side: str, moved: Moved | None = None) -> list[Loss]:
        found = find(read, write, side, moved)
        assert found == told(read.trace(), write.trace().side if write else None, side, moved)
        return found

    monkeypatch.setattr(translated, "losses", both)
    for target in set(clients()) - {source}:
        made = translator().request(body, source, target)
        assert all(loss.side == "request" for loss in made.losses)
