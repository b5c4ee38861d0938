"""Recorded streams, event by event: what goes through stencils is what it would be without."""

from typing import Any
from zlib import crc32

import pytest

from engine.translation.framing import MAX_FRAME
from tests.support.recordings import Row, chosen, read
from tests.support.translations import CLIENTS, translator

TARGETS = ("openai-chat", "claude")
# one recording in so many
SAMPLE = 6


def _run(pieces: list[bytes], source: str, target: str) -> tuple[Any, ...]:
    made = translator().stream(source, target, request={**CLIENTS[target], "stream": True})
    out = [*map(made.feed, pieces), made.close()]
    return out, made.losses, made.keep, made.usage, made.error


def _sampled(row: Row) -> bool:
    return row.stream and row.status == 200 and crc32(row.id.encode()) % SAMPLE == 0


@pytest.mark.parametrize("row", chosen(_sampled))
def test_a_recorded_stream_gives_the_same_without_stencils(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = translator().formats[row.format].framing.kind
    reader, writer = kind.reader(MAX_FRAME), kind.writer
    assert writer is not None
    frames = [*reader.feed(read(row).answer.body), *reader.close()]
    pieces = [writer(kind.ends[0]).frame(data, name) for name, data in frames]
    for target in TARGETS:
        quick = _run(pieces, row.format, target)
        with monkeypatch.context() as patched:
            patched.setattr("engine.translation.streams.TRIES", 0)
            assert _run(pieces, row.format, target) == quick
