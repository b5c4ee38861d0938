"""The cases of tests/cases, as the tests use them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.clients import Reply
from tests.support.translations import SUFFIXES
from tests.support.upstream import Answer, document, stream

CASES = Path(__file__).parents[1] / "cases"


@cache
def _text(name: str) -> str:
    return (CASES / name).read_text()


def sdk(name: str) -> Any:
    """A fresh copy of a document under tests/cases/sdk."""
    return json.loads(_text(f"sdk/{name}.json"))


def sdk_answer(format: str, name: str, streamed: bool) -> Answer:
    """What an upstream of the format answers in the case, whole or as a stream."""
    if streamed:
        known = (f"sdk/{format}/{name}{suffix}" for suffix in SUFFIXES.values())
        return stream(_text(next(each for each in known if (CASES / each).exists())).encode())
    return document(sdk(f"{format}/{name}"))


def first_error(format: str) -> bytes:
    """A stream of the format that begins with the error of its case `broken`."""
    body = sdk_answer(format, "broken", streamed=True).body
    marks = (b"event: error", b'data: {"error"')
    return body[next(at for mark in marks if (at := body.find(mark)) >= 0) :]


def sdk_reply(name: str) -> Reply:
    """What a client must have understood of that answer."""
    expected = sdk("expected")[name]
    return Reply(**{**expected, "calls": [(call[0], call[1]) for call in expected["calls"]]})
