"""Questions about single nodes of generated code, which folding asks."""

from __future__ import annotations

import ast

from engine.language.facts import Fact
from engine.language.statements import names, uses


def alone(fact: Fact) -> Fact:
    """What is known without other names."""
    return fact if isinstance(fact.node, ast.Constant) else Fact(None, fact.null, fact.kind)


def asks(test: ast.expr) -> bool:
    """Whether a test begins with the question whether a name has a value."""
    if isinstance(test, ast.BoolOp):
        return asks(test.values[0])
    if isinstance(test, ast.Compare):
        return isinstance(test.ops[0], ast.Is | ast.IsNot) and isinstance(test.left, ast.Name)
    return isinstance(test, ast.Name)


def is_copy(node: ast.stmt) -> bool:
    """Whether a statement gives a name to what has another one, or to a constant."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Name | ast.Constant)
    )


def stored(node: ast.AST) -> set[str]:
    """The names that get a value somewhere inside."""
    return {each.id for each in names(node) if isinstance(each.ctx, ast.Store)}


def harmless(node: ast.expr) -> bool:
    """Whether leaving an expression out changes nothing: it cannot raise, and binds no name."""
    if isinstance(node, ast.Constant | ast.Name):
        return True
    if isinstance(node, ast.Dict):
        return all(harmless(each) for each in (*filter(None, node.keys), *node.values))
    if isinstance(node, ast.List | ast.Tuple):
        return all(harmless(each) for each in node.elts)
    if isinstance(node, ast.BoolOp):
        return all(harmless(each) for each in node.values)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not) and harmless(node.operand)
    if isinstance(node, ast.Subscript):
        # states hold all that is read of them
        return isinstance(node.value, ast.Name) and node.value.id[:1] == "S"
    if isinstance(node, ast.Attribute):
        # asked for of objects alone: what may be another is tested before
        return node.attr == "get" and isinstance(node.value, ast.Name)
    if isinstance(node, ast.IfExp):
        return harmless(node.test) and harmless(node.body) and harmless(node.orelse)
    if isinstance(node, ast.Compare):
        quiet = ast.Is | ast.IsNot | ast.Eq | ast.NotEq
        return all(isinstance(each, quiet) for each in node.ops) and all(
            harmless(each) for each in (node.left, *node.comparators)
        )
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        quiet_call = name in ("type", "isinstance") or name.startswith("g_")
        return quiet_call and all(harmless(each) for each in node.args)
    return False


def zero_of(node: ast.BoolOp) -> ast.Name | None:
    """The name of which ``x == 0 and x is not False`` asks whether it is a zero: a truth here."""
    match node:
        case ast.BoolOp(
            ast.And(),
            [
                ast.Compare(ast.Name(one) as name, [ast.Eq()], [ast.Constant(0)]),
                ast.Compare(ast.Name(two), [ast.IsNot()], [ast.Constant(False)]),
            ],
        ) if one == two:
            return name
    return None


def truth(node: ast.expr) -> ast.expr:
    """The same where only the truth counts."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node.operand = truth(node.operand)
    if not isinstance(node, ast.BoolOp):
        return node
    values = node.values = [truth(each) for each in node.values]
    # the last value of a chain is no value but a truth, too
    last = values[-1]
    if isinstance(last, ast.Constant):
        if bool(last.value) is isinstance(node.op, ast.And):
            values.pop()
        elif all(harmless(each) for each in values):
            return ast.copy_location(ast.Constant(bool(last.value)), node)
    if isinstance(node.op, ast.And):
        bare(values)
    return values[0] if len(values) == 1 else node


def bare(values: list[ast.expr]) -> None:
    """``x is not None and x`` as ``x``."""
    for position in range(len(values) - 1):
        match values[position : position + 2]:
            case [
                ast.Compare(ast.Name(one), [ast.IsNot()], [ast.Constant(None)]),
                ast.Name(two),
            ] if one == two:
                values[position] = values.pop(position + 1)
                return


def empty(node: ast.expr) -> bool:
    """Whether a loop over this never runs."""
    if isinstance(node, ast.Call) and is_call(node, "enumerate"):
        node = node.args[0]
    return isinstance(node, ast.Tuple | ast.List) and not node.elts


def nowhere(node: ast.expr) -> bool:
    """Whether a ``_put`` says with which key, and that is None: it changes nothing then."""
    assert isinstance(node, ast.Call)
    *_, path, value = node.args
    return (
        isinstance(path, ast.Tuple)
        and any(isinstance(each, ast.Constant) and each.value is None for each in path.elts)
        and all(harmless(each) for each in (*path.elts, value))
    )


def is_call(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and named(node.func, name)


def named(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def looks_into(node: ast.ListComp, name: str) -> bool:
    """Whether a comprehension looks into each element before anything else is done with it: takes
    it for an object, but for asking whether it is None."""
    (generator,) = node.generators
    found = next((_first(each, name) for each in (*generator.ifs, node.elt)), None)
    return found is True


def _first(node: ast.AST, name: str) -> bool | None:
    """Whether the first thing done with a name is to look into it; None: nothing is."""
    match node:
        case ast.Compare(ast.Name(asked), [ast.Is() | ast.IsNot()], [ast.Constant(None)]) if (
            asked == name
        ):
            return None
        case ast.IfExp(
            ast.Compare(
                ast.Call(ast.Name("type"), [ast.Name(asked)]), [ast.Is()], [ast.Name("dict")]
            ),
            ast.Call(ast.Attribute(ast.Name(looked), "get")),
        ) if asked == looked == name:
            return True
        case ast.IfExp(test):
            told = _first(test, name)
            inside = uses(node, name)
            # of its two values only one is looked at
            return told if told is not None or not inside else False
        case ast.Name(found):
            return False if found == name else None
        case ast.BoolOp(ast.Or(), [first, *_]):
            # the others are not always looked at
            return bool(_first(first, name))
    for each in ast.iter_child_nodes(node):
        told = _first(each, name)
        if told is not None:
            return told
    return None
