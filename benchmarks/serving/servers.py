"""Servers in processes of their own, and what the kernel says they cost. Linux only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 120.0


class Unusable(RuntimeError):
    """A server did not come up, or gave a wrong answer."""


@dataclass
class Server:
    """A running server. ``url`` has no path."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    # by thread; those that ended stay counted
    _counted: dict[int, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> float:
        """CPU seconds of the process and its children so far, kernel time included."""
        for pid in _family(self.process.pid):
            self._counted.update(_threads(pid))
        return sum(self._counted.values()) / 1e9

    def memory(self) -> float:
        """Resident memory in MiB."""
        return sum(map(_resident, _family(self.process.pid)))

    def settled(self, quiet: float = 0.5) -> None:
        """Wait until it does nothing."""
        before = -1.0
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            now = self.cpu()
            if now - before < quiet / 50:
                return
            before = now
            time.sleep(quiet)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    name: str,
    command: Sequence[str],
    port: int,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Server:
    """Start a server; nobody waits for it yet. What it prints is thrown away."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
        cwd=folder,
    )
    return Server(name, process, port)


def upstream(deltas: int, pause: float) -> Server:
    """The upstream."""
    port = free_port()
    script = str(HERE / "upstream.py")
    return start("upstream", [sys.executable, script, str(port), str(deltas), str(pause)], port)


def bare(target: str) -> Server:
    """The bare loop."""
    port = free_port()
    return start("bare", [sys.executable, str(HERE / "bare.py"), str(port), target], port)


def gateway(target: str, folder: Path, cache: Path | None) -> Server:
    """The gateway, as ``ai-proxy serve`` starts it, with a client key and one credential.

    ``cache``: where compiled mappings are kept; None: where they always are.
    """
    port = free_port()
    config = folder / "config.yaml"
    config.write_text(
        f"host: 127.0.0.1\nport: {port}\napi-keys: [bench]\ncredentials:\n"
        f"  - {{ provider: claude, base-url: {target}, api-key: upstream }}\n"
    )
    command = [sys.executable, "-m", "engine", "serve", "--config", str(config)]
    environment = {"AI_PROXY_CACHE_DIR": str(cache)} if cache else {}
    return start("ours", command, port, environment, HERE.parents[1])


def litellm(executable: Path, target: str, folder: Path) -> Server:
    """LiteLLM's proxy with one worker, its own extras switched off as far as it lets one."""
    port = free_port()
    config = folder / "litellm.yaml"
    config.write_text(
        "model_list:\n"
        '  - model_name: "*"\n'
        f'    litellm_params: {{ model: "anthropic/*", api_base: "{target}", api_key: upstream }}\n'
        "general_settings: { master_key: bench }\n"
        "litellm_settings: { telemetry: false, drop_params: true }\n"
    )
    command = [str(executable.resolve()), "--config", str(config), "--host", "127.0.0.1"]
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    # busy for seconds it would take connections for idle that a request waits on
    command += ["--port", str(port), "--num_workers", "1", "--keepalive_timeout", "300"]
    return start("litellm", command, port, environment, folder)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answered(server: Server, path: str, body: bytes, pause: float = 0.005) -> float:
    """Seconds until it answers this request. Raises Unusable."""
    begun = time.monotonic()
    headers = {"content-type": "application/json", "authorization": "Bearer bench"}
    while time.monotonic() - begun < PATIENCE:
        if server.process.poll() is not None:
            raise Unusable(f"{server.name} ended with status {server.process.returncode}")
        try:
            request = urllib.request.Request(server.url + path, body, headers)
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                response.read()
            return time.monotonic() - begun
        except urllib.error.HTTPError as error:
            raise Unusable(f"{server.name}: {error.code} {error.read()[:300]!r}") from None
        except OSError:
            time.sleep(pause)
    raise Unusable(f"{server.name} does not answer")


def _family(pid: int) -> list[int]:
    found = [pid]
    with suppress(OSError):  # it may end while we look
        for task in list(Path(f"/proc/{pid}/task").iterdir()):
            with suppress(OSError):
                children = (task / "children").read_text().split()
                found += [each for child in children for each in _family(int(child))]
    return found


def _threads(pid: int) -> Iterator[tuple[int, int]]:
    """Nanoseconds that the scheduler counted, by thread; one may end while we look."""
    tasks: list[Path] = []
    with suppress(OSError):
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    for task in tasks:
        with suppress(OSError):
            yield int(task.name), int((task / "schedstat").read_text().split()[0])


def _resident(pid: int) -> float:
    pages = 0
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024
