"""docs/add-a-provider.md, done as it is written, with the provider on this machine."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import upstream
from tests.support.gateway import ROOT, serving_file
from tests.support.upstream import Upstream, document

DOCUMENT = (ROOT / "docs" / "add-a-provider.md").read_text(encoding="utf-8")
SERVED = "http://127.0.0.1:8317"


@pytest.fixture
def acme() -> Iterator[Upstream]:
    with upstream.running() as server:
        yield server


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.S)


def _files() -> Iterator[tuple[str, str]]:
    """The files in the order in which they are written: name and text."""
    for block in _blocks("yaml"):
        name = block.splitlines()[0].removeprefix("# ")
        yield name, block


def _shell(line: str, folder: Path, environment: dict[str, str], url: str = SERVED) -> str:
    command = line.replace("ai-proxy ", f"{sys.executable} -m engine ").replace(SERVED, url)
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_works_as_it_is_written(tmp_path: Path, acme: Upstream) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "ACME_API_KEY": "acme-key",
        "ACME_URL": f"{acme.url}/v1",
    }
    check_and_serve, first_call, show, second_call = _blocks("sh")
    first_body, second_body = (json.loads(block) for block in _blocks("json"))
    (tmp_path / "providers").mkdir()
    (config, text), (file, first), (_, second) = _files()
    (tmp_path / config).write_text(text)
    (tmp_path / file).write_text(first)
    check = check_and_serve.splitlines()[0]
    assert ", 0 findings" in _shell(check, tmp_path, environment)

    with serving_file(tmp_path / config, tmp_path, environment) as gateway:
        acme.answers(document({"error": {"message": "unknown field: seed"}}, 400))
        told = json.loads(_shell(first_call, tmp_path, environment, gateway.url))
        assert "unknown field: seed" in told["error"]["message"]
        assert acme.received[0].document == first_body
        assert acme.received[0].headers["authorization"] == "Bearer acme-key"

    (tmp_path / file).write_text(second)
    shown = _shell(show, tmp_path, environment)
    assert re.search(r'limits.efforts: \["low", "high"\] +# .*providers/acme.yaml:\d+:', shown)
    with serving_file(tmp_path / config, tmp_path, environment) as gateway:
        acme.answers(document(_answer()))
        _shell(first_call, tmp_path, environment, gateway.url)
        assert "seed" not in acme.received[0].document
        line = second_call.replace("curl -s", "curl -s -i")
        head, _, body = _shell(line, tmp_path, environment, gateway.url).partition("\n\n")
        assert acme.received[1].document == second_body
        assert "x-ai-proxy-losses: 1; thinking.budget_tokens" in head
        kinds = [part["type"] for part in json.loads(body)["content"]]
        assert kinds == ["thinking", "text"]


def _answer() -> dict[str, Any]:
    message = {"role": "assistant", "reasoning_content": "Hm.", "content": "Hello"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "acme-think-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
