"""What generated code reads of a name that it is given: whoever gives it need keep no more."""

from __future__ import annotations

import ast

# The constant of a program that holds, by the name of a parameter, the keys that are read of it;
# None where there is no telling which.
ASKED = "ASKED"

Asked = dict[str, frozenset[str] | None]


def asked(source: str, names: tuple[str, ...]) -> Asked:
    """The keys that a program reads of each of these names."""
    look = _Look(names)
    look.visit(ast.parse(source))
    return {name: None if name in look.whole else frozenset(look.keys[name]) for name in names}


class _Look(ast.NodeVisitor):
    def __init__(self, names: tuple[str, ...]) -> None:
        self.keys: dict[str, set[str]] = {name: set() for name in names}
        self.whole: set[str] = set()
        self._parameters: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        before, self._parameters = self._parameters, [each.arg for each in node.args.args]
        for each in node.body:
            self.visit(each)
        self._parameters = before

    def visit_Name(self, node: ast.Name) -> None:
        # any other use than those below
        if node.id in self.keys:
            self.whole.add(node.id)

    def visit_Call(self, node: ast.Call) -> None:
        match node:
            case ast.Call(ast.Name("type"), [ast.Name(name)]) if name in self.keys:
                return
            case ast.Call(ast.Attribute(ast.Name(name), "get"), [ast.Constant(str() as key)]) if (
                name in self.keys
            ):
                self.keys[name].add(key)
                return
            case ast.Call(ast.Name(), arguments) if self._parameters == [
                each.id for each in arguments if isinstance(each, ast.Name)
            ]:
                # handed on, all of it by the same names
                return
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        match node:
            case ast.Subscript(ast.Name(name), ast.Constant(str() as key)) if name in self.keys:
                self.keys[name].add(key)
                return
        self.generic_visit(node)
