"""Keys are found wherever the SDKs put them, and nothing else lets anybody in."""

from __future__ import annotations

import hashlib

import pytest

from engine.gateway.auth import ANONYMOUS, Keyring
from engine.gateway.settings import ClientKey

KEYRING = Keyring(
    [
        ClientKey("plain", text="sesame"),
        ClientKey("hashed", digest=hashlib.sha256(b"hashed-sesame").hexdigest()),
    ]
)


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": "Bearer sesame"}, b""),
        ({"authorization": "bearer  sesame "}, b""),
        ({"x-api-key": "sesame"}, b""),
        ({"x-goog-api-key": "sesame"}, b""),
        ({}, b"beta=true&key=sesame"),
        ({}, b"key=ses%61me"),
        ({"authorization": "Bearer other", "x-api-key": "sesame"}, b""),
        ({"authorization": "Basic other", "x-api-key": "sesame"}, b""),
    ],
)
def test_a_known_key_is_found(headers: dict[str, str], query: bytes) -> None:
    assert KEYRING.identify(headers, query) == "plain"


def test_a_key_kept_as_a_digest_is_found() -> None:
    assert KEYRING.identify({"x-api-key": "hashed-sesame"}, b"") == "hashed"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, b""),
        ({"authorization": "sesame"}, b""),
        ({"authorization": "Basic sesame"}, b""),
        ({"authorization": "Bearer "}, b""),
        ({"x-api-key": ""}, b""),
        ({"x-api-key": "Sesame"}, b""),
        ({"x-api-key": hashlib.sha256(b"hashed-sesame").hexdigest()}, b""),
        ({}, b"monkey=sesame"),
        ({}, b"key="),
    ],
)
def test_anything_else_is_refused(headers: dict[str, str], query: bytes) -> None:
    assert KEYRING.identify(headers, query) is None


def test_without_keys_everybody_is_anonymous() -> None:
    assert Keyring([]).identify({}, b"") == ANONYMOUS
