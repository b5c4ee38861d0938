"""Binary event stream messages, encoded by hand: the library of the gateway only decodes."""

import json
import struct
from binascii import crc32
from collections.abc import Iterable
from typing import Any

_STRING = 7


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message: total and header length, their checksum, headers, payload, checksum of all."""
    head = b""
    for name, value in headers.items():
        key, text = name.encode(), value.encode()
        head += struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text
    return raw(head, payload)


def raw(head: bytes, payload: bytes) -> bytes:
    """A message with these bytes for its headers."""
    prelude = struct.pack("!II", 12 + len(head) + len(payload) + 4, len(head))
    prelude += struct.pack("!I", crc32(prelude))
    return prelude + head + payload + struct.pack("!I", crc32(prelude + head + payload))


def event(name: str, data: Any) -> bytes:
    """An event as the service sends it."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(data, ensure_ascii=False).encode())


def exception(name: str, data: Any) -> bytes:
    """An exception as the service sends it in mid-stream."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(headers, json.dumps(data, ensure_ascii=False).encode())


def encoded(lines: Iterable[str]) -> bytes:
    """A stream from its readable form: lines of a name and JSON, exceptions after a `!`."""
    out = b""
    for line in lines:
        name, _, data = line.partition(" ")
        if name.startswith("!"):
            out += exception(name[1:], json.loads(data))
        elif name:
            out += event(name, json.loads(data))
    return out
