"""Every message of the loader, whole: ``diagnostics/*.txt``.

Each holds a file, a line of dashes, and the messages. The first line may say what the file is
(``# as: stream.yaml``); without it, it is a ``request.yaml``.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import MappingError
from engine.language.cache import Cache
from engine.language.source import parse
from engine.translation import cases, faults, folders, provider_files
from engine.translation.quirks import Quirks
from tests.language.support import PROFILES

FOLDER = Path(__file__).parent / "diagnostics"
ENGINE = Path(__file__).parents[2] / "engine"
FILES = sorted(FOLDER.glob("*.txt"))
FORMAT = """\
name: demo
vendor: demo
routes: []
upstream: { path: /demo }
framing: { kind: sse }
"""
# What a wire format at least is, beside the file that a test is about.
HALVES = {
    "request.yaml": "write: { a: = request.model }\n",
    "response.yaml": "read: { choices: [] }\n",
    "error.yaml": "read: { message: x }\n",
    "stream.yaml": "read: { events: [{ emit: { type: end }, done: true }] }\n",
}
TOLD_BY = [
    *(path for path in sorted((ENGINE / "language").glob("*.py")) if path.stem[:6] != "schema"),
    *(
        ENGINE / "translation" / f"{name}.py"
        for name in ("mapping_files", "provider_files", "cases")
    ),
]


def _load(text: str, kind: str, folder: Path) -> None:
    mappings = folder / "mappings"
    (mappings / "demo").mkdir(parents=True)
    (mappings / PROFILES.name).write_bytes(PROFILES.read_bytes())
    (mappings / "demo" / "format.yaml").write_text(FORMAT)
    if kind == "provider.yaml":
        for name, half in HALVES.items():
            (mappings / "demo" / name).write_text(half)
        (folder / "providers").mkdir()
        # a second file may follow under a line `# and: name.yaml`; what a configuration says of
        # providers under `# and: config.yaml`
        pieces = re.split(r"^# and: (\S+)\n", text, flags=re.MULTILINE)
        files = dict(zip([kind, *pieces[1::2]], pieces[::2], strict=True))
        settings = files.pop("config.yaml", "")
        for name, piece in files.items():
            (folder / "providers" / name).write_text(piece)
        known = folders.load([mappings])
        read = provider_files.ProviderFiles([folder / "providers"], known, Quirks())
        read.under(parse(settings, "config.yaml"))
        return
    if kind == "kinds.yaml":
        (mappings / kind).write_text(text, encoding="utf-8")
        faults.load_kinds(mappings / kind, Cache(None))
        return
    (mappings / "demo" / kind).write_text(text, encoding="utf-8")
    if kind.endswith(".test.yaml"):
        cases.load([mappings])
    else:
        folders.load([mappings])


def _messages(path: Path, folder: Path) -> str:
    text = path.read_text().partition("\n-----\n")[0] + "\n"
    told = re.match(r"# as: (\S+)\n", text)
    with pytest.raises(MappingError) as error:
        _load(text, told[1] if told else "request.yaml", folder)
    return str(error.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in FILES])
def test_a_mistake_is_told_in_these_words(path: Path, tmp_path: Path) -> None:
    assert _messages(path, tmp_path) + "\n" == path.read_text().partition("\n-----\n")[2]


def _patterns() -> Iterator[tuple[str, str]]:
    """The messages in the code, as patterns: (place, pattern)."""
    for path in TOLD_BY:
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            name = call.func.id if isinstance(call.func, ast.Name) else name
            if name not in ("problem", "error", "ExpressionError"):
                continue
            pieces = _pieces(call.args[-1 if name != "ExpressionError" else 0])
            if any(piece != ".*" for piece in pieces):
                yield f"{path.name}:{call.lineno}", "".join(pieces)


def _pieces(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [re.escape(node.value)]
    if isinstance(node, ast.JoinedStr):
        return [piece for value in node.values for piece in _pieces(value)]
    return [".*"]


@pytest.mark.parametrize(
    "pattern", [pytest.param(pattern, id=place) for place, pattern in _patterns()]
)
def test_every_message_has_a_file(pattern: str) -> None:
    known = "\n".join(path.read_text().partition("\n-----\n")[2] for path in FILES)
    assert re.search(f": {pattern}$", known, re.MULTILINE), pattern


def test_a_file_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "format.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(MappingError, match=r"demo/format.yaml:1:1: not UTF-8 text \(invalid start"):
        folders.load([tmp_path])


def test_a_character_yaml_forbids_is_told_with_its_place() -> None:
    with pytest.raises(MappingError) as error:
        parse("a: 1\nb: x\x07y\n", "m.yaml")
    assert str(error.value).startswith("m.yaml:2:5: the character U+0007 may not stand in YAML\n")
