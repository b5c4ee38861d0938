"""Ways: what is made once for a format and a model belongs to no request."""

from typing import Any

import pytest

from engine.translation import planning as module
from engine.translation.translator import Translator
from tests.support.translations import translator


def _body(model: str = "m", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}


def test_what_a_gateway_changes_of_a_request_is_not_in_the_next_one() -> None:
    first = translator().request(_body(), "openai-chat", provider="claude")
    first.headers["x-more"] = "1"
    first.plan.data["names"] = {"a": "b"}
    first.plan.vendor = "another"
    second = translator().request(_body(), "openai-chat", provider="claude")
    assert "x-more" not in second.headers and second.headers
    assert second.plan.data == {} and second.plan.vendor == "claude"


def test_a_stream_has_its_own_path() -> None:
    whole, streamed = (
        translator().request(_body("gemini-3-pro"), "openai-chat", provider="gemini", stream=each)
        for each in (False, True)
    )
    assert whole.path.endswith("gemini-3-pro:generateContent")
    assert "gemini-3-pro:streamGenerateContent" in streamed.path


def test_models_have_their_own_limits_and_names() -> None:
    asked = {"max_tokens": 1_000_000}
    small, large = (
        translator().request(_body("mine", **asked), "openai-chat", provider="claude", model=each)
        for each in ("claude-3-haiku-20240307", "claude-sonnet-5-5")
    )
    assert small.body["max_tokens"] < large.body["max_tokens"]
    assert [each.plan.client_model for each in (small, large)] == ["mine", "mine"]


def test_options_and_time_are_those_of_the_request() -> None:
    moments = iter((1.5, 2.5))
    by = Translator(translator().formats, translator().providers, {}, now=lambda: next(moments))
    first = by.request(_body(), "openai-chat", provider="claude", options={"auto-cache": True})
    second = by.request(_body(), "openai-chat", provider="claude")
    assert "cache_control" in first.body and "cache_control" not in second.body
    assert (first.plan.now, second.plan.now) == (1, 2)


def test_names_from_clients_take_no_more_than_so_much_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_WAYS", 4)
    by = Translator(translator().formats, translator().providers, {})
    for number in range(20):
        by.request(_body(f"model-{number}"), "openai-chat", provider="claude")
        assert len(by.planner._ways) <= 4
