"""What a traced run tells: where each field came from; and that it is the same run."""

import copy
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Defect
from engine.language.runtime import Refusal
from engine.language.sections import Section
from engine.language.source import Map, parse
from tests.language.support import GIVEN, cases, data, section

MAPPINGS = dict(cases("directives"))


def told(mapping: str, document: Any) -> dict[str, tuple[str, list[str]]]:
    """For each output path: how it was made last, and the paths it was made from."""
    result, trace = section(mapping).trace(document, *GIVEN)
    return {
        path: (notes[-1].how, [each for note in notes for each in note.paths])
        for path, notes in trace.outputs(result).items()
    }


def test_a_path_is_copied() -> None:
    assert told("{ a: = wire.x.y }", {"x": {"y": 1}}) == {"a": ("copy", ["x.y"])}


def test_a_formula_maps_all_it_reads() -> None:
    assert told("{ a: '= add(wire.x, wire.y)' }", {"x": 1, "y": 2}) == {"a": ("map", ["x", "y"])}


def test_a_template_maps_what_it_names() -> None:
    assert told('{ a: "{{ wire.x }}-{{ wire.y }}" }', {"x": 1}) == {"a": ("map", ["x", "y"])}


def test_a_literal_is_constant() -> None:
    assert told("{ a: 1, b: null }", {}) == {"a": ("const", []), "b": ("const", [])}


def test_a_default_is_supplied() -> None:
    found = told("{ a: { $value: wire.a, $else: 1 }, b: { $value: wire.b, $else: 1 } }", {"b": 2})
    assert found == {"a": ("supply", []), "b": ("copy", ["b"])}


def test_a_changed_value_is_clamped() -> None:
    found = told("{ a: { $clamp: wire.a, $max: 1 }, b: { $clamp: wire.b, $max: 1 } }", {"a": 2})
    assert found == {"a": ("clamp", ["a", "a"])}


def test_an_element_of_a_loop_has_its_own_path() -> None:
    mapping = "{ l: { $each: wire.l, $as: x, $if: x.on, $item: { v: = x.v } } }"
    found = told(mapping, {"l": [{"on": False}, {"on": True, "v": 5}]})
    assert found["l[0].v"] == ("copy", ["l[1].v"])


def test_a_joined_element_keeps_what_it_came_from() -> None:
    mapping = """
      $each: wire.l
      $as: x
      $item: { r: = x.r, id: = x.id, p: [{ v: = x.v }] }
      $join: { same: r, concat: [p] }
    """
    document = {"l": [{"r": 1, "v": 1}, {"r": 1, "v": 2, "id": 3}]}
    found = told(mapping, document)
    assert found["[0].r"] == ("copy", ["l[0].r"])
    assert found["[0].id"] == ("copy", ["l[1].id"])
    assert found["[0].p[1].v"] == ("copy", ["l[1].v"])


def test_a_joined_text_keeps_all_that_it_came_from() -> None:
    mapping = """
      $each: wire.l
      $as: x
      $item: { r: = x.r, t: = x.t }
      $join: { same: r, concat: [t] }
    """
    found = told(mapping, {"l": [{"r": 1, "t": "a"}, {"r": 1, "t": "b"}, {"r": 1, "t": "c"}]})
    assert found == {
        "[0].r": ("copy", ["l[0].r"]),
        "[0].t": ("copy", ["l[0].t", "l[1].t", "l[2].t"]),
    }


def test_a_merged_object_keeps_what_its_keys_came_from() -> None:
    found = told("{ $merge: [{ a: = wire.x }, { b: = wire.y, a: = wire.z }] }", {"x": 1, "y": 2})
    assert found == {"a": ("copy", ["x"]), "b": ("copy", ["y"])}


def test_a_fragment_that_uses_itself_keeps_paths() -> None:
    mapping = section(
        "{ $use: tree, $with: { node: wire } }",
        _names(
            "fragments: { tree: { n: = node.n, l: { $each: node.l, $as: x,"
            " $item: { $use: tree, $with: { node: x } } } } }"
        ),
    )
    result, trace = mapping.trace({"n": 1, "l": [{"n": 2}]}, *GIVEN)
    notes = trace.outputs(result)["l[0].n"]
    assert [path for note in notes for path in note.paths] == ["l[0].n"]


def test_what_rest_takes_and_spread_gives_back_is_copied() -> None:
    found = told("{ a: = wire.a, $rest: wire }", {"a": 1, "b": {"c": 2}})
    assert found["native.demo.b"] == ("copy", ["b"])
    found = told("{ a: = wire.a, $spread: wire }", {"a": 1, "native": {"demo": {"b": 2}}})
    assert found["b"] == ("copy", ["native.demo.b"])


def test_a_rule_is_told_by_its_place_in_the_file() -> None:
    mapping = section("a: 1\nb:\n  c: = wire.c\n")
    result, trace = mapping.trace({"c": 1}, *GIVEN)
    (note,) = trace.outputs(result)["b.c"]
    assert mapping.rule(note.rule, traced=True).place == "test.yaml:3:6"


def _names(text: str) -> Map:
    node = parse(text, "names.yaml")
    assert isinstance(node, Map)
    return node


WORDS = "a b c d e k l m n o r s t v w x y z id own role parts native demo".split()
ODD: list[Any] = [None, True, 0, -1, 2.5, "", "a", "{{ x }}", "= wire.a", '{"a": 1}', [], {}]
ODD += [
    [1, None],
    [{}],
    [[{"v": 1}]],
    {"v": 1},
    {"x": {"y": [None]}},
    {"native": {"demo": {"a": 1}}},
]


@st.composite
def documents(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """The document of a case with some of its values replaced, removed or added."""
    document = data(MAPPINGS[name], "in")
    for _ in range(draw(st.integers(0, 4))):
        at: Any = document
        while isinstance(at, dict | list) and at and draw(st.booleans()):
            inside = list(at.values()) if isinstance(at, dict) else at
            at = draw(st.sampled_from(inside))
        value = copy.deepcopy(draw(st.sampled_from(ODD)))
        if isinstance(at, dict):
            at[draw(st.sampled_from([*at, *WORDS]))] = value
        elif isinstance(at, list):
            at.insert(draw(st.integers(0, len(at))), value)
    return dict(document)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_traced_run_gives_what_a_plain_one_gives(drawn: st.DataObject) -> None:
    name = drawn.draw(st.sampled_from(sorted(MAPPINGS)))
    document = drawn.draw(documents(name))
    compiled = _compiled(name)
    before = copy.deepcopy(document)
    results: list[Any] = []
    for traced in (False, True):
        try:
            if traced:
                result, trace = compiled.trace(document, *GIVEN)
                results.append((result, bool(trace.losses)))
            else:
                result, lost = compiled.run(document, *GIVEN)
                results.append((result, bool(lost)))
        except Refusal as refusal:
            results.append((refusal.reason, refusal.status))
        except Defect as defect:
            raise AssertionError(f"a document made the mapping fail: {defect}") from defect
    assert results[0] == results[1]
    assert document == before


@cache
def _compiled(name: str) -> Section:
    mapping = MAPPINGS[name].get("map")
    assert mapping is not None
    return section(mapping, MAPPINGS[name])
