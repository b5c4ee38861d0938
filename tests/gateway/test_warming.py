"""What is compiled beside a server, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.language.cache import VARIABLE
from engine.translation.translator import Translator
from engine.translation.warming import lacking, warm

CONFIG = "api-keys: [k]\ncredentials: [{ provider: claude, api-key: x }]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where compiled mappings are kept; nothing is there yet."""
    kept = tmp_path / "kept"
    monkeypatch.setenv(VARIABLE, str(kept))
    return kept


def test_what_another_process_has_compiled_is_not_lacking(folder: Path) -> None:
    def cohere() -> Translator:
        made = Translator.load(trusting=True)
        made.formats = {"cohere": made.formats["cohere"]}
        return made

    one, other = cohere(), cohere()
    assert lacking(one.formats.values())
    warm(other.formats.values(), pause=0.0)
    assert not lacking(one.formats.values())
    # and this one takes it from there when it is needed
    warm(one.formats.values(), pause=0.0)
    assert not any("program" in vars(half) for half in one.formats["cohere"].halves())


def test_where_nothing_can_be_kept_no_other_process_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    made = Translator.load(trusting=True)
    assert not lacking(made.formats.values())


def test_the_process_beside_a_server_ends_with_it(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "engine.gateway.warming", str(config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=dict(os.environ)) as beside:
        while not folder.is_dir() or not any(folder.iterdir()):
            assert beside.poll() is None
            time.sleep(0.02)
        assert beside.stdin is not None
        beside.stdin.close()
        assert beside.wait(timeout=60) == 1


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="no /proc here, which tells a process's children"
)
def test_a_first_start_has_it_done_in_a_process_that_does_not_outlive_the_server(
    folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "engine", "serve", "--config", str(config), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        beside: list[int] = []
        for _ in range(1000):
            if server.poll() is not None or (beside := _children(server.pid)):
                break
            time.sleep(0.02)
        server.terminate()
        assert server.wait(timeout=60) == 0
    (pid,) = beside
    for _ in range(3000):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
