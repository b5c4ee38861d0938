"""On a machine that lacks what is needed, make says what to do."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def make_run(python: str, folder: Path) -> str:
    """What `make run` complains of with this interpreter."""
    command = ["make", "run", f"PYTHON={python}", f"VENV={folder / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert not (folder / "venv").exists()
    return done.stderr


def interpreter(folder: Path, script: str) -> str:
    """A program that plays an interpreter which this machine has not got."""
    program = folder / "python3"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_no_python_is_told(tmp_path: Path) -> None:
    told = make_run(str(tmp_path / "nothing"), tmp_path)
    assert "ai-proxy needs Python 3.11 or later" in told
    assert "make run PYTHON=" in told


def test_an_old_python_is_told_with_its_version(tmp_path: Path) -> None:
    old = interpreter(tmp_path, '[ "$1" = -V ] && echo "Python 3.10.4" && exit; exit 1')
    told = make_run(old, tmp_path)
    assert f"needs Python 3.11 or later; '{old}' is Python 3.10.4" in told


def test_a_python_without_its_venv_module_is_told(tmp_path: Path) -> None:
    script = 'case "$2" in *venv*) exit 1;; esac; echo "Python 3.12.1"'
    told = make_run(interpreter(tmp_path, script), tmp_path)
    assert "Python 3.12.1 comes without its venv module here" in told
    assert "python3-venv" in told
