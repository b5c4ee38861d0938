"""The house keeps its shape: storeys, one seam, no format or provider named in code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import engine

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "engine"
FILES = sorted(ENGINE.rglob("*.py"))
STOREYS = ("language", "translation", "gateway")
NAMES = re.compile(r"openai|claude|gemini|anthropic", re.IGNORECASE)
HTTP = {"httpx", "httpx2", "aiohttp", "starlette", "uvicorn"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def storey(path: Path) -> str | None:
    part = path.relative_to(ENGINE).parts[0]
    return part if part in STOREYS else None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_imports_go_downwards_only(path: Path) -> None:
    own = storey(path)
    if own is None:
        return
    above = STOREYS[STOREYS.index(own) + 1 :]
    upward = [
        name
        for name in imports(path)
        if any(name == f"engine.{each}" or name.startswith(f"engine.{each}.") for each in above)
    ]
    assert upward == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_http_stays_in_the_gateway_and_its_client_in_one_file(path: Path) -> None:
    used = {name.partition(".")[0] for name in imports(path)} & HTTP
    if storey(path) != "gateway":
        assert used == set()
    elif path.name != "upstream.py":
        assert used & {"httpx", "httpx2", "aiohttp"} == set()


def code_strings(path: Path) -> Iterator[str]:
    """Names and texts of a file that are no docstrings."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            docstrings.add(id(first.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings:
                yield node.value
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_the_code_names_no_format_and_no_provider(path: Path) -> None:
    assert [text for text in code_strings(path) if NAMES.search(text)] == []


def test_the_public_interface_is_what_it_says() -> None:
    assert sorted(engine.__all__) == engine.__all__
    assert all(hasattr(engine, name) for name in engine.__all__)


def test_the_map_of_the_house_names_every_module_and_none_that_is_gone() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named: set[str] = set()
    for part in re.split(r"^### `", page.split("## Every module")[1], flags=re.MULTILINE)[1:]:
        folder = part.split("/`")[0]
        rows = re.findall(r"^\| `(\w+\.py)` \| \S", part, re.MULTILINE)
        assert rows == sorted(rows)
        named |= {f"{folder}/{name}" for name in rows}
    there = {str(path.relative_to(ROOT)) for path in FILES if path.name != "__init__.py"}
    assert named == there, f"a row `| `name.py` | what it is |` for each: {sorted(named ^ there)}"
