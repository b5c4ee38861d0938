"""`ai-proxy translate` and `ai-proxy check`, in process and as processes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.cli import main
from tests.support.translations import CASES

CHAT = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi ☃"}],
    "max_completion_tokens": 100,
    "seed": 7,
}
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "pause_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
REQUEST = ("--from", "openai-chat", "--to", "claude")
BACK = ("--from", "claude", "--to", "openai-chat")


pytestmark = pytest.mark.usefixtures("loaded_once")


def _run(*arguments: str, given: Any = None) -> Result:
    text = given if isinstance(given, str | bytes | None) else json.dumps(given)
    return CliRunner().invoke(main, ["translate", *arguments], input=text, catch_exceptions=False)


def test_a_request_comes_out_as_json() -> None:
    result = _run(*REQUEST, given=CHAT)
    assert result.exit_code == 0
    body = json.loads(result.stdout)
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi ☃"}]}]
    assert body["max_tokens"] == 100
    assert result.stderr == ""


def test_losses_go_to_the_error_output() -> None:
    result = _run(*REQUEST, "--losses", given=CHAT)
    assert "seed" not in json.loads(result.stdout)
    assert result.stderr.startswith("seed: ")
    assert "(dropped, mappings/claude/request.yaml:" in result.stderr


def test_the_model_of_the_upstream_can_be_named() -> None:
    assert json.loads(_run(*REQUEST, "--model", "up", given=CHAT).stdout)["model"] == "up"


def test_a_provider_brings_its_own_ways() -> None:
    user = {"role": "user", "content": "Hi"}
    plain = {**CHAT, "messages": [{"role": "developer", "content": "Be brief."}, user]}
    to = ("--from", "openai-chat", "--to", "openai-chat", "--provider", "openai-compatible")
    body = json.loads(_run(*to, given=plain).stdout)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["max_tokens"] == 100


def test_explain_tells_where_each_field_came_from() -> None:
    result = _run(*REQUEST, "--explain", given=CHAT)
    rows = {row["out"]: row for row in (json.loads(line) for line in result.stdout.splitlines())}
    assert rows["max_tokens"]["in"] == ["max_completion_tokens"]
    assert rows["messages[0].content[0].text"]["in"] == ["messages[0].content"]
    assert rows["max_tokens"]["rule"].startswith("mappings/claude/request.yaml:")


def test_everything_comes_as_one_object_on_demand() -> None:
    shown = json.loads(_run(*REQUEST, "--json", "--explain", given=CHAT).stdout)
    assert set(shown) == {"path", "headers", "body", "losses", "explain"}
    assert shown["path"] == "/v1/messages"
    assert shown["headers"] == {"anthropic-version": "2026-10-21"}
    assert [loss["path"] for loss in shown["losses"]] == ["seed"]
    assert set(shown["losses"][0]) == {"path", "reason", "rule", "kind", "side"}


def test_an_answer_is_translated_for_the_request_it_belongs_to(tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps(CHAT))
    result = _run("--kind", "response", *BACK, "--losses", "--request", str(request), given=ANSWER)
    body = json.loads(result.stdout)
    assert body["model"] == "m"
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert result.stderr.startswith("stop_reason: ")


def test_a_stream_comes_out_as_bytes() -> None:
    events = (CASES / "stream" / "claude" / "text.sse").read_bytes()
    result = _run("--kind", "stream", *BACK, given=events)
    assert result.exit_code == 0
    assert result.stdout_bytes.startswith(b'data: {"id":"chatcmpl-')
    assert result.stdout_bytes.endswith(b"data: [DONE]\n\n")


def test_an_error_comes_out_in_the_other_envelope() -> None:
    result = _run("--kind", "error", "--status", "404", *REQUEST, given="<html>no</html>")
    assert json.loads(result.stdout)["error"] == {
        "type": "not_found_error",
        "message": "<html>no</html>",
    }


def test_an_error_on_demand_with_its_status_and_headers() -> None:
    body = {"error": {"type": "overloaded_error", "message": "Busy"}}
    result = _run("--kind", "error", "--status", "529", *BACK, "--json", given=body)
    shown = json.loads(result.stdout)
    assert shown["status"] in (503, 529)
    assert shown["body"]["error"]["message"] == "Busy"
    assert set(shown) == {"status", "headers", "body", "losses"}


def test_a_refusal_on_demand_says_what_where_and_by_which_rule() -> None:
    result = _run(*REQUEST, "--json", given={**CHAT, "n": 2})
    assert result.exit_code == 1
    refused = json.loads(result.stdout)["refused"]
    assert (refused["path"], refused["status"]) == ("n", 400)
    assert refused["reason"] and refused["rule"].startswith("mappings/claude/request.yaml:")


def test_a_stream_that_ends_in_an_error_says_so_on_demand() -> None:
    events = (CASES / "stream" / "claude" / "text.sse").read_bytes()[:500]
    shown = json.loads(_run("--kind", "stream", *BACK, "--json", given=events).stdout)
    assert shown["error"]["kind"] == "upstream"
    assert shown["body"].startswith("data: ")


def test_a_file_is_read_in_place_of_the_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text(json.dumps(CHAT))
    assert json.loads(_run(*REQUEST, str(file)).stdout)["max_tokens"] == 100


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"model": "m", "messages": "x"}, "refused: messages: must be a list"),
        ({"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 2}, "refused: n: "),
        ([], "refused: the body must be a JSON object"),
    ],
)
def test_a_refusal_names_the_field(body: Any, told: str) -> None:
    result = _run(*REQUEST, given=body)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(told)


@pytest.mark.parametrize(
    ("arguments", "given", "told"),
    [
        (REQUEST, "{", "line 1 column 2: "),
        (("--from", "claude", "--to", "claud"), CHAT, "format claud, did you mean claude?"),
        ((*REQUEST, "--provider", "opnai"), CHAT, "unknown provider opnai, did you mean openai?"),
        (("--from", "openai-chat"), CHAT, "Missing option '--to'"),
        ((*REQUEST, "--kind", "reqest"), CHAT, "'reqest' is not one of"),
    ],
)
def test_what_was_asked_wrongly_is_a_usage_error(
    arguments: tuple[str, ...], given: Any, told: str
) -> None:
    result = _run(*arguments, given=given)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_check_counts_the_cases_and_finds_nothing() -> None:
    result = CliRunner().invoke(main, ["check", "--json"], catch_exceptions=False)
    found = json.loads(result.stdout)
    assert (result.exit_code, found["findings"]) == (0, [])
    assert found["cases"] > 100


def test_it_is_a_program_for_pipes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine", "translate", *REQUEST],
        input=json.dumps(CHAT),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["max_tokens"] == 100


def test_it_fails_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine", "translate", *REQUEST],
        input="{",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
