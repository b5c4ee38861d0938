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

from tests.support.gateway import ROOT, serving_file
from tests.support.upstream import Answer, Received, Upstream, document, running
from tests.support.vendor import vendor

DOCUMENT = (ROOT / "docs" / "add-a-provider.md").read_text(encoding="utf-8")
SERVED = "http://127.0.0.1:8317"
ADDRESS = "https://api.acme.example"
KEY = "acme-key"


def _acme(request: Received) -> Answer:
    """A good server of the chat format, but for what the document says of it."""
    asked = request.document if request.body else {}
    if "seed" in asked:
        return document({"error": {"message": "unknown field: seed"}}, 400)
    if "image_url" in json.dumps(asked):
        return document({"error": {"message": "images: unknown content"}}, 400)
    if asked.get("reasoning_effort"):
        return document(_thoughtful())
    return _PLAIN(request)


_PLAIN = vendor("openai-chat", key=KEY, models=("acme-1", "acme-think-1"))


def _thoughtful() -> dict[str, Any]:
    message = {"role": "assistant", "reasoning_content": "Hm.", "content": "Hello"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "acme-think-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


@pytest.fixture
def acme() -> Iterator[Upstream]:
    with running(_acme) as server:
        yield server


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.S)


class Reader:
    """A person in an empty folder who does what the document says."""

    def __init__(self, folder: Path, acme: Upstream) -> None:
        self.folder = folder
        self._acme = acme
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "ACME_API_KEY": KEY}

    def here(self, text: str) -> str:
        """A text of the document with Acme on this machine."""
        return text.replace(ADDRESS, self._acme.url)

    def write(self, block: str) -> None:
        """The file that a block is."""
        name, _, text = block.partition("\n")
        (self.folder / name.removeprefix("# ")).write_text(self.here(text))

    def append(self, block: str) -> None:
        """What a block adds to the file that it names."""
        name, _, text = block.partition("\n")
        with (self.folder / name.removeprefix("# ")).open("a") as file:
            file.write(text)

    def run(self, line: str, url: str = SERVED, status: int = 0) -> str:
        """What a line of the shell says."""
        command = self.here(line).replace("ai-proxy ", f"{sys.executable} -m engine ")
        done = subprocess.run(
            ["bash", "-c", command.replace(SERVED, url)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout


def _checks(table: str) -> dict[str, tuple[str, str]]:
    """The rows of a table of checks, but for the time: the outcome and what it was."""
    rows = re.findall(r"^(\S.*?) {2,}(ok|failed|not offered) +\d+(?: {2}(.*))?$", table, re.M)
    return {name: (outcome, detail) for name, outcome, detail in rows}


def test_the_example_works_as_it_is_written(tmp_path: Path, acme: Upstream) -> None:
    reader = Reader(tmp_path, acme)
    new, test, check_and_serve, first_call, test_again, show, second_call = _blocks("sh")
    written, config, file, case = _blocks("yaml")
    first_body, second_body = (json.loads(block) for block in _blocks("json"))

    reader.run(new.splitlines()[1])
    name, _, text = written.partition("\n")
    assert (tmp_path / name.removeprefix("# ")).read_text() == reader.here(text)
    assert all(
        request.headers["authorization"] == f"Bearer {KEY}" for request in acme.received[-2:]
    )

    (table,) = _blocks("text")
    told = reader.run(test, status=1)
    assert _checks(told) == _checks(table)
    assert told.splitlines()[0] == table.splitlines()[0]

    reader.write(config)
    assert ", 0 findings" in reader.run(check_and_serve.splitlines()[0])
    with serving_file(tmp_path / "config.yaml", tmp_path, reader.environment) as gateway:
        answer = json.loads(reader.run(first_call, gateway.url))
        assert "unknown field: seed" in answer["error"]["message"]
        assert acme.received[-1].document == first_body

    reader.write(file)
    reader.append(case)
    told = reader.run(test_again)
    assert told.startswith("acme: 9 cases, 0 wrong")
    assert _checks(told)["image"][0] == "not offered"
    assert {outcome for outcome, _ in _checks(told).values()} == {"ok", "not offered"}
    shown = reader.run(show)
    assert re.search(r'limits.efforts: \["low", "high"\] +# .*providers/acme.yaml:\d+:', shown)
    with serving_file(tmp_path / "config.yaml", tmp_path, reader.environment) as gateway:
        reader.run(first_call, gateway.url)
        assert "seed" not in acme.received[-1].document
        line = second_call.replace("curl -s", "curl -s -i")
        head, _, body = reader.run(line, gateway.url).partition("\n\n")
        assert acme.received[-1].document == second_body
        assert "x-ai-proxy-losses: 1; thinking.budget_tokens" in head
        kinds = [part["type"] for part in json.loads(body)["content"]]
        assert kinds == ["thinking", "text"]
