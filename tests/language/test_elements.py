"""What is known of the elements of a list, put in where it is asked for."""

import ast
from typing import Any

import pytest

from engine.errors import Defect
from engine.language.quick import quick_tree
from engine.language.runtime import Refusal
from engine.language.sections import Section
from engine.language.source import parse
from tests.language.support import GIVEN, section

MAPPING = """
a: { $each: wire.l, $as: e, $item: = e.x }
b: "= wire.l[*].x"
"""


def _mapping(keys: str) -> Section:
    return section(MAPPING, parse(f"usual: {{ read: {{ wire: [l], e: [{keys}] }} }}", "usual.yaml"))


def _text(keys: str) -> str:
    program = _mapping(keys).program
    return ast.unparse(quick_tree(program.source, program.names, program.usual)[0])


def test_elements_that_hold_no_more_than_is_read_are_tested_once_where_the_list_is_read() -> None:
    text = _text("x")
    assert "_more(" not in text
    assert text.index("issuperset(y_") < text.index("for x_e")
    assert text.count("issuperset") == 2  # the document and its elements


def test_usual_keys_that_no_rule_reads_are_looked_for() -> None:
    assert "_more(" in _text("x, z")


@pytest.mark.parametrize("keys", ["x", "x, z"])
@pytest.mark.parametrize(
    "elements",
    [None, [], [{"x": 1}, {}], [{"x": 1}, {"z": 2}], [{"x": {"y": 1}}], [None], [1], [[]], "x", {}],
    ids=str,
)
def test_what_is_lost_of_elements_is_that_of_the_general_form(keys: str, elements: Any) -> None:
    mapping = _mapping(keys)
    document = {"l": elements}
    expected = _ran(mapping, document)
    mapping.quicken()
    assert _ran(mapping, document) == expected


def _ran(mapping: Section, document: Any) -> Any:
    try:
        return mapping.run(document, *GIVEN)
    except (Refusal, Defect) as error:
        return type(error), str(error)
