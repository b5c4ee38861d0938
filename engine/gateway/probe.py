"""Asks an unknown server what it is: its models, and which wire formats it serves.

What is asked and how the answers look is data of the formats. Nothing here makes a model work: a
call without a body tells whether there is a path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import EngineError, UpstreamError
from engine.gateway.credentials import address, redact, unversioned
from engine.gateway.upstream import (
    DecodingError,
    Limits,
    TimeoutException,
    TransportError,
    Transports,
    prepare,
    read_body,
)
from engine.translation import jsontext
from engine.translation.formats import Format
from engine.translation.jsontext import JsonError
from engine.translation.translator import Translator

MAX_WORDS = 200
MAX_BODY = 8 * 1024 * 1024
# Answers to a path that is not there.
ABSENT = (404, 405, 501)
LOCKED = (401, 403)
NOWHERE = "/v1/ai-proxy-asks-for-nothing"


class ProbeError(EngineError):
    """The server cannot be reached, or is nothing that can be a provider; the text says what to
    do."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a server is. ``format`` is the wire format to ask it in, ``wires`` all that it was seen
    to serve; ``path`` where the format's own path is not the server's; ``locked``: it wants a
    key."""

    format: str
    wires: tuple[str, ...]
    models: tuple[str, ...]
    path: str | None = None
    locked: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    type: str
    document: Any
    # as it was written, where it is no JSON
    text: str = ""
    # where else it sends
    location: str = ""

    @property
    def is_json(self) -> bool:
        return isinstance(self.document, dict | list)


@dataclass(slots=True)
class Probe:
    """One server being asked. ``say`` is told each step; ``patience``: seconds for an answer."""

    base_url: str
    key: str | None
    translator: Translator
    transports: Transports
    say: Callable[[str], None]
    patience: float = 15.0
    _seen: list[_Answer] = field(default_factory=list)

    async def found(self, wanted: str | None = None) -> Found:
        """What the server is; with ``wanted`` it is taken to speak this wire format. Raises
        ProbeError."""
        sides = self._sides(wanted)
        for strip in (False, True):
            listed = await self._models(sides, strip)
            wires = await self._wires(sides, strip)
            spoken = _spoken(listed, wires)
            if spoken is not None:
                side = self.translator.formats[spoken]
                path = unversioned(side.upstream["path"]) if strip else None
                names = (spoken,) if strip else tuple(dict.fromkeys((spoken, *wires)))
                models = tuple(listed.get(spoken) or next(iter(listed.values()), ()))
                return Found(spoken, names, models, path, self._locked)
        if wanted is not None:
            return Found(wanted, (wanted,), (), None, self._locked)
        raise ProbeError(self._why())

    def _sides(self, wanted: str | None) -> list[Format]:
        """The formats to ask for: those that need nothing but a key in a header."""
        sides = [
            side for side in self.translator.formats.values() if side.framing.kind.library is None
        ]
        return [side for side in sides if wanted in (None, side.name)] or sides

    async def models(self, side: Format) -> list[str]:
        """The models that the server lists in the words of this format; none when it does not.
        Raises ProbeError."""
        return (await self._models([side], False)).get(side.name, [])

    @property
    def _locked(self) -> bool:
        return any(answer.status in LOCKED for answer in self._seen)

    # -- asking

    async def _models(self, sides: list[Format], strip: bool) -> dict[str, list[str]]:
        """The models by the format in whose words the server lists them."""
        listed: dict[str, list[str]] = {}
        answers: dict[tuple[str, str], _Answer] = {}
        for side in sides:
            if side.models_path is None:
                continue
            path = unversioned(side.models_path) if strip else side.models_path
            headers = self._headers(side)
            asked = (path, repr(headers))
            if asked not in answers:
                self.say(f"GET {address(self.base_url, path)}")
                answers[asked] = await self._ask("GET", path, headers, b"")
            answer = answers[asked]
            if answer.status == 200:
                models = self.translator.listings.names(answer.document, side.name)
                if models:
                    self.say(f"{len(models)} models, listed as {side.name} does")
                    listed[side.name] = models
        return listed

    async def _wires(self, sides: list[Format], strip: bool) -> list[str]:
        """The formats whose paths are there, told apart from one that is not."""
        nowhere = await self._ask("POST", NOWHERE, {}, b"{}")
        found: list[str] = []
        for side in sides:
            path = side.upstream["path"]
            if "{model}" in path:  # an unknown model and an unknown path look the same
                continue
            path = unversioned(path) if strip else path
            self.say(f"POST {address(self.base_url, path)}")
            answer = await self._ask("POST", path, self._headers(side), b"{}")
            there = answer.is_json and answer.status not in ABSENT and answer.status < 500
            # a server that answers everything alike says nothing by it
            if there and answer.status != nowhere.status:
                found.append(side.name)
        return found

    def _headers(self, side: Format) -> dict[str, str]:
        headers = {"accept": "application/json", "content-type": "application/json"}
        if side.api_versions.header and side.api_versions.default:
            headers[side.api_versions.header] = side.api_versions.default
        if self.key is not None:
            headers[side.auth_out["header"]] = side.auth_out.get("prefix", "") + self.key
        return headers

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> _Answer:
        request = prepare(
            address(self.base_url, path),
            {"accept-encoding": "identity", **headers},
            body,
            Limits(self.patience, self.patience),
            method,
        )
        try:
            response = await self.transports.for_proxy(None).handle_async_request(request)
            try:
                raw = await read_body(response, MAX_BODY)
            finally:
                await response.aclose()
        except TimeoutException:
            raise ProbeError(f"{self.base_url} did not answer within {self.patience:g} s") from None
        except (TransportError, DecodingError, UpstreamError) as error:
            raise ProbeError(f"{self.base_url}: {error}") from None
        secrets = [self.key] if self.key else []
        text = redact(raw.decode("utf-8", "replace"), secrets)
        try:
            document = jsontext.loads(text)
        except JsonError:
            document = None
        kind = response.headers.get("content-type", "").partition(";")[0]
        location = redact(response.headers.get("location", ""), secrets)[:MAX_WORDS]
        answer = _Answer(response.status_code, kind, document, text, location)
        self._seen.append(answer)
        return answer

    # -- when it is nothing

    def _why(self) -> str:
        """Why nothing was found, by what was answered."""
        where = self.base_url
        if self._locked:
            if self.key is None:
                return (
                    f"{where} wants a key: name the variable that holds it with --key-env, "
                    "or say with --format which wire format it speaks"
                )
            return f"{where} refuses the key: {self._words(LOCKED)}"
        moved = [answer for answer in self._seen if 300 <= answer.status < 400]
        if moved:
            to = f" to {moved[0].location}" if moved[0].location else ""
            return f"{where} sends elsewhere ({moved[0].status}{to}); name the address it sends to"
        if any("html" in answer.type for answer in self._seen):
            return (
                f"{where} answers with web pages, not with an API; "
                "a base URL often ends with /v1 or /api/v1"
            )
        if any(answer.status >= 500 for answer in self._seen):
            return f"{where} fails: {self._words(range(500, 600))}"
        known = ", ".join(side.name for side in self._sides(None))
        return f"{where} answers, but speaks none of {known}; with --format it is taken to"

    def _words(self, statuses: Any) -> str:
        answer = next(answer for answer in self._seen if answer.status in statuses)
        words = next(_texts(answer.document), None) or answer.text
        return f"{answer.status} {' '.join(words.split())[:MAX_WORDS]}".strip()


def _texts(document: Any) -> Iterator[str]:
    """The sentences of an error, whatever its envelope."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for key in ("error", "message", "detail", "msg"):
            yield from _texts(document.get(key))
    elif isinstance(document, list) and document:
        yield from _texts(document[0])


def _spoken(listed: Mapping[str, list[str]], wires: list[str]) -> str | None:
    """The format to ask in: one that is served and lists its models, else the first of either."""
    both = [name for name in listed if name in wires]
    return next(iter((*both, *wires, *listed)), None)
