"""What a request runs of Python, which no other work on the machine disturbs."""

import asyncio

from benchmarks import bytecodes
from benchmarks.gateway import CLAUDE_PATH, scenarios
from benchmarks.serving import servers


def test_a_request_that_passes_runs_no_more_than_twice_and_a_half_of_a_bare_loop() -> None:
    typical = next(each for each in scenarios(1, 1, 1) if each.name == "typical")
    upstream = servers.upstream(1, 0.0)
    try:
        servers.answered(upstream, CLAUDE_PATH, b"{}")
        counted = asyncio.run(bytecodes.measured([typical], upstream.url, warm=False))["typical"]
    finally:
        upstream.stop()
    places = {server: bytecodes.by_place(counts) for server, counts in counted.items()}
    assert places["passed"].total() < 2.5 * places["bare"].total()
    assert places["translated"]["mappings"] > places["passed"]["mappings"] > 0
    assert places["bare"]["mappings"] == 0
    assert "together" in bytecodes.table(counted, top=1)
