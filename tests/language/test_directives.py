"""Every directive by its cases, ``directives/*.yaml``: document in, result, losses or refusal out.

Each case runs plainly and traced; both must give the same.
"""

import copy

import pytest

from engine.language.directives import DIRECTIVES, EVERYWHERE, IN_OBJECTS
from engine.language.source import Map, Node, Seq
from tests.language.support import cases, data, outcome, section

CASES = cases("directives")
KEYS = {"name", "map", "tables", "fragments", "in", "out", "losses", "refused"}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES])
def test_a_case_gives_what_it_says(case: Map) -> None:
    assert set(case.keys()) <= KEYS
    mapping = case.get("map")
    assert mapping is not None
    document = data(case, "in")
    before = copy.deepcopy(document)
    found = outcome(section(mapping, case), document)
    assert found.refused == data(case, "refused")
    assert found.result == data(case, "out")
    assert found.losses == (data(case, "losses") or [])
    assert document == before


def _maps(node: Node) -> list[Map]:
    inner: list[Node] = []
    if isinstance(node, Map):
        inner = [value for _, value in node.entries]
    elif isinstance(node, Seq):
        inner = list(node.items)
    return ([node] if isinstance(node, Map) else []) + [m for each in inner for m in _maps(each)]


def test_every_directive_and_modifier_has_a_case() -> None:
    seen: set[tuple[str, str]] = set()
    for _, case in CASES:
        for node in _maps(case):
            words = [key for key in node.keys() if key.startswith("$")]
            owner = next((word for word in words if word in DIRECTIVES), "")
            seen |= {(owner, word) for word in words}
    wanted = {(name, name) for name in DIRECTIVES} | {("", word) for word in IN_OBJECTS}
    wanted |= {("", word) for word in EVERYWHERE}
    for name, directive in DIRECTIVES.items():
        wanted |= {(name, modifier) for modifier in directive.modifiers if name != "$extends"}
    assert wanted - seen == set()
