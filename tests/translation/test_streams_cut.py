"""A stream is the same however its bytes arrive."""

from itertools import pairwise

import pytest

from tests.support.translations import OwnCase, clients, own_cases, stream, stream_text, translator
from tests.translation.test_snapshots import SNAPSHOTS

CASES = [
    pytest.param(case, target, id=case.snapshot(target))
    for case in own_cases("stream")
    for target in clients()
]
SIZES = (3, 64)


def _translated(case: OwnCase, target: str, cuts: list[int]) -> str:
    made = stream(case, target, translator())
    edges = [0, *cuts, len(case.body)]
    output = b"".join(made.feed(case.body[start:end]) for start, end in pairwise(edges))
    output += made.close()
    return stream_text(output, made.losses)


@pytest.mark.parametrize(("case", "target"), CASES)
def test_a_stream_cut_at_every_byte_gives_its_snapshot(case: OwnCase, target: str) -> None:
    expected = (SNAPSHOTS / case.snapshot(target)).read_text(encoding="utf-8")
    assert _translated(case, target, list(range(1, len(case.body)))) == expected


@pytest.mark.parametrize(("case", "target"), CASES)
@pytest.mark.parametrize("size", SIZES)
def test_a_stream_in_pieces_gives_its_snapshot(case: OwnCase, target: str, size: int) -> None:
    expected = (SNAPSHOTS / case.snapshot(target)).read_text(encoding="utf-8")
    assert _translated(case, target, list(range(size, len(case.body), size))) == expected


@pytest.mark.parametrize(
    ("case", "target"), [each for each in CASES if "/framing." in str(each.id)]
)
def test_a_stream_cut_once_anywhere_gives_its_snapshot(case: OwnCase, target: str) -> None:
    expected = (SNAPSHOTS / case.snapshot(target)).read_text(encoding="utf-8")
    for cut in range(1, len(case.body)):
        assert _translated(case, target, [cut]) == expected, f"cut at byte {cut}"
