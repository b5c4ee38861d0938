"""Whether the hand-written halves and the mappings give the same: output and losses.

    python benchmarks/equal.py FOLDER...

A folder holds recorded exchanges, one JSON file each (``format``, ``request``, ``response``,
``sse``), or the project's own cases (``body``). Every request is read by the mappings, chat ones by
hand, too; and all are written for Claude both ways. Answers and streams likewise: read both ways,
and written both ways for a chat client (streams for a Claude client, too). ``--formats`` names
those to read, by default chat and Claude. Differences are printed; they make the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

if __package__ is None:  # run as a file: make room for the package's own name
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks.handwritten import chat_answer, chat_request, claude_answer
from benchmarks.handwritten.claude_request import Requests
from benchmarks.handwritten.common import Refused
from benchmarks.handwritten.read_chat_stream import Uncovered
from benchmarks.handwritten.streams import READ, WRITE
from engine.errors import Defect, Rejected, UpstreamError
from engine.language.events import EventHalf
from engine.language.runtime import Refusal
from engine.language.schemas import Profiles
from engine.language.sections import Section
from engine.resources import shipped
from engine.translation.formats import Format
from engine.translation.framing import MAX_FRAME
from engine.translation.jsontext import JsonError, loads
from engine.translation.ordering import Ordering, Passthrough
from engine.translation.plan import Plan
from engine.translation.planning import writing
from engine.translation.translator import Translator
from engine.translation.warming import quicken
from engine.translation.ways import Way

Body = dict[str, Any]
Roots = tuple[Body, Body, Any]
# Output (its JSON text, or None for a refusal) and whether something was lost.
Result = tuple[str | None, bool]

CHAT, CLAUDE = "openai-chat", "claude"
NOW = 1_795_305_600
# What a request of another format is sent to, and what an answer's client asked.
MODEL = "claude-sonnet-5-5"
_HELLO = [{"role": "user", "content": "Hello"}]
ASKED: dict[str, Body] = {
    CHAT: {
        "model": "assistant",
        "stream_options": {"include_usage": True},
        "messages": _HELLO,
    },
    CLAUDE: {"model": "assistant", "max_tokens": 1000, "messages": _HELLO},
}


class Halves:
    """Both implementations of the four halves."""

    def __init__(self) -> None:
        self.by = Translator.load(now=lambda: NOW)
        quicken(self.by.formats.values())
        profiles = Profiles.load(shipped("mappings") / "schema-profiles.yaml")
        self.requests = Requests(profiles)

    def request(self, body: Body, source: str, **more: Any) -> Iterator[tuple[str, Result, Result]]:
        """A request of any format on its way to Claude: the halves it passes."""
        model = more.pop("model", None if source == CLAUDE else MODEL)
        given = (model, None, None, more.pop("options", None), more.pop("headers", None))
        way, plan, reading = self.by.planner.planned(body, source, CLAUDE, CLAUDE, *given)
        section, roots = reading.section, reading.given[1:]
        if source == CHAT:
            yield self._read_request(body, section, roots)
        try:
            canonical, _ = section.run(reading.document, *roots)
        except (Refusal, Defect):
            return
        if type(canonical) is dict:
            yield self._write_request(canonical, way, plan)

    def _read_request(
        self, body: Body, section: Section, roots: Roots
    ) -> tuple[str, Result, Result]:
        by_hand = _by_hand(lambda: chat_request.read_request(body, roots[2]))
        return "read request", by_hand, _compiled(section, body, roots)

    def _write_request(self, canonical: Body, way: Way, plan: Plan) -> tuple[str, Result, Result]:
        half = writing(way, plan, canonical)
        roots = client_body, data, ctx = half.given[1:]

        def by_hand() -> tuple[Any, list[str]]:
            made = chat_request.plan_request(client_body) if plan.source == CHAT else {}
            made |= {} if plan.source == CHAT else _foreign(data)
            made |= self.requests.plan(canonical, ctx)
            assert made == data, (made, data)
            return self.requests.write(canonical, *roots)

        return "write request", _by_hand(by_hand), _compiled(half.section, canonical, roots)

    def stream(self, data: bytes, source: str, **more: Any) -> Iterator[tuple[str, Any, Any]]:
        """A stream of any format on its way to a chat and to a Claude client."""
        for target in (CHAT, CLAUDE):
            upstream, client = self.by.formats[source], self.by.formats[target]
            plan = self.by.request(ASKED[target], target, target=source, **more).plan
            reading = plan.ctx(upstream, plan.provider.vendor if plan.provider else upstream.vendor)
            roots = (plan.body, plan.data, reading)
            assert upstream.events_in is not None and client.events_out is not None
            events = _events(data, upstream)
            compiled = _stepped(upstream.events_in, events, roots)
            if source in READ:
                by_hand = _stepped_by_hand(READ[source](plan.data, reading), events)
                yield f"read {source} stream", by_hand, compiled
            order = Ordering() if client.parts == "one-at-a-time" else Passthrough()
            told = json.loads(compiled[0] or "")
            ordered = [out for each in told for event in each for out in order.push(event)]
            writing = plan.ctx(client, client.vendor)
            by_hand = _stepped_by_hand(WRITE[target](plan.data, writing), ordered)
            roots = (plan.body, plan.data, writing)
            yield f"write {target} stream", by_hand, _stepped(client.events_out, ordered, roots)

    def response(
        self, body: Body, source: str, request: Body | None, **more: Any
    ) -> Iterator[tuple[str, Result, Result]]:
        """An answer of any format on its way to a chat client: the halves it passes."""
        upstream, client = self.by.formats[source], self.by.formats[CHAT]
        asked = request or ASKED[CHAT]
        plan = self.by.request(asked, CHAT, target=source, **more).plan
        who = plan.provider
        vendor = who.vendor if who else upstream.vendor
        roots = (plan.body, plan.data, plan.ctx(upstream, vendor))
        section = upstream.read["response"]
        compiled = _compiled(section, body, roots)
        if source == CLAUDE:
            read = _by_hand(lambda: claude_answer.read_response(body, plan.data, roots[2]))
            yield "read response", read, compiled
        if compiled[0] is None:
            return
        canonical = json.loads(compiled[0])
        roots = (plan.body, plan.data, plan.ctx(client, client.vendor))
        written = _by_hand(lambda: chat_answer.write_response(canonical, *roots))
        yield "write response", written, _compiled(client.write["response"], canonical, roots)


def _events(data: bytes, upstream: Format) -> list[Body]:
    """The events of a stream, as the translator cuts them."""
    reader = upstream.framing.kind.reader(MAX_FRAME)
    terminator = upstream.framing.terminator
    found = []
    for _, raw in [*reader.feed(data), *reader.close()]:
        if terminator is not None and raw.rstrip() == terminator:
            found.append({"done": True})
        elif raw.strip():
            found.append(loads(raw))
    return found


def _stepped(half: EventHalf, events: list[Body], roots: Roots) -> Result:
    state, losses = half.start(), half.losses()
    out = [half.step(event, state, losses, *roots) for event in events]
    out.append(half.finish(state, losses, *roots))
    return _text(out), bool(losses.counts)


def _stepped_by_hand(half: Any, events: list[Body]) -> Result:
    out = [half.step(event) for event in events]
    out.append(half.end())
    return _text(out), bool(half.lost)


def _foreign(plan: Body) -> Body:
    """What another client's read half decided."""
    return {
        k: v for k, v in plan.items() if k not in ("names", "names_back", "custom", "structured")
    }


def _by_hand(run: Callable[[], tuple[Any, list[str]]]) -> Result:
    try:
        out, lost = run()
    except Refused:
        return None, False
    return _text(out), bool(lost)


def _compiled(section: Section, document: Any, roots: Roots) -> Result:
    try:
        out, lost = section.run(document, *roots)
    except (Refusal, Defect):
        return None, False
    return _text(out), bool(lost)


def _text(value: Any) -> str:
    # the order of keys is nobody's meaning; true and 1 are two things
    return json.dumps(value, sort_keys=True)


def _shown(by_hand: Result, compiled: Result) -> str:
    """Where two results part."""
    one, other = by_hand[0] or "refused", compiled[0] or "refused"
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    at = max(sum(1 for _ in same) - 100, 0)
    return "\n".join(
        f"  {word:9}{'lost ' if lost else ''}{text[at : at + 400]}"
        for word, text, lost in (("by hand", one, by_hand[1]), ("compiled", other, compiled[1]))
    )


def exchanges(folder: Path) -> Iterator[tuple[str, str, Body]]:
    """Of each document below a folder: a name, its format, and the document."""
    for path in sorted(folder.rglob("*.json")):
        document = json.loads(path.read_bytes())
        if type(document) is dict:
            yield str(path), str(document.get("format") or path.parent.name), document


def compared(
    halves: Halves, name: str, word: str, document: Body
) -> Iterator[tuple[str, Any, Any]]:
    """The halves that a document passes, with both results."""
    request, response = document.get("request"), document.get("response")
    more: dict[str, Any] = {}
    stream = document["sse"].encode() if "sse" in document else None
    if "covers" in document:  # a case of the project's own
        events = Path(name).with_suffix(".sse")
        stream = events.read_bytes() if events.is_file() else None
        kind = Path(name).parts[-3]
        request = document["body"] if kind == "request" else None
        response = document["body"] if kind == "response" else None
        more = {"options": document.get("options"), "headers": document.get("headers")}
    if type(request) is dict:
        yield from halves.request(request, word, **more)
    if type(response) is dict and document.get("status", 200) == 200:
        more.pop("headers", None)
        yield from halves.response(response, word, None, **more)
    if stream is not None and document.get("status", 200) == 200:
        more.pop("headers", None)
        yield from halves.stream(stream, word, **more)


def main() -> int:
    """Compare everything, print what differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument(
        "--formats", default=f"{CHAT},{CLAUDE}", help="wire formats to read, by commas"
    )
    parser.add_argument("--every", type=int, default=1, help="only every so many documents")
    parser.add_argument("--show", type=int, default=10, help="differences to print")
    given = parser.parse_args()
    halves, counts, wrong = Halves(), Counter[str](), 0
    for folder in given.folders:
        for name, word, document in islice(exchanges(folder), None, None, given.every):
            if word not in given.formats.split(","):
                continue
            try:
                found = list(compared(halves, name, word, document))
            except (Rejected, UpstreamError, Uncovered, JsonError):
                counts["left out"] += 1
                continue
            for half, by_hand, compiled in found:
                counts[half] += 1
                if by_hand != compiled:
                    wrong += 1
                    if wrong <= given.show:
                        print(f"{name}: {half}\n{_shown(by_hand, compiled)}")
    print(", ".join(f"{count} times {half}" for half, count in counts.items()), f"{wrong} differ")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
