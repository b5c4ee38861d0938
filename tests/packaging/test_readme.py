"""The README's first commands do what it says."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.gateway import serving_file

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


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_curl_line_gets_a_streamed_answer_without_any_key(tmp_path: Path) -> None:
    (line,) = [block for block in blocks("sh") if block.startswith("curl ") and DEFAULT in block]
    keyless = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    with serving_file(ROOT / "config.example.yaml", tmp_path, keyless) as gateway:
        command = line.replace(DEFAULT, gateway.url.removeprefix("http://"))
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, env=keyless
        )
    assert done.returncode == 0, done.stderr
    events = [json.loads(data) for data in re.findall(r"^data: (\{.*)$", done.stdout, re.MULTILINE)]
    assert len(events) > 3, done.stdout
    assert not [event for event in events if "error" in event]
