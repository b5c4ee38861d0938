"""docs/add-a-wire-format.md, done as it is written, with the service on this machine."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.translation.framings import FRAMINGS
from engine.translation.mapping_files import FACTS
from tests.support import upstream
from tests.support.gateway import ROOT, serving_file
from tests.support.upstream import Answer, Upstream, document

DOCUMENT = (ROOT / "docs" / "add-a-wire-format.md").read_text(encoding="utf-8")
SERVED = "http://127.0.0.1:8317"


@pytest.fixture
def acme() -> Iterator[Upstream]:
    with upstream.running() as server:
        yield server


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.S)


def _shell(line: str, folder: Path, environment: dict[str, str], url: str = SERVED) -> str:
    command = line.replace("ai-proxy ", f"{sys.executable} -m engine ").replace(SERVED, url)
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _written(folder: Path) -> None:
    for block in _blocks("yaml"):
        file = folder / block.splitlines()[0].removeprefix("# ")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block)


def test_the_example_works_as_it_is_written(tmp_path: Path, acme: Upstream) -> None:
    _written(tmp_path)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ACME_API_KEY": "acme-key",
        "ACME_URL": acme.url,
    }
    check_and_serve, whole, streamed = _blocks("sh")
    asked, answer = (json.loads(block) for block in _blocks("json"))
    (lines,) = _blocks("ndjson")
    assert ", 0 findings" in _shell(check_and_serve.splitlines()[0], tmp_path, environment)

    with serving_file(tmp_path / "config.yaml", tmp_path, environment) as gateway:
        acme.answers(document(answer))
        line = whole.replace("curl -s", "curl -s -i")
        head, _, body = _shell(line, tmp_path, environment, gateway.url).partition("\n\n")
        (sent,) = acme.received
        assert (sent.path, sent.headers["x-acme-key"]) == ("/talk", "acme-key")
        assert sent.document == asked
        assert "x-ai-proxy-losses: 1; temperature" in head
        (choice,) = json.loads(body)["choices"]
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["tool_calls"][0]["function"]["name"] == "weather"

        acme.answers(Answer(lines.encode(), 200, {"content-type": "application/x-ndjson"}, 7))
        events = _events(_shell(streamed, tmp_path, environment, gateway.url))
        assert acme.received[0].document["live"] is True
        deltas = [event["delta"]["text"] for event in events if event["type"].endswith("_delta")]
        assert deltas[:2] == ["Hello", " there."]
        assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")

        acme.answers(document({"oops": "all lines are engaged", "sort": "busy"}, 503))
        told = json.loads(_shell(whole, tmp_path, environment, gateway.url))
        assert told["error"]["message"] == "all lines are engaged"


def _events(text: str) -> list[dict[str, Any]]:
    found = [json.loads(data) for data in re.findall(r"^data: (.+)$", text, re.M)]
    for event in found:
        event.setdefault("delta", {}).setdefault("text", None)
    return found


def test_a_case_that_does_not_hold_is_a_finding(tmp_path: Path) -> None:
    _written(tmp_path)
    case = tmp_path / "mappings" / "acme" / "error.test.yaml"
    case.write_text(case.read_text().replace("kind: overloaded", "kind: quota"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with pytest.raises(AssertionError, match=r"error\.test\.yaml.*gives something else"):
        _shell(_blocks("sh")[0].splitlines()[0], tmp_path, environment)


def test_every_key_of_a_format_is_in_the_guide() -> None:
    tables = "".join(line for line in DOCUMENT.splitlines(True) if line.startswith("| `"))
    assert {key for key in FACTS if f"`{key}`" not in tables} == set()
    inner = {key for rule in FACTS.values() for key in _inner(rule)}
    assert {key for key in inner if f"`{key}" not in DOCUMENT} == set()
    assert {kind for kind in FRAMINGS if f"| `{kind}` |" not in tables} == set()


def _inner(rule: dict[str, Any]) -> set[str]:
    schema = rule.get("schema", {})
    schema = schema.get("schema", schema) if rule.get("type") == "list" else schema
    return {key for key, value in schema.items() if isinstance(value, dict)}
