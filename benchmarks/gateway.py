"""What the gateway costs: CPU of its process for a request, beside a bare loop, in one run.

    python benchmarks/gateway.py [--json] [--rounds 20] [--at-once 1,16] [--litellm EXECUTABLE]

All servers stand before one upstream on loopback that replays prepared bytes; each is a process of
its own, and what counts is the CPU time of that process, not the client's. ``bare`` passes bytes on
with uvicorn and the gateway's transport and does nothing else: the yardstick. ``direct`` is the
upstream itself. Each kind of request is measured one after another, as a single agent sends them,
and with many at once, where a server wakes up less often for each. Many short rounds go through all
servers in turn and the best of each counts, so that other work on the machine disturbs all alike.
Every answer is verified. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

if __package__ is None:  # run as a file: make room for the package's own name
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks import bodies
from benchmarks.serving import load, servers
from benchmarks.serving.load import Job
from benchmarks.serving.servers import Server, Unusable
from benchmarks.serving.upstream import PACED, answer, events
from engine.translation.translator import Translator

CHAT, CLAUDE = "openai-chat", "claude"
CHAT_PATH, CLAUDE_PATH = "/v1/chat/completions", "/v1/messages"
AT_ONCE = "1,16"
PACED_AT_ONCE = 200
PAUSE = 0.02
# What takes long is measured once in so many rounds: streams at their own pace, and LiteLLM.
SELDOM, LESS_OFTEN = 10, 4

# The goals: a translation against the bare loop, and LiteLLM against a translation,
# of all but the lossy request, which is told apart for what telling losses costs.
GOALS = {"typical": 3.5, "agent": 4.5, "stream": 4.0, "paced": 4.0}
CHEAPER = 15.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request: its chat body and Claude body; what each client must get."""

    name: str
    chat: bytes
    claude: bytes
    said: Any
    raw: bytes
    count: int
    at_once: int = 1
    paced: bool = False

    @property
    def label(self) -> str:
        """The name, and how many there are at once."""
        return f"{self.name}, {self.at_once} at once" if self.at_once > 1 else f"{self.name}, alone"


@dataclass(slots=True)
class Figure:
    """What a server took for a scenario: the best of the rounds."""

    scenario: str
    server: str
    cpu_ms: float = float("inf")
    p50_ms: float = float("inf")

    def better(self, cpu_ms: float, p50_ms: float) -> None:
        """Another round."""
        self.cpu_ms, self.p50_ms = min(self.cpu_ms, cpu_ms), min(self.p50_ms, p50_ms)


@dataclass(slots=True)
class Report:
    """All figures of a run; ``idle`` holds seconds and MiB of the gateway, and of others."""

    deltas: int
    figures: list[Figure] = field(default_factory=list)
    idle: dict[str, float] = field(default_factory=dict)

    def of(self, scenario: str, server: str) -> Figure | None:
        """One figure, if it was measured."""
        return next((f for f in self.figures if (f.scenario, f.server) == (scenario, server)), None)

    def times_bare(self, figure: Figure) -> float:
        """How many times the bare loop's cost."""
        bare = self.of(figure.scenario, "bare")
        assert bare is not None
        return figure.cpu_ms / bare.cpu_ms

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        rows = [
            {
                "scenario": figure.scenario,
                "server": figure.server,
                "cpu_ms": round(figure.cpu_ms, 4),
                "times_bare": round(self.times_bare(figure), 2),
                "p50_ms": round(figure.p50_ms, 2),
            }
            for figure in self.figures
        ]
        return {"deltas": self.deltas, "figures": rows, "idle": self.idle, "goals": self.goals()}

    def goals(self) -> dict[str, list[float]]:
        """By goal: what is wanted and what is."""
        found: dict[str, list[float]] = {}
        for ours in self.figures:
            name, theirs = ours.scenario, self.of(ours.scenario, "litellm")
            limit = GOALS.get(name.partition(",")[0])
            if ours.server != "translated" or limit is None:
                continue
            found[f"{name}, times bare"] = [limit, round(self.times_bare(ours), 2)]
            if theirs is not None:
                times = round(theirs.cpu_ms / ours.cpu_ms, 1)
                found[f"{name}, times cheaper than litellm"] = [CHEAPER, times]
        return found

    def table(self) -> str:
        """The report for people."""
        lines = [f"{'CPU of the server process':34}{'ms':>10}{'x bare':>8}{'p50 ms':>9}"]
        for figure in self.figures:
            lines.append(
                f"{figure.scenario + ', ' + figure.server:34}{figure.cpu_ms:10.3f}"
                f"{self.times_bare(figure):8.2f}{figure.p50_ms:9.2f}"
            )
        lines += [
            f"A stream has {self.deltas} deltas; a paced one has one each {PAUSE * 1000:g} ms, with"
            f" {PACED_AT_ONCE} streams at once."
        ]
        lines += [f"{name:50}{value:10.2f}" for name, value in self.idle.items()]
        lines += [
            f"{name:50}{value:10.2f}  (goal {limit:g})"
            for name, (limit, value) in self.goals().items()
        ]
        return "\n".join(lines)


def scenarios(requests: int, deltas: int, paced: int) -> list[Scenario]:
    """What is asked; the number of requests fits what each costs."""
    typical = bodies.case("chat-request") | {"stream": False}
    typical.pop("stream_options", None)
    agent = bodies.agent_request() | {"stream": False}
    agent.pop("stream_options", None)
    stream = typical | {"stream": True}
    frames = b"".join(events(deltas))
    whole = json.dumps(answer()).encode()
    by = Translator.load()
    plan = by.request(typical, CHAT, provider=CLAUDE).plan
    told = load.said(json.dumps(by.response(answer(), CLAUDE, CHAT, plan=plan).body).encode())
    streaming = by.stream(CLAUDE, CHAT, plan=by.request(stream, CHAT, provider=CLAUDE).plan)
    flowing = load.said(streaming.feed(frames) + streaming.close())

    def made(name: str, body: dict[str, Any], count: int) -> Scenario:
        claude = by.request(body, CHAT, provider=CLAUDE).body
        said, raw = (flowing, frames) if body["stream"] else (told, whole)
        return Scenario(name, _bytes(body), _bytes(claude), said, raw, count)

    return [
        made("typical", typical, requests),
        made("lossy", typical | {"temperature": 0.7}, requests),
        made("agent", agent, max(1, requests // 2)),
        made("stream", stream, max(1, requests // 4)),
        replace(made("paced", stream | {"model": PACED}, paced), at_once=paced, paced=True),
    ]


def crowds(kinds: list[Scenario], at_once: list[int]) -> list[Scenario]:
    """Each kind with so many requests at once; paced streams come as they are."""
    return [
        each if each.paced else replace(each, at_once=number)
        for each in kinds
        for number in (at_once[:1] if each.paced else at_once)
    ]


def _bytes(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def jobs(scenario: Scenario, running: dict[str, Server]) -> Iterator[tuple[str, Server, Job]]:
    """What each server has to do in a scenario."""

    def job(url: str, body: bytes, check: load.Check) -> Job:
        return Job(url, body, check, scenario.count, scenario.at_once)

    exact, says = load.exactly(scenario.raw), load.says(scenario.said)
    for name in ("upstream", "bare", "ours"):
        word = {"upstream": "direct", "ours": "passed"}.get(name, name)
        server = running[name]
        yield word, server, job(server.url + CLAUDE_PATH, scenario.claude, exact)
    server = running["ours"]
    yield "translated", server, job(server.url + CHAT_PATH, scenario.chat, says)
    if "litellm" in running:
        server = running["litellm"]
        yield "litellm", server, job(server.url + CHAT_PATH, scenario.chat, says)


async def measured(
    chosen: list[Scenario], running: dict[str, Server], rounds: int, deltas: int
) -> Report:
    """Run everything. Raises Unusable for a wrong answer, or none."""
    report = Report(deltas)
    async with load.client() as session:

        async def run(scenario: Scenario, word: str, job: Job) -> list[float]:
            try:
                return await load.run(session, job)
            except ExceptionGroup as error:
                raise Unusable(f"{scenario.label}, {word}: {error.exceptions[0]}") from error

        for scenario in chosen:
            for word, _, job in jobs(scenario, running):
                report.figures.append(Figure(scenario.label, word))
                await run(scenario, word, replace(job, count=min(64, job.count)))
        for number in range(rounds):
            for scenario in chosen:
                if scenario.paced and number % SELDOM:
                    continue
                for word, server, job in jobs(scenario, running):
                    if word == "litellm" and not scenario.paced and number % LESS_OFTEN:
                        continue
                    before = server.cpu()
                    taken = await run(scenario, word, job)
                    cost = (server.cpu() - before) / job.count * 1000
                    figure = report.of(scenario.label, word)
                    assert figure is not None
                    figure.better(cost, statistics.median(taken) * 1000)
    return report


@contextmanager
def started(
    deltas: int, first: bytes, idle: dict[str, float], litellm: Path | None, cold: bool
) -> Iterator[dict[str, Server]]:
    """All servers; the time to the first answer and the idle memory are noted."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def keep(server: Server) -> Server:
            stack.callback(server.stop)
            return server

        upstream = keep(servers.upstream(deltas, PAUSE))
        servers.answered(upstream, CLAUDE_PATH, b"{}")
        bare = keep(servers.bare(upstream.url))
        servers.answered(bare, CLAUDE_PATH, b"{}")
        cache = folder / "cache" if cold else None
        if cold:
            new = servers.gateway(upstream.url, folder, cache)
            try:
                seconds = servers.answered(new, CHAT_PATH, first)
                idle["ours, first start ever to first answer, s"] = seconds
                new.settled()  # what it compiled is kept now
            finally:
                new.stop()
        ours = keep(servers.gateway(upstream.url, folder, cache))
        idle["ours, start to first answer, s"] = servers.answered(ours, CHAT_PATH, first)
        idle["ours, CPU of that, s"] = ours.cpu()
        ours.settled()
        idle["ours, idle, MiB"] = ours.memory()
        running = {"upstream": upstream, "bare": bare, "ours": ours}
        idle["bare, idle, MiB"] = bare.memory()
        if litellm:
            running["litellm"] = keep(servers.litellm(litellm, upstream.url, folder))
            idle["litellm, start to first answer, s"] = servers.answered(
                running["litellm"], CHAT_PATH, first, 0.1
            )
            running["litellm"].settled()
            idle["litellm, idle, MiB"] = running["litellm"].memory()
        yield running
        idle["ours, after the load, MiB"] = ours.memory()


def main() -> int:
    """Start, verify, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=20, help="how often everything is measured")
    parser.add_argument("--requests", type=int, default=64, help="typical requests of a round")
    parser.add_argument("--at-once", default=AT_ONCE, help="requests at once, by commas")
    parser.add_argument("--deltas", type=int, default=200, help="deltas of a stream")
    parser.add_argument("--paced", type=int, default=PACED_AT_ONCE, help="paced streams at once")
    parser.add_argument(
        "--warm", action="store_true", help="leave out the first start, without kept mappings"
    )
    parser.add_argument("--only", help="scenarios to measure, by commas")
    parser.add_argument("--litellm", type=Path, help="LiteLLM's proxy, to be measured beside")
    given = parser.parse_args()
    chosen = scenarios(given.requests, given.deltas, given.paced)
    first = chosen[0].chat
    if given.only:
        chosen = [scenario for scenario in chosen if scenario.name in given.only.split(",")]
    chosen = crowds(chosen, [int(number) for number in given.at_once.split(",")])
    idle: dict[str, float] = {}
    try:
        with started(given.deltas, first, idle, given.litellm, not given.warm) as running:
            report = asyncio.run(measured(chosen, running, given.rounds, given.deltas))
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    report.idle = {name: round(value, 2) for name, value in idle.items()}
    print(json.dumps(report.as_dict(), indent=2) if given.json else report.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
