"""Objects and lists that begin empty and take up another one at once: made in one step."""

from __future__ import annotations

import ast

from engine.language.statements import target, uses, walk

# What fills the object that it gets first, and keeps no hold of it.
_FILLING = frozenset({"_native", "_spread"})


def gathered(function: ast.FunctionDef, body: list[ast.stmt], position: int) -> bool:
    """``x = {}`` and ``x.update(d)`` in place as ``x = d``, where d is an object that was made for
    that alone, else as ``x = {**d}``; ``x = []`` and ``x += l`` as ``x = [*l]``."""
    if position + 1 >= len(body):
        return False
    name, statement, after = target(body[position]), body[position], body[position + 1]
    if name is None or not isinstance(statement, ast.Assign):
        return False
    match statement.value, after:
        case (
            ast.Dict() as display,
            ast.Expr(ast.Call(ast.Attribute(ast.Name(one), "update"), [taken])),
        ) if one == name and not uses(taken, name):
            if (
                not display.keys
                and isinstance(taken, ast.Name)
                and _alone(function, body[:position], taken.id)
            ):
                statement.value = taken
            else:
                display.keys.append(None)
                display.values.append(taken)
        case (
            ast.List() as display,
            ast.AugAssign(ast.Name(one), ast.Add(), taken),
        ) if one == name and not uses(taken, name):
            display.elts.append(ast.copy_location(ast.Starred(taken, ast.Load()), taken))
        case _:
            return False
    del body[position + 1]
    return True


def _alone(function: ast.FunctionDef, before: list[ast.stmt], name: str) -> bool:
    """Whether a name stands for one new object, made right before, that nobody else holds and that
    is only filled until it is taken up."""
    made = [each for each in before if target(each) == name]
    if len(made) != 1 or not isinstance(made[0], ast.Assign):
        return False
    stores = loads = filled = 0
    for node in walk(function):
        match node:
            case ast.Name(one, ast.Store()) if one == name:
                stores += 1
            case ast.Name(one) if one == name:
                loads += 1
            case ast.Assign([ast.Subscript(ast.Name(one))]) if one == name:
                filled += 1
            case ast.Call(ast.Name(call), [ast.Name(one), *_]) if one == name and call in _FILLING:
                filled += 1
    return isinstance(made[0].value, ast.Dict) and stores == 1 and loads == filled + 1
