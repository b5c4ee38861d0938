"""Lists that are picked out of one list: one pass, and what is known of their elements then."""

import ast
from typing import Any

import pytest

from engine.language.quick import quick_tree
from engine.language.sections import Section
from engine.language.source import parse
from tests.language.support import GIVEN, section

MAPPING = """
$let:
  texts: "wire.l[?type == 'text']"
  calls: "wire.l[?type == 'call' || type == 'use']"
  signed: "wire.l[?type == 'text' && mark]"
  types: "wire.l[*].type"
said: { $each: texts, $as: text, $item: { said: = text.said, more: = text.more } }
notes: "= texts[*].note"
first: "= texts[0].note"
calls:
  $each: calls
  $as: call
  $item:
    $switch: call.type
    $cases: { call | use: { n: = call.n } }
    $else: { $drop: strange, $of: call.n }
signed: "= length(signed || `[]`)"
types: = types
"""
USUAL = "usual: { read: { wire: [l], text: [type, said], call: [type, n] } }"


def _mapping() -> Section:
    return section(MAPPING, parse(USUAL, "usual.yaml"))


@pytest.fixture(scope="module")
def text() -> str:
    program = _mapping().program
    return ast.unparse(quick_tree(program.source, program.names, program.usual)[0])


def test_each_element_is_asked_for_its_key_once(text: str) -> None:
    assert text.count(".get('type')") == 1
    assert "== 'text':" in text and "in ('call', 'use'):" in text


def test_elements_that_a_loop_takes_for_usual_objects_are_tested_as_they_are_picked(
    text: str,
) -> None:
    assert text.count("issuperset") == 3  # the document, texts, calls
    assert "'note'" not in text and "'more'" not in text


def test_what_an_element_was_picked_for_is_not_asked_again(text: str) -> None:
    assert "L.append" not in text


@pytest.mark.parametrize(
    "elements",
    [
        None,
        [],
        [{"type": "text", "said": "a"}, {"type": "call", "n": 1}, {"type": "other", "x": 1}],
        [{"type": "use", "n": 1}, {"type": "text"}, {"n": 2}, {"type": None}],
        [{"type": "text", "said": "a", "note": 1}, {"type": "text", "more": 2, "mark": 3}],
        [{"type": "text", "mark": 0}, {"type": "call", "n": 1, "strange": 2}],
        [{"type": "text", "said": "a"}, 5],
        [None],
        {"type": "text"},
    ],
    ids=str,
)
def test_the_lists_are_those_of_the_general_form(elements: Any) -> None:
    mapping = _mapping()
    document = {} if elements is None else {"l": elements}
    general = mapping.run(document, *GIVEN)
    mapping.quicken()
    assert mapping.run(document, *GIVEN) == general


def test_a_key_may_hold_anything() -> None:
    mapping = section(
        """
        $let: { one: "wire.l[?k == 'a']", two: "wire.l[?k == `2` || k == 'b']" }
        a: = one
        b: = two
        """,
        parse("usual: { read: { wire: [l] } }", "usual.yaml"),
    )
    document = {"l": [{"k": 2}, {"k": "a"}, {"k": "b"}, {"k": True}, {"k": 2.0}]}
    general = mapping.run(document, *GIVEN)
    mapping.quicken()
    assert mapping.run(document, *GIVEN) == general
