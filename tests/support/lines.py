"""The events of a stream's case, to be changed and put together again."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.eventstream import encoded
from tests.support.translations import OwnCase, translator


@dataclass
class Line:
    """One line of the file. `head` is what stands before the document; without one, the line."""

    head: str
    document: Any = None

    def __str__(self) -> str:
        return self.head if self.document is None else self.head + json.dumps(self.document)


def lines(case: OwnCase) -> list[Line]:
    """Its lines; what is cut off and the exceptions of binary streams are no documents."""
    return [_line(text, _binary(case)) for text in case.lines]


def _binary(case: OwnCase) -> bool:
    return translator().formats[case.format].framing.kind.name == "aws-event-stream"


def _line(text: str, binary: bool) -> Line:
    head, brace, rest = text.partition("{")
    if brace and (head in ("", "data: ", "data:") or (binary and head[0] != "!")):
        try:
            return Line(head, json.loads(brace + rest))
        except ValueError:
            pass
    return Line(text)


def joined(case: OwnCase, found: list[Line]) -> bytes:
    """The stream of these lines."""
    texts = [str(line) for line in found]
    return encoded(texts) if _binary(case) else "\n".join([*texts, ""]).encode()
