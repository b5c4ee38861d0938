"""What loading came to, kept on disk between starts.

The name of an entry is a digest of all that went into it, so an entry can be missing but not
outdated. Entries hold plain data and Python code objects, which are as trusted as the program
itself: the folder must belong to this user and be closed to the writing of others. Whatever is
wrong with the folder or an entry, loading only takes longer.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import marshal
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

VARIABLE = "AI_PROXY_CACHE_DIR"

# What is unused for so long, or lies beyond this number, is removed, the oldest first.
UNUSED_SECONDS = 30 * 86_400
MOST_ENTRIES = 2_000
# An entry that is longer was not written here.
_MOST_BYTES = 64 * 1024 * 1024
# The time of an entry says when it was last used, to the day.
_DAY = 86_400
_SUM = hashlib.sha256().digest_size
# The packages that decide what is made of a file.
_PACKAGES = ("yaml", "cerberus", "jinja2", "jmespath")


def user_folder() -> Path | None:
    """The folder of this user's entries; None: nothing is kept.

    ``AI_PROXY_CACHE_DIR`` names another one, and empty switches it off.
    """
    given = os.environ.get(VARIABLE)
    if given is not None:
        return Path(given) if given else None
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "ai-proxy"
    except RuntimeError:  # nobody's home
        return None


class Cache:
    """Entries by key. ``folder`` None: all are missing. ``code``: the Python files that make them,
    beside those of this package."""

    def __init__(self, folder: Path | None, code: Iterable[Path] = ()) -> None:
        # without users there is no telling whose folder it is
        self._folder = folder if hasattr(os, "geteuid") else None
        self._code = tuple(code)
        self._swept = False

    def key(self, *parts: str | bytes) -> str:
        """The key of what is made of these parts by this program."""
        total = self._base.copy()
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            total.update(f"{len(data)}\0".encode())
            total.update(data)
        return str(total.hexdigest())[:40]

    def get(self, key: str) -> Any:
        """The value of an entry; None when there is none."""
        with (
            contextlib.suppress(OSError, ValueError, EOFError, TypeError),
            self._opened() as folder,
        ):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(key, flags, dir_fd=folder), "rb") as file:
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
                    return None
                data = file.read()
                if time.time() - about.st_mtime > _DAY:
                    os.utime(file.fileno())
            if hashlib.sha256(data[_SUM:]).digest() == data[:_SUM]:
                return marshal.loads(data[_SUM:])
        return None

    def has(self, key: str) -> bool:
        """Whether there is an entry, whatever is in it."""
        with contextlib.suppress(OSError), self._opened() as folder:
            return stat.S_ISREG(os.stat(key, dir_fd=folder, follow_symlinks=False).st_mode)
        return False

    def put(self, key: str, value: Any) -> None:
        """Keep a value: data of JSON's types, bytes, tuples, sets, code objects."""
        if self._folder is None:
            return
        data = marshal.dumps(value)
        with contextlib.suppress(OSError), self._opened(make=True) as folder:
            if not self._swept:
                self._swept = True
                _sweep(folder)
            # starts at the same time write the same entry: the last one stands, each of them whole
            name = f"{key}.{os.getpid()}.{os.urandom(6).hex()}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            try:
                with open(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
                    file.write(hashlib.sha256(data).digest() + data)
                os.rename(name, key, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=folder)

    @contextlib.contextmanager
    def _opened(self, make: bool = False) -> Iterator[int]:
        """The folder's descriptor. Raises OSError when there is none, or others may write to it."""
        if self._folder is None:
            raise FileNotFoundError
        if make:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            about = os.fstat(folder)
            if about.st_uid != os.geteuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise PermissionError
            yield folder
        finally:
            os.close(folder)

    @cached_property
    def _base(self) -> Any:
        """A digest of the program: of Python, of the packages, of the code."""
        total = hashlib.sha256()
        total.update(f"{sys.version}\0{sys.flags.optimize}\0".encode())
        total.update(importlib.util.MAGIC_NUMBER)
        if self._folder is None:
            return total
        for name in _PACKAGES:
            found = importlib.util.find_spec(name)
            if found is not None and found.origin is not None:
                about = os.stat(found.origin)
                total.update(f"{found.origin}\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
        for file in sorted([*Path(__file__).parent.glob("*.py"), *self._code]):
            data = file.read_bytes()
            total.update(f"{file.name}\0{len(data)}\0".encode())
            total.update(data)
        return total


def _sweep(folder: int) -> None:
    """Remove what nobody has used for long, and what is too much."""
    found: list[tuple[float, str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                found.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
    found.sort()
    oldest = time.time() - UNUSED_SECONDS
    for position, (used, name) in enumerate(found):
        if used < oldest or len(found) - position > MOST_ENTRIES:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=folder)
