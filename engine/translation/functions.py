"""The functions that translation adds to the language: signatures, ids and names across formats.

Importing this module registers them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from functools import lru_cache
from typing import Any

from engine.language.functions import FunctionError, function
from engine.translation.scopes import Vendor

# A signature in the hands of a client whose format is not the signature's own:
# gw1.<vendor>.<scope>.<kind>.<where>.<payload>
TAG = "gw1."
_KINDS = ("sig", "redacted", "enc")
_PLACES = ("self", "prev", "next")
_NONE = "-"

# Call ids that every format takes.
_is_legal_id = re.compile(r"[A-Za-z0-9_-]{1,40}").fullmatch
_ESCAPE = "x_"
# 23 bytes are 37 digits of base32 and with the mark 39 characters; 24 would be 41.
_ESCAPED_BYTES = 23

# An id without its prefix, which begins none that has one.
_ID = re.compile(r"(?:[a-z]+[-_]|(?![a-z]+[-_]))([A-Za-z0-9_-]{1,64})\Z")
_ID_TAIL = re.compile(r"[A-Za-z0-9_-]{1,64}")


@function(
    "carry", "object", "text",
    example=(
        "carry(s, 'chat')",
        {"s": {"vendor": "acme", "kind": "sig", "value": "EqQ="}},
        "gw1.acme.-.sig.self.EqQ=",
    ),
)  # fmt: skip
def carry(signature: dict[str, Any], vendor: str) -> str | None:
    """A signature as text: bare to its own vendor, else in a tagged carrier."""
    value, owner = signature.get("value"), signature.get("vendor")
    if not isinstance(value, str):
        return None
    if owner in (None, vendor) and not value.startswith(TAG):
        return value
    fields = (owner or vendor, signature.get("scope") or _NONE, signature.get("kind") or "sig",
              signature.get("where") or "self")  # fmt: skip
    ident = signature.get("id")
    if ident or value.startswith("="):
        value = f"={_quoted(ident or '')}:{value}"
    return TAG + ".".join(map(_quoted, fields)) + "." + value


@function(
    "uncarry", "text", "text", "text",
    example=(
        "uncarry(t, 'acme', 'sig')",
        {"t": "EqQ="},
        {"vendor": "acme", "kind": "sig", "value": "EqQ="},
    ),
)  # fmt: skip
def uncarry(text: str, vendor: str, kind: str) -> dict[str, Any] | None:
    """The signature of a text: what its tag says, untagged it is the vendor's; null when empty."""
    if not text:
        return None
    # The payload comes last: it may hold dots itself.
    fields = text[len(TAG) :].split(".", 4) if text.startswith(TAG) else []
    if len(fields) != 5 or fields[2] not in _KINDS or fields[3] not in _PLACES:
        signature = {"vendor": str(vendor), "kind": kind, "value": text}
        if isinstance(vendor, Vendor):
            signature["scope"] = vendor.scope
        return signature
    owner, scope, kind, where, value = fields
    signature = {"vendor": _unquoted(owner), "kind": kind, "value": value}
    if scope != _NONE:
        signature["scope"] = _unquoted(scope)
    if where != "self":
        signature["where"] = where
    if value.startswith("=") and ":" in value:
        ident, _, signature["value"] = value[1:].partition(":")
        if ident:
            signature["id"] = _unquoted(ident)
    return signature


@function("safe_id", "text", example=("safe_id(i)", {"i": "a.b"}, "x_mexge"))
def safe_id(ident: str) -> str | None:
    """A call id that every format takes: a legal one stays, a short one is escaped, else hashed."""
    if _is_legal_id(ident):
        return ident
    if not ident:
        return None
    data = ident.encode("utf-8", "surrogatepass")
    if len(data) <= _ESCAPED_BYTES:
        return _ESCAPE + base64.b32encode(data).decode("ascii").rstrip("=").lower()
    return f"call_{_hash(ident)}"


@function("raw_id", "text", example=("raw_id(i)", {"i": "x_mexge"}, "a.b"))
def raw_id(ident: str) -> str:
    """Undoes the escape of safe_id(); every other id stays."""
    if not ident.startswith(_ESCAPE) or not _is_legal_id(ident):
        return ident
    digits = ident[len(_ESCAPE) :].upper()
    try:
        raw = base64.b32decode(digits + "=" * (-len(digits) % 8)).decode("utf-8", "surrogatepass")
    except (binascii.Error, UnicodeDecodeError):
        return ident
    # A legal id may look like an escape and be none.
    return raw if safe_id(raw) == ident else ident


@function(
    "answer_id", "text", "text", "list",
    example=("answer_id(i, 'msg_')", {"i": "chatcmpl-9aB"}, "msg_9aB"),
)  # fmt: skip
def answer_id(ident: str, prefix: str, known: list[Any] | None = None) -> str | None:
    """The upstream's id under another prefix; the prefixes to cut may be given as a list."""
    if not ident:
        return None
    if known is None:
        plain = _ID.match(ident)
        if plain is not None:
            return prefix + plain[1]
        tail = ""
    else:
        heads = [each for each in known if isinstance(each, str) and ident.startswith(each)]
        tail = ident[len(max(heads, key=len, default="")) :]
    return prefix + (tail if _ID_TAIL.fullmatch(tail) else _hash(ident))


@function(
    "alias_names", "list", "text", "integer",
    example=("alias_names(n, '^[a-z_]+$', `8`)", {"n": ["ok", "a.b"]}, {"a.b": "a_b"}),
)  # fmt: skip
def alias_names(names: list[Any], pattern: str, longest: int) -> dict[str, str] | None:
    """Aliases for the names that do not match a pattern or are too long; null when all are fine."""
    legal = _compiled(pattern)
    fits = legal.fullmatch
    for name in names:
        if type(name) is not str or len(name) > longest or not fits(name):
            break
    else:
        return None
    texts = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    odd = [name for name in texts if len(name) > longest or not legal.fullmatch(name)]
    taken = set(texts) - set(odd)
    aliases: dict[str, str] = {}
    for name in odd:
        plain = _replaced(name, legal)
        alias, number = plain[:longest], 0
        while alias in taken or not legal.fullmatch(alias):
            suffix = "_" + _hash(f"{number}:{name}" if number else name)[:8]
            # From the second try on nothing of the name is kept that could stand in the way.
            alias = ((plain if number < 2 else "t")[: max(0, longest - 9)] + suffix)[-longest:]
            number += 1
            if number > 99:
                raise FunctionError("alias_names", "matches no name that could be made", 2, "text")
        taken.add(alias)
        aliases[name] = alias
    return aliases or None


def _replaced(name: str, legal: re.Pattern[str]) -> str:
    """The name with ``_`` for what the pattern does not take; a bad start gets ``_`` before it."""
    good = {char for char in set(name) if legal.fullmatch(f"a{char}")}
    text = "".join(char if char in good else "_" for char in name)
    return text if legal.fullmatch(text) else f"_{text}"


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise FunctionError(
            "alias_names", f"is no regular expression: {error}", 2, "text"
        ) from None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _quoted(text: Any) -> str:
    return str(text).replace("%", "%25").replace(".", "%2E").replace(":", "%3A")


def _unquoted(text: str) -> str:
    return text.replace("%3A", ":").replace("%2E", ".").replace("%25", "%")
