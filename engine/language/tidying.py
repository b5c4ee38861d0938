"""Taking out of folded code what nothing needs any more."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from engine.language.gathering import gathered
from engine.language.nodes import harmless, stored, truth
from engine.language.statements import blocks, bodies, names, replaced, restated, target, uses, walk

# Names of what is made: results, objects, values inside expressions.
_OWN = frozenset("rdt")


def sweep(function: ast.FunctionDef) -> None:
    """Take out what nobody reads, and put keys that are always set into the display."""
    while True:
        inside = walk(function)
        read = _read(inside)
        bound = {each.target.id for each in inside if isinstance(each, ast.NamedExpr)}
        taken = 0

        def bare(node: ast.expr, read: set[str] = read) -> ast.expr:
            if isinstance(node, ast.NamedExpr) and node.target.id not in read:
                return node.value
            return node

        def kept(node: ast.stmt, read: set[str] = read) -> list[ast.stmt]:
            nonlocal taken
            name = target(node) or _filled(node)
            if (name is None or name in read) and not _idle(node):
                return [node]
            taken += 1
            if not isinstance(node, ast.Assign):
                return []
            if harmless(node.value):
                return []
            return [ast.copy_location(ast.Expr(node.value), node)]

        if bound - read:
            replaced(function, {ast.NamedExpr}, bare)
        restated(function, kept)
        if not taken and not _coalesced(function):
            break
    _displayed(function)


def _read(inside: list[ast.AST]) -> set[str]:
    """The names that are read; to fill a list is not to read it."""
    # counted, as one node may stand at several places
    read = Counter(
        each.id for each in inside if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    )
    read.subtract(name for each in inside if isinstance(each, ast.stmt) and (name := _filled(each)))
    return {name for name, times in read.items() if times > 0}


def _filled(node: ast.stmt) -> str | None:
    """The list of ``list.append(name)``."""
    match node:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "append"), [ast.Name()])):
            return name
    return None


def _idle(node: ast.stmt) -> bool:
    """Whether this is a loop, a choice or an expression in which nothing happens."""
    if isinstance(node, ast.Expr):
        return harmless(node.value)
    if isinstance(node, ast.If):
        idle = all(_nothing(each, node.test) for each in node.body)
        return idle and not node.orelse and harmless(node.test)
    if not isinstance(node, ast.For) or not harmless(node.iter):
        return False
    return all(isinstance(each, ast.Pass | ast.Continue) for each in node.body)


def _nothing(node: ast.stmt, known: ast.expr) -> bool:
    """Whether a statement says what is so already: where ``x is None``, that it is None."""
    match node, known:
        case ast.Pass(), _:
            return True
        case (
            ast.Assign([ast.Name(one)], ast.Constant(None)),
            ast.Compare(ast.Name(two), [ast.Is()], [ast.Constant(None)]),
        ):
            return one == two
    return False


def flatten(function: ast.FunctionDef) -> None:
    """Statements for what an expression binds on its way, and shorter tests, in place."""
    restated(function, _steps)
    replaced(function, {ast.BoolOp, ast.IfExp}, _shorter)
    inside = walk(function)
    read = _read(inside)
    for node in inside:
        if isinstance(node, ast.For):
            _uncounted(node, read)
        if isinstance(node, ast.If):
            node.test = truth(node.test)
        elif isinstance(node, ast.For) and _leads(node):
            assert isinstance(node.body[0], ast.If)
            node.body[0].body = [ast.copy_location(ast.Break(), node.body[0])]


def _uncounted(node: ast.For, read: set[str]) -> None:
    """A loop without a count of its elements, where nobody reads it."""
    match node:
        case ast.For(
            ast.Tuple([ast.Name(position), each]), ast.Call(ast.Name("enumerate"), [over])
        ):
            if position not in read:
                node.target, node.iter = each, over


def _leads(node: ast.For) -> bool:
    """Whether a loop passes over all elements from some position on: then it ends there."""
    match node:
        case ast.For(
            ast.Tuple([ast.Name(position), _]),
            ast.Call(ast.Name("enumerate")),
            [ast.If(ast.UnaryOp(ast.Not(), test), [ast.Continue()], []), *_],
        ):
            shorter = test.body if isinstance(test, ast.IfExp) else test
            match shorter:
                case ast.Compare(ast.Name(one), [ast.Lt()], [ast.Name(bound)]):
                    return one == position and bound[:2] == "v_" and bound not in stored(node)
    return False


def _steps(node: ast.stmt) -> list[ast.stmt]:
    """``x = (a, b := c, d)[-1]`` as ``b = c`` and ``x = d``."""
    if not isinstance(node, ast.Assign):
        return [node]
    match node.value:
        case ast.Subscript(ast.Tuple([*before, last]), ast.UnaryOp(ast.USub(), ast.Constant(1))):
            node.value = last
            return [*_bound(before, node), node]
    return [node]


def _bound(values: list[ast.expr], at: ast.stmt) -> Iterator[ast.stmt]:
    """Values that are needed for what they bind, one after the other."""
    for each in values:
        if isinstance(each, ast.Tuple):
            yield from _bound(each.elts, at)
        elif isinstance(each, ast.NamedExpr):
            name = ast.Name(each.target.id, ast.Store())
            yield from _steps(ast.copy_location(ast.Assign([name], each.value), at))
        elif not isinstance(each, ast.Name | ast.Constant):
            yield ast.copy_location(ast.Expr(each), at)


def _shorter(node: ast.expr) -> ast.expr:
    """A value is compared with several texts at once, and the length of a text is taken as that of
    a list."""
    match node:
        case ast.BoolOp(ast.And(), [one, ast.BoolOp(ast.Or(), values) as looks]) if _flat(one):
            # what is held there is at hand: to look at that is less than to go over the keys first
            return looks if all(map(_at_hand, values)) else node
        case ast.BoolOp(ast.Or(), values):
            node.values = _together(values)
            return node.values[0] if len(node.values) == 1 else node
        case ast.IfExp(
            ast.Compare(ast.Call(ast.Name("type") as ask, [value]), [ast.Is()], [ast.Name("list")]),
            ast.Call(ast.Name("len"), [ast.Name(one)]),
            ast.Call(ast.Name(call), [ast.Name(two)]),
        ) if one == two and call == "_f_length" and isinstance(value, ast.Name):
            kind = ast.Call(ask, [ast.Name(one, ast.Load())], [])
            text = ast.Compare(kind, [ast.Is()], [ast.Name("str", ast.Load())])
            node.test = ast.BoolOp(ast.Or(), [text, node.test])
    return node


def _flat(node: ast.expr) -> bool:
    """Whether this asks if an object holds no more than what needs no look inside."""
    match node:
        case ast.UnaryOp(ast.Not(), ast.Call(ast.Attribute(ast.Name(name), "issuperset"))):
            return name.startswith("_flat")
    return False


def _at_hand(node: ast.expr) -> bool:
    """Whether this begins with the question whether a name has a value."""
    first = node.values[0] if isinstance(node, ast.BoolOp) else node
    return isinstance(first, ast.Name) or (
        isinstance(first, ast.Compare) and isinstance(first.left, ast.Name)
    )


def _together(values: list[ast.expr]) -> list[ast.expr]:
    """``x.get('k') == 'a' or x.get('k') == 'b'`` as ``x.get('k') in ('a', 'b')``."""
    found: list[ast.expr] = []
    for each in values:
        before, after = _equal(found[-1]) if found else None, _equal(each)
        if before is not None and after is not None and before[0] == after[0]:
            texts: list[ast.expr] = [ast.Constant(text) for text in (*before[1], *after[1])]
            assert isinstance(each, ast.Compare)
            test = ast.Compare(each.left, [ast.In()], [ast.Tuple(texts, ast.Load())])
            found[-1] = ast.copy_location(test, each)
        else:
            found.append(each)
    return found


def _equal(node: ast.expr) -> tuple[str, tuple[str, ...]] | None:
    """The value (its code) that is compared with texts, and these."""
    match node:
        case ast.Compare(ast.Name() | ast.Call() as left, [ast.Eq()], [ast.Constant(str(text))]):
            texts: tuple[str, ...] = (text,)
        case ast.Compare(ast.Name() | ast.Call() as left, [ast.In()], [ast.Tuple(elements)]):
            texts = tuple(
                each.value
                for each in elements
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )
            if len(texts) < len(elements):
                return None
        case _:
            return None
    if isinstance(left, ast.Call) and not (
        isinstance(left.func, ast.Attribute) and left.func.attr == "get"
    ):
        return None
    return ast.unparse(left), texts


def _displayed(node: ast.AST) -> None:
    for body in bodies(node):
        for statement in body:
            _displayed(statement)
        position = 0
        while position + 1 < len(body):
            if _merged(body[position], body[position + 1]):
                del body[position + 1]
            else:
                position += 1


def _merged(one: ast.stmt, other: ast.stmt) -> bool:
    """``d = {…}`` and ``d['k'] = v`` right after it as one display."""
    name = target(one)
    if name is None or not isinstance(one, ast.Assign) or not isinstance(one.value, ast.Dict):
        return False
    if not isinstance(other, ast.Assign) or not isinstance(other.targets[0], ast.Subscript):
        return False
    place = other.targets[0]
    if not isinstance(place.value, ast.Name) or place.value.id != name:
        return False
    if uses(other.value, name):
        return False
    one.value.keys.append(place.slice)
    one.value.values.append(other.value)
    return True


def _coalesced(function: ast.FunctionDef) -> bool:
    """A value that only gets another name gets that at once; whether anything was changed."""
    counts = Counter(each.id for each in names(function))
    changed = False
    for body in blocks(function):
        for position in range(len(body) - 1, -1, -1):
            changed = _renamed(body, position, counts) or changed
            changed = _overwritten(body, position) or changed
            changed = gathered(function, body, position) or changed
    return changed


def _renamed(body: list[ast.stmt], position: int, counts: Counter[str]) -> bool:
    """``a = b`` after all that there is of b: it is called a from the beginning."""
    if position >= len(body):
        return False
    statement = body[position]
    new = target(statement)
    if new is None or not isinstance(statement, ast.Assign):
        return False
    if not isinstance(statement.value, ast.Name) or statement.value.id[:1] not in _OWN:
        return False
    old = statement.value.id
    left = counts[old] - 1
    start = position
    while left and start:
        start -= 1
        inside = walk(body[start])
        named = [each.id for each in inside if isinstance(each, ast.Name)]
        if new in named or any(isinstance(each, ast.Continue) for each in inside):
            return False
        left -= named.count(old)
    if left or start == position:
        return False
    for each in body[start:position]:
        for name in names(each):
            if name.id == old:
                name.id = new
    counts[new] += counts.pop(old) - 2
    del body[position]
    return True


def _overwritten(body: list[ast.stmt], position: int) -> bool:
    """``a = None`` right before ``a = b``."""
    if position + 1 >= len(body):
        return False
    name = target(body[position])
    after = body[position + 1]
    if name is None or name != target(after):
        return False
    assert isinstance(after, ast.Assign)
    statement = body[position]
    assert isinstance(statement, ast.Assign)
    if not harmless(statement.value) or uses(after.value, name):
        return False
    del body[position]
    return True
