"""The README's first commands do what it says."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import Gateway, serving_file

ROOT = Path(__file__).parents[2]
DEFAULT = "127.0.0.1:8317"


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of a language."""
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_two_commands_are_make_targets() -> None:
    shell = "\n".join(blocks("sh"))
    makefile = (ROOT / "Makefile").read_text()
    shown = set(re.findall(r"^make ([a-z]+)", shell, re.MULTILINE))
    assert {"run", "test"} <= shown
    assert shown <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """What `make run` serves, on a free port, with no key in its environment."""
    keyless = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    folder = tmp_path_factory.mktemp("example")
    with serving_file(ROOT / "config.example.yaml", folder, keyless) as gateway:
        yield gateway


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_curl_line_gets_a_streamed_answer_without_any_key(example: Gateway) -> None:
    (line,) = [block for block in blocks("sh") if block.startswith("curl ") and DEFAULT in block]
    command = line.replace(DEFAULT, example.url.removeprefix("http://"))
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    events = [json.loads(data) for data in re.findall(r"^data: (\{.*)$", done.stdout, re.MULTILINE)]
    assert len(events) > 3, done.stdout
    assert not [event for event in events if "error" in event]


def test_the_sdk_lines_get_an_answer(example: Gateway) -> None:
    lines = [block for block in blocks("python") if DEFAULT in block]
    assert len(lines) == 2
    for line in lines:
        names: dict[str, Any] = {}
        exec(line.replace(DEFAULT, example.url.removeprefix("http://")), names)
        with names["client"]:
            assert "Hello" in names["answer"].to_json()


def test_the_translate_line_shows_the_request_and_its_loss() -> None:
    (line,) = [block for block in blocks("sh") if "ai-proxy translate" in block]
    command = line.replace("ai-proxy", f"{sys.executable} -m engine")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["messages"][0]["role"] == "user"
    assert re.search(r"^seed: .*mappings/\S+:\d+:\d+", done.stderr, re.MULTILINE), done.stderr
