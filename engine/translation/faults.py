"""Errors: an upstream's, read and written again in the client's envelope, and the gateway's own."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.language.cache import Cache
from engine.language.runtime import Refusal
from engine.language.source import tree
from engine.resources import file_name
from engine.translation.formats import Format
from engine.translation.held import Held
from engine.translation.plan import Plan
from engine.translation.providers import Provider

# A longer wait is a mistake or an attack, not advice.
LONGEST_WAIT = 86_400.0


# Of kinds.yaml: the HTTP status that a client gets for each.
STATUSES: dict[str, Any] = {
    "kinds": {
        "type": "dict",
        "required": True,
        "valuesrules": {"type": "integer", "min": 400, "max": 599},
    }
}


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error for the client. ``headers`` holds Retry-After where known; ``retry_after`` in
    seconds."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    kind: str
    retry_after: float | None
    error: dict[str, Any]


class Faults:
    """Reads and writes errors with the error mappings of all formats."""

    def __init__(
        self, known: dict[str, Format], kinds: dict[str, int], now: Callable[[], float]
    ) -> None:
        self._formats = known
        self._kinds = kinds
        self._now = now

    def translate(
        self,
        status: int,
        body: Any,
        upstream: Format,
        client: Format,
        headers: dict[str, str] | None,
        request_id: str | None = None,
        who: Provider | None = None,
        model: str | None = None,
    ) -> ErrorAnswer:
        """The upstream's error in the client's envelope; text that is no JSON is taken as its
        message."""
        if isinstance(body, bytes):
            body = body.decode("utf-8", "replace")
        error = self.read(status, body, upstream, headers, who, model)
        if request_id is not None:
            error.setdefault("request_id", request_id)
        return self.write(error, client)

    def own(
        self,
        kind: str,
        message: str,
        target: str,
        status: int | None = None,
        retry_after: float | None = None,
        param: str | None = None,
        request_id: str | None = None,
    ) -> ErrorAnswer:
        """An error of the gateway itself in the envelope of the format ``target``."""
        error: dict[str, Any] = {"kind": kind, "message": message}
        more = {
            "status": status,
            "retry_after": retry_after,
            "param": param,
            "request_id": request_id,
        }
        error |= {key: value for key, value in more.items() if value is not None}
        return self.write(error, self._formats[target])

    def read(
        self,
        status: int,
        body: Any,
        upstream: Format,
        headers: dict[str, str] | None,
        who: Provider | None = None,
        model: str | None = None,
    ) -> dict[str, Any]:
        """The canonical error of an error answer; ``who`` sent it for ``model``, where known."""
        said = {key.lower(): value for key, value in (headers or {}).items()}
        ctx = self._plan(upstream, who, model).ctx(upstream, upstream.vendor)
        ctx["status"], ctx["headers"] = status, said
        error: dict[str, Any] = {}
        try:
            found, _ = upstream.read["error"].run(body, {}, {}, ctx)
            error = dict(found) if isinstance(found, dict) else {}
        except Refusal:
            # whatever it was, it was an error: the status still tells the kind
            error = {}
        error.setdefault("kind", self._kind(status))
        error.setdefault("message", f"the upstream answered with status {status}")
        error.setdefault("status", status)
        wait = self._wait(said)
        if wait is not None:
            error.setdefault("retry_after", wait)
        if "retry_after" in error:
            # also when the body said it
            error["retry_after"] = min(error["retry_after"], LONGEST_WAIT)
        return error

    def write(self, error: dict[str, Any], client: Format) -> ErrorAnswer:
        """A canonical error in this format's envelope."""
        ctx = self._plan(client).ctx(client, client.vendor)
        written, _ = client.write["error"].run(error, {}, {}, ctx)
        kind = error["kind"]
        status = written.get("status") or error.get("status")
        if not isinstance(status, int) or not 400 <= status <= 599:
            # an upstream may say anything; servers know no other status of an error
            status = self._kinds.get(kind, 500)
        headers = {key: str(value) for key, value in (written.get("headers") or {}).items()}
        wait = error.get("retry_after")
        if wait is not None:
            headers.setdefault("retry-after", str(math.ceil(wait)))
        return ErrorAnswer(status, written["body"], headers, kind, wait, error)

    def _kind(self, status: int) -> str:
        by_status = {number: kind for kind, number in reversed(self._kinds.items())}
        if status in by_status:
            return by_status[status]
        return "invalid" if 400 <= status < 500 else "upstream"

    def _wait(self, headers: dict[str, str]) -> float | None:
        """Seconds to wait, from either form of Retry-After; bounded."""
        found: float | None = None
        millis, text = headers.get("retry-after-ms"), headers.get("retry-after")
        try:
            if millis is not None:
                found = float(millis) / 1000
            elif text is not None:
                found = float(text)
        except ValueError:
            found = self._until(text or "")
        if found is None or not math.isfinite(found):
            return None
        return min(max(found, 0.0), LONGEST_WAIT)

    def _until(self, text: str) -> float | None:
        try:
            return email.utils.parsedate_to_datetime(text).timestamp() - self._now()
        except (TypeError, ValueError):
            return None

    def _plan(self, side: Format, who: Provider | None = None, model: str | None = None) -> Plan:
        now = int(self._now())
        return Plan(side.name, side.name, who, model, model, False, None, Held({}), {}, now)


def load_kinds(path: Path, cache: Cache) -> dict[str, int]:
    """The kinds of errors of a file, each with its status. Raises MappingError."""
    data = path.read_bytes()
    name = file_name(path)
    key = cache.key("kinds", name, data)
    kept = cache.get(key)
    if kept is None:
        # slow to import, and needed for a new file only
        from engine.language.envelope import check

        kept = check(tree(data, name), STATUSES)["kinds"]
        cache.put(key, kept)
    return dict(kept)
