"""The shipped error classes say what follows from each kind of failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.gateway.failures import Classes, Failure, Verdict, shipped
from engine.translation.faults import ErrorAnswer

CLASSES = shipped()


def failure(cause: str, kind: str, status: int, text: str = "") -> Failure:
    answer = ErrorAnswer(status, {}, {}, kind, None, {"kind": kind, "message": text})
    return Failure(cause, kind, text, status, None, answer)


@pytest.mark.parametrize("kind", ["invalid", "context", "not-found", "too-large", "unprocessable"])
def test_trap_11_a_clients_mistake_is_not_tried_elsewhere(kind: str) -> None:
    assert CLASSES.verdict(failure("answer", kind, 400), "p") == Verdict("stop")


@pytest.mark.parametrize("kind", ["auth", "billing", "forbidden"])
def test_trap_12_a_refused_key_rests_and_is_hidden_from_the_client(kind: str) -> None:
    found = CLASSES.verdict(failure("answer", kind, 401), "p")
    assert found == Verdict("cool", "auth", "credential", hide=True)


@pytest.mark.parametrize(
    "text",
    [
        "Your credit balance is too low to access the API.",
        '{"error": {"code": "insufficient_quota"}}',
        "This organization has reached its spend limit",
    ],
)
def test_an_empty_account_told_as_a_bad_request_rests_too(text: str) -> None:
    found = CLASSES.verdict(failure("answer", "invalid", 400, text), "p")
    assert found == Verdict("cool", "auth", "credential", hide=True)


def test_a_call_that_the_model_wrote_wrongly_is_asked_for_once_more() -> None:
    wrong = failure("answer", "invalid", 400, '{"error": {"code": "tool_use_failed"}}')
    assert CLASSES.verdict(wrong, "groq").do == "again"
    assert CLASSES.verdict(wrong, "groq", repeated=True).do == "stop"
    assert CLASSES.verdict(wrong, "openai").do == "stop"


def test_a_rate_limit_rests_the_model_only() -> None:
    found = CLASSES.verdict(failure("answer", "rate-limit", 429), "p")
    assert found == Verdict("cool", "429", "model")


@pytest.mark.parametrize("kind", ["internal", "overloaded", "upstream", "upstream-timeout"])
def test_a_server_error_rests_the_model_only(kind: str) -> None:
    found = CLASSES.verdict(failure("answer", kind, 503), "p")
    assert found == Verdict("cool", "5xx", "model")


@pytest.mark.parametrize("cause", ["connect", "timeout", "garbage"])
def test_a_broken_connection_rests_the_credential(cause: str) -> None:
    found = CLASSES.verdict(failure(cause, "upstream", 502), "p")
    assert found == Verdict("cool", "network", "credential")


def test_a_connection_closed_under_the_request_is_tried_again_once() -> None:
    closed = failure("closed", "upstream", 502)
    assert CLASSES.verdict(closed, "p").do == "again"
    assert CLASSES.verdict(closed, "p", repeated=True) == Verdict("cool", "network", "credential")


def test_what_no_rule_knows_is_tried_elsewhere() -> None:
    assert CLASSES.verdict(failure("answer", "never-heard-of", 418), "p").do == "next"


def test_a_rule_can_be_for_one_provider(tmp_path: Path) -> None:
    file = tmp_path / "classes.yaml"
    file.write_text("- { match: { provider: p, status: 418 }, do: stop }\n")
    classes = Classes.load(file)
    assert classes.verdict(failure("answer", "x", 418), "p").do == "stop"
    assert classes.verdict(failure("answer", "x", 418), "q").do == "next"


@pytest.mark.parametrize(
    "text",
    [
        "rules: []",
        "- { do: stop }",
        "- { match: {}, do: run }",
        "- { match: { text: '(' }, do: stop }",
    ],
)
def test_a_file_that_does_not_hold_is_refused_with_its_place(text: str, tmp_path: Path) -> None:
    file = tmp_path / "classes.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Classes.load(file)
    assert caught.value.problems[0].startswith("classes.yaml:1:")
