"""The example of docs/reviewing-translations.md, done as it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "reviewing-translations.md").read_text(encoding="utf-8")
COPIED = ("engine", "mappings", "providers", "snapshots", "tests", "pyproject.toml")

pytestmark = pytest.mark.slow


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.S)


def _lines(block: str) -> tuple[str, str]:
    """The line that goes and the line that comes, as a diff shows them."""
    gone, come = block.splitlines()
    assert gone[0] == "-" and come[0] == "+"
    return gone[1:], come[1:]


def _copy(folder: Path) -> None:
    leave = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=leave)
        else:
            shutil.copy(ROOT / name, folder)


def _snapshot_tests(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q"]
    return subprocess.run(
        [*command, "tests/translation/test_snapshots.py", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def _changed(folder: Path) -> dict[str, list[str]]:
    """What the snapshots of a copy have that those here have not, by file."""
    names = {
        str(path.relative_to(base))
        for base in (ROOT, folder)
        for path in (base / "snapshots").rglob("*.*")
    }
    found: dict[str, list[str]] = {}
    for name in names:
        before, after = (
            (base / name).read_text(encoding="utf-8") if (base / name).is_file() else ""
            for base in (ROOT, folder)
        )
        if before != after:
            found[name] = [new for new in after.splitlines() if new not in before.splitlines()]
    return found


def test_one_changed_line_changes_the_snapshots_that_the_document_names(tmp_path: Path) -> None:
    [path] = re.findall(r"line, in `(mappings/\S+)`", DOCUMENT)
    mapping_diff, snapshot_diff = _blocks("diff")
    named = _blocks("text")[0].split()
    _copy(tmp_path)
    gone, come = _lines(mapping_diff)
    mapping = (tmp_path / path).read_text(encoding="utf-8")
    assert mapping.count(f"{gone}\n") == 1
    (tmp_path / path).write_text(mapping.replace(f"{gone}\n", f"{come}\n"), encoding="utf-8")

    first = _snapshot_tests(tmp_path)
    failed = re.findall(r"^FAILED \S+\[(.+?)\]", first.stdout, re.M)
    assert sorted(f"snapshots/{name}" for name in failed) == sorted(named), first.stdout[-2000:]
    assert _changed(tmp_path) == {}

    assert _snapshot_tests(tmp_path, "--snapshot-update").returncode == 0
    changed = _changed(tmp_path)
    assert sorted(changed) == sorted(named)
    assert changed[named[0]] == [_lines(snapshot_diff)[1]]
