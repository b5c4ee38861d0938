"""Recorded traffic through the public interface, judged by extractors that know nothing of us."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.recordings import ABSENT, FOLDER

ROOT = Path(__file__).parents[2]
CHECK = FOLDER.parent / "check" / "fidelity.py"

# Shares in per cent; docs/fidelity-notes.md explains what is left.
WANTED = {"request": 97.0, "response": 99.0, "stream": 99.0, "exact": 98.0, "error": 100.0}

FORMATS = ["openai-chat,claude", "openai-chat,openai-responses,claude,gemini"]


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.is_dir(), reason=ABSENT)
@pytest.mark.skipif(not CHECK.is_file(), reason=f"no {CHECK}, the judge of recorded traffic")
@pytest.mark.parametrize("formats", FORMATS)
@pytest.mark.parametrize("kind", WANTED)
def test_recorded_traffic_keeps_its_meaning(kind: str, formats: str) -> None:
    command = [sys.executable, str(CHECK), "--recordings", str(FOLDER), "--kind", kind]
    command += ["--formats", formats, "--show", "20", "--min", str(WANTED[kind])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert re.search(r"\d+ of [1-9]\d* translations right", run.stdout), run.stdout + run.stderr
    assert run.returncode == 0, run.stdout
