"""`ai-proxy mapping show` and `ai-proxy providers`: what people see of the data."""

import ast
import json

import pytest
import yaml
from click.testing import CliRunner, Result

from engine.cli import main
from engine.resources import shipped
from tests.support.translations import formats, translator

FORMATS = formats()
KINDS = ("request", "response", "stream", "error")


pytestmark = pytest.mark.usefixtures("loaded_once")


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", FORMATS)
def test_a_mapping_is_shown_with_its_fragments_in_place(format: str, kind: str) -> None:
    result = _run("mapping", "show", f"{format}/{kind}")
    assert result.exit_code == 0
    shown = yaml.safe_load(result.stdout)
    assert _halves(format, kind) <= set(shown) <= {"read", "write", "plan", "usual"}
    source = yaml.safe_load((shipped("mappings") / format / f"{kind}.yaml").read_text())
    # a fragment that uses itself cannot be put in place; what else is used stands there
    assert _uses(shown) < _uses(source) or not _uses(source)


def _halves(format: str, kind: str) -> set[str]:
    """The halves that a mapping at least has: what only upstreams speak is not answered in."""
    if translator().formats[format].serves:
        return {"read", "write"}
    return {"write"} if kind == "request" else {"read"}


def _uses(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$use"]} if isinstance(value.get("$use"), str) else set()
        return own.union(*(_uses(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(_uses(each) for each in value))
    return set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", FORMATS)
def test_the_generated_python_of_a_mapping_is_shown(format: str, kind: str) -> None:
    result = _run("mapping", "show", "--python", f"{format}/{kind}")
    assert result.exit_code == 0
    tree = ast.parse(result.stdout)
    assert [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    heads = [line for line in result.stdout.splitlines() if line.startswith("#")]
    for half in _halves(format, kind):
        assert any(f"{format}/{kind}.{half}" in head for head in heads)


@pytest.mark.parametrize("more", [(), ("--python",)], ids=["yaml", "python"])
def test_what_is_shown_is_data_on_demand(more: tuple[str, ...]) -> None:
    shown = json.loads(_run("mapping", "show", *more, "--json", "claude/request").stdout)
    plain = _run("mapping", "show", *more, "claude/request").stdout
    assert shown and all(name and text in plain for name, text in shown.items())


@pytest.mark.parametrize("name", ["claud/request", "claude/requst", "claude", ""])
def test_an_unknown_mapping_is_a_usage_error_that_says_what_there_is(name: str) -> None:
    result = _run("mapping", "show", name)
    assert result.exit_code == 2
    assert "FORMAT/KIND" in result.stderr
    assert all(word in result.stderr for word in (*FORMATS, *KINDS))


def test_the_list_of_providers_names_each_with_its_format_and_key() -> None:
    result = _run("providers", "list")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["claude", "claude", "ANTHROPIC_API_KEY"] in rows
    assert ["demo", "openai-chat"] in rows
    names = [row[0] for row in rows]
    files = [path.stem for path in shipped("providers").glob("*.yaml")]
    assert sorted(names) == sorted(stem for stem in files if not stem.endswith(".test"))


def test_the_list_of_providers_is_data_on_demand() -> None:
    result = _run("providers", "list", "--json")
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    openai = {"name": "openai", "format": "openai-chat", "key-env": "OPENAI_API_KEY"}
    assert rows["openai"] == openai


@pytest.mark.parametrize("name", ["opnai", "../providers/openai", ""])
def test_an_unknown_provider_is_a_usage_error(name: str) -> None:
    result = _run("providers", "show", name)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "ai-proxy providers list" in result.stderr
