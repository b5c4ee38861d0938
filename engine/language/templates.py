"""Jinja templates for composing text: simple ones become Python, the others run in a sandbox.

A template that only puts names into text (``data:{{ part.mime }};base64,{{ part.data }}``) compiles to a concatenation.
Values are put in as they are, never read again as a template, so user text with ``{{ }}`` in it survives.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jinja2
import jinja2.meta
import jinja2.sandbox

from engine.language.expressions import ExpressionError
from engine.language.source import Scalar, suggest

if TYPE_CHECKING:
    from engine.language.compiler import Compiler
    from engine.language.scope import Scope

_SIMPLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*\}\}")

_ENVIRONMENT = jinja2.sandbox.SandboxedEnvironment(
    undefined=jinja2.ChainableUndefined,
    finalize=lambda value: "" if value is None else value,
    keep_trailing_newline=True,
    autoescape=False,
)


def compile_template(compiler: Compiler, node: Scalar, scope: Scope) -> str:
    """Python code of the text a template composes; its mistakes are noted on the compiler."""
    text = str(node.value)
    pieces = _SIMPLE.split(text)
    if not any("{{" in piece or "{%" in piece or "{#" in piece for piece in pieces[::2]):
        return _concatenation(compiler, node, scope, pieces)
    try:
        names = jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(text))
        template = _ENVIRONMENT.from_string(text)
    except jinja2.TemplateSyntaxError as error:
        compiler.problem(node.pos, f"not a template: {error.message}")
        return "''"
    arguments = []
    for name in sorted(names):
        known = scope.names.get(name)
        if known is None:
            compiler.problem(node.pos, f"unknown name {name}{suggest(name, scope.names)}")
            continue
        if known.ref is not None:
            known.ref.binding.read(known.ref.path, scope.branch, True)
            compiler.expr.notes.append(known.ref)
        arguments.append(f"{name}={known.code}")
    kept = compiler.expr.keep(_renderer(template), "template")
    return f"{kept}({', '.join(arguments)})"


def _concatenation(compiler: Compiler, node: Scalar, scope: Scope, pieces: list[str]) -> str:
    parts: list[str] = []
    for position, piece in enumerate(pieces):
        if position % 2 == 0:
            if piece:
                parts.append(repr(piece))
            continue
        try:
            code = compiler.expr.expression(piece, scope)
        except ExpressionError as error:
            compiler.problem(node.pos, error.message)
            continue
        parts.append(f"_text({compiler.expr.take(code, scope)})")
    return f"({' + '.join(parts)})" if parts else "''"


def _renderer(template: jinja2.Template) -> Any:
    return template.render
