"""State of the workers of one machine: an SQLite file in a private folder.

Every call is one short transaction of some ten microseconds, in the loop: a thread would cost more
than it saves (docs/decisions/0004-shared-state.md). What is asked for with every request, whether
something rests or any text is kept, is answered from memory: a shared page tells when that changed.
A worker that dies leaves the file whole. When the file fails, a worker goes on by itself.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from engine.gateway.state import MAX_GROUPS, Bounds, Cooldown, LocalState, advance, weight
from engine.translation import jsontext

log = logging.getLogger("engine.gateway")

FILE = "state.db"
CHANGES = "changes"
# The shared page: the number of the last rest, and whether a text was ever kept.
_PAGE = 9
_KEPT = 8
# How long the loop may wait for another worker's transaction.
PATIENCE_SECONDS = 0.02
# Texts that are used are marked so when the mark is older than this part of their time.
_MARK_PART = 16
# Room is made for more than one text at a time, and what is too old goes a few at a time.
_EVICTED = 32
_EXPIRED = 4
# Most names in one query.
_NAMES = 500
_QUIET_SECONDS = 60.0
# A rest is told for so long after its end, for workers that were not asked anything since.
_OVER_SECONDS = 3600.0

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE rests (key BLOB PRIMARY KEY, until REAL, kind TEXT, number INTEGER);
CREATE INDEX rests_number ON rests (number);
CREATE TABLE turns (name BLOB PRIMARY KEY, standing BLOB, used REAL);
CREATE TABLE texts (key BLOB PRIMARY KEY, text TEXT, size INTEGER, used REAL);
CREATE INDEX texts_used ON texts (used);
CREATE TABLE totals (entries INTEGER, bytes INTEGER);
INSERT INTO totals VALUES (0, 0);
CREATE TRIGGER more AFTER INSERT ON texts
  BEGIN UPDATE totals SET entries = entries + 1, bytes = bytes + new.size; END;
CREATE TRIGGER less AFTER DELETE ON texts
  BEGIN UPDATE totals SET entries = entries - 1, bytes = bytes - old.size; END;
CREATE TRIGGER other AFTER UPDATE OF size ON texts
  BEGIN UPDATE totals SET bytes = bytes + new.size - old.size; END;
"""
_KEEP = """
INSERT INTO texts VALUES (?, ?, ?, ?) ON CONFLICT (key)
DO UPDATE SET text = excluded.text, size = excluded.size, used = excluded.used
"""
_REST = """
INSERT INTO rests VALUES (?, ?, ?, ?) ON CONFLICT (key)
DO UPDATE SET until = excluded.until, kind = excluded.kind, number = excluded.number
"""
_OLDEST = "DELETE FROM texts WHERE rowid IN (SELECT rowid FROM texts ORDER BY used LIMIT ?)"
_TOO_OLD = """
DELETE FROM texts WHERE rowid IN (SELECT rowid FROM texts WHERE used < ? ORDER BY used LIMIT ?)
"""

Made = TypeVar("Made")


def prepare(folder: Path) -> None:
    """Make the files in a folder that is the owner's alone. Raises OSError, sqlite3.Error."""
    for name, content in ((FILE, b""), (CHANGES, bytes(_PAGE))):
        handle = os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
    connection = sqlite3.connect(folder / FILE)
    try:
        connection.executescript(_SCHEMA)
    finally:
        connection.close()


class SharedState:
    """The state in a folder made ready by :func:`prepare`, as one of its workers uses it.

    Raises OSError and sqlite3.Error when it cannot be opened, and never after.
    """

    def __init__(
        self,
        folder: Path,
        now: Callable[[], float] = time.time,
        bounds: Bounds | None = None,
    ) -> None:
        self._now = now
        self._bounds = bounds or Bounds()
        self._local = LocalState(now, self._bounds)
        self._told = 0.0
        self._page = _page(folder / CHANGES)
        self._seen = bytes(8)
        self._number = 0
        self._db = sqlite3.connect(
            folder / FILE, isolation_level=None, timeout=PATIENCE_SECONDS, cached_statements=64
        )
        # A machine that stops takes its workers with it: nothing needs to reach the disk.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA wal_autocheckpoint = 200")

    # -- cooldowns

    async def cool(self, key: str, cooldown: Cooldown) -> None:
        await self._local.cool(key, cooldown)
        await self._write_rest(key, cooldown, "WHERE excluded.until > until")

    async def release(self, key: str) -> None:
        await self._local.release(key)
        await self._write_rest(key, Cooldown(self._now(), ""), "")

    async def cooling(self, keys: Iterable[str]) -> dict[str, Cooldown]:
        await self._catch_up()
        return await self._local.cooling(keys)

    async def resting(self) -> dict[str, Cooldown]:
        await self._catch_up()
        return await self._local.resting()

    async def _write_rest(self, key: str, rest: Cooldown, when: str) -> None:
        def work(db: sqlite3.Connection) -> int:
            last = int(db.execute("SELECT max(number) FROM rests").fetchone()[0] or 0)
            # The row with the last number stays: numbers never come again.
            db.execute(
                "DELETE FROM rests WHERE until < ? AND number < ? OR number < ?",
                (self._now() - _OVER_SECONDS, last, last - self._bounds.entries),
            )
            db.execute(f"{_REST} {when}", (_bytes(key), rest.until, rest.kind, last + 1))
            return last + 1

        number = self._write(work)
        if number is not None:
            self._page[:8] = number.to_bytes(8, "little")

    async def _catch_up(self) -> None:
        """Take over what other workers wrote, when the shared page says that they did."""
        mark = self._page[:8]
        if mark == self._seen:
            return
        rows = self._read(
            "SELECT key, until, kind, number FROM rests WHERE number > ?", (self._number,)
        )
        if rows is None:
            return
        for name, until, kind, number in rows:
            key = name.decode("utf-8", "surrogatepass")
            await self._local.release(key)
            await self._local.cool(key, Cooldown(until, kind))
            self._number = max(self._number, number)
        self._seen = mark

    # -- turns

    async def turn(self, group: str, weights: Mapping[str, int]) -> str:
        name = _hidden(group)

        def work(db: sqlite3.Connection) -> str:
            row = db.execute("SELECT standing FROM turns WHERE name = ?", (name,)).fetchone()
            standing = jsontext.loads(row[0]) if row else {}
            if row is None:
                db.execute(
                    "DELETE FROM turns WHERE (SELECT count(*) FROM turns) >= ? AND"
                    " used = (SELECT min(used) FROM turns)",
                    (MAX_GROUPS,),
                )
            chosen = advance(standing, weights)
            db.execute(
                "INSERT OR REPLACE INTO turns VALUES (?, ?, ?)",
                (name, jsontext.dumps(standing), self._now()),
            )
            return chosen

        chosen = self._write(work)
        return await self._local.turn(group, weights) if chosen is None else chosen

    # -- texts

    async def remember(self, texts: Mapping[str, str]) -> None:
        now, bounds = self._now(), self._bounds
        self._page[_KEPT] = 1

        def work(db: sqlite3.Connection) -> None:
            rows = [(_hidden(key), text, weight(text), now) for key, text in texts.items()]
            db.executemany(_KEEP, rows)
            db.execute(_TOO_OLD, (now - bounds.seconds, _EXPIRED * len(rows)))
            while True:
                entries, size = db.execute("SELECT entries, bytes FROM totals").fetchone()
                if not entries or (entries <= bounds.entries and size <= bounds.bytes):
                    return
                db.execute(_OLDEST, (max(1, min(_EVICTED, entries - bounds.entries)),))

        self._write(work)

    @property
    def blank(self) -> bool:
        return not self._page[_KEPT]

    async def recall(self, keys: Iterable[str]) -> dict[str, str]:
        now, found = self._now(), {}
        names = {_hidden(key): key for key in keys}
        stale: list[bytes] = []
        for start in range(0, len(names), _NAMES):
            some = list(names)[start : start + _NAMES]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, text, used FROM texts WHERE key IN ({marks}) AND used >= ?"
            for name, text, used in self._read(query, (*some, now - self._bounds.seconds)) or ():
                found[names[name]] = text
                if used < now - self._bounds.seconds / _MARK_PART:
                    stale.append(name)
        if stale:
            rows = [(now, name) for name in stale]
            self._write(lambda db: db.executemany("UPDATE texts SET used = ? WHERE key = ?", rows))
        return found

    # -- the file

    def close(self) -> None:
        self._db.close()
        self._page.close()

    def _read(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]] | None:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            return None

    def _write(self, work: Callable[[sqlite3.Connection], Made]) -> Made | None:
        """One transaction; None when it did not come about."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            made = work(self._db)
            self._db.execute("COMMIT")
            return made
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._failed(error)
            return None

    def _failed(self, error: sqlite3.Error) -> None:
        """Say it, once a while."""
        if self._now() - self._told >= _QUIET_SECONDS:
            self._told = self._now()
            log.warning("the workers' shared state failed", extra={"fields": {"error": str(error)}})


def _page(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), _PAGE)


def _hidden(key: str) -> bytes:
    """A key as it is written down."""
    return hashlib.blake2b(_bytes(key), digest_size=16).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
