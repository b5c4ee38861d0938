"""What is known of one request, and its line in the log."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any, TextIO

from engine.gateway.settings import Network
from engine.translation import jsontext
from engine.translation.losses import Loss

# Paths of losses in a line of the log, and characters of each.
MAX_LOST = 10
MAX_PATH = 100

# Fields of a line that are kept as they are, even 0: their place in it is behind the others.
_COUNTS = (("input_tokens", "input"), ("output_tokens", "output"))
_VALUE = itemgetter(1)

log = logging.getLogger("engine.gateway.access")

Scope = Mapping[str, Any]


@dataclass(slots=True)
class Context:
    """One request: filled in on its way, logged once at its end. Holds no secret."""

    method: str
    path: str
    client: str | None = None
    id: str = field(default_factory=lambda: os.urandom(16).hex())
    started: float = field(default_factory=time.perf_counter)
    key: str | None = None
    format: str | None = None
    model: str | None = None
    stream: bool = False
    provider: str | None = None
    credential: str | None = None
    upstream_model: str | None = None
    upstream_request_id: str | None = None
    attempts: int = 0
    status: int = 0
    error: str | None = None
    first_event: float | None = None
    losses: Sequence[Loss] = ()
    usage: Mapping[str, Any] | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the request came."""
        return time.perf_counter() - self.started

    def record(self) -> dict[str, Any]:
        """The fields of the log line; what is not known is left out."""
        losses, usage = self.losses, self.usage
        known: dict[str, Any] = {
            "id": self.id,
            "client": self.client,
            "method": self.method,
            "path": self.path,
            "key": self.key,
            "format": self.format,
            "model": self.model,
            "stream": self.stream,
            "provider": self.provider,
            "credential": self.credential,
            "upstream_model": self.upstream_model,
            "upstream_request_id": self.upstream_request_id,
            "attempts": self.attempts,
            "error": self.error,
            "losses": len(losses),
            "lost": losses and [loss.path[:MAX_PATH] for loss in losses[:MAX_LOST]],
        }
        fields: dict[str, Any] = dict(filter(_VALUE, known.items()))
        fields["status"] = self.status
        fields["ms"] = round(self.elapsed * 1000, 1)
        if usage:
            for name, kind in _COUNTS:
                if usage.get(kind) is not None:
                    fields[name] = usage[kind]
        return fields

    def write(self) -> None:
        """Write the line."""
        if log.isEnabledFor(logging.INFO):
            log.handle(_Line(log.name, self.record()))


_UNSAID = dict.fromkeys(("pathname", "filename", "module", "funcName"), "") | dict.fromkeys(
    ("args", "exc_info", "exc_text", "stack_info", "thread", "threadName", "process", "processName")
)


class _Line(logging.LogRecord):
    """The record of a request's line: no place in the code, no thread, no process is looked up."""

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        created = time.time()
        self.__dict__.update(
            _UNSAID,
            name=name,
            msg="request",
            levelno=logging.INFO,
            levelname="INFO",
            lineno=0,
            created=created,
            msecs=created % 1 * 1000,
            relativeCreated=0.0,
            fields=fields,
        )


class Lines(logging.StreamHandler[TextIO]):
    """Writes to a stream that hands on each line by itself, as standard error does."""

    def flush(self) -> None:
        """There is nothing to hand on."""


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message, and the fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        try:
            return jsontext.compact_json(line)
        except (TypeError, ValueError):  # what another package logs may be no JSON
            return json.dumps(line, default=str)


@lru_cache(maxsize=1)
def _second(created: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))


def client_address(
    peer: Sequence[Any] | None, forwarded: str | None, trusted: Sequence[Network]
) -> str | None:
    """The client's address: the peer's, or the last one that no trusted proxy added for another."""
    address = str(peer[0]) if peer else None
    if address is None or not trusted or not forwarded or not _within(address, trusted):
        return address
    for hop in reversed([part.strip() for part in forwarded.split(",")]):
        if not _is_address(hop):
            break
        address = hop
        if not _within(hop, trusted):
            break
    return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
