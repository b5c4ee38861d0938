"""What generated code reads of a name that it is given: whoever gives it need keep no more."""

from __future__ import annotations

import ast

from engine.language.statements import walk

# The constant of a program that holds, by the name of a parameter, the keys that are read of it;
# None where there is no telling which.
ASKED = "ASKED"

Asked = dict[str, frozenset[str] | None]


def asked(source: str, names: tuple[str, ...]) -> Asked:
    """The keys that a program reads of each of these names."""
    keys: dict[str, set[str]] = {name: set() for name in names}
    whole: set[str] = set()
    for statement in ast.parse(source).body:
        heads = statement.args.args if isinstance(statement, ast.FunctionDef) else []
        parameters = [each.arg for each in heads]
        inside = walk(statement)
        told: set[int] = set()
        for node in inside:
            if isinstance(node, ast.Call | ast.Subscript):
                read = _reading(node)
                if read is not None and read[0].id in keys:
                    keys[read[0].id].add(read[1])
                    told.add(id(read[0]))
                else:
                    told.update(map(id, _passed(node, parameters)))
        # any other use than those
        uses = [each for each in inside if isinstance(each, ast.Name) and each.id in keys]
        whole |= {each.id for each in uses if id(each) not in told}
    return {name: None if name in whole else frozenset(keys[name]) for name in names}


def _reading(node: ast.expr) -> tuple[ast.Name, str] | None:
    """The name and the key of ``name.get('key')`` and ``name['key']``."""
    match node:
        case ast.Call(ast.Attribute(ast.Name() as name, "get"), [ast.Constant(str() as key)]):
            return name, key
        case ast.Subscript(ast.Name() as name, ast.Constant(str() as key)):
            return name, key
    return None


def _passed(node: ast.expr, parameters: list[str]) -> list[ast.expr]:
    """The names of which a call reads nothing: it asks for the type of one, or hands all parameters
    on, by the same names."""
    match node:
        case ast.Call(ast.Name("type"), [ast.Name() as name]):
            return [name]
        case ast.Call(ast.Name(), arguments):
            names = [each for each in arguments if isinstance(each, ast.Name)]
            return [*names] if parameters == [each.id for each in names] else []
    return []
