"""A wheel, installed into an empty environment and run in an empty folder, serves."""

import json
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.gateway import started

ROOT = Path(__file__).parents[2]
DATA = ("mappings", "providers")

pytestmark = pytest.mark.slow


def run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder)]
    run([*build, str(ROOT)], folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_data_file_and_nothing_beside_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for kind in DATA:
        files = {p.relative_to(ROOT).as_posix() for p in (ROOT / kind).rglob("*.*") if p.is_file()}
        assert files, kind
        assert {f"engine/_data/{file}" for file in files} <= names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"engine"}
    assert not [name for name in names if "__pycache__" in name]


def test_it_serves_a_translated_answer_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    folder = tmp_path / "empty"
    folder.mkdir()
    run([sys.executable, "-m", "venv", str(environment)], folder)
    install = [str(environment / "bin/python"), "-m", "pip", "install", "--quiet", str(wheel)]
    run(install, folder)
    program = str(environment / "bin/ai-proxy")
    run([program, "check"], folder)

    config = tmp_path / "config.yaml"
    config.write_text("credentials: [{ provider: demo }]\n")
    command = [program, "serve", "--config", str(config), "--port", "0"]
    with started(command, folder, tmp_path / "gateway.log") as gateway:
        with urllib.request.urlopen(f"{gateway.url}/v1/models") as response:
            model = json.load(response)["data"][0]["id"]
        question = {"role": "user", "content": "Is anybody there?"}
        request = urllib.request.Request(
            f"{gateway.url}/v1/messages",
            json.dumps({"model": model, "max_tokens": 99, "messages": [question]}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
    assert answer["type"] == "message"
    assert answer["content"][0]["text"]
    assert list(folder.iterdir()) == []
