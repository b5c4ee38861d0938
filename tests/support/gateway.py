"""The real gateway in a process of its own, with a configuration written for the test."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_LISTENING = re.compile(r"http://127\.0\.0\.1:(\d+)")
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Gateway:
    """Where it listens, and where its log goes."""

    url: str
    log_file: Path

    def logged(self, text: str) -> bool:
        """Whether the log says it; a line follows its answer, so that it may take a moment."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if text in self.log_file.read_text():
                return True
            time.sleep(0.02)
        return False


@contextmanager
def started(
    command: Sequence[str],
    folder: Path,
    log_file: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Gateway]:
    """Run the command in the folder until the block ends; its output must name its address."""
    with log_file.open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            yield Gateway(_address(process, log_file), log_file)
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], log_file: Path) -> str:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := _LISTENING.search(log_file.read_text()):
            return f"http://127.0.0.1:{found[1]}"
        assert process.poll() is None, f"the gateway ended: {log_file.read_text()}"
        time.sleep(0.02)
    raise AssertionError(f"the gateway names no address: {log_file.read_text()}")


@contextmanager
def serving(configuration: dict[str, Any], folder: Path) -> Iterator[Gateway]:
    """The gateway of this checkout with this configuration, on a free port."""
    config = folder / "config.yaml"
    config.write_text(json.dumps(configuration, indent=2))
    with serving_file(config, folder) as gateway:
        yield gateway


@contextmanager
def serving_file(
    config: Path, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Gateway]:
    """As `serving`, with a configuration file; its log goes to the folder."""
    command = [sys.executable, "-m", "engine", "serve", "--config", str(config), "--port", "0"]
    with started(command, ROOT, folder / "gateway.log", environment) as gateway:
        yield gateway
