"""Base64 as it is met in the wild, data URLs, and what the first bytes of a file say."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

_URL_SAFE = str.maketrans("-_", "+/", " \t\r\n=")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*\Z")
_NOT_STANDARD = ("-", "_", "\n", "\r", " ", "\t")

# How long the head of a data URL may be before its comma.
_HEAD = 1024

_MAGIC: tuple[tuple[bytes, int, bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, b"", "image/png"),
    (b"\xff\xd8\xff", 0, b"", "image/jpeg"),
    (b"GIF8", 0, b"", "image/gif"),
    (b"RIFF", 8, b"WEBP", "image/webp"),
    (b"%PDF-", 0, b"", "application/pdf"),
)


def b64_encode(text: str) -> str:
    """The text's UTF-8 bytes in base64."""
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")


def b64_decode(text: str) -> str | None:
    """The text in any base64 (URL-safe or not, padded or not); null when it holds no UTF-8 text."""
    try:
        return binascii.a2b_base64(_standard(text)).decode("utf-8", "surrogatepass")
    except ValueError:
        return None


def b64_standard(text: str) -> str:
    """Any base64 as padded standard base64; what is no base64 stays as it is."""
    if len(text) % 4 == 0 and not any(char in text for char in _NOT_STANDARD):
        return text
    try:
        return _standard(text)
    except ValueError:
        return text


def data_url(url: str) -> dict[str, str] | None:
    """``{mime, data}`` of a data URL, the data in padded standard base64; null for other URLs."""
    if url[:5].lower() != "data:":
        return None
    comma = url.find(",", 5, _HEAD)
    if comma < 0:
        return None
    mime, *parameters = (word.strip().lower() for word in url[5:comma].split(";"))
    data = url[comma + 1 :]
    if "base64" in parameters:
        if "%" in data:
            data = unquote_to_bytes(data).decode("ascii", "replace")
        data = b64_standard(data)
    else:
        data = base64.b64encode(unquote_to_bytes(data)).decode("ascii")
    return {"mime": mime or "text/plain", "data": data}


def sniff_mime(data: str) -> str | None:
    """The media type that the first bytes of base64 data say; null for unknown ones."""
    try:
        start = binascii.a2b_base64(_standard(data[:24])[:16])
    except ValueError:
        return None
    for head, offset, more, mime in _MAGIC:
        if start.startswith(head) and start.startswith(more, offset):
            return mime
    return None


def _standard(text: str) -> str:
    """Padded standard base64. Raises ValueError for what is no base64."""
    bare = text.translate(_URL_SAFE)
    if not _BASE64.match(bare) or len(bare) % 4 == 1:
        raise ValueError("not base64")
    return bare + "=" * (-len(bare) % 4)
