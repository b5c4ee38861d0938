"""The hand-written halves give what the mappings give; else a ratio against them says nothing."""

import sys
from pathlib import Path

import pytest

from benchmarks import equal
from benchmarks.handwritten import chat_request
from tests.support.recordings import ABSENT, FOLDER

CASES = Path(__file__).parents[1] / "cases"
HALVES = (
    "read request",
    "write request",
    "read response",
    "write response",
    "read claude stream",
    "write openai-chat stream",
    "write claude stream",
    "read openai-chat stream",
)


def _told(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["equal.py", *arguments])
    status = equal.main()
    return status, capsys.readouterr().out


def test_own_cases_pass_both_ways_alike(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = _told([str(CASES)], monkeypatch, capsys)
    assert status == 0, told
    assert all(half in told for half in HALVES)


@pytest.mark.skipif(not FOLDER.is_dir(), reason=ABSENT)
def test_recorded_traffic_passes_both_ways_alike(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = _told([str(FOLDER), "--every", "7"], monkeypatch, capsys)
    assert status == 0, told
    assert all(half in told for half in HALVES)


def test_a_difference_is_shown_where_it_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = chat_request.read_request

    def forgetful(wire: equal.Body, ctx: equal.Body) -> tuple[equal.Body, list[str]]:
        request, lost = read(wire, ctx)
        request.pop("effort", None)
        return request, lost

    monkeypatch.setattr(chat_request, "read_request", forgetful)
    status, told = _told([str(CASES / "request" / "openai-chat")], monkeypatch, capsys)
    assert status == 1
    assert '"effort": "' in told
