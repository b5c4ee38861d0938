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
from typing import Any

from engine.gateway.settings import Network
from engine.translation import jsontext
from engine.translation.losses import Loss

# Paths of losses in a line of the log, and characters of each.
MAX_LOST = 10
MAX_PATH = 100

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
        usage = self.usage or {}
        fields = {
            "id": self.id,
            "client": self.client,
            "method": self.method,
            "path": self.path,
            "key": self.key,
            "format": self.format,
            "model": self.model,
            "stream": self.stream or None,
            "provider": self.provider,
            "credential": self.credential,
            "upstream_model": self.upstream_model,
            "upstream_request_id": self.upstream_request_id,
            "attempts": self.attempts or None,
            "status": self.status,
            "error": self.error,
            "ms": round(self.elapsed * 1000, 1),
            "input_tokens": usage.get("input"),
            "output_tokens": usage.get("output"),
            "losses": len(self.losses) or None,
            "lost": [loss.path[:MAX_PATH] for loss in self.losses[:MAX_LOST]] or None,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def write(self) -> None:
        """Write the line."""
        if log.isEnabledFor(logging.INFO):
            log.info("request", extra={"fields": self.record()})


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
