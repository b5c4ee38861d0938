"""A compiled section of a mapping file: one half of requests, responses or errors.

:class:`Section` holds the tree and compiles it to a Python function at load; the traced form is
compiled when it is first asked for. Errors inside generated code are told with the place in the
mapping.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.errors import Defect
from engine.language.compiler import Compiler
from engine.language.lines import Lines
from engine.language.results import Library, Rule
from engine.language.runtime import EVALUATION_ERRORS, HELPERS, Refusal
from engine.language.scope import Name, Scope
from engine.language.source import Node, Pos
from engine.language.trace import Trace


@dataclass(frozen=True, slots=True)
class Roots:
    """The names a section may start from: the document's own, free ones, and those with known
    keys."""

    document: str
    free: tuple[str, ...] = ()
    closed: tuple[tuple[str, frozenset[str]], ...] = ()

    @property
    def parameters(self) -> list[str]:
        """The parameters of the generated function, after the document."""
        return [*self.free, *(name for name, _ in self.closed)]

    def names(self) -> dict[str, Name]:
        """Scope entries for all but the document."""
        found = {name: Name(name) for name in self.free}
        for name, keys in self.closed:
            found[name] = Name(name, keys=keys or None, always=keys)
        return found


@dataclass(frozen=True, slots=True)
class Program:
    """Generated Python: its text, its functions by name, its rules, and the mapping place of each
    line."""

    label: str
    source: str
    functions: dict[str, Callable[..., Any]]
    rules: tuple[Rule, ...]
    places: tuple[Pos | None, ...]

    def place(self, error: BaseException) -> Pos | None:
        """The place in the mapping where an error came up."""
        found = None
        for frame, number in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename == self.label and number <= len(self.places):
                found = self.places[number - 1] or found
        return found


def assemble(label: str, compiler: Compiler, blocks: list[Lines]) -> Program:
    """Compile the collected blocks. Raises MappingError when the compiler noted mistakes."""
    texts: list[str] = []
    places: list[Pos | None] = []
    for block in [*compiler.functions, *blocks]:
        lines, where = block.render()
        texts += [*lines, ""]
        places += [*where, None]
    compiler.finish()
    source = "\n".join(texts) + "\n"
    names: dict[str, Any] = {**HELPERS, **compiler.expr.constants}
    try:
        code = compile(source, label, "exec")
    except SyntaxError as error:
        # what Python itself has bounds for: loops in loops, levels of indentation
        place = places[(error.lineno or 1) - 1]
        if place is None:
            raise Defect(f"{label}: {error.msg}") from error
        place.error(f"too much inside each other ({error.msg}); move a part to a fragment")
    exec(code, names)
    linecache.cache[label] = (len(source), None, source.splitlines(True), label)
    functions = {name: value for name, value in names.items() if callable(value)}
    return Program(label, source, functions, tuple(compiler.rules), tuple(places))


class Section:
    """One half: ``run`` for serving, ``trace`` for telling what happened.

    ``whole``: it is there for all of its document, so that what nothing reads of it is a loss.
    """

    def __init__(
        self, label: str, node: Node, library: Library, roots: Roots, whole: bool = True
    ) -> None:
        self.label = label
        self.node = node
        self.roots = roots
        self._library = library
        self._whole = whole
        self.program = self._compile(traced=False)
        self._main = self.program.functions["main"]

    def _compile(self, traced: bool) -> Program:
        compiler = Compiler(self._library, traced=traced)
        compiler.checking = self._whole
        root = self.roots.document
        binding = compiler.observe(root, "", Scope({}), "''" if traced else "None")
        names = self.roots.names()
        heads = [root, *self.roots.parameters, "L", *(["T"] if traced else [])]
        with compiler.out.indented(f"def main({', '.join(heads)}):"):
            names[root] = compiler.named(binding)
            compiler.roots(names)
            scope = Scope(names)
            with compiler.watching(binding, scope, self.node.pos):
                val = compiler.node(self.node, scope)
                result = compiler.stable(val)
            compiler.out.add(f"return {compiler.written(val, result)}")
        label = f"<mapping {self.label}{' traced' if traced else ''}>"
        return assemble(label, compiler, [compiler.out])

    @cached_property
    def traced(self) -> Program:
        """The same section compiled with tracing."""
        return self._compile(traced=True)

    def run(self, document: Any, *roots: Any) -> tuple[Any, bool]:
        """The result, and whether anything was lost. Raises Refusal (its path unknown) and
        Defect."""
        losses: list[int] = []
        try:
            return self._main(document, *roots, losses), bool(losses)
        except Refusal:
            raise
        except EVALUATION_ERRORS as error:
            raise self._refused(self.program, error) from None
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._refused(self.program, error) from error

    def trace(self, document: Any, *roots: Any) -> tuple[Any, Trace]:
        """The result and the records of how it came about. Raises Refusal with its path."""
        trace = Trace(document)
        try:
            return self.traced.functions["main"](document, *roots, [], trace), trace
        except Refusal:
            raise
        except EVALUATION_ERRORS as error:
            raise self._refused(self.traced, error) from None
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._refused(self.traced, error) from error

    def rule(self, number: int, traced: bool = False) -> Rule:
        """A rule by its number in the generated code."""
        return (self.traced if traced else self.program).rules[number]

    def _refused(self, program: Program, error: Exception) -> Exception:
        place = program.place(error)
        if isinstance(error, EVALUATION_ERRORS):
            refusal = Refusal(-1, f"cannot be read ({told(error)}) at {place}", 400, None)
            return refusal
        return Defect(f"{place or program.label}: {type(error).__name__}")


def told(error: BaseException) -> str:
    """An evaluation error without the value it was about."""
    name = getattr(error, "function_name", None) or getattr(error, "name", None)
    return f"wrong type for {name}()" if name else type(error).__name__
