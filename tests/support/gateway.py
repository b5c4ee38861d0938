"""The real gateway in a process of its own, with a configuration written for the test."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_LISTENING = re.compile(r"http://127\.0\.0\.1:(\d+)")
_SERVES = '"message":"serving","process":{}}}'
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Gateway:
    """Where it listens, where its log goes, and its process."""

    url: str
    log_file: Path
    pid: int

    def logged(self, text: str) -> bool:
        """Whether the log says it; a line follows its answer, so that it may take a moment."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if text in self.log_file.read_text():
                return True
            time.sleep(0.02)
        return False

    def workers(self, count: int) -> list[int]:
        """The processes that serve, of a gateway that was started with so many; waits for them."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            found = [int(pid) for pid in children if b"spawn_main" in _command_line(pid)]
            log = self.log_file.read_text()
            if len(found) == count and all(_SERVES.format(pid) in log for pid in found):
                return found
            time.sleep(0.02)
        raise AssertionError(f"there are no {count} workers: {self.log_file.read_text()}")

    @contextmanager
    def without(self, others: Sequence[int]) -> Iterator[None]:
        """Let these workers stand still, so that another answers whatever comes."""
        # one that stood still with the shared state in its hands would keep the others waiting
        time.sleep(0.3)
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in others:
                with suppress(ProcessLookupError):  # whoever stood still for too long was replaced
                    os.kill(pid, signal.SIGCONT)


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


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
            yield Gateway(_address(process, log_file), log_file, process.pid)
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
def serving(
    configuration: dict[str, Any],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    workers: int = 1,
) -> Iterator[Gateway]:
    """The gateway of this checkout with this configuration, on a free port."""
    config = folder / "config.yaml"
    config.write_text(json.dumps(configuration, indent=2))
    with serving_file(config, folder, environment, workers) as gateway:
        yield gateway


@contextmanager
def serving_file(
    config: Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    workers: int = 1,
) -> Iterator[Gateway]:
    """As `serving`, with a configuration file; its log goes to the folder."""
    command = [sys.executable, "-m", "engine", "serve", "--config", str(config), "--port", "0"]
    command += ["--workers", str(workers)] if workers > 1 else []
    with started(command, ROOT, folder / "gateway.log", environment) as gateway:
        yield gateway
