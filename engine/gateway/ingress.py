"""Which wire format a path belongs to; built from the formats' own files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from engine.errors import Rejected
from engine.translation.formats import Format, Route


@dataclass(frozen=True, slots=True)
class Match:
    """A served call: its format and route, the model when the path holds it, the query string."""

    format: Format
    route: Route
    model: str | None
    query: bytes = b""

    def streamed(self, body: Mapping[str, Any]) -> bool:
        """Whether the client wants a stream. Raises Rejected when the field says neither."""
        if self.format.stream_in == "path":
            return self._streamed_by_path()
        stream = body.get("stream")
        if stream is not None and not isinstance(stream, bool):
            raise Rejected("stream must be true or false", "stream")
        return bool(stream)

    def _streamed_by_path(self) -> bool:
        # The method at the path's end says it; the same word ends the path of a streamed call.
        wanted = self.format.upstream.get("stream-path", "").partition("?")[0]
        return self.route.path.rpartition(":")[2] == wanted.rpartition(":")[2]

    def as_array(self) -> bool:
        """Whether the answer is one JSON array: a stream whose events were not asked for."""
        asked_by = self.format.framing.asked_by
        if asked_by is None or not self._streamed_by_path():
            return False
        query = self.query.decode("latin-1")
        return asked_by.partition("=")[::2] not in parse_qsl(query, keep_blank_values=True)


class Ingress:
    """The paths of all formats that clients may speak."""

    def __init__(self, formats: Mapping[str, Format]) -> None:
        self.formats = {name: format for name, format in formats.items() if format.serves}
        self._fixed: dict[str, list[Match]] = {}
        self._patterns: list[tuple[re.Pattern[str], Format, Route]] = []
        for format in self.formats.values():
            for route in format.routes:
                if "{" in route.path:
                    self._patterns.append((_pattern(route.path), format, route))
                else:
                    self._fixed.setdefault(route.path, []).append(Match(format, route, None))
        self._plain = next((f for f in self.formats.values() if not f.identify), None)

    def find(
        self, method: str, path: str, headers: Mapping[str, str], query: bytes = b""
    ) -> list[Match]:
        """The calls at a path, whatever their method; those of the asker's format first."""
        found = list(self._fixed.get(path, ()))
        if query:
            found = [replace(match, query=query) for match in found]
        if not found:
            named: list[Match] = []
            for pattern, format, route in self._patterns:
                if hit := pattern.fullmatch(path):
                    model = hit.groupdict().get("model")
                    model = model and route.within + model
                    match = Match(format, route, model, query)
                    if _action(route):
                        found.append(match)
                    # What stands behind a colon may be a part of a name, or a call that nobody
                    # knows: only the route's own method tells.
                    elif route.method == method or ":" not in path:
                        named.append(match)
            # A call that a format knows is no part of a name in it.
            knowing = [match.format.name for match in found]
            if not (knowing and self.asker(headers).name in knowing):
                found += [match for match in named if match.format.name not in knowing]
        if len(found) > 1:
            asker = self.asker(headers)
            found.sort(key=lambda match: (match.route.method != method, match.format is not asker))
        return found

    def asker(self, headers: Mapping[str, str]) -> Format:
        """The format that a client's headers tell, or the one without a mark."""
        for format in self.formats.values():
            for name, wanted in (format.identify or {}).items():
                if name == "header" and wanted in headers:
                    return format
        return self._plain or next(iter(self.formats.values()))

    def belongs(self, path: str, headers: Mapping[str, str]) -> Format:
        """The format of a path that is not served: of the nearest served one, or the asker's."""
        lengths = {
            name: max(_shared(route.path, path) for route in format.routes)
            for name, format in self.formats.items()
        }
        longest = max(lengths.values())
        nearest = [self.formats[name] for name, length in lengths.items() if length == longest]
        asker = self.asker(headers)
        # A version segment alone says nothing where several formats share it.
        if asker in nearest or longest == 0 or (longest == 1 and len(nearest) > 1):
            return asker
        return nearest[0]


def _action(route: Route) -> bool:
    """Whether the path ends in the word for a call, behind a colon."""
    return ":" in route.path.rpartition("}")[2]


def _pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"(\{[a-z]+\})", path)
    return re.compile("".join(_named(piece) for piece in pieces))


def _named(piece: str) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    # a model's name may hold slashes, an id never does
    return f"(?P<{piece[1:-1]}>{'.+' if piece == '{model}' else '[^/]+'})"


def _shared(route: str, path: str) -> int:
    """How many leading segments two paths have in common."""
    count = 0
    for left, right in zip(route.strip("/").split("/"), path.strip("/").split("/"), strict=False):
        if left != right:
            break
        count += 1
    return count
