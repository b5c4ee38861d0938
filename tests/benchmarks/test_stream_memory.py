"""A stream keeps nothing of what went out, but where its last events repeat the text: once."""

import pytest

from benchmarks.stream_memory import WIDTH, Pairs, memory

PAIRS = Pairs()
REPEATS = "openai-responses"
"""The format whose last events repeat whole texts."""
EVENTS = 2_000


@pytest.mark.parametrize("source", PAIRS.formats)
def test_what_went_out_is_not_kept(source: str) -> None:
    wire = PAIRS.wire(source, "text", EVENTS)
    for target in PAIRS.formats:
        if target != REPEATS:
            kept, _ = memory(PAIRS, source, target, wire)
            # to keep the text takes four times as much
            assert kept < EVENTS * WIDTH, target


@pytest.mark.parametrize("kind", ["text", "thinking", "call"])
def test_a_text_that_is_repeated_is_kept_once(kind: str) -> None:
    """Twenty characters cost Python 69 bytes, and 8 in a list: four times the text."""
    wire = PAIRS.wire("claude", kind, EVENTS)
    for target in PAIRS.formats:
        kept, peak = memory(PAIRS, "claude", target, wire)
        assert kept < 6 * EVENTS * WIDTH
        assert peak < 30 * EVENTS * WIDTH, "more than the events that repeat it"
