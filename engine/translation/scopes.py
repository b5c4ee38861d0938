"""Signatures that belong to one organisation at their vendor.

What a service signed or sealed for one account, another one may not be able to read. Where the
operator tells accounts apart (``organisation`` of a credential), signatures bear its scope, a short
hash, and one of another scope is treated as another vendor's.
"""

from __future__ import annotations

import hashlib
from typing import Any


class Vendor(str):
    """The key of a vendor, with the ``scope`` of the account that is asked there."""

    __slots__ = ("scope",)
    scope: str

    def __new__(cls, name: str, scope: str) -> Vendor:
        """The vendor's key and a scope."""
        made = super().__new__(cls, name)
        made.scope = scope
        return made


def scope_of(organisation: str | None) -> str:
    """Eight hexadecimal digits for an organisation, "" for none."""
    if not organisation:
        return ""
    return hashlib.blake2b(organisation.encode(), digest_size=4).hexdigest()


def estrange(request: dict[str, Any], scope: str) -> None:
    """Make signatures of other scopes in a canonical request another vendor's, in place."""
    for turn in request.get("turns") or ():
        for part in turn.get("parts") or ():
            signature = part.get("signature")
            if signature and signature.get("scope") not in (None, scope):
                owner = signature["vendor"].partition("~")[0]
                signature["vendor"] = f"{owner}~{signature['scope']}"
