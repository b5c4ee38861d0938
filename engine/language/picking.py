"""Lists that are picked out of one list by what a key of its elements holds: in one pass.

Mappings say ``parts[?type == 'text']``, ``parts[?type == 'call']``… beside each other. A quick form
goes over the parts once and asks each for its key once. Where a loop takes the elements that were
picked for usual objects, they are tested as they are picked, and what else looks into them knows
of it.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from engine.language.elements import Loop, hold, key_of, lack, loops, texts
from engine.language.statements import blocks, names, placed, replaced, target, walk

# So many lists make a pass of their own worth it.
_FEW = 2
# What a test may ask beside the element itself.
_FREE = frozenset("type isinstance dict list str int float bool".split())

Usual = Mapping[str, frozenset[str]]


@dataclass(slots=True)
class _Pick:
    """One list: its name, the one it is taken from, and its comprehension. ``values``: what the
    key of its elements holds, where the test says so; ``tested``: the usual object that a loop
    takes its elements for."""

    name: str
    source: str
    made: ast.ListComp
    values: frozenset[str] | None = None
    tested: str | None = None

    @property
    def element(self) -> str:
        """The name of an element in the comprehension."""
        place = self.made.generators[0].target
        assert isinstance(place, ast.Name)
        return place.id

    @property
    def exact(self) -> bool:
        """Whether the test asks for nothing but these values."""
        (test,) = self.made.generators[0].ifs
        return not any(
            isinstance(each, ast.BoolOp) and isinstance(each.op, ast.And) for each in walk(test)
        )

    @property
    def whole(self) -> bool:
        """Whether it takes elements, and not what they hold."""
        return isinstance(self.made.elt, ast.Name) and self.made.elt.id == self.element


@dataclass(slots=True)
class _Pass:
    """The lists of one block that are picked out of one list, all by one key."""

    source: str
    key: str
    picks: list[_Pick] = field(default_factory=list)


def pick(function: ast.FunctionDef, usual: Usual) -> frozenset[str] | None:
    """Pick in one pass, in place. The usual objects that need no other test from there on; None
    when there is nothing to be picked."""
    stores = Counter(each.id for each in names(function) if isinstance(each.ctx, ast.Store))
    proven: set[str] = set()
    passes = [each for body in blocks(function) for each in _passes(body, stores)]
    every = list(loops(function)) if passes else []
    for position, each in enumerate(passes):
        for one in each.picks:
            over = [loop for loop in every if loop[0] == one.name]
            _taken(one, over, usual)
            if one.tested is not None:
                proven |= {element for _, element, _ in over}
                lack(function, one.name, usual[one.tested])
            if one.values is not None and one.whole:
                hold(over, each.key, one.values)
        _restate(function, each, f"y_{position}")
    return frozenset(proven) if passes else None


# ---------------------------------------------------------------------------- finding them


def _passes(body: list[ast.stmt], stores: Counter[str]) -> Iterator[_Pass]:
    """The passes of a block: lists out of one, each by a test of the element alone."""
    found: dict[str, list[_Pick]] = {}
    for statement in body:
        one = _picked(statement)
        if one is not None and stores[one.name] == stores[one.source] == 1 and _alone(one):
            found.setdefault(one.source, []).append(one)
    for source, picks in found.items():
        keys = Counter(key for one in picks for key in dict.fromkeys(_asked(one)))
        if not keys:
            continue
        key = keys.most_common(1)[0][0]
        chosen = [one for one in picks if key in _asked(one)]
        if len(chosen) < _FEW:
            continue
        for one in chosen:
            (test,) = one.made.generators[0].ifs
            one.values = _values(test, one.element, key)
        yield _Pass(source, key, chosen)


def _picked(statement: ast.stmt) -> _Pick | None:
    match statement:
        case ast.Assign(
            [ast.Name(name)],
            ast.IfExp(
                ast.Compare(ast.Name(asked), [ast.IsNot()], [ast.Constant(None)]),
                ast.ListComp(_, [ast.comprehension(ast.Name(), ast.Name(source), [_])]) as made,
                ast.Constant(None),
            ),
        ) if asked == source:
            return _Pick(name, source, made)
    return None


def _alone(one: _Pick) -> bool:
    """Whether it asks for nothing but the element, so that it may be asked earlier."""
    inside = names(one.made)
    bound = {each.id for each in inside if isinstance(each.ctx, ast.Store)}
    calls = [each.func for each in walk(one.made) if isinstance(each, ast.Call)]
    return all(each.id in bound | _FREE | {one.source} for each in inside) and all(
        isinstance(each, ast.Name) or (isinstance(each, ast.Attribute) and each.attr == "get")
        for each in calls
    )


def _asked(one: _Pick) -> Iterator[str]:
    """The keys that it asks an element for."""
    for node in walk(one.made):
        key = key_of(node, one.element)
        if key is not None:
            yield key


def _values(test: ast.expr, element: str, key: str) -> frozenset[str] | None:
    """What the key holds where a test is true."""
    match test:
        case ast.Compare(left, [ast.Eq() | ast.In()], [wanted]) if key_of(left, element) == key:
            return texts(wanted)
        case ast.BoolOp(ast.Or(), values):
            several = [_values(each, element, key) for each in values]
            known = [each for each in several if each is not None]
            return frozenset().union(*known) if len(known) == len(several) else None
        case ast.BoolOp(ast.And(), values):
            return next((v for each in values if (v := _values(each, element, key))), None)
    return None


def _taken(one: _Pick, over: list[Loop], usual: Usual) -> None:
    """Note what all loops take its elements for."""
    keys = {usual.get(element) for _, element, _ in over}
    if one.whole and len(keys) == 1 and None not in keys:
        one.tested = over[0][1]


# ---------------------------------------------------------------------------- the pass


def _restate(function: ast.FunctionDef, made: _Pass, held: str) -> None:
    """The comprehensions become one loop, where the first of them stood."""
    names = {one.name for one in made.picks}
    first = made.picks[0]
    for body in list(blocks(function)):
        at = next((i for i, each in enumerate(body) if target(each) == first.name), None)
        if at is None or _picked(body[at]) is None:
            continue
        place = body[at]
        body[:] = [each for each in body if target(each) not in names or each is place]
        body[at : at + 1] = placed(_loop(made, held), place)
        return


def _loop(made: _Pass, held: str) -> str:
    element = made.picks[0].element
    lines = [f"if {made.source} is not None:"]
    lines += [f"    {one.name} = []" for one in made.picks]
    lines.append(f"    for {element} in {made.source}:")
    lines.append(f"        {held} = {element}.get({made.key!r})")
    cases: list[str] = []
    others: list[str] = []
    taken: set[str] = set()
    for one in made.picks:
        test, elt = _test(one, made.key, element, held)
        put = [f"            {one.name}.append({elt})"]
        if one.tested is not None:
            usual = f"_usual_{one.tested}.issuperset({element})"
            put.insert(0, f"            if not {usual}: raise Unusual")
        if one.values is not None and one.exact and not one.values & taken:
            taken |= one.values
            cases += [f"        {'elif' if cases else 'if'} {test}:", *put]
        else:
            others += [f"        if {test}:", *put]
    lines += [*cases, *others, "else:"]
    lines += [f"    {one.name} = None" for one in made.picks]
    return "\n".join(lines)


def _test(one: _Pick, key: str, element: str, held: str) -> tuple[str, str]:
    """The test of an element, and what is taken of it, as Python text."""

    def replace(node: ast.expr) -> ast.expr:
        if key in (key_of(node, one.element), key_of(node, element)):
            return ast.Name(held, ast.Load())
        if isinstance(node, ast.Name) and node.id == one.element:
            return ast.Name(element, node.ctx)
        return node

    outer = ast.Tuple([one.made.generators[0].ifs[0], one.made.elt], ast.Load())
    replaced(outer, {ast.Call, ast.Name}, replace)
    test, elt = outer.elts
    return ast.unparse(test), ast.unparse(elt)
