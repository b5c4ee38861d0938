"""Compiled mappings against hand-written Python: the same conversions, as ratios in one run.

    python benchmarks/translate.py [--json] [--rounds 20] [--limit 2.0]

Both sides must give the same results before anything is measured. Samples of all cases take turns,
and the best of each counts, in CPU time, so that other work on the machine disturbs all alike.
``--limit`` makes the exit status 1 when a ratio is above it.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

if __package__ is None:  # run as a file: make room for the package's own name
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks import bodies
from benchmarks.handwritten import answers
from benchmarks.handwritten.requests import Requests
from benchmarks.handwritten.streams import ToChat, ToClaude
from engine.language.schemas import Profiles
from engine.resources import shipped
from engine.translation.jsontext import dumps
from engine.translation.plan import Plan
from engine.translation.translator import Translator

NOW = 1_795_305_600
CHAT, CLAUDE = "openai-chat", "claude"

# What one sample takes, in seconds: long enough for caches to be warm, whoever ran before.
_SAMPLE = 0.01

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Case:
    """One conversion; ``same`` gives both results, ``halves`` are the compiled ones alone."""

    name: str
    rival: Run
    compiled: Run
    same: Callable[[], tuple[object, object]]
    halves: tuple[Run, Run] | None = None


def cases() -> Iterator[Case]:
    """All conversions that are measured."""
    translator = Translator.load(now=lambda: NOW)
    requests = rival_requests(translator)
    for name, body in (("request, chat", bodies.case("chat-request")),
                       ("request, agent", bodies.agent_request())):  # fmt: skip
        yield _request(name, body, translator, requests)
    plan = translator.request(bodies.case("chat-request"), CHAT, provider=CLAUDE).plan
    yield _answer(translator, plan)
    events = bodies.case("claude-events")
    yield from _deltas(translator, plan, events, {"text": 2, "tool": 5})
    body = {"model": "gpt-6", "max_tokens": 1000, "stream": True, "messages": bodies.QUESTION}
    plan = translator.request(body, CLAUDE, target=CHAT).plan
    yield from _deltas(translator, plan, bodies.case("chat-chunks"), {"text": 2, "tool": 5})


def rival_requests(translator: Translator) -> Requests:
    """The hand-written conversion, with the model table and the schema rules of the project."""
    profiles = Profiles.load(shipped("mappings") / "schema-profiles.yaml")
    return Requests(profiles[CLAUDE].rewrite, lru_cache(translator.formats[CLAUDE].limits.row))


def _request(name: str, body: dict[str, Any], by: Translator, rival: Requests) -> Case:
    def compiled() -> Any:
        return by.request(body, CHAT, provider=CLAUDE)

    def same() -> tuple[object, object]:
        out, lost = rival.convert(body)
        made = compiled()
        return (out, bool(lost)), (made.body, bool(made.losses))

    made = by.request(body, CHAT, provider=CLAUDE)
    read = by.formats[CHAT].read["request"]
    write = by.formats[CLAUDE].write["request"]
    canonical = by.read_request(body, CHAT)
    reading = made.plan.ctx(by.formats[CHAT], CHAT)
    writing = made.plan.ctx(by.formats[CLAUDE], CLAUDE)
    writing["limits"] = by.formats[CLAUDE].limits.row(made.plan.model)
    halves = (
        lambda: read.run(body, body, made.plan.data, reading),
        lambda: write.run(canonical, body, made.plan.data, writing),
    )
    return Case(name, lambda: rival.convert(body), compiled, same, halves)


def _answer(by: Translator, plan: Plan) -> Case:
    body = bodies.case("claude-answer")
    model = str(plan.client_model)

    def same() -> tuple[object, object]:
        out, lost = answers.convert(body, model, NOW)
        made = by.response(body, CLAUDE, CHAT, plan=plan)
        return (out, bool(lost)), (made.body, bool(made.losses))

    read = by.formats[CLAUDE].read["response"]
    write = by.formats[CHAT].write["response"]
    reading = plan.ctx(by.formats[CLAUDE], CLAUDE)
    writing = plan.ctx(by.formats[CHAT], CHAT)
    canonical, _ = read.run(body, plan.body, plan.data, reading)
    halves = (
        lambda: read.run(body, plan.body, plan.data, reading),
        lambda: write.run(canonical, plan.body, plan.data, writing),
    )
    return Case(
        "answer",
        lambda: answers.convert(body, model, NOW),
        lambda: by.response(body, CLAUDE, CHAT, plan=plan),
        same,
        halves,
    )


def _deltas(
    by: Translator, plan: Plan, events: list[dict[str, Any]], chosen: dict[str, int]
) -> Iterator[Case]:
    """One delta of a stream that is under way, as bytes and as events."""
    source, target = plan.target, plan.source
    for kind, number in chosen.items():
        name = f"{kind} delta, {source} to {target}"
        yield _bytes(name, by, plan, events, number)
        yield _events(f"{name}, events only", by, plan, events, number)


def _rival(plan: Plan) -> ToChat | ToClaude:
    model = str(plan.client_model)
    return ToChat(model, NOW) if plan.source == CHAT else ToClaude(model)


def _framed(event: dict[str, Any]) -> bytes:
    name = b"event: " + event["type"].encode() + b"\n" if "type" in event else b""
    return name + b"data: " + dumps(event) + b"\n\n"


def _bytes(
    name: str, by: Translator, plan: Plan, events: list[dict[str, Any]], number: int
) -> Case:
    stream = by.stream(plan.target, plan.source, plan=plan)
    rival = _rival(plan)
    for event in events[:number]:
        stream.feed(_framed(event))
        rival.feed(_framed(event))
    frame = _framed(events[number])
    return Case(
        name,
        lambda: rival.feed(frame),
        lambda: stream.feed(frame),
        lambda: (rival.feed(frame), stream.feed(frame)),
    )


def _events(
    name: str, by: Translator, plan: Plan, events: list[dict[str, Any]], number: int
) -> Case:
    upstream, client = by.formats[plan.target], by.formats[plan.source]
    read, write = upstream.events_in, client.events_out
    assert read is not None and write is not None
    read_state, write_state = read.start(), write.start()
    read_losses, write_losses = read.losses(), write.losses()
    reading = (plan.body, plan.data, plan.ctx(upstream, upstream.vendor))
    writing = (plan.body, plan.data, plan.ctx(client, client.vendor))

    def reads(event: dict[str, Any]) -> list[dict[str, Any]]:
        return read.step(event, read_state, read_losses, *reading)

    def writes(canonical: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            out
            for each in canonical
            for out in write.step(each, write_state, write_losses, *writing)
        ]

    rival = _rival(plan)
    for event in events[:number]:
        writes(reads(event))
        rival.event(event)
    event = events[number]
    canonical = reads(event)
    return Case(
        name,
        lambda: rival.event(event),
        lambda: writes(reads(event)),
        lambda: (rival.event(event), writes(reads(event))),
        (lambda: reads(event), lambda: writes(canonical)),
    )


@dataclass(slots=True)
class Row:
    """Results of a case in microseconds: the rival, the compiled whole, its halves."""

    name: str
    rival: float
    compiled: float
    read: float | None
    write: float | None

    @property
    def ratio(self) -> float:
        """How many times the rival's cost the compiled mappings take."""
        return self.compiled / self.rival

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON data."""
        numbers = {key: getattr(self, key) for key in ("rival", "compiled", "read", "write")}
        rounded = {key: value and round(value, 2) for key, value in numbers.items()}
        return {"case": self.name, "ratio": round(self.ratio, 2), **rounded}


def measured(chosen: list[Case], rounds: int) -> list[Row]:
    """The best of many samples; those of all cases and sides take turns."""
    runs = [[case.rival, case.compiled, *(case.halves or ())] for case in chosen]
    counts = [[_count(run) for run in of_case] for of_case in runs]
    best = [[float("inf")] * len(of_case) for of_case in runs]
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for at, of_case in enumerate(runs):
            for side, run in enumerate(of_case):
                best[at][side] = min(best[at][side], _sample(run, counts[at][side]))
        gc.collect()
    gc.enable()
    return [
        Row(case.name, times[0], times[1], *(times[2:] or (None, None)))
        for case, times in zip(chosen, best, strict=True)
    ]


def _count(run: Run) -> int:
    """How often to run it for one sample."""
    run()
    return max(1, int(_SAMPLE / _sample(run, 3) * 1e6))


def _sample(run: Run, count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        run()
    return (time.process_time() - start) / count * 1e6


def table(rows: list[Row]) -> str:
    """The rows for people; microseconds."""
    head = f"{'':44}{'by hand':>9}{'compiled':>10}{'ratio':>7}{'read':>9}{'write':>9}\n"
    return head + "\n".join(
        f"{row.name:44}{row.rival:9.2f}{row.compiled:10.2f}{row.ratio:7.2f}"
        + "".join(f"{half:9.2f}" if half is not None else "" for half in (row.read, row.write))
        for row in rows
    )


def main() -> int:
    """Check, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=20, help="samples of each case")
    parser.add_argument("--limit", type=float, help="the highest ratio that is accepted")
    given = parser.parse_args()
    chosen = list(cases())
    for case in chosen:
        by_hand, compiled = case.same()
        if by_hand != compiled:
            print(f"{case.name}: the results differ\n{by_hand}\n{compiled}", file=sys.stderr)
            return 2
    rows = measured(chosen, given.rounds)
    print(json.dumps([row.as_dict() for row in rows], indent=2) if given.json else table(rows))
    return int(given.limit is not None and any(row.ratio > given.limit for row in rows))


if __name__ == "__main__":
    sys.exit(main())
