"""Who may ask: a client's key in any of the places where the SDKs put it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from engine.gateway.settings import ClientKey

ANONYMOUS = "anonymous"
_HEADERS = ("x-api-key", "x-goog-api-key")


class Keyring:
    """The clients' keys, kept as SHA-256 digests; without any, everybody is anonymous."""

    def __init__(self, keys: Iterable[ClientKey]) -> None:
        self._digests = [
            (
                bytes.fromhex(key.digest)
                if key.digest
                else hashlib.sha256((key.text or "").encode()).digest(),
                key.name,
            )
            for key in keys
        ]

    @property
    def empty(self) -> bool:
        """Whether no key is asked for."""
        return not self._digests

    def identify(self, headers: Mapping[str, str], query: bytes) -> str | None:
        """The name of the client's key, or None when none of those it sent is known.

        A client may send several (an SDK's default beside its own): one that is known is enough.
        """
        if not self._digests:
            return ANONYMOUS
        for token in _tokens(headers, query):
            name = self._lookup(token)
            if name is not None:
                return name
        return None

    def digest(self, name: str | None) -> bytes:
        """The SHA-256 digest of the key with this name; of nothing for the anonymous."""
        return next((digest for digest, own in self._digests if own == name), b"")

    def _lookup(self, token: str) -> str | None:
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found: str | None = None
        for known, name in self._digests:  # never left early: the time tells nothing
            if hmac.compare_digest(known, digest):
                found = name
        return found


def _tokens(headers: Mapping[str, str], query: bytes) -> list[str]:
    """The keys that a request holds; header names in lower case."""
    tokens = []
    if "authorization" in headers:
        scheme, _, credentials = headers["authorization"].partition(" ")
        if scheme.lower() == "bearer" and (token := credentials.strip()):
            tokens.append(token)
    for name in _HEADERS:
        if name in headers and (token := headers[name].strip()):
            tokens.append(token)
    if b"key=" in query:
        pairs = parse_qsl(query.decode("latin-1"), max_num_fields=100)
        tokens += [value for name, value in pairs if name == "key" and value]
    return tokens
