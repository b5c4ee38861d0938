"""What every case becomes in every format, as files that people review.

See docs/reviewing-translations.md.
"""

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.data import SnapshotCollections
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from tests.support.translations import OwnCase, own_cases, rendered, targets, translator

SNAPSHOTS = Path(__file__).parents[2] / "snapshots"


class CaseFile(SingleFileSnapshotExtension):
    """A text file whose place under `snapshots/` is the name that the assertion gives."""

    _write_mode = WriteMode.TEXT

    @classmethod
    def get_location(cls, *, test_location: PyTestLocation, index: SnapshotIndex) -> str:
        return str(SNAPSHOTS / str(index))

    @classmethod
    def matches_test_location(
        cls, *, test_location: PyTestLocation, snapshot_location: str
    ) -> bool:
        return True

    def discover_snapshots(
        self, *, test_location: PyTestLocation, ignore_extensions: list[str] | None = None
    ) -> SnapshotCollections:
        # Which files no case stands behind, a test of its own says below.
        return SnapshotCollections()


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(CaseFile)


def _every() -> list[tuple[OwnCase, str]]:
    return [(case, target) for case in own_cases() for target in targets(case.kind)]


@pytest.mark.parametrize(
    ("case", "target"), [pytest.param(*each, id=each[0].snapshot(each[1])) for each in _every()]
)
def test_a_case_becomes_what_its_snapshot_says(
    case: OwnCase, target: str, snapshot: SnapshotAssertion
) -> None:
    assert rendered(case, target, translator()) == snapshot(name=case.snapshot(target))


def test_every_snapshot_has_its_case(pytestconfig: pytest.Config) -> None:
    wanted = {case.snapshot(target) for case, target in _every()}
    found = {str(path.relative_to(SNAPSHOTS)) for path in SNAPSHOTS.rglob("*.*")}
    stale = found - wanted
    if pytestconfig.option.update_snapshots:
        for name in stale:
            (SNAPSHOTS / name).unlink()
    else:
        assert not stale, "no case stands behind these; --snapshot-update removes them"
