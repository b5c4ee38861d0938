"""Fragments: put in place where they are used, or called as a function when they use themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from engine.language.compiler import Compiler
from engine.language.lines import Lines
from engine.language.reads import WHOLE, Binding
from engine.language.results import NOTHING, Val, word
from engine.language.scope import Name, Scope
from engine.language.source import Map, Node, Scalar, Seq, suggest


def use(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$use``: a fragment with names of its own."""
    name_node = node.get("$use") or node
    name = str(name_node.value) if isinstance(name_node, Scalar) else ""
    fragments = compiler.library.fragments
    body = fragments.get(name)
    if body is None:
        compiler.problem(name_node.pos, f"unknown fragment {name}{suggest(name, fragments)}")
        return NOTHING
    given = node.get("$with")
    bound: dict[str, Name] = {}
    for key, value in compiler.names(given, "$with") if given is not None else ():
        bound[key] = compiler.bound(key, value, scope)
    if _recursive(fragments, name):
        return _call(compiler, name, body, bound, scope, node)
    if name in compiler.expanding:
        compiler.problem(name_node.pos, f"the fragment {name} extends itself; use $use for that")
        return NOTHING
    compiler.expanding.append(name)
    inner = Scope({**compiler.root_names, **bound}, scope.branch)
    if "state" in scope.names:
        inner = inner.bind(state=scope.names["state"])
    with _used(compiler, name, bound, node):
        val = compiler.node(body, inner)
    compiler.expanding.pop()
    return val


@contextmanager
def _used(compiler: Compiler, name: str, bound: Iterable[str], node: Map) -> Iterator[None]:
    """Names that are given to a fragment and that it never reads are a mistake."""
    outer, compiler.expr.used = compiler.expr.used, set()
    yield
    read, compiler.expr.used = compiler.expr.used, outer
    given = node.get("$with")
    for key, _ in given.entries if isinstance(given, Map) else ():
        if key.value in bound and key.value not in read:
            compiler.problem(key.pos, f"the fragment {name} never reads {key.value}; remove it")


def _recursive(fragments: dict[str, Node], name: str) -> bool:
    seen: set[str] = set()
    todo = list(_uses(fragments[name]))
    while todo:
        other = todo.pop()
        if other == name:
            return True
        if other not in seen and other in fragments:
            seen.add(other)
            todo.extend(_uses(fragments[other]))
    return False


def _uses(node: Node) -> Iterator[str]:
    """The fragments a node uses."""
    if isinstance(node, Map):
        for key, value in node.entries:
            if key.value in ("$use", "$extends") and isinstance(value, Scalar):
                yield str(value.value)
            yield from _uses(value)
    elif isinstance(node, Seq):
        for item in node.items:
            yield from _uses(item)


def _call(
    compiler: Compiler, name: str, body: Node, bound: dict[str, Name], scope: Scope, node: Map
) -> Val:
    for argument in bound.values():
        if argument.ref is not None:
            # whoever is given an object answers for what is in it
            argument.ref.binding.read(argument.ref.path, scope.branch, WHOLE)
            compiler.expr.notes.append(argument.ref)
    function, parameters = compiler.recursive.get(name, ("", list(bound)))
    if not function:
        function = compiler.expr.temp(f"f_{word(name)}_")
        compiler.recursive[name] = (function, parameters)
        with _used(compiler, name, bound, node):
            _function(compiler, function, body, parameters)
    if set(parameters) != set(bound):
        compiler.problem(
            node.pos,
            f"the fragment {name} uses itself, so all its uses give the same names:"
            f" {', '.join(parameters) or 'none'}",
        )
    arguments: list[str] = []
    for parameter in parameters:
        given = bound.get(parameter)
        arguments.append(given.code if given is not None else "None")
        if compiler.traced:
            arguments.append(compiler.path(given.ref) if given is not None else "None")
    # what the function gives is known only when all of it is compiled: it may be a null
    return Val(f"{function}({', '.join([*arguments, *_roots_code(compiler)])})", null=True)


def _roots_code(compiler: Compiler) -> Iterator[str]:
    yield from (name.code for name in compiler.root_names.values())
    yield "L"
    if compiler.traced:
        yield "T"


def _function(compiler: Compiler, function: str, body: Node, parameters: list[str]) -> None:
    outer, active, depth = compiler.out, compiler.active, compiler.depth
    compiler.out, compiler.active, compiler.depth = Lines(), [], 0
    # the getters of the roots are locals of the main function
    names = {root: replace(name, getter=None) for root, name in compiler.root_names.items()}
    heads: list[str] = []
    bindings: list[Binding] = []
    scope = Scope({})
    for parameter in parameters:
        var = f"a_{word(parameter)}"
        heads.append(var)
        trace = "None"
        if compiler.traced:
            trace = f"p_{var}"
            heads.append(trace)
        bindings.append(compiler.observe(var, parameter, scope, trace))
    head = f"def {function}({', '.join([*heads, *_roots_code(compiler)])}):"
    with compiler.out.indented(head):
        for parameter, binding in zip(parameters, bindings, strict=True):
            names[parameter] = compiler.named(binding)
            compiler.active.append(binding)
        scope = Scope(names)
        val = compiler.node(body, scope)
        result = compiler.stable(val)
        for binding in bindings:
            compiler.active.remove(binding)
            compiler.out.late(partial(compiler.at_end, binding, scope, body.pos))
        compiler.out.add(f"return {result}")
    finished = compiler.out
    compiler.out, compiler.active, compiler.depth = outer, active, depth
    compiler.functions.append(finished)
