"""The benchmark of the gateway, once and small: it starts, verifies and tells."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import gateway
from benchmarks.serving import load

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(),
    reason="no /proc/self/schedstat here, from which the meter reads CPU time",
)

SMALL = ["--warm", "--rounds", "1", "--requests", "8", "--deltas", "3", "--paced", "2"]


def test_a_small_run_measures_every_server_and_verifies_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gateway.py", "--json", *SMALL])
    status = gateway.main()
    printed = capsys.readouterr()
    assert status == 0, printed.err
    report = json.loads(printed.out)
    measured = {(row["scenario"], row["server"]) for row in report["figures"]}
    assert measured == {
        (scenario, server)
        for scenario in (
            *(f"{kind}, alone" for kind in ("typical", "lossy", "agent", "stream")),
            *(f"{kind}, 16 at once" for kind in ("typical", "lossy", "agent", "stream")),
            "paced, 2 at once",
        )
        for server in ("direct", "bare", "passed", "translated")
    }
    assert all(row["cpu_ms"] > 0 for row in report["figures"])
    assert report["idle"]["ours, idle, MiB"] > 0


def test_a_report_sets_the_gateway_beside_the_bare_loop_and_litellm() -> None:
    report = gateway.Report(200)
    for server, cost in (("bare", 0.1), ("translated", 0.3), ("litellm", 6.0)):
        report.figures.append(gateway.Figure("typical, alone", server, cost, 1.0))
    assert report.goals() == {
        "typical, alone, times bare": [3.5, 3.0],
        "typical, alone, times cheaper than litellm": [15.0, 20.0],
    }
    assert "typical, alone, litellm" in report.table()


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}', False),
        (b'{"choices":[{"message":{"content":"Ho"},"finish_reason":"stop"}]}', True),
        (
            b'data: {"choices":[{"delta":{"content":"H"}}]}\n\n'
            b'data: {"choices":[{"delta":{"content":"i"},"finish_reason":"stop"}]}\n\n'
            b"data: [DONE]\n\n",
            False,
        ),
        (b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n', True),
    ],
    ids=["whole", "other-text", "stream", "cut-stream"],
)
def test_an_answer_is_verified_by_what_it_says(answer: bytes, wrong: bool) -> None:
    check = load.says({"text": "Hi", "calls": [], "end": "stop"})
    assert bool(check(answer)) is wrong
