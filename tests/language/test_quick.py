"""The quick form of a program: what is folded away, and what ends it.

That it gives what the general form gives is held by every case of ``directives``
(:func:`tests.language.support.outcome`) and by the snapshots.
"""

import ast
import re

import pytest

from engine.language.programs import Program
from engine.language.quick import quick_tree
from engine.language.registry import FunctionError
from engine.language.runtime import ENDS, Refusal
from engine.language.source import parse
from engine.language.tidying import sweep
from engine.language.unfilled import empty_out
from tests.language.support import GIVEN, section

MAPPING = """
a: = wire.a
b: { $value: wire.b, $else: none }
list:
  $each: wire.list
  $as: item
  $item: { x: = item.x, y: = item.y.z }
"""
USUAL = "usual: { read: { wire: [a, list], item: [x] } }"


def _program(mapping: str, usual: str) -> Program:
    return section(mapping, parse(usual, "usual.yaml")).program


def _text(mapping: str, usual: str) -> str:
    program = _program(mapping, usual)
    return ast.unparse(quick_tree(program.source, program.names, program.usual)[0])


def test_what_depends_on_other_keys_is_folded_away() -> None:
    text = _text(MAPPING, USUAL)
    assert "= 'none'" in text
    assert "'y'" not in text and "'z'" not in text
    assert "'x'" in text


@pytest.mark.parametrize(
    "document",
    [{"b": 1}, {"a": 1, "list": [{"x": 1}, {"y": {}}]}, {"list": [1]}, []],
    ids=["of the document", "of an element", "an element that is none", "no object"],
)
def test_another_key_ends_it_and_the_general_form_answers(document: object) -> None:
    program = _program(MAPPING, USUAL)
    quick = program.quick(None)
    assert quick is not None
    with pytest.raises(ENDS):
        quick.names["main"](document, *GIVEN, [])
    mapping = section(MAPPING, parse(USUAL, "usual.yaml"))
    general = mapping.run(document, *GIVEN)
    mapping.quicken()
    assert mapping.run(document, *GIVEN) == general


WHEN = """
a: { $when: "ctx.now == `7`", $value: wire.a }
b: = plan.y
"""
SELDOM = 'usual: { read: { plan: [x], $untrue: ["ctx.now == `7`"] } }'


def test_a_formula_that_is_seldom_true_is_false_in_it() -> None:
    text = _text(WHEN + "c: = plan.x\n", SELDOM)
    assert "'a'" not in text and "'y'" not in text and "'x'" in text


@pytest.mark.parametrize(
    ("plan", "now"), [({"y": 1}, None), ({}, 7)], ids=["a key of the plan", "the formula"]
)
def test_where_it_is_true_the_general_form_answers(plan: object, now: int | None) -> None:
    mapping = section(WHEN, parse(SELDOM, "usual.yaml"))
    client, _, ctx = GIVEN
    given = (client, plan, {**ctx, "now": now})
    general = mapping.run({"a": 1}, *given)
    mapping.quicken()
    assert mapping.run({"a": 1}, *given) == general
    assert mapping.run({"a": 1}, client, {}, {**ctx, "now": None})[0] == {}


def test_losses_before_an_unusual_object_are_not_told_twice() -> None:
    text = "l: { $each: wire.l, $as: e, $item: { $first: [ = e.x, { $drop: no, $of: e.y } ] } }"
    mapping = section(text, parse("usual: { read: { e: [x, y] } }", "usual.yaml"))
    mapping.quicken()
    result, lost = mapping.run({"l": [{"y": 1}, {"z": 1}]}, *GIVEN)
    assert result == {"l": []}
    assert [mapping.rule(said.rule).reason for said in lost] == ["no", "no rule reads this"]
    assert mapping.run({"l": [{"x": 1}]}, *GIVEN) == ({"l": [1]}, [])


@pytest.mark.parametrize("element", [[{}], [1], "xy", 5, None, {"x": 2}, {"z": 2}], ids=str)
def test_what_an_element_is_is_asked_wherever_it_counts(element: object) -> None:
    mapping = section(
        "l: { $each: wire.l, $as: e, $item: { $first: [ = e.x, { $when: wire.l, w: = e.y } ] } }",
        parse("usual: { read: { wire: [l] } }", "usual.yaml"),
    )
    general = mapping.run({"l": [element]}, *GIVEN)
    mapping.quicken()
    assert mapping.run({"l": [element]}, *GIVEN) == general


def test_an_error_in_it_is_told_with_the_place_in_the_mapping() -> None:
    program = _program("a: = wire.a\nb: = lower(wire.b)\n", "usual: { read: { wire: [a, b] } }")
    quick = program.quick(None)
    assert quick is not None
    with pytest.raises(FunctionError) as error:
        quick.names["main"]({"b": []}, *GIVEN, [])
    assert program.place(error.value) == "test.yaml:2:4"


def test_without_usual_there_is_no_quick_form() -> None:
    assert _program(MAPPING, "{}").quick(None) is None


STATE = """
l:
  $scan: wire.l
  $as: e
  $state: { rank: 0, last: 1 }
  $item: { x: = e.x, rank: = state.rank, last: = state.last }
  $then: { rank: = state.rank, last: = e.x }
"""


def test_the_state_of_a_scan_is_names_and_what_never_changes_is_no_state() -> None:
    text = _text(STATE, "usual: { read: { wire: [l], e: [x] } }")
    assert "S1_last" in text and "S1_rank" not in text
    assert "['rank'] = 0" in text


def test_what_is_the_same_for_all_elements_is_asked_before_the_loop() -> None:
    mapping = "l: { $each: wire.l, $as: e, $item: { $when: ctx.limits.most && e.x, x: = e.x } }"
    main, _, loop = _text(mapping, "usual: { read: { e: [x] } }").partition("for ")
    assert "'most'" in main and "'most'" not in loop


def test_a_loop_over_the_first_elements_ends_behind_them() -> None:
    text = """
    $let: { first: "leading(wire.l, 'x', `[1]`)" }
    a: { $each: wire.l, $as: [e, i], $if: i < first, $item: = e.y }
    b: { $each: wire.l, $as: [e, i], $if: i >= first, $item: = e.y }
    """
    usual = "usual: { read: { wire: [l], e: [x, y] } }"
    assert _text(text, usual).count("break") == 1
    mapping = section(text, parse(usual, "usual.yaml"))
    mapping.quicken()
    elements = [{"x": 1, "y": 1}, {"x": 2, "y": 2}, {"x": 1, "y": 3}]
    assert mapping.run({"l": elements}, *GIVEN)[0] == {"a": [1], "b": [2, 3]}
    assert mapping.run({"l": []}, *GIVEN)[0] == {"a": [], "b": []}


def test_what_a_mapping_takes_for_a_list_is_asked_once() -> None:
    mapping = "a: = length(wire.l[?x])\nb: = wire.l[?y]\nc: = wire.l[0]\n"
    text = _text(mapping, "usual: { read: { wire: [l] } }")
    assert text.count("is not list") == 1 and "is list" not in text


@pytest.mark.parametrize("element", [{"x": 1}, None, 5, "x"], ids=str)
def test_where_no_list_or_no_objects_are_the_general_form_answers(element: object) -> None:
    text = """
    a: = length(wire.l[?x])
    b: { $each: wire.l, $as: e, $item: = e.x }
    c: = wire.l[0].x
    """
    for listed in ([element], element):
        mapping = section(text, parse("usual: { read: { wire: [l], e: [x] } }", "usual.yaml"))
        try:
            general = mapping.run({"l": listed}, *GIVEN)
        except Refusal as refused:
            mapping.quicken()
            with pytest.raises(Refusal, match=re.escape(str(refused))):
                mapping.run({"l": listed}, *GIVEN)
            continue
        mapping.quicken()
        assert mapping.run({"l": listed}, *GIVEN) == general


def test_what_one_branch_decides_is_not_asked_after_it() -> None:
    text = _text(
        "a: { $first: [ { $when: wire.a, x: = wire.a }, { y: none } ] }",
        "usual: { read: { wire: [a] } }",
    )
    assert "is None" not in text.partition("g_wire")[2]
    assert "else:" in text


HANDED_ON = """
usual: { read: { e: [x, l] } }
fragments:
  f: { x: = e.x, l: { $each: e.l, $as: below, $item: { $use: f, $with: { e: below } } } }
"""


@pytest.mark.parametrize("last", [{"x": 1}, {"x": 1, "z": 2}, 5], ids=str)
def test_what_calls_itself_looks_at_each_object_once(last: object) -> None:
    text = "l: { $each: wire.l, $as: e, $item: { y: = e.x, f: { $use: f, $with: { e: e } } } }"
    mapping = section(text, parse(HANDED_ON, "usual.yaml"))
    program = mapping.program
    quick = ast.unparse(quick_tree(program.source, program.names, program.usual)[0])
    assert quick.count("raise Unusual") == 2
    document = {"l": [{"x": 1, "l": [{"l": [last]}]}]}
    try:
        general = mapping.run(document, *GIVEN)
    except Refusal:
        return
    mapping.quicken()
    assert mapping.run(document, *GIVEN) == general


NAMED = """
$let: { u: = wire.u }
a: { $when: wire.u, x: = u.x, y: = u.y }
b: = wire.u.y
c: = wire.u.x
"""


def test_a_name_for_what_is_read_is_tested_where_that_is_read() -> None:
    text = _text(NAMED, "usual: { read: { wire: [u], u: [x] } }")
    assert text.count("raise Unusual") == 2 and re.search(r"\bv_u_1\b", text) is None
    assert "'y'" not in text


@pytest.mark.parametrize("value", [{"x": 1}, {"x": 1, "y": 2}, {}, [], [1], 0, "", None], ids=str)
def test_what_such_a_name_is_given_is_any_value(value: object) -> None:
    mapping = section(NAMED, parse("usual: { read: { wire: [u], u: [x] } }", "usual.yaml"))
    general = mapping.run({"u": value}, *GIVEN)
    mapping.quicken()
    assert mapping.run({"u": value}, *GIVEN) == general


def test_what_stays_empty_is_not_made() -> None:
    text = _text(
        "a: { $empty: drop, b: { $empty: drop, c: = wire.c } }\nd: = wire.d",
        "usual: { read: { wire: [d] } }",
    )
    assert "'a'" not in text and "'b'" not in text


@pytest.mark.parametrize("kind", ["a", "b", "c", None, 1, [], {}], ids=str)
def test_several_texts_are_compared_at_once(kind: object) -> None:
    given = "usual: { read: { wire: [l] } }"
    text = "n: \"= length(wire.l[?k == 'a' || k == 'b' || k == 'c'])\""
    assert "in ('a', 'b', 'c')" in _text(text, given)
    mapping = section(text, parse(given, "usual.yaml"))
    general = mapping.run({"l": [{"k": kind}]}, *GIVEN)
    mapping.quicken()
    assert mapping.run({"l": [{"k": kind}]}, *GIVEN) == general


@pytest.mark.parametrize("value", [1, 1.5, None, "x"], ids=str)
def test_a_sum_of_sums_is_made_in_steps(value: object) -> None:
    given = "usual: { read: { wire: [a, b] } }"
    text = "n: = add(add(wire.a, wire.b), wire.a)"
    assert "[-1]" not in _text(text, given)
    mapping = section(text, parse(given, "usual.yaml"))
    try:
        general = mapping.run({"a": value, "b": 2}, *GIVEN)
    except Refusal as refused:
        mapping.quicken()
        with pytest.raises(Refusal, match=re.escape(str(refused))):
            mapping.run({"a": value, "b": 2}, *GIVEN)
        return
    mapping.quicken()
    assert mapping.run({"a": value, "b": 2}, *GIVEN) == general


@pytest.mark.parametrize("filled", [True, False])
def test_a_list_is_empty_only_where_no_place_of_its_name_fills_it(filled: bool) -> None:
    put = "_extend(r1, wire)" if filled else "wire"
    text = f"def main(wire):\n    r1 = []\n    r2 = r1\n    {put}\n    return r1 or wire"
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    _, alias, statement, last = function.body
    if filled:
        # folding puts one node wherever a name stands for another
        assert isinstance(last, ast.Return) and isinstance(last.value, ast.BoolOp)
        assert isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        assert isinstance(alias, ast.Assign)
        alias.value = statement.value.args[0] = last.value.values[0]
    assert empty_out(function) is not filled
    assert ast.unparse(function).endswith("return r1 or wire" if filled else "return wire")


def test_a_list_that_is_filled_stays_where_any_place_of_its_name_reads_it() -> None:
    text = "def main(wire):\n    r1 = []\n    r1.append(wire)\n    return r1"
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    _, statement, last = function.body
    assert isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    assert isinstance(statement.value.func, ast.Attribute) and isinstance(last, ast.Return)
    last.value = statement.value.func.value
    sweep(function)
    assert ast.unparse(function) == text
