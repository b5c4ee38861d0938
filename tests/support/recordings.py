"""Recorded provider traffic, when it is there.

The project carries none of it: AI_PROXY_RECORDINGS names its folder, by default
`../shared/recordings`. Tests that need it skip, with that reason, when it is absent.
"""

import csv
import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from tests.support.upstream import Answer

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("AI_PROXY_RECORDINGS", ROOT.parent / "shared" / "recordings"))
ABSENT = f"no recordings in {FOLDER}; AI_PROXY_RECORDINGS names their folder"


@dataclass(frozen=True)
class Row:
    """One line of the index: enough to choose by, without reading the exchange."""

    id: str
    format: str
    provider: str
    stream: bool
    status: int
    tags: frozenset[str]


@dataclass(frozen=True)
class Recording:
    """One exchange. `request` is None where the recorder kept no request."""

    row: Row
    fidelity: str
    request: dict[str, Any] | None
    answer: Answer


@functools.cache
def index() -> tuple[Row, ...]:
    """All recordings, by id; none when their folder is absent."""
    path = FOLDER / "INDEX.tsv"
    if not path.is_file():
        return ()
    with path.open(newline="") as file:
        return tuple(
            Row(
                row["id"],
                row["format"],
                row["provider"],
                row["stream"] == "true",
                int(row["status"]),
                frozenset(filter(None, row["tags"].split(","))),
            )
            for row in csv.DictReader(file, delimiter="\t")
        )


def chosen(choose: Callable[[Row], bool]) -> list[ParameterSet]:
    """Parameters for a test over the recordings that `choose` takes; one skipped when absent."""
    if not index():
        return [pytest.param(None, marks=pytest.mark.skip(reason=ABSENT), id="absent")]
    return [pytest.param(row, id=row.id) for row in index() if choose(row)]


def read(row: Row) -> Recording:
    """The exchange of a row, its answer as it went over the wire."""
    text = (FOLDER / row.format / f"{row.id}.json").read_text()
    document = json.loads(text)
    headers = dict(document["response_headers"])
    if "sse" in document:
        body = document["sse"].encode()
        headers.setdefault("content-type", "text/event-stream")
    elif "text" in document:
        body = document["text"].encode()
    else:
        body = json.dumps(document["response"], ensure_ascii=False).encode()
        headers.setdefault("content-type", "application/json")
    answer = Answer(body, document["status"], headers, piece=997 if "sse" in document else None)
    return Recording(row, document["fidelity"], document["request"], answer)
