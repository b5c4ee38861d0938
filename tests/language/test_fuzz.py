"""Mapping files that somebody broke: a result or a MappingError, never another exception."""

from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.errors import MappingError
from engine.language.directives import DIRECTIVES, EVERYWHERE, IN_OBJECTS
from engine.language.half import HALF_KEYS, RULE_KEYS
from engine.language.source import Map, Node, Pos, Scalar, Seq, Source, parse
from tests.language.support import cases, half, section

PIECES = [
    *(text for text in "[]{},:#&*!|>'\"%@`-?=~\n\t ."),
    *("{{ ", " }}", "{% ", "= ", "- ", "$", "\n  ", "null", "&a ", "*a", "<<: ", "!!map ", "---\n"),
    *("wire.", "[?", "[*]", "`1`", "||", "&&", "!", "(", ")", "\x00", "\ud7ff", "é", "0x", "1e999"),
]
SHIPPED = [
    path.read_text() for path in sorted((Path(__file__).parents[2] / "mappings").rglob("*.yaml"))
]
FILES = [path.read_text() for path in sorted((Path(__file__).parent / "directives").glob("*.yaml"))]


def _compiled(node: Node) -> None:
    """Compile a tree as a document and as a half of a stream."""
    for compile_it in (section, half):
        try:
            compile_it(node)
        except MappingError as error:
            assert error.problems


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A piece of a mapping file with some characters replaced."""
    text = draw(st.sampled_from(FILES + SHIPPED))
    start = draw(st.integers(0, max(0, len(text) - 400)))
    start = text.rfind("\n", 0, start) + 1
    text = text[start : start + 400]
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 4))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + cut :]
    return text


@settings(max_examples=150, deadline=None)
@given(broken())
@example("a: &a [*a]")
@example("a: " + "[" * 5000)
@example("a: " + "- " * 5000)
@example("? " * 3000)
@example("a: " + "9" * 5000)
@example("%YAML 1.1\n---\na: 1")
@example("a: 1\n---\nb: 2")
def test_broken_yaml_is_told(text: str) -> None:
    try:
        node = parse(text, "m.yaml")
    except MappingError as error:
        assert all(problem.startswith("m.yaml:") for problem in error.problems)
    else:
        _compiled(node)


POS = Pos(Source("m.yaml", ("x",)), 1, 1)
KEYS = sorted({*DIRECTIVES, *EVERYWHERE, *IN_OBJECTS, *RULE_KEYS, *HALF_KEYS, "$key", "a", "same"})
KEYS += sorted({key for each in DIRECTIVES.values() for key in each.modifiers} - set(KEYS))
TEXTS = [
    *"x wire wire.a =wire.x state.n drop keep low f one text = ' $ class é a-b".split(),
    *("= wire.a", "= at(wire, wire.b)", "= wire.l[?a == `1`].b | [0]", "= sort_by(wire.l, &a)"),
    *("{{ wire.a }}", "{{ wire.a | upper }}", "{% if wire %}{{ x }}{% endif %}", "{{ class }}"),
    *("= map(&wire.a, wire.l)", "= wire.a || `1`", "!wire.a.b", "wire.a && !(x)", "= [wire, x]"),
    *("= {a: wire, b: `[1]`}", "= wire.*.a[]", "= wire[1:2:-1]", "= @.a"),
]
SCALARS = st.builds(
    lambda value, plain: Scalar(POS, value, plain),
    st.none() | st.booleans() | st.integers(-2, 500) | st.sampled_from(TEXTS),
    st.booleans(),
)
NODES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: Seq(POS, tuple(items)))
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5).map(
            lambda found: Map(POS, tuple((Scalar(POS, key), each) for key, each in found.items()))
        )
    ),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(NODES)
def test_any_tree_of_directives_compiles_or_is_told(node: Node) -> None:
    _compiled(node)


MAPPINGS = [node for _, case in cases("directives") if (node := case.get("map")) is not None]


@st.composite
def rearranged(draw: st.DrawFn) -> Node:
    """A mapping of a case with some of its nodes replaced by others."""
    mapping = draw(st.sampled_from(MAPPINGS))
    return _replaced(draw, mapping)


def _replaced(draw: st.DrawFn, node: Node) -> Node:
    if draw(st.integers(0, 9)) == 0:
        found: Node = draw(NODES)
        return found
    if isinstance(node, Seq):
        return Seq(node.pos, tuple(_replaced(draw, item) for item in node.items))
    if isinstance(node, Map):
        return Map(node.pos, tuple((key, _replaced(draw, value)) for key, value in node.entries))
    return node


@settings(max_examples=150, deadline=None)
@given(rearranged())
def test_a_rearranged_mapping_compiles_or_is_told(node: Node) -> None:
    _compiled(node)
