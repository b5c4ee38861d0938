"""What of Python runs for one request, counted: the same figures whatever else the machine does.

    python benchmarks/bytecodes.py [--only typical] [--top 20] [--json]

The bare loop and the gateway are called in this process, by functions in place of a server, and
their transport calls the upstream of ``benchmarks/gateway.py``. Counted are the bytecodes that run
between the call and the end of the answer, by where they come from: the project's own storeys, what
mappings became, and packages by their names. Time spent in C does not show.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import uvloop

if __package__ is None:  # run as a file: make room for the package's own name
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks.gateway import CHAT_PATH, CLAUDE_PATH, Scenario, scenarios
from benchmarks.serving import servers
from benchmarks.serving.bare import Bare
from engine.gateway import config
from engine.gateway.app import create_app
from engine.gateway.context import JsonLines, Lines
from engine.gateway.context import log as access
from engine.gateway.snapshot import load_translator
from engine.translation import warming

ENGINE = Path(__file__).parents[1] / "engine"
# What the code of a mapping calls its file.
GENERATED = "mapping "
WARM, COUNTED = 12, 5

Counts = Counter[CodeType]


def _place(code: CodeType) -> str:
    """Where code comes from, as the table says it."""
    path = Path(code.co_filename)
    if path.is_relative_to(ENGINE):
        return f"engine/{path.relative_to(ENGINE).parts[0]}"
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1].removesuffix(".py")
    return "mappings" if code.co_filename.startswith(GENERATED) else "Python's own"


async def called(app: Any, path: str, body: bytes) -> bytes:
    """The answer of an ASGI application to a request that is wholly there."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    ended = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> Any:
        if not messages:
            await ended.wait()
            return {"type": "http.disconnect"}
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"host": "here", "authorization": "Bearer bench", "content-type": "application/json"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    ended.set()
    answer = b"".join(message.get("body", b"") for message in sent)
    if sent[0]["status"] != 200:
        raise servers.Unusable(f"{path}: {sent[0]['status']} {answer[:300]!r}")
    return answer


async def counted(app: Any, path: str, body: bytes) -> Counts:
    """The bytecodes of a request, by code; a mean of several, after some that nobody counts."""
    counts: Counts = Counter()

    def count(frame: FrameType, event: str, _: Any) -> Any:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            counts[frame.f_code] += 1
        return count

    for _ in range(WARM):
        await called(app, path, body)
    before = sys.gettrace()
    sys.settrace(count)
    try:
        for _ in range(COUNTED):
            await called(app, path, body)
    finally:
        sys.settrace(before)
    own = {called.__code__, *(c for c in called.__code__.co_consts if isinstance(c, CodeType))}
    return Counter({code: n // COUNTED for code, n in counts.items() if code not in own})


@asynccontextmanager
async def logged() -> AsyncIterator[None]:
    """Requests are logged as a server logs them, to where nobody reads."""
    before = access.handlers[:], access.propagate, access.level
    with open(os.devnull, "w", buffering=1) as nowhere:
        handler = Lines(nowhere)
        handler.setFormatter(JsonLines())
        access.handlers[:], access.propagate = [handler], False
        access.setLevel(logging.INFO)
        try:
            yield
        finally:
            access.handlers[:], access.propagate = before[:2]
            access.setLevel(before[2])


async def measured(
    chosen: list[Scenario], upstream: str, warm: bool = True
) -> dict[str, dict[str, Counts]]:
    """By scenario and server. ``warm``: all is compiled first, as behind a server's first start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(
            f"api-keys: [bench]\ncredentials:\n"
            f"  - {{ provider: claude, base-url: {upstream}, api-key: upstream }}\n"
        )
        settings = config.load(path)
    translator = load_translator(settings, trusting=True)
    if warm:
        warming.warm(translator.formats.values())
    gateway, bare = create_app(settings, translator=translator), Bare(upstream)
    found: dict[str, dict[str, Counts]] = {}
    transports = gateway.state.gateway.snapshot.transports
    async with aclosing(transports), aclosing(bare.transport), logged():
        for scenario in chosen:
            found[scenario.name] = {
                "bare": await counted(bare, CLAUDE_PATH, scenario.claude),
                "passed": await counted(gateway, CLAUDE_PATH, scenario.claude),
                "translated": await counted(gateway, CHAT_PATH, scenario.chat),
            }
    return found


def by_place(counts: Counts) -> Counter[str]:
    """The sums of what comes from one place."""
    places: Counter[str] = Counter()
    for code, number in counts.items():
        places[_place(code)] += number
    return places


def table(servers: dict[str, Counts], top: int) -> str:
    """One scenario for people; of each server the ``top`` functions besides."""
    sums = {name: by_place(counts) for name, counts in servers.items()}
    order = sorted({place for each in sums.values() for place in each})
    lines = [f"{'bytecodes of a request':28}" + "".join(f"{name:>12}" for name in sums)]
    for place in sorted(order, key=lambda place: -max(each[place] for each in sums.values())):
        lines.append(f"{place:28}" + "".join(f"{each[place]:12}" for each in sums.values()))
    lines.append(f"{'together':28}" + "".join(f"{each.total():12}" for each in sums.values()))
    for name, counts in servers.items():
        lines += [
            f"{name}: {number:6} {_place(code)}: {code.co_qualname}"
            for code, number in counts.most_common(top)
        ]
    return "\n".join(lines)


def main() -> int:
    """Count, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", default="typical,agent", help="scenarios, by commas")
    parser.add_argument("--top", type=int, default=0, help="functions to name of each server")
    given = parser.parse_args()
    chosen = [each for each in scenarios(1, 200, 1) if each.name in given.only.split(",")]
    upstream = servers.upstream(200, 0.0)
    try:
        servers.answered(upstream, CLAUDE_PATH, b"{}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measured(chosen, upstream.url))
    finally:
        upstream.stop()
    if given.json:
        sums = {
            scenario: {name: dict(by_place(counts)) for name, counts in each.items()}
            for scenario, each in found.items()
        }
        print(json.dumps(sums, indent=2))
    else:
        print("\n\n".join(f"{name}\n{table(each, given.top)}" for name, each in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
