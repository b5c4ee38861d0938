"""Signatures of upstream requests, by the name that provider files call them.

Most providers take a key in a header. Some want each request signed: the secret itself is never
sent, and the signature covers the method, the address, the body and the time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from engine import extras
from engine.gateway.settings import SigningKeys
from engine.gateway.upstream import Request


class Signer(Protocol):
    """What every way of signing does; it is made once for a credential."""

    def sign(self, request: Request) -> None:
        """Add the signature's headers to a request whose address, headers and body are final."""


class AwsSigV4:
    """AWS Signature Version 4 of the whole request.

    Needs the extra ``aws``; raises MissingExtra without it. Signed are host, content type, body and
    the headers of the signature itself: what is added to the others later breaks nothing.
    """

    def __init__(self, keys: SigningKeys, service: str, region: str) -> None:
        purpose = "the signing aws-sigv4"
        # Its debug lines quote the token.
        logging.getLogger("botocore.auth").setLevel(logging.INFO)
        credentials = extras.load("botocore.credentials", purpose)
        self._request = extras.load("botocore.awsrequest", purpose).AWSRequest
        self._auth = extras.load("botocore.auth", purpose).SigV4Auth(
            credentials.Credentials(keys.key_id, keys.secret, keys.token), service, region
        )

    def sign(self, request: Request) -> None:
        """Add ``Authorization``, ``X-Amz-Date`` and, for keys with a token, its header."""
        signed = self._request(
            method=request.method,
            url=str(request.url),
            data=request.content,
            headers={name: request.headers[name] for name in ("host", "content-type")},
        )
        self._auth.add_auth(signed)
        for name, value in signed.headers.items():
            request.headers[name] = value


SIGNERS: dict[str, Callable[[SigningKeys, str, str], Signer]] = {"aws-sigv4": AwsSigV4}
"""The ways of signing; each takes the keys, the service and the region that it signs for."""
