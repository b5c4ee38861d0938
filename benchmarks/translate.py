"""Compiled mappings against hand-written Python: the same conversions, as ratios in one run.

    python benchmarks/translate.py [--json] [--rounds 20] [--limit 1.5]

The rival takes all that the mappings take (``benchmarks/handwritten``; ``benchmarks/equal.py``
holds it to that). Beside it stands what a lean converter costs that goes from format to format in
one step and knows only what the measured documents hold (``benchmarks/lean``): for information.

All sides must give the same before anything is measured. Samples of all cases take turns, and the
best of each counts, in CPU time, so that other work on the machine disturbs all alike. ``--limit``
makes the exit status 1 when a ratio, of a whole or of a half, is above it.
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
from itertools import cycle
from pathlib import Path
from typing import Any

if __package__ is None:  # run as a file: make room for the package's own name
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks import bodies
from benchmarks.handwritten import chat_answer, chat_request, claude_answer
from benchmarks.handwritten.claude_request import Requests
from benchmarks.handwritten.streams import READ, WRITE, Stream
from benchmarks.handwritten.whole import Translations
from benchmarks.lean import answers
from benchmarks.lean.requests import Requests as LeanRequests
from benchmarks.lean.streams import ToChat, ToClaude
from engine.language.schemas import Profiles
from engine.resources import shipped
from engine.translation.jsontext import dumps
from engine.translation.plan import Plan
from engine.translation.standing import Standing
from engine.translation.translator import Translator
from engine.translation.warming import quicken

NOW = 1_795_305_600
CHAT, CLAUDE = "openai-chat", "claude"

# What one sample takes, in seconds: long enough for caches to be warm, whoever ran before.
_SAMPLE = 0.01

# Where texts stand in deltas, and what those of one case differ in.
TEXTS = ("text", "content", "partial_json", "arguments")
MORE = ("", " of", " a kind", ",\n", " \u00e9", " and on", ".", " it goes")

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Side:
    """One implementation: the whole conversion, and its halves where they stand alone."""

    whole: Run
    read: Run | None = None
    write: Run | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One conversion. ``results`` are those of hand, compiled and lean, which must be equal."""

    name: str
    hand: Side
    compiled: Side
    lean: Side
    results: Callable[[], list[object]]


class Cases:
    """The conversions that are measured."""

    def __init__(self) -> None:
        self.by = Translator.load(now=lambda: NOW)
        quicken(self.by.formats.values())  # as a server does in its first seconds
        profiles = Profiles.load(shipped("mappings") / "schema-profiles.yaml")
        limits = lru_cache(self.by.formats[CLAUDE].limits.row)
        facts = self.by.providers[CLAUDE].facts_for(None)
        self.hand = Translations(profiles, limits, facts, NOW)
        self.requests = Requests(profiles)
        self.lean = LeanRequests(profiles[CLAUDE].rewrite, limits)

    def all(self) -> Iterator[Case]:
        """Each of them."""
        typical = bodies.case("chat-request")
        yield self._request("request, chat to claude, 7 KB", typical)
        yield self._request("request, chat to claude, 75 KB", bodies.agent_request())
        yield self._answer(typical)
        plan = self.by.request(typical, CHAT, provider=CLAUDE).plan
        yield from self._deltas(plan, bodies.case("claude-events"))
        body = {"model": "gpt-6", "max_tokens": 1000, "stream": True, "messages": bodies.QUESTION}
        plan = self.by.request(body, CLAUDE, target=CHAT).plan
        yield from self._deltas(plan, bodies.case("chat-chunks"))

    def _request(self, name: str, body: dict[str, Any]) -> Case:
        by, hand = self.by, self.hand
        made = by.request(body, CHAT, provider=CLAUDE)
        read, write = by.formats[CHAT].read["request"], by.formats[CLAUDE].write["request"]
        canonical = Standing(by).read_request(body, CHAT)
        plan = made.plan.data
        reading = made.plan.ctx(by.formats[CHAT], CHAT)
        writing = made.plan.ctx(by.formats[CLAUDE], CLAUDE)
        writing["limits"] = by.formats[CLAUDE].limits.row(made.plan.model)

        def results() -> list[object]:
            out, _, lost = hand.request(body)
            translated = by.request(body, CHAT, provider=CLAUDE)
            lean, missing = self.lean.convert(body)
            return [
                (out, bool(lost)),
                (translated.body, bool(translated.losses)),
                (lean, bool(missing)),
            ]

        return Case(
            name,
            Side(
                lambda: hand.request(body),
                lambda: chat_request.read_request(body, reading),
                lambda: self.requests.write(canonical, body, plan, writing),
            ),
            Side(
                lambda: by.request(body, CHAT, provider=CLAUDE),
                lambda: read.run(body, body, plan, reading),
                lambda: write.run(canonical, body, plan, writing),
            ),
            Side(lambda: self.lean.convert(body)),
            results,
        )

    def _answer(self, asked: dict[str, Any]) -> Case:
        by, hand, body = self.by, self.hand, bodies.case("claude-answer")
        plan = by.request(asked, CHAT, provider=CLAUDE).plan
        read, write = by.formats[CLAUDE].read["response"], by.formats[CHAT].write["response"]
        reading = plan.ctx(by.formats[CLAUDE], CLAUDE)
        writing = plan.ctx(by.formats[CHAT], CHAT)
        canonical, _ = read.run(body, plan.body, plan.data, reading)
        model = str(plan.client_model)

        def results() -> list[object]:
            out, lost = hand.response(body, asked, plan.data)
            answer = by.response(body, CLAUDE, CHAT, plan=plan)
            lean, missing = answers.convert(body, model, NOW)
            return [(out, bool(lost)), (answer.body, bool(answer.losses)), (lean, bool(missing))]

        return Case(
            "answer, claude to chat",
            Side(
                lambda: hand.response(body, asked, plan.data),
                lambda: claude_answer.read_response(body, plan.data, reading),
                lambda: chat_answer.write_response(canonical, plan.body, plan.data, writing),
            ),
            Side(
                lambda: by.response(body, CLAUDE, CHAT, plan=plan),
                lambda: read.run(body, plan.body, plan.data, reading),
                lambda: write.run(canonical, plan.body, plan.data, writing),
            ),
            Side(lambda: answers.convert(body, model, NOW)),
            results,
        )

    def _deltas(self, plan: Plan, events: list[dict[str, Any]]) -> Iterator[Case]:
        """One delta of a stream that is under way, as bytes and as events."""
        words = f"{plan.target} to {plan.source}".replace("openai-", "")
        for kind, number in (("text", 2), ("tool", 5)):
            yield self._bytes(f"{kind} delta, {words}, bytes", plan, events, number)
            yield self._events(f"{kind} delta, {words}, events", plan, events, number)

    def _bytes(self, name: str, plan: Plan, events: list[dict[str, Any]], number: int) -> Case:
        stream = self.by.stream(plan.target, plan.source, plan=plan)
        by_hand = Stream(plan.target, plan.source, plan.data, *self._contexts(plan))
        lean = _lean(plan)
        for event in events[:number]:
            for each in (stream, by_hand, lean):
                each.feed(_framed(event))
        frames = [_framed(_longer(events[number], more)) for more in MORE]
        return Case(
            name,
            Side(_feeding(by_hand, frames)),
            Side(_feeding(stream, frames)),
            Side(_feeding(lean, frames)),
            lambda: [b"".join(map(each.feed, frames)) for each in (by_hand, stream, lean)],
        )

    def _contexts(self, plan: Plan) -> tuple[Any, Any]:
        upstream, client = self.by.formats[plan.target], self.by.formats[plan.source]
        return plan.ctx(upstream, upstream.vendor), plan.ctx(client, client.vendor)

    def _events(self, name: str, plan: Plan, events: list[dict[str, Any]], number: int) -> Case:
        reading, writing = self._contexts(plan)
        source, target = (
            READ[plan.target](plan.data, reading),
            WRITE[plan.source](plan.data, writing),
        )
        read, write = self._compiled(plan)
        lean = _lean(plan)
        for event in events[:number]:
            for each in source.step(event):
                target.step(each)
            for each in read(event):
                write(each)
            lean.event(event)
        event = events[number]
        canonical = read(event)[-1]

        def by_hand() -> list[dict[str, Any]]:
            return [out for each in source.step(event) for out in target.step(each)]

        def compiled() -> list[dict[str, Any]]:
            return [out for each in read(event) for out in write(each)]

        return Case(
            name,
            Side(by_hand, lambda: source.step(event), lambda: target.step(canonical)),
            Side(compiled, lambda: read(event), lambda: write(canonical)),
            Side(lambda: lean.event(event)),
            lambda: [by_hand(), compiled(), lean.event(event)],
        )

    def _compiled(self, plan: Plan) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Both halves as functions of an event, each with its own state."""
        upstream, client = self.by.formats[plan.target], self.by.formats[plan.source]
        halves = (upstream.events_in, client.events_out)
        contexts = self._contexts(plan)
        made = []
        for half, ctx in zip(halves, contexts, strict=True):
            assert half is not None
            made.append(_stepper(half, plan, ctx))
        return made[0], made[1]


def _stepper(half: Any, plan: Plan, ctx: Any) -> Callable[..., Any]:
    state, losses, body, data = half.start(), half.losses(), plan.body, plan.data
    step = half.step
    return lambda event: step(event, state, losses, body, data, ctx)


def _lean(plan: Plan) -> ToChat | ToClaude:
    model = str(plan.client_model)
    return ToChat(model, NOW) if plan.source == CHAT else ToClaude(model)


def _feeding(stream: Any, frames: list[bytes]) -> Run:
    """Feeds one of the frames, in turns."""
    feed, turns = stream.feed, cycle(frames)
    return lambda: feed(next(turns))


def _longer(node: Any, more: str) -> Any:
    """A delta with more at the end of its text."""
    if isinstance(node, dict):
        return {
            key: value + more if key in TEXTS and isinstance(value, str) else _longer(value, more)
            for key, value in node.items()
        }
    return [_longer(each, more) for each in node] if isinstance(node, list) else node


def _framed(event: dict[str, Any]) -> bytes:
    name = b"event: " + event["type"].encode() + b"\n" if "type" in event else b""
    return name + b"data: " + dumps(event) + b"\n\n"


# ---------------------------------------------------------------------------- measuring


@dataclass(slots=True)
class Row:
    """Microseconds of a case: ``[by hand, compiled]`` for the whole and the halves; lean."""

    name: str
    whole: list[float]
    read: list[float] | None
    write: list[float] | None
    lean: float

    def ratios(self) -> dict[str, float | None]:
        """How many times the hand-written cost the compiled mappings take."""
        parts = {"whole": self.whole, "read": self.read, "write": self.write}
        return {word: pair[1] / pair[0] if pair else None for word, pair in parts.items()}

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON data."""
        parts = {"whole": self.whole, "read": self.read, "write": self.write}
        return {
            "case": self.name,
            "ratio": {word: ratio and round(ratio, 2) for word, ratio in self.ratios().items()},
            "by hand": {word: pair and round(pair[0], 2) for word, pair in parts.items()},
            "compiled": {word: pair and round(pair[1], 2) for word, pair in parts.items()},
            "lean": round(self.lean, 2),
        }


def measured(chosen: list[Case], rounds: int) -> list[Row]:
    """The best of many samples; those of all cases and sides take turns."""
    runs = [
        [
            case.hand.whole,
            case.compiled.whole,
            case.lean.whole,
            *[run for run in _halves(case) if run is not None],
        ]
        for case in chosen
    ]
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
        Row(case.name, times[:2], times[3:5] or None, times[5:7] or None, times[2])
        for case, times in zip(chosen, best, strict=True)
    ]


def _halves(case: Case) -> tuple[Run | None, ...]:
    return (case.hand.read, case.compiled.read, case.hand.write, case.compiled.write)


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
    """The rows for people: microseconds by hand and compiled, and the ratio, of each part."""
    heads = ("whole", "read half", "write half")
    lines = [f"{'microseconds':36}" + "".join(f"{head:>24}" for head in heads) + f"{'lean':>9}"]
    lines.append(" " * 36 + f"{'hand':>8}{'compiled':>10}{'x':>6}" * 3)
    for row in rows:
        cells = "".join(map(_cell, (row.whole, row.read, row.write)))
        lines.append(f"{row.name:36}{cells}{row.lean:9.2f}")
    return "\n".join(lines)


def _cell(pair: list[float] | None) -> str:
    if pair is None:
        return " " * 24
    return f"{pair[0]:8.2f}{pair[1]:10.2f}{pair[1] / pair[0]:6.2f}"


def main() -> int:
    """Check, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=20, help="samples of each case")
    parser.add_argument("--limit", type=float, help="the highest ratio that is accepted")
    given = parser.parse_args()
    chosen = list(Cases().all())
    for case in chosen:
        results = case.results()
        if any(result != results[0] for result in results):
            print(f"{case.name}: the results differ", *results, sep="\n", file=sys.stderr)
            return 2
    rows = measured(chosen, given.rounds)
    print(json.dumps([row.as_dict() for row in rows], indent=2) if given.json else table(rows))
    ratios = [ratio for row in rows for ratio in row.ratios().values() if ratio is not None]
    return int(given.limit is not None and max(ratios) > given.limit)


if __name__ == "__main__":
    sys.exit(main())
