"""What an upstream is not to see as the client wrote it, and what it is to see besides.

All of it happens in the canonical form, so it holds for every wire format: the operator's
instructions, a pseudonym for the end user, and words that are masked in the request and restored in
the answer, also where a chunk cuts a mask.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Canonical = dict[str, Any]
Event = dict[str, Any]

MODES = ("never", "always", "auto")
PLACEMENTS = ("prepend", "replace")

# A mask is a name that no text holds by chance and that has one place in JSON and in its escapes.
MASK_PREFIX = "Mq"
MASK_LENGTH = 16
_TEXTS = ("text", "thinking", "args", "refusal")
# Where a JSON Schema holds words for the model, not names that the client's code knows.
_SPOKEN = frozenset(("description", "title", "enum", "const", "default", "examples"))


@dataclass(frozen=True, slots=True)
class CloakSettings:
    """What a credential's ``cloak`` says."""

    mode: str = "never"
    system_prompt: str | None = None
    placement: str = "prepend"
    user_id: bool = False
    sensitive_words: tuple[str, ...] = ()

    def active(self, translated: bool) -> bool:
        """Whether anything is to be done; ``translated``: the client speaks another format."""
        wanted = self.mode == "always" or (self.mode == "auto" and translated)
        return wanted and bool(self.system_prompt or self.user_id or self.sensitive_words)


class Cloak:
    """The cloak of one request. ``secret`` keys the masks, ``client`` is a digest of its key."""

    def __init__(self, settings: CloakSettings, secret: str, client: bytes, provider: str) -> None:
        self._settings = settings
        self._secret = secret.encode()
        self._client = client
        self._provider = provider
        words = sorted(settings.sensitive_words, key=len, reverse=True)
        self._words = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None
        self._masks: dict[str, str] = {}  # by what they stand for
        self._meant: dict[str, str] = {}

    # -- the request

    def edit(self, request: Canonical) -> Canonical:
        """The canonical request as the upstream is to see it; the given one stays as it is."""
        settings = self._settings
        edited = {**request}
        if self._words is not None:
            edited |= {key: _MASKED[key](self, request[key]) for key in _MASKED if key in request}
        if settings.system_prompt:
            own = {"type": "text", "text": settings.system_prompt, "level": "system"}
            kept = [] if settings.placement == "replace" else edited.get("instructions", [])
            edited["instructions"] = [own, *kept]
        if settings.user_id:
            edited["user"] = pseudonym(self._client, self._provider)
        return edited

    @property
    def moved(self) -> Mapping[str, int | None]:
        """How far :meth:`edit` moves the elements of a list; None: other ones take their place."""
        if not self._settings.system_prompt:
            return {}
        return {"instructions": None if self._settings.placement == "replace" else 1}

    def mask(self, text: str) -> str:
        """The text with a mask for each of the words; each spelling has its own."""
        return text if self._words is None else self._words.sub(self._masked, text)

    def _masked(self, found: re.Match[str]) -> str:
        word = found[0]
        mask = self._masks.get(word)
        if mask is None:
            digest = hmac.digest(self._secret, b"word\0" + word.encode(), "sha256")
            code = base64.b32encode(digest).decode()[: MASK_LENGTH - len(MASK_PREFIX)]
            mask = self._masks[word] = MASK_PREFIX + code
            self._meant[mask] = word
        return mask

    def deep(self, value: Any) -> Any:
        """The value with every text in it masked; keys stay."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, list):
            return [self.deep(item) for item in value]
        if isinstance(value, dict):
            return {key: self.deep(item) for key, item in value.items()}
        return value

    def schema(self, value: Any) -> Any:
        """A JSON Schema with what it says to the model masked."""
        if isinstance(value, list):
            return [self.schema(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: self.deep(item)
            if key in _SPOKEN and not isinstance(item, dict)
            else self.schema(item)
            for key, item in value.items()
        }

    def parts(self, parts: list[Canonical]) -> list[Canonical]:
        """Parts of a turn with their texts masked; names, ids and signatures stay."""
        return [self._part(part) for part in parts]

    def _part(self, part: Canonical) -> Canonical:
        masked = {**part}
        for key in ("text", "raw", "title", "context", "arguments"):
            if key in part:
                masked[key] = self.deep(part[key])
        for key in ("parts", "source"):
            if key in part:
                masked[key] = self.parts(part[key]) if key == "parts" else self._part(part[key])
        return masked

    def turns(self, turns: list[Canonical]) -> list[Canonical]:
        """The conversation with its texts masked."""
        return [{**turn, "parts": self.parts(turn["parts"])} for turn in turns]

    def tools(self, tools: list[Canonical]) -> list[Canonical]:
        """Tools with their descriptions masked."""
        return [self._tool(tool) for tool in tools]

    def _tool(self, tool: Canonical) -> Canonical:
        masked = {**tool}
        if "description" in tool:
            masked["description"] = self.mask(tool["description"])
        for key, change in (("schema", self.schema), ("examples", self.deep)):
            if key in tool:
                masked[key] = change(tool[key])
        return masked

    # -- the answer

    def restore(self, text: str) -> str:
        """The text with the words in place of their masks."""
        for mask, word in self._meant.items():
            text = text.replace(mask, word)
        return text

    def restored(self, data: bytes) -> bytes:
        """As :meth:`restore`, for bytes of JSON: no mask and no word is written otherwise there."""
        for mask, word in self._meant.items():
            data = data.replace(mask.encode(), word.encode())
        return data

    @property
    def restores(self) -> bool:
        """Whether the request held words, so that the answer may hold masks."""
        return bool(self._meant)

    def stage(self) -> Restoring:
        """The restoring of one stream."""
        return Restoring(self._meant)


_MASKED: dict[str, Callable[[Cloak, Any], Any]] = {
    "instructions": Cloak.parts,
    "turns": Cloak.turns,
    "tools": Cloak.tools,
    "stop": Cloak.deep,
    "output": Cloak.schema,
}


class Restoring:
    """Restores words in the events of a stream.

    The end of a delta that may be the beginning of a mask waits for the next one of its part.
    """

    def __init__(self, meant: Mapping[str, str]) -> None:
        self._meant = meant
        self._begins = {mask[:length] for mask in meant for length in range(1, len(mask))}
        self._waiting: dict[tuple[int, Any], Event] = {}

    def again(self, event: Event) -> None:
        """None: the next text may hold a mask, or the beginning of one."""
        return None

    def push(self, event: Event) -> list[Event]:
        """The event as the client is to see it, after what waited for it."""
        kind = event["type"]
        if kind == "usage":
            return [event]
        place = (event.get("choice", 0), event.get("part"))
        if kind == "error":
            message = self._restored(event["error"]["message"])
            event = {**event, "error": {**event["error"], "message": message}}
        if kind not in _TEXTS:
            return [*self._flushed(place if place[1] is not None else None), event]
        before = self._waiting.pop(place, None)
        out: list[Event] = []
        text = event["delta"]
        if before is not None and before["type"] == kind:
            text = before["delta"] + text
        elif before is not None:
            out.append(before)
        text = self._restored(text)
        cut = self._cut(text)
        if cut < len(text):
            self._waiting[place] = {**event, "delta": text[cut:]}
        if cut:
            out.append({**event, "delta": text[:cut]})
        return out

    def _restored(self, text: str) -> str:
        for mask, word in self._meant.items():
            text = text.replace(mask, word)
        return text

    def _cut(self, text: str) -> int:
        """Where what may be the beginning of a mask begins."""
        for length in range(min(MASK_LENGTH - 1, len(text)), 0, -1):
            if text[-length:] in self._begins:
                return len(text) - length
        return len(text)

    def _flushed(self, place: tuple[int, Any] | None) -> Iterator[Event]:
        for waiting in list(self._waiting) if place is None else [place]:
            event = self._waiting.pop(waiting, None)
            if event is not None:
                yield event


def pseudonym(client: bytes, provider: str) -> str:
    """A client's name for a provider: stable, another one elsewhere, and no way back to the key."""
    return hmac.new(client, b"user\0" + provider.encode(), hashlib.sha256).hexdigest()[:32]
