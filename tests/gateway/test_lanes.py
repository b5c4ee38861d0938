"""What is found out once for a sort of calls is right for each of them, and for no other."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.gateway.harness import (
    CHAT,
    CLAUDE,
    chat_request,
    claude_request,
    credential,
    serving,
)

SPOKEN, OLDER = "2026-10-21", "2023-06-01"


def told(*asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The upstream requests of dry runs, one after the other at one gateway."""

    async def main() -> list[dict[str, Any]]:
        rows = [credential("claude", "http://127.0.0.1:9", "one")]
        async with serving({"credentials": rows}) as gw:
            answers = [await gw.http.post("/admin/translate", json=each) for each in asked]
        return [answer.json()["request"] for answer in answers]

    return asyncio.run(main())


def claude(headers: dict[str, str] | None = None, stream: bool = False) -> dict[str, Any]:
    return {"path": CLAUDE, "request": claude_request(stream=stream), "headers": headers or {}}


def test_bytes_pass_only_where_a_client_asks_for_the_version_that_is_spoken() -> None:
    versions: list[dict[str, str]] = [{}]
    versions += [{"anthropic-version": version} for version in (SPOKEN, OLDER, SPOKEN)]
    requests = told(*map(claude, versions))
    assert [each["same"] for each in requests] == [True, True, False, True]
    assert {each["headers"]["anthropic-version"] for each in requests} == {SPOKEN}


def test_streams_and_whole_answers_and_other_formats_are_asked_for_each_in_its_way() -> None:
    asked = [claude(), claude(stream=True), {"path": CHAT, "request": chat_request()}]
    requests = told(*asked, *reversed(asked))
    seen = [(each["same"], each["stream"], each["headers"]["accept"]) for each in requests]
    whole, streamed = (True, False, "application/json"), (True, True, "text/event-stream")
    translated = (False, False, "application/json")
    assert seen == [whole, streamed, translated, translated, streamed, whole]


def test_features_that_one_client_asks_for_are_not_those_of_the_next() -> None:
    first, second = told(claude({"anthropic-beta": "one-2026"}), claude())
    assert first["headers"]["anthropic-beta"] == "one-2026"
    assert "anthropic-beta" not in second["headers"]
