"""Running the application: sockets, signals, logs."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from engine.errors import ConfigError, MappingError
from engine.gateway import config, shared
from engine.gateway.app import create_app
from engine.gateway.context import JsonLines, Lines
from engine.gateway.context import log as access
from engine.gateway.settings import Settings, guard
from engine.gateway.snapshot import build, cases_of, load_translator
from engine.gateway.state import State
from engine.gateway.warming import behind
from engine.language.source import suggest
from engine.translation.translator import Translator

log = logging.getLogger("engine.gateway")

LOG_LEVELS = ("debug", "info", "warning", "error")
# Clients keep connections open between turns; longer than what their pools commonly use.
KEEPALIVE_SECONDS = 75
DRAIN_SECONDS = 30
BACKLOG = 2048
# A request makes thousands of objects and next to no cycles.
COLLECT = (20_000, 20, 50)
# The first answer has the processor to itself.
WARM_AFTER_SECONDS = 0.5
COUNTS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
WORKER_VARIABLE = "AI_PROXY_WORKER"


def serve(
    config_path: Path | str,
    host: str | None = None,
    port: int | None = None,
    log_level: str | None = None,
    workers: int = 1,
) -> None:
    """Serve a configuration file until SIGINT or SIGTERM; requests under way are answered first.

    ``host`` and ``port`` stand before the file's; ``workers`` processes share the port. Raises
    ConfigError and MappingError before anything listens, and ConfigError when the address cannot be
    had, or a place for what the workers share.
    """
    settings = config.load(Path(config_path))
    host = host or settings.host
    guard(settings, host)
    start_log(log_level or "info")
    app: Starlette | None = None
    if workers == 1:
        app = _application(settings, Path(config_path), host)
    else:
        build(settings)
    listening = _listen(host, settings.port if port is None else port)
    scheme = "https" if settings.tls else "http"
    shown, bound = listening.getsockname()[:2]
    shown = f"[{shown}]" if ":" in shown else shown
    log.info(f"listening on {scheme}://{shown}:{bound}")
    with listening:
        if app is None:
            _serve_many(settings, listening, workers, [str(config_path), host, log_level or "info"])
            return
        server = uvicorn.Server(_uvicorn(app, settings))
        # uvicorn drains on these and then raises them again; an orderly stop is no failure.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        server.run(sockets=[listening])


def _uvicorn(app: Starlette | str, settings: Settings, workers: int = 1) -> uvicorn.Config:
    cert, key = settings.tls or (None, None)
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
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


class _Workers(Multiprocess):
    """Processes that share a socket; each reloads by itself, so that a bad file ends none."""

    def handle_hup(self) -> None:
        for process in self.processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)


def _serve_many(
    settings: Settings, listening: socket.socket, workers: int, arguments: list[str]
) -> None:
    # Processes are started anew, not forked: what they need to know comes through the environment.
    with tempfile.TemporaryDirectory(prefix="ai-proxy-") as folder:
        counts, state = Path(folder, "counts"), Path(folder, "state")
        counts.mkdir()
        state.mkdir(mode=0o700)
        try:
            shared.prepare(state)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError([f"the workers' state cannot be kept in {folder}: {error}"]) from None
        os.environ[COUNTS_VARIABLE] = str(counts)
        os.environ[WORKER_VARIABLE] = json.dumps([*arguments, str(state)])
        try:
            made = _uvicorn("engine.gateway.server:worker", settings, workers)
            _Workers(made, sockets=[listening]).run()
        finally:
            del os.environ[COUNTS_VARIABLE], os.environ[WORKER_VARIABLE]


def worker() -> Starlette:
    """The application of one of several processes."""
    path, host, log_level, folder = json.loads(os.environ[WORKER_VARIABLE])
    start_log(log_level)
    settings = config.load(Path(path))
    state = shared.SharedState(Path(folder), bounds=settings.bounds)
    return _application(settings, Path(path), host, state)


def _application(
    settings: Settings, path: Path, host: str, state: State | None = None
) -> Starlette:
    translator = load_translator(settings, trusting=True)
    app = create_app(settings, translator=translator, source=path, host=host, state=state)
    threading.Thread(target=_warm, args=(translator, path), name="warm", daemon=True).start()
    return app


def _warm(translator: Translator, path: Path) -> None:
    """Compile what the first loss would wait for; then take all that stays out of the collector's
    sight, which would go through it again and again."""
    gc.freeze()
    gc.set_threshold(*COLLECT)
    time.sleep(WARM_AFTER_SECONDS)
    try:
        behind(translator, path)
    except MappingError as error:
        log.error("a shipped mapping does not hold", extra={"fields": {"problems": error.problems}})
    gc.collect()
    gc.freeze()


def check_config(path: Path | str) -> tuple[int, list[str]]:
    """How many cases there are, and what is wrong with a configuration, with what it names, and
    with the cases; nothing when it can be served."""
    try:
        settings = config.load(Path(path))
        guard(settings, settings.host)
        translator = load_translator(settings)
        build(settings, translator=translator)
        return cases_of(translator, settings)
    except (ConfigError, MappingError) as error:
        return 0, error.problems


def start_log(level: str) -> None:
    """JSON lines on stderr, for this project and for what runs under it. Raises ConfigError."""
    if level not in LOG_LEVELS:
        raise ConfigError([f"log level {level} is not known{suggest(level, LOG_LEVELS)}"])
    handler = Lines(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # The line of each request goes to the handler without asking the loggers above its own.
    access.handlers[:] = [handler]
    access.propagate = False
    logging.getLogger("engine").setLevel(level.upper())
    # No line tells these, and finding them out for each costs more than writing it.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError([f"cannot listen on {host}:{port} ({error.strerror})"]) from None
