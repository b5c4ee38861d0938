"""Jinja templates for composing text: simple ones become Python, the others run in a sandbox.

A template that only puts names into text (``data:{{ part.mime }};base64,{{ part.data }}``)
compiles to a concatenation. Values are put in as they are, never read again as a template, so user
text with
``{{ }}`` in it survives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jinja2
import jinja2.meta
import jinja2.nodes
import jinja2.sandbox

from engine.language.codes import Code
from engine.language.functions import FunctionError
from engine.language.runtime import text
from engine.language.source import Scalar, suggest
from engine.language.syntax import ExpressionError

if TYPE_CHECKING:
    from engine.language.compiler import Compiler
    from engine.language.scope import Scope

_SIMPLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*\}\}")


class _Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """A sandbox in which a dot on an object is a key, never a method of Python's dict."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """One key of an object."""
        if isinstance(obj, dict):
            return obj.get(attribute, self.undefined(obj=obj, name=attribute))
        return super().getattr(obj, attribute)


def _written(value: Any) -> Any:
    return "" if isinstance(value, jinja2.Undefined) else text(value)


_ENVIRONMENT = _Sandbox(
    undefined=jinja2.ChainableUndefined,
    finalize=_written,
    keep_trailing_newline=True,
    autoescape=False,
)
# Jinja's own functions are no names of the language.
_ENVIRONMENT.globals.clear()


def compile_template(compiler: Compiler, node: Scalar, scope: Scope) -> str:
    """Python code of the text a template composes; its mistakes are noted on the compiler."""
    written = str(node.value)
    pieces = _SIMPLE.split(written)
    if not any("{{" in piece or "{%" in piece or "{#" in piece for piece in pieces[::2]):
        return _concatenation(compiler, node, scope, pieces)
    try:
        tree = _ENVIRONMENT.parse(written)
        names = jinja2.meta.find_undeclared_variables(tree)
        _ENVIRONMENT.from_string(written)
    except (jinja2.TemplateSyntaxError, jinja2.TemplateAssertionError) as error:
        words = (error.message or "").rstrip(".")
        compiler.problem(node.pos, f"not a template: {words[:1].lower()}{words[1:]}")
        return "''"
    except RecursionError:
        compiler.problem(node.pos, "a template nested too deeply; name its parts with $let")
        return "''"
    arguments = []
    for name in sorted(names):
        known = scope.names.get(name)
        if known is None:
            compiler.problem(node.pos, f"unknown name {name}{suggest(name, scope.names)}")
            continue
        arguments.append(f"{name!r}: {known.code}")
    for path in dict.fromkeys(_paths(tree, names & scope.names.keys())):
        try:
            compiler.expr.take(_read(compiler, path, scope), scope)
        except ExpressionError as error:
            compiler.problem(node.pos, error.message)
    kept = compiler.expr.call("template", "template", written)
    return f"{kept}({{{', '.join(arguments)}}})"


def _read(compiler: Compiler, path: tuple[str, ...], scope: Scope) -> Code:
    """The reading of a path, as an expression would do it."""
    ast = {"type": "field", "value": path[0], "children": []}
    code = compiler.expr.node(ast, scope, None)
    for key in path[1:]:
        code = compiler.expr.node({**ast, "value": key}, scope, code)
    return code


def _paths(tree: jinja2.nodes.Node, names: set[str]) -> Iterator[tuple[str, ...]]:
    """What a template reads: each name with the keys written behind it."""
    if isinstance(tree, jinja2.nodes.Name) and tree.name in names:
        yield (tree.name,)
        return
    keys: list[str] = []
    at = tree
    while isinstance(at, jinja2.nodes.Getattr):
        keys.insert(0, at.attr)
        at = at.node
    if keys and isinstance(at, jinja2.nodes.Name) and at.name in names:
        yield (at.name, *keys)
        return
    for child in tree.iter_child_nodes():
        yield from _paths(child, names)


def _concatenation(compiler: Compiler, node: Scalar, scope: Scope, pieces: list[str]) -> str:
    parts: list[str] = []
    for position, piece in enumerate(pieces):
        if position % 2 == 0:
            if piece:
                parts.append(repr(piece))
            continue
        try:
            code = _read(compiler, tuple(piece.split(".")), scope)
        except ExpressionError as error:
            compiler.problem(node.pos, error.message)
            continue
        parts.append(f"_text({compiler.expr.take(code, scope)})")
    return f"({' + '.join(parts)})" if parts else "''"


def renderer(written: str) -> Callable[[dict[str, Any]], str]:
    """What gives the text of a template for its names."""
    template = _ENVIRONMENT.from_string(written)

    def render(values: dict[str, Any]) -> str:
        try:
            return template.render(values)
        except (jinja2.TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise FunctionError("template", type(error).__name__) from None

    return render
