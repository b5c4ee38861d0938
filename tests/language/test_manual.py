"""The manual cannot lie: every block gives what it says, every word of the language is in it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import engine.translation.functions  # noqa: F401  registers its functions
from engine.language.directives import DIRECTIVES, EVERYWHERE, IN_OBJECTS
from engine.language.functions import FUNCTIONS, STOCK
from engine.language.half import HALF_KEYS, RULE_KEYS
from engine.language.source import Map, Node, parse, plain
from engine.translation import cases
from tests.language.support import GIVEN, half, outcome, section

MANUAL = (Path(__file__).parents[2] / "docs" / "mapping-language.md").read_text()
BLOCKS = re.findall(r"^```yaml(.*?)\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)
SAID = re.compile(r"^# (in|out|lost|refused):(.*(?:\n#   .*)*)", re.MULTILINE)
HEADINGS = set(re.findall(r"^#{4} (\S+)$", MANUAL, re.MULTILINE))
NULLS = MANUAL.partition("\n## Null and empty\n")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (`.*?`) \| (.*) \|$", NULLS, re.MULTILINE)
FRAGMENTS = parse("fragments: { same: { $value: it }, base: { k: 1 } }", "fragments.yaml")


def _said(text: str) -> dict[str, Any]:
    """What a block says of itself: in, out, lost, refused."""
    return {
        word: plain(parse(f"v:{value}".replace("\n#", "\n"), "said"))["v"]
        for word, value in SAID.findall(text)
    }


def _parts(node: Node) -> tuple[Node, Node | None]:
    """The mapping of a block and what names its fragments and tables."""
    read = node.get("read") if isinstance(node, Map) else None
    return (read, node) if read is not None else (node, None)


@pytest.mark.parametrize(
    ("kind", "text"), [pytest.param(*block, id=block[1].split("\n")[0][:40]) for block in BLOCKS]
)
def test_a_block_gives_what_it_says(kind: str, text: str, tmp_path: Path) -> None:
    if kind == " cases":
        (tmp_path / "demo").mkdir()
        (tmp_path / "demo" / "request.test.yaml").write_text(text)
        assert cases.load([tmp_path])
        return
    node, said = parse(text, "manual.yaml"), _said(text)
    assert "in" in said
    if kind == " stream":
        rules = half(node)
        state, losses = rules.start(), rules.losses()
        out = [event for each in said["in"] for event in rules.step(each, state, losses, *GIVEN)]
        assert [*out, *rules.finish(state, losses, *GIVEN)] == said["out"]
        return
    mapping, names = _parts(node)
    found = outcome(section(mapping, names), said["in"])
    assert found.refused == said.get("refused")
    assert found.result == said.get("out")
    assert found.losses == (said.get("lost") or [])


def cell(mapping: str, value: Any) -> str:
    """A cell of the table of null and empty: what a mapping gives for a value of ``wire.x``."""
    document = {} if value is None else {"x": value}
    found = outcome(section(f"r: {mapping}", FRAGMENTS), document)
    if found.refused is not None:
        return "refused"
    if value is None:
        assert outcome(section(f"r: {mapping}", FRAGMENTS), {"x": None}) == found
    if "r" not in found.result:
        return "absent"
    text = re.sub(r"[0-9a-f]{24}", "…", json.dumps(found.result["r"], ensure_ascii=False))
    return f"`{text}`"


@pytest.mark.parametrize(("mapping", "cells"), ROWS)
def test_a_row_of_null_and_empty_holds(mapping: str, cells: str) -> None:
    values: list[Any] = [None, "", [], {}]
    found = [cell(mapping.strip("`"), value) for value in values]
    assert found == cells.split(" | ")


def test_the_table_of_null_and_empty_has_every_directive() -> None:
    words = {word for mapping, _ in ROWS for word in re.findall(r"\$[a-z]+", mapping)}
    assert set(DIRECTIVES) <= words


def test_every_directive_has_a_heading() -> None:
    assert {*DIRECTIVES, *EVERYWHERE, *IN_OBJECTS} == {h for h in HEADINGS if h.startswith("$")}


def test_every_modifier_is_named() -> None:
    modifiers = {word for each in DIRECTIVES.values() for word in each.modifiers}
    assert {word for word in modifiers if f"{word}" not in MANUAL} == set()


def test_every_key_of_rules_and_halves_is_in_the_part_on_streams() -> None:
    part = MANUAL.partition("\n## Streams\n")[2].partition("\n## ")[0]
    rows = set(re.findall(r"`([a-z]+)\b[^`]*`", "\n".join(re.findall(r"^\| (.*?) \|", part, re.M))))
    assert RULE_KEYS == rows
    assert {key for key in HALF_KEYS if not re.search(rf"^{key}:", part, re.MULTILINE)} == set()


def test_every_function_has_a_row_with_its_example() -> None:
    rows = re.findall(r"^\| `([a-z0-9_]+)\(.*?\)` \| .* \| (.*) \|$", MANUAL, re.MULTILINE)
    assert [name for name, _ in rows] == list(FUNCTIONS)
    for name, example in rows:
        expression, document, result = FUNCTIONS[name].example
        given, gives = (json.dumps(each, ensure_ascii=False) for each in (document, result))
        code = f"`` {expression} ``" if "`" in expression else f"`{expression}`"
        assert example == f"{code} of `{given}`: `{gives}`"


def test_every_stock_function_is_named() -> None:
    assert {name for name in STOCK if f"`{name}`" not in MANUAL} == set()


def test_links_inside_the_manual_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", MANUAL, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", MANUAL)) <= anchors
