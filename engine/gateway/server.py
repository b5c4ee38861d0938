"""Running the application: sockets, signals, logs."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from engine.errors import ConfigError, MappingError
from engine.gateway import config
from engine.gateway.app import create_app
from engine.gateway.context import JsonLines
from engine.gateway.settings import guard
from engine.gateway.snapshot import build, load_translator
from engine.language.source import suggest

log = logging.getLogger("engine.gateway")

LOG_LEVELS = ("debug", "info", "warning", "error")
# Clients keep connections open between turns; longer than what their pools commonly use.
KEEPALIVE_SECONDS = 75
DRAIN_SECONDS = 30
BACKLOG = 2048


def serve(
    config_path: Path | str,
    host: str | None = None,
    port: int | None = None,
    log_level: str | None = None,
) -> None:
    """Serve a configuration file until SIGINT or SIGTERM; requests under way are answered first.

    ``host`` and ``port`` stand before the file's. Raises ConfigError and MappingError before
    anything listens, and ConfigError when the address cannot be had.
    """
    settings = config.load(Path(config_path))
    host = host or settings.host
    guard(settings, host)
    start_log(log_level or "info")
    translator = load_translator(settings)
    app = create_app(settings, translator=translator, source=Path(config_path), host=host)
    listening = _listen(host, settings.port if port is None else port)
    scheme = "https" if settings.tls else "http"
    shown, bound = listening.getsockname()[:2]
    shown = f"[{shown}]" if ":" in shown else shown
    log.info(f"listening on {scheme}://{shown}:{bound}")
    cert, key = settings.tls or (None, None)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # trusted-proxies decides who may name the client
            ws="none",
            timeout_keep_alive=KEEPALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            ssl_certfile=cert,
            ssl_keyfile=key,
        )
    )
    # uvicorn drains on these and then raises them again; an orderly stop is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=translator.warm, name="warm", daemon=True).start()
    with listening:
        server.run(sockets=[listening])


def check_config(path: Path | str) -> list[str]:
    """What is wrong with a configuration, or with what it names; empty when it can be served."""
    try:
        settings = config.load(Path(path))
        guard(settings, settings.host)
        build(settings)
    except (ConfigError, MappingError) as error:
        return error.problems
    return []


def start_log(level: str) -> None:
    """JSON lines on stderr, for this project and for what runs under it. Raises ConfigError."""
    if level not in LOG_LEVELS:
        raise ConfigError([f"log level {level} is not known{suggest(level, LOG_LEVELS)}"])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("engine").setLevel(level.upper())


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError([f"cannot listen on {host}:{port} ({error.strerror})"]) from None
