"""Changed files become live: built whole, checked whole, swapped once."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from watchfiles import awatch

from engine.errors import ConfigError, MappingError
from engine.gateway import config
from engine.gateway.schema import RESTART
from engine.gateway.settings import Settings, guard
from engine.gateway.snapshot import Snapshot, build, cases_of, load_translator
from engine.language.source import plain
from engine.resources import shipped
from engine.translation.translator import Translator

log = logging.getLogger("engine.gateway")

DEBOUNCE_MS = 150
# A watched folder that is gone is looked for again after so long.
RETRY_SECONDS = 1.0
DATA = ("mappings", "providers")


@dataclass(slots=True)
class Status:
    """What the reloads came to; times in seconds since 1970."""

    loaded: float = field(default_factory=time.time)
    reloads: int = 0
    failed: float | None = None
    problems: list[str] = field(default_factory=list)
    needs_restart: list[str] = field(default_factory=list)


class Reloader:
    """Keeps the live snapshot as the files say; a file that does not hold changes nothing.

    ``swap`` puts a new snapshot in place of the live one; ``host`` is where the server listens.
    """

    def __init__(
        self, path: Path, host: str, snapshot: Snapshot, swap: Callable[[Snapshot], None]
    ) -> None:
        self.status = Status()
        self._path = path
        self._host = host
        self._live = snapshot
        self._first = snapshot.settings
        self._swap = swap
        self._lock = asyncio.Lock()
        self._seen = digest(self._own_files(snapshot.settings))
        self._data_seen = digest(_data_files(snapshot.settings))

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        if hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread():
            loop.add_signal_handler(signal.SIGHUP, lambda: loop.create_task(self.reload(True)))
        while True:
            folders = self._folders()
            try:
                async for _ in awatch(*folders, debounce=DEBOUNCE_MS, recursive=False):
                    await self.reload()
                    if self._folders() != folders:
                        break
            except FileNotFoundError:
                await asyncio.sleep(RETRY_SECONDS)

    async def reload(self, force: bool = False) -> Status:
        """Take the files over when their content has changed, or in any case with ``force``."""
        async with self._lock:
            try:
                await asyncio.to_thread(self._reload, force)
            except (ConfigError, MappingError) as error:
                self.status.failed, self.status.problems = time.time(), error.problems
                fields = {"problems": error.problems}
                log.error("reload refused; the old settings stay", extra={"fields": fields})
        return self.status

    def _reload(self, force: bool) -> None:
        own = digest(self._own_files(self._live.settings))
        data = digest(_data_files(self._live.settings))
        if not force and (own, data) == (self._seen, self._data_seen):
            return
        # What does not hold is told once, not at every look.
        self._seen, known_data, self._data_seen = own, self._data_seen, data
        settings = config.load(self._path)
        guard(settings, self._host)
        translator = self._live.translator
        if data != known_data or _folders(settings) != _folders(self._live.settings):
            translator = load_translator(settings)
            _run_cases(translator, settings)
        elif _said(settings) != _said(self._live.settings):
            translator = translator.with_settings(settings.providers)
        snapshot = build(settings, self._live.transports, translator)
        self._swap(snapshot)
        self._live = snapshot
        self._seen = digest(self._own_files(settings))
        self._data_seen = digest(_data_files(settings))
        status = self.status
        status.loaded, status.reloads = time.time(), status.reloads + 1
        status.failed, status.problems = None, []
        status.needs_restart = _needs_restart(self._first, settings)
        log.info("reloaded", extra={"fields": {"needs_restart": status.needs_restart}})
        for note in snapshot.notes:
            log.info(note)

    def _own_files(self, settings: Settings) -> list[Path]:
        return [self._path, *settings.files]

    def _folders(self) -> set[Path]:
        """The folders to watch; files cannot be: editors and symlink swaps replace them."""
        settings = self._live.settings
        folders = {file.parent for file in self._own_files(settings)}
        folders |= {file.resolve().parent for file in self._own_files(settings)}
        for root in _data_folders(settings):
            folders |= {root, *(each for each in root.rglob("*") if each.is_dir())}
        return {folder.resolve() for folder in folders if folder.is_dir()}


def digest(files: Iterable[Path]) -> str:
    """SHA-256 over names and contents; a file that cannot be read counts as absent."""
    total = hashlib.sha256()
    for file in files:
        try:
            content = file.read_bytes()
        except OSError:
            content = b""
        total.update(f"{file}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def _data_folders(settings: Settings) -> list[Path]:
    own = (settings.mappings_dir, settings.providers_dir)
    return [*(shipped(kind) for kind in DATA), *(folder for folder in own if folder is not None)]


def _data_files(settings: Settings) -> list[Path]:
    """The files of data, and the snapshots that cases beside them are held to."""
    return [
        file
        for folder in _data_folders(settings)
        for file in sorted((*folder.rglob("*.yaml"), *folder.glob("snapshots/**/*.json")))
    ]


def _folders(settings: Settings) -> tuple[Path | None, Path | None]:
    return settings.mappings_dir, settings.providers_dir


def _said(settings: Settings) -> Any:
    """What the configuration says of providers."""
    return None if settings.providers is None else plain(settings.providers)


def _run_cases(translator: Translator, settings: Settings) -> None:
    """The cases beside mappings and providers. Raises MappingError with each that does not hold."""
    _, wrong = cases_of(translator, settings)
    if wrong:
        raise MappingError(wrong)


def _needs_restart(first: Settings, now: Settings) -> list[str]:
    """The keys that differ from those at the start and are read only there."""
    before: Any = first.document
    return [key for key in RESTART if before.get(key) != now.document.get(key)]
