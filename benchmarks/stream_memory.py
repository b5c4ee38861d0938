"""What a long stream costs in memory, in every pair: before its end, and at most while it ends.

    python benchmarks/stream_memory.py [--json] [--events 100000] [--kind text] [--limit 12]

Each event brings ``WIDTH`` characters. What is told is in multiples of the whole text: a format
that repeats texts in its last events keeps the pieces, puts them together once at the end, and
writes the events that repeat them; one that does not keeps nothing. Time is told for a tenth of the
events and for all of them, as microseconds an event: the same where nothing grows with the stream.
``--limit`` makes the exit status 1 when a stream keeps or takes more.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if __package__ is None:  # run as a file: make room for the package's own name
    sys.path[0] = str(Path(__file__).parents[1])

from engine.translation.encoder import Encoder
from engine.translation.halves import Halves
from engine.translation.plan import Plan
from engine.translation.translator import Translator

WIDTH = 20
KINDS = ("text", "thinking", "call")

_ASKED = {
    "model": "m",
    "stream": True,
    "turns": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
}


@dataclass(frozen=True, slots=True)
class Row:
    """One pair. ``kept`` and ``peak`` in multiples of the text, ``micros`` an event of a short and
    of the whole stream."""

    source: str
    target: str
    kept: float
    peak: float
    micros: tuple[float, float]


def events(kind: str, count: int) -> Iterator[dict[str, Any]]:
    """A canonical stream whose one part comes in ``count`` pieces."""
    yield {"type": "start", "choice": 0, "id": "a-1", "model": "m", "created": 1}
    call = {"id": "call_1", "name": "look"} if kind == "call" else {}
    yield {"type": "part_start", "choice": 0, "part": 0, "kind": kind, **call}
    word = {"call": "args"}.get(kind, kind)
    if kind == "call":
        yield {"type": "args", "choice": 0, "part": 0, "delta": '{"a":"'}
    for number in range(count):
        yield {"type": word, "choice": 0, "part": 0, "delta": f"{number:0{WIDTH}d}"}
    if kind == "call":
        yield {"type": "args", "choice": 0, "part": 0, "delta": '"}'}
    yield {"type": "part_end", "choice": 0, "part": 0}
    yield {"type": "usage", "choice": 0, "usage": {"input": 1, "output": count}}
    yield {"type": "stop", "choice": 0, "reason": "tool" if kind == "call" else "end"}
    yield {"type": "end", "choice": 0}


class Pairs:
    """The streams of all pairs of formats that clients may speak."""

    def __init__(self) -> None:
        self.translator = Translator.load()
        self.formats = sorted(n for n, side in self.translator.formats.items() if side.serves)
        self._asked = {
            name: Halves(self.translator).request_out(_ASKED, name, "m") for name in self.formats
        }

    def plan(self, client: str, upstream: str) -> Plan:
        """What a client of one format asked an upstream of another."""
        return self.translator.request(self._asked[client], client, upstream).plan

    def wire(self, source: str, kind: str, count: int) -> list[bytes]:
        """The bytes of a stream, event by event."""
        encoder = Encoder(self.translator.formats[source], self.plan(source, source))
        return [encoder.write(event) for event in events(kind, count)]

    def feed(self, source: str, target: str, wire: list[bytes]) -> Callable[[], None]:
        """Feed a stream up to the end of its part; what is returned feeds the rest."""
        stream = self.translator.stream(source, target, self.plan(target, source))
        for each in wire[:-4]:
            stream.feed(each)

        def end() -> None:
            for each in wire[-4:]:
                stream.feed(each)
            stream.close()

        return end


def measure(pairs: Pairs, source: str, target: str, kind: str, count: int) -> Row:
    """One pair."""
    wire = pairs.wire(source, kind, count)
    short = pairs.wire(source, kind, count // 10)
    times = []
    for each in (short, wire):
        begun = time.process_time()
        pairs.feed(source, target, each)()
        times.append((time.process_time() - begun) / len(each) * 1e6)
    kept, peak = memory(pairs, source, target, wire)
    text = count * WIDTH
    return Row(source, target, kept / text, peak / text, (times[0], times[1]))


def memory(pairs: Pairs, source: str, target: str, wire: list[bytes]) -> tuple[int, int]:
    """Bytes that a stream keeps at the end of its part, and at most from then on."""
    pairs.feed(source, target, [*wire[:8], *wire[-4:]])()  # whatever is made once
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        end = pairs.feed(source, target, wire)
        kept = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.reset_peak()
        end()
        return kept, tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def main() -> None:
    """Measure all pairs and show them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kind", choices=KINDS, default="text")
    parser.add_argument("--limit", type=float)
    given = parser.parse_args()
    pairs = Pairs()
    rows = [
        measure(pairs, source, target, given.kind, given.events)
        for source in pairs.formats
        for target in pairs.formats
    ]
    if given.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print(f"{given.events} events of {WIDTH} characters, {given.kind}")
        for row in rows:
            print(
                f"{row.source:>17} > {row.target:17} kept {row.kept:6.2f} x  peak {row.peak:6.2f} x"
                f"  {row.micros[0]:6.1f} and {row.micros[1]:6.1f} us"
            )
    sys.exit(bool(given.limit and any(max(row.kept, row.peak) > given.limit for row in rows)))


if __name__ == "__main__":
    main()
