"""Losses that are told without tracing are those that a traced run tells."""

from __future__ import annotations

from typing import Any

import pytest

from engine.translation import translated
from engine.translation.losses import Loss, told
from engine.translation.runs import Moved, Run
from engine.translation.translated import Half
from tests.support.translations import OwnCase, own_cases, rendered, targets, translator

CASES = [case for kind in ("request", "response") for case in own_cases(kind)]

# What many clients send and few models take, with the path at which it is lost.
COMMON = {
    "temperature": (0.7, "temperature"),
    "seed": (7, "seed"),
    "frequency_penalty": (0.5, "frequency_penalty"),
    "logit_bias": ({"1": 1}, "logit_bias"),
    "max_completion_tokens": (10_000_000, "max_completion_tokens"),
    "max_tokens": (10_000_000, "max_tokens"),
    "what_nobody_knows": ([1], "what_nobody_knows"),
    "what nobody knows": ({"a": 1}, '["what nobody knows"]'),
    "stream_options": ({"more": 1}, "stream_options.more"),
}


@pytest.mark.parametrize("case", CASES, ids=[f"{c.kind}-{c.format}-{c.name}" for c in CASES])
def test_losses_told_at_once_are_those_of_a_traced_run(
    case: OwnCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = translated.losses

    def both(read: Half, write: Half | None, side: str, moved: Moved | None = None) -> list[Loss]:
        found = find(read, write, side, moved)
        if found:
            assert found == told(read.trace(), write.trace().side if write else None, side, moved)
        return found

    monkeypatch.setattr(translated, "losses", both)
    for target in targets(case.kind):
        rendered(case, target, translator())


def test_what_is_lost_of_turns_is_told_without_tracing_the_write_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = {"type": "ephemeral"}
    body = {
        "model": "m",
        "max_tokens": 10,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "x", "signature": "s"},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "content": "y",
                        "cache_control": mark,
                    }
                ],
            },
        ],
    }
    made = translator().request(body, "claude", provider="openai", model="gpt-5.6")
    written = made._write.section
    trace = Half.trace

    def only_reading(half: Half) -> Run:
        assert half.section is not written
        return trace(half)

    monkeypatch.setattr(Half, "trace", only_reading)
    assert [loss.path for loss in made.losses] == [
        "messages[1].content[0]",
        "messages[2].content[0].cache_control",
    ]


@pytest.mark.parametrize("key", COMMON)
def test_common_losses_need_no_traced_run(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def traced(*_: Any) -> None:
        raise AssertionError("traced")

    monkeypatch.setattr(Half, "trace", traced)
    value, path = COMMON[key]
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        key: value,
    }
    made = translator().request(body, "openai-chat", provider="claude", model="claude-opus-5-5")
    assert [loss.path for loss in made.losses] == [path]
