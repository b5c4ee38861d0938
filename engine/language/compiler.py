"""Mapping trees to Python source, as Jinja does it.

A :class:`Compiler` turns one section (a read or write half) into Python functions. Literals fold into dict displays,
loops are loops, names are locals. Directives live in :mod:`engine.language.directives`, one function each; this module has what all
of them use: scalars, plain maps and lists, names, fragments, the checks for what nothing reads.

The same section is compiled twice: plainly for serving, and *traced* when a loss or an explanation has to be told.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import MappingError
from engine.language import templates
from engine.language.expressions import Code, ExpressionError, Expressions
from engine.language.lines import Lines
from engine.language.reads import ELEMENT, Binding, Tree
from engine.language.scope import Name, Ref, Scope
from engine.language.source import Map, Node, Pos, Scalar, Seq, plain, suggest

UNREAD = "no rule reads this"


@dataclass(frozen=True, slots=True)
class Rule:
    """A place in a mapping that can lose or change something. ``path`` is static, elements written ``[]``."""

    pos: Pos
    kind: str
    reason: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Val:
    """The Python code of a result.

    ``absent``: it may be None, and then there is no result. ``null``: it may be the sentinel NULL, a null written on
    purpose. ``atom``: cheap, may stand twice.
    """

    text: str
    absent: bool = True
    null: bool = False
    atom: bool = False


NOTHING = Val("None", absent=True, atom=True)
WRITTEN_NULL = Val("NULL", absent=False, null=True, atom=True)


@dataclass(slots=True)
class Library:
    """What a section may name: tables and fragments of its file and its folder, schema profiles, its format's word."""

    word: str
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    fragments: dict[str, Node] = field(default_factory=dict)
    profiles: Any = None


class Compiler:
    """Compiles one section. ``static``: losses are told with static paths at once (streams)."""

    def __init__(self, library: Library, traced: bool = False, static: bool = False) -> None:
        self.library = library
        self.traced = traced
        self.static = static
        self.problems: list[str] = []
        self.rules: list[Rule] = []
        self.expr = Expressions()
        self.out = Lines()
        self.functions: list[Lines] = []
        self.switches = itertools.count(1)
        self.active: list[Binding] = []
        self.depth = 0
        self._recursive: dict[str, tuple[str, list[str]]] = {}
        self._expanding: list[str] = []
        self._roots: dict[str, Name] = {}

    # ---------------------------------------------------------------- mistakes

    def problem(self, pos: Pos, message: str) -> None:
        """Note a mistake; compiling goes on, so that all of a file are told at once."""
        text = pos.problem(message)
        if text not in self.problems:
            self.problems.append(text)

    def finish(self) -> None:
        """Raise MappingError when there were mistakes."""
        if self.problems:
            raise MappingError(self.problems)

    def rule(self, pos: Pos, kind: str, reason: str, path: str = "") -> int:
        """The number of a rule in the generated code."""
        self.rules.append(Rule(pos, kind, reason, path))
        return len(self.rules) - 1

    # ---------------------------------------------------------------- expressions

    def expression(self, node: Node | None, scope: Scope, what: str = "an expression") -> Code:
        """An argument that is an expression, with or without ``=``."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            if isinstance(node, Scalar) and node.value is not None:
                return Code(repr(node.value), simple=True, never_null=True)
            if node is not None:
                self.problem(node.pos, f"{what} is wanted here, like request.turns")
            return Code("None", simple=True)
        return self._expression(node, node.value, scope)

    def _expression(self, node: Scalar, text: str, scope: Scope) -> Code:
        lead = 0 if node.plain else 1
        body = text
        if body.startswith("="):
            lead += 1 + len(body[1:]) - len(body[1:].lstrip())
            body = body[1:].strip()
        try:
            return self.expr.expression(body, scope)
        except ExpressionError as error:
            one_line = Pos(node.pos.source, node.pos.line, node.pos.column + lead + error.offset)
            self.problem(one_line if "\n" not in text else node.pos, error.message)
            return Code("None", simple=True)

    def value(self, node: Node | None, scope: Scope) -> Val:
        """An argument that is an expression, or a node when it is a map, a list or a template."""
        if isinstance(node, Map | Seq) or "{{" in (scalar_text(node) or ""):
            return self.node(node, scope) if node is not None else NOTHING
        mark = len(self.expr.notes)
        code = self.expression(node, scope)
        text = self.expr.take(code, scope)
        if node is not None:
            self.note(node.pos, "copy" if code.ref else "map", mark)
        return Val(text, absent=not code.never_null, atom=code.simple)

    def condition(self, node: Node | None, scope: Scope) -> str:
        """Python code that is true when the expression is."""
        return self.expr.truth(self.expression(node, scope, "a condition"), scope)

    # ---------------------------------------------------------------- tracing

    def paths(self, mark: int) -> str:
        """Python code of the paths read since ``mark``, as further arguments."""
        seen: list[str] = []
        for ref in self.expr.notes[mark:]:
            text = self.path(ref)
            if text != "None" and text not in seen:
                seen.append(text)
        return "".join(f", {text}" for text in seen)

    def path(self, ref: Ref | None) -> str:
        """Python code of the path of a value in the document read."""
        if ref is None or ref.binding.trace == "None":
            return "None"
        return f"T.p({ref.binding.trace}, {ref.path!r})" if ref.path else ref.binding.trace

    def static_path(self, ref: Ref | None) -> str:
        """The path of a value without positions, for losses told at once."""
        if ref is None:
            return ""
        text = ref.binding.label
        for key in ref.path:
            text = text + key if key == ELEMENT else f"{text}.{key}" if text else key
        return text

    def first_path(self, mark: int) -> str:
        """Static path of the first reading since ``mark``."""
        notes = self.expr.notes[mark:]
        return self.static_path(notes[0]) if notes else ""

    def note(self, pos: Pos, how: str, mark: int) -> None:
        """In a traced run: say what the value just made was read from."""
        if self.traced:
            number = self.rule(pos, "note", "")
            self.out.add(f"T.note({number}, {how!r}{self.paths(mark)})")

    def lose(self, pos: Pos, kind: str, reason: str, mark: int, text: str | None = None) -> None:
        """A line that records a loss; ``text`` is Python code of a reason made at run time."""
        number = self.rule(pos, kind, reason, self.first_path(mark))
        if self.traced:
            said = text or repr(reason)
            self.out.add(f"T.loss({number}, {kind!r}, {said}{self.paths(mark)})")
        else:
            self.out.add(f"L.append({number})")

    def refuse(self, pos: Pos, text: str, mark: int, status: int = 400) -> str:
        """Python statement that refuses the document; ``text`` is Python code of the sentence."""
        static = self.first_path(mark)
        number = self.rule(pos, "rejected", "", static)
        where = self._first(mark) if self.traced else repr(static or None) if self.static else None
        return f"raise Refusal({number}, {text}, {status}, {where})"

    def _first(self, mark: int) -> str:
        notes = self.expr.notes[mark:]
        return self.path(notes[0]) if notes else "None"

    # ---------------------------------------------------------------- bindings

    def observe(
        self, var: str, label: str, scope: Scope, trace: str = "None", checked: bool = True
    ) -> Binding:
        """A new object under observation, made at this place."""
        outer = frozenset(switch for switch, _ in scope.branch)
        return Binding(var, label, trace=trace, checked=checked, depth=self.depth, outer=outer)

    def named(self, binding: Binding) -> Name:
        """A name for an observed object, with a fast getter."""
        getter = f"g_{binding.var}"
        self.out.getter(
            getter,
            f"{getter} = {binding.var}.get if type({binding.var}) is dict else _no_key",
        )
        return Name(binding.var, Ref(binding), getter)

    @contextmanager
    def watching(self, binding: Binding, scope: Scope, pos: Pos) -> Iterator[None]:
        """The part of the code in which the object is known; ends with the check for what nothing reads."""
        self.active.append(binding)
        yield
        self.active.pop()

        def last() -> list[str]:
            inner = binding.switches - binding.outer
            if inner and binding.covered:
                return []
            return self._check(binding, scope, pos)

        self.out.late(last)

    def check_case(self, switch: int, scope: Scope, pos: Pos) -> None:
        """At the end of a case: check the objects whose keys this switch tells apart."""
        for binding in self.active:

            def lines(binding: Binding = binding) -> list[str]:
                if switch not in binding.switches:
                    return []
                return self._check(binding, scope, pos)

            self.out.late(lines)

    def covers(self, binding_depth: int, switch: int) -> None:
        """Remember that a switch runs whenever the objects made at this depth exist."""
        for binding in self.active:
            if binding.depth == binding_depth:
                binding.covered = True

    def _check(self, binding: Binding, scope: Scope, pos: Pos) -> list[str]:
        if not binding.checked or binding.rested(scope.branch):
            return []
        tree = binding.tree(scope.branch)
        if tree is None or (not tree and not binding.readings):
            return []
        number = self.rule(pos, "unread", UNREAD, binding.label)
        var = binding.var
        if self.traced:
            kept = self.expr.keep(tree, "tree")
            return [f"T.unread({var}, {kept}, {binding.trace}, {number}, {UNREAD!r})"]
        if self.static:
            kept = self.expr.keep(tree, "tree")
            keys = self.expr.keep(frozenset(tree), "keys")
            lines = [f"if type({var}) is dict and ({self._unknown(var, tree, keys)}):"]
            return [*lines, f"    L.unread({number}, {var}, {kept})"]
        keys = self.expr.keep(frozenset(tree), "keys")
        return [
            f"if type({var}) is dict and ({self._unknown(var, tree, keys)}):",
            f"    L.append({number})",
        ]

    def _unknown(self, var: str, tree: Tree, keys: str) -> str:
        """Python code that is true when the object holds what ``tree`` does not know."""
        tests = [f"not {keys}.issuperset({var})"]
        for key, below in tree.items():
            if not below:
                continue
            if all(not deeper for deeper in below.values()) and ELEMENT not in below:
                inner = self.expr.keep(frozenset(below), "keys")
                temp = self.expr.temp()
                tests.append(
                    f"type({temp} := {var}.get({key!r})) is dict and not {inner}.issuperset({temp})"
                )
            else:
                kept = self.expr.keep({key: below}, "tree")
                tests.append(f"_more({var}, {key!r}, {kept})")
        return " or ".join(tests)

    def rest_lines(self, name: Name, target: str, scope: Scope, pos: Pos) -> None:
        """``$rest``: what nothing reads of an object goes to ``native.<word>`` of ``target``."""
        assert name.ref is not None
        binding, path = name.ref.binding, name.ref.path
        if path:
            binding.taken.append((path, scope.branch))
        else:
            binding.rests.append(scope.branch)

        def lines() -> list[str]:
            if path:
                tree = binding.below(path, scope.branch)
            else:
                tree = binding.tree(scope.branch, inherited=False)
            if tree is None:
                return []
            var = name.code
            keys = self.expr.keep(frozenset(tree), "keys")
            kept = self.expr.keep(tree, "tree")
            temp = self.expr.temp("n")
            found = [
                f"if type({var}) is dict and ({self._unknown(var, tree, keys)}):",
                f"    {temp} = _rest({var}, {kept})",
                f"    if {temp} is not None:",
                f"        _native({target}, {self.library.word!r}, {temp})",
            ]
            if self.traced:
                number = self.rule(pos, "note", "")
                native = f"{target}['native'][{self.library.word!r}]"
                where = self.path(name.ref)
                found.append(f"        T.taken({temp}, {where}, {number})")
                found.append(f"        T.taken({native}, {where}, {number})")
            return found

        self.out.late(lines)

    # ---------------------------------------------------------------- nodes

    def node(self, node: Node, scope: Scope) -> Val:
        """Compile any node; statements it needs are added before."""
        self.out.pos = node.pos
        if isinstance(node, Scalar):
            return self.scalar(node, scope)
        if isinstance(node, Seq):
            return self.seq(node, scope)
        return self.map(node, scope)

    def scalar(self, node: Scalar, scope: Scope) -> Val:
        """A literal, a formula or a template."""
        value = node.value
        if value is None:
            return WRITTEN_NULL
        if not isinstance(value, str):
            return Val(repr(value), absent=False, atom=True)
        mark = len(self.expr.notes)
        if value.startswith("=") and (node.plain or value.startswith("= ")):
            code = self._expression(node, value, scope)
            text = self.expr.take(code, scope)
            self.note(node.pos, "copy" if code.ref else "map", mark)
            return Val(text, absent=not code.never_null, atom=code.simple)
        if "{{" in value or "{%" in value:
            text = templates.compile_template(self, node, scope)
            self.note(node.pos, "map", mark)
            return Val(text, absent=False)
        return Val(repr(value), absent=False, atom=True)

    def seq(self, node: Seq, scope: Scope) -> Val:
        """A list of nodes; absent ones are left out."""
        texts: list[str] = []
        target: str | None = None
        for item in node.items:
            mark = self.mark() if self.traced else ""
            val = self.node(item, scope)
            if val is NOTHING:
                continue
            if target is None and not val.absent and not self.traced:
                texts.append("None" if val.null and val.text == "NULL" else val.text)
                continue
            if target is None:
                target = self.expr.temp("r")
                self.out.add(f"{target} = [{', '.join(texts)}]")
            text = self.stable(val) if val.absent or val.null else val.text
            append = f"{target}.append({self.written(val, text)})"
            if val.absent:
                with self.out.indented(f"if {text} is not None:"):
                    self.out.add(append)
                    self.made(target, f"len({target}) - 1", mark, item.pos)
            else:
                self.out.add(append)
                self.made(target, f"len({target}) - 1", mark, item.pos)
        if target is None:
            return Val(f"[{', '.join(texts)}]", absent=False)
        return Val(target, absent=False, atom=True)

    def map(self, node: Map, scope: Scope) -> Val:
        """A map: a directive with its modifiers, or an object."""
        from engine.language.directives import DIRECTIVES, EVERYWHERE, check_keys

        chosen = check_keys(self, node)
        conditional = node.get("$when") is not None
        result = ""
        if conditional:
            result = self.expr.temp("r")
            self.out.add(f"{result} = None")
        with self._guarded(node, scope) as inner:
            if chosen:
                val = DIRECTIVES[chosen].compile(self, node, inner)
            else:
                val = self.plain_map(node, inner, EVERYWHERE)
            if conditional:
                self.out.add(f"{result} = {val.text}")
        return Val(result, True, val.null, True) if conditional else val

    @contextmanager
    def _guarded(self, node: Map, scope: Scope) -> Iterator[Scope]:
        """``$when``, ``$let`` and ``$ignore`` in the order of the file."""
        blocks = 0
        for key, value in node.entries:
            if key.value == "$let":
                scope = self.let(value, scope)
            elif key.value == "$ignore":
                self.ignore(value, scope)
            elif key.value == "$when":
                block = self.out.indented(f"if {self.condition(value, scope)}:")
                block.__enter__()
                self.depth += 1
                blocks += 1
                opened = block
        yield scope
        if blocks:
            self.depth -= 1
            opened.__exit__(None, None, None)

    def let(self, node: Node, scope: Scope) -> Scope:
        """``$let``: bind names, one after the other."""
        if not isinstance(node, Map):
            self.problem(node.pos, "$let takes a map of names, like {source: part.source}")
            return scope
        for key, value in node.entries:
            scope = scope.bind(**{str(key.value): self.bound(str(key.value), value, scope)})
        return scope

    def bound(self, label: str, node: Node, scope: Scope) -> Name:
        """A name for the value of an expression (or of a node, when it is a map or list)."""
        var = self.expr.temp(f"v_{_word(label)}_")
        mark = len(self.expr.notes)
        if isinstance(node, Map | Seq):
            val = self.node(node, scope)
            text = self.written(val, self.stable(val)) if val.null else val.text
            self.out.add(f"{var} = {text}")
            made = "None"
            if self.traced:
                made = f"p_{var}"
                self.out.add(f"{made} = T.value({var}, None)")
            return self.named(self.observe(var, label, scope, made, checked=False))
        code = self.expression(node, scope)
        if code.ref is not None:
            self.out.add(f"{var} = {self.expr.look(code, scope)}")
            getter = f"g_{var}"
            self.out.getter(getter, f"{getter} = {var}.get if type({var}) is dict else _no_key")
            return Name(var, code.ref, getter, keys=code.keys)
        self.out.add(f"{var} = {code.text}")
        trace = "None"
        if self.traced:
            trace = f"p_{var}"
            first = self._first(mark)
            self.out.add(f"{trace} = T.value({var}, {first})")
        binding = self.observe(var, label, scope, trace, checked=False)
        return self.named(binding)

    def ignore(self, node: Node, scope: Scope) -> None:
        """``$ignore``: these are read on purpose."""
        for item in node.items if isinstance(node, Seq) else (node,):
            self.expr.take(self.expression(item, scope), scope)

    def plain_map(self, node: Map, scope: Scope, modifiers: frozenset[str] = frozenset()) -> Val:
        """An object: its keys in order, absent ones left out."""
        fields = [(key, value) for key, value in node.entries if not str(key.value).startswith("$")]
        return self.object(node, fields, scope)

    def object(self, node: Map, fields: list[tuple[Scalar, Node]], scope: Scope) -> Val:
        """An object of these fields with the ``$rest``, ``$spread`` and ``$empty`` of ``node``."""
        rest, spread, empty = node.get("$rest"), node.get("$spread"), node.get("$empty")
        pending: list[str] = []
        target = ""
        if self.traced:
            target = self.expr.temp("d")
            self.out.add(f"{target} = {{}}")
        for key, child in fields:
            name = repr(key.value)
            mark = self.mark() if self.traced else ""
            val = self.node(child, scope)
            if val is NOTHING:
                continue
            if not target and not val.absent:
                if val.null and val.text != "NULL":
                    val = Val(self.written(val, self.stable(val)), absent=False)
                pending.append(f"{name}: {'None' if val.text == 'NULL' else val.text}")
                continue
            if not target:
                target = self.expr.temp("d")
                self.out.add(f"{target} = {{{', '.join(pending)}}}")
            text = self.stable(val) if val.absent or val.null else val.text
            written = self.written(val, text)
            if val.absent:
                with self.out.indented(f"if {text} is not None:"):
                    self.out.add(f"{target}[{name}] = {written}")
                    self.made(target, name, mark, child.pos)
            else:
                self.out.add(f"{target}[{name}] = {written}")
                self.made(target, name, mark, child.pos)
        if (rest or spread) and not target:
            target = self.expr.temp("d")
            self.out.add(f"{target} = {{{', '.join(pending)}}}")
        if rest is not None:
            self._rest(rest, target, scope)
        if spread is not None:
            self._spread(spread, target, scope)
        if empty is not None:
            text = target or f"{{{', '.join(pending)}}}"
            return Val(f"({text} or None)")
        return Val(target, False, atom=True) if target else Val(f"{{{', '.join(pending)}}}", False)

    def _rest(self, node: Node, target: str, scope: Scope) -> None:
        for item in node.items if isinstance(node, Seq) else (node,):
            word = item.value if isinstance(item, Scalar) else None
            name = scope.names.get(str(word))
            if name is None or name.ref is None:
                self.problem(
                    item.pos, f"$rest takes the name of an object{suggest(str(word), scope.names)}"
                )
            else:
                self.rest_lines(name, target, scope, item.pos)

    def _spread(self, node: Node, target: str, scope: Scope) -> None:
        mark = len(self.expr.notes)
        code = self.expression(node, scope)
        native = Code(
            f"_field({code.text}, 'native')", code.ref.down("native") if code.ref else None
        )
        own = Code(
            f"_field({native.text}, {self.library.word!r})",
            native.ref.down(self.library.word) if native.ref else None,
        )
        temp = self.expr.temp("n")
        self.out.add(f"{temp} = {self.expr.take(own, scope)}")
        with self.out.indented(f"if {temp} is not None:"):
            if self.traced:
                number = self.rule(node.pos, "note", "")
                self.out.add(f"T.spread({target}, {temp}, {self.path(own.ref)}, {number})")
            number = self.rule(node.pos, "unread", "its place is taken by another value")
            if self.traced:
                with self.out.indented(f"for _k in _spread({target}, {temp}):"):
                    paths = f"T.p({self.path(own.ref)}, (_k,))"
                    said = "'its place is taken by another value'"
                    self.out.add(f"T.loss({number}, 'dropped', {said}, {paths})")
            else:
                with self.out.indented(f"if _spread({target}, {temp}):"):
                    self.out.add(f"L.append({number})")
        del self.expr.notes[mark:]

    # ---------------------------------------------------------------- small tools

    def mark(self) -> str:
        """In a traced run: the name of a mark for ``T.at``."""
        name = self.expr.temp("m")
        self.out.add(f"{name} = T.mark()")
        return name

    def made(self, target: str, key: str, mark: str, pos: Pos) -> None:
        """In a traced run: what was noted since ``mark`` made this key of a result."""
        if self.traced:
            number = self.rule(pos, "note", "")
            self.out.add(f"T.at({target}, {key}, {mark}, {number})")

    def stable(self, val: Val) -> str:
        """The value under a name, so that it may stand twice."""
        if val.text.isidentifier():
            return val.text
        temp = self.expr.temp()
        self.out.add(f"{temp} = {val.text}")
        return temp

    def written(self, val: Val, text: str) -> str:
        """The value as it is put into a result: NULL becomes None."""
        if not val.null:
            return text
        return "None" if text == "NULL" else f"(None if {text} is NULL else {text})"

    @contextmanager
    def nested(self, head: str) -> Iterator[None]:
        """A conditional block."""
        with self.out.indented(head):
            self.depth += 1
            yield
            self.depth -= 1

    # ---------------------------------------------------------------- fragments

    def fragment(self, node: Map, name_node: Node, scope: Scope) -> Val:
        """``$use``: a fragment in place, or as a function when it calls itself."""
        name = str(name_node.value) if isinstance(name_node, Scalar) else ""
        body = self.library.fragments.get(name)
        if body is None:
            self.problem(
                name_node.pos, f"unknown fragment {name}{suggest(name, self.library.fragments)}"
            )
            return NOTHING
        given = node.get("$with")
        bound: dict[str, Name] = {}
        if isinstance(given, Map):
            for key, value in given.entries:
                bound[str(key.value)] = self.bound(str(key.value), value, scope)
        if not self._recursive_fragment(name):
            if name in self._expanding:
                return NOTHING
            self._expanding.append(name)
            inner = Scope({**self._roots, **bound}, scope.branch)
            if "state" in scope.names:
                inner = inner.bind(state=scope.names["state"])
            val = self.node(body, inner)
            self._expanding.pop()
            return val
        return self._call_fragment(name, body, bound, scope)

    def _recursive_fragment(self, name: str) -> bool:
        seen: set[str] = set()
        todo = list(_uses(self.library.fragments[name]))
        while todo:
            other = todo.pop()
            if other == name:
                return True
            if other not in seen and other in self.library.fragments:
                seen.add(other)
                todo.extend(_uses(self.library.fragments[other]))
        return False

    def _call_fragment(self, name: str, body: Node, bound: dict[str, Name], scope: Scope) -> Val:
        for argument in bound.values():
            if argument.ref is not None:
                # whoever is given an object answers for what is in it
                argument.ref.binding.read(argument.ref.path, scope.branch, True)
                self.expr.notes.append(argument.ref)
        function, parameters = self._recursive.get(name, ("", list(bound)))
        if not function:
            function = self.expr.temp(f"f_{_word(name)}_")
            self._recursive[name] = (function, parameters)
            self._fragment_function(function, name, body, parameters)
        if parameters != list(bound):
            self.problem(body.pos, f"the fragment {name} is used with different names")
        arguments: list[str] = []
        for parameter in parameters:
            given = bound.get(parameter)
            arguments.append(given.code if given is not None else "None")
            if self.traced:
                arguments.append(self.path(given.ref) if given is not None else "None")
        roots = list(self._roots_code())
        return Val(f"{function}({', '.join([*arguments, *roots])})")

    def _roots_code(self) -> Iterator[str]:
        yield from (name.code for name in self._roots.values())
        yield "L"
        if self.traced:
            yield "T"

    def _fragment_function(
        self, function: str, name: str, body: Node, parameters: list[str]
    ) -> None:
        outer, active, depth = self.out, self.active, self.depth
        self.out, self.active, self.depth = Lines(), [], 0
        # the getters of the roots are locals of the main function
        names = {word: replace(root, getter=None) for word, root in self._roots.items()}
        heads: list[str] = []
        bindings: list[Binding] = []
        scope = Scope({})
        for parameter in parameters:
            var = f"a_{_word(parameter)}"
            heads.append(var)
            trace = "None"
            if self.traced:
                trace = f"p_{var}"
                heads.append(trace)
            binding = self.observe(var, parameter, scope, trace)
            bindings.append(binding)
        head = f"def {function}({', '.join([*heads, *self._roots_code()])}):"
        with self.out.indented(head):
            for parameter, binding in zip(parameters, bindings, strict=True):
                names[parameter] = self.named(binding)
                self.active.append(binding)
            scope = Scope(names)
            val = self.node(body, scope)
            result = self.stable(val)
            for binding in bindings:
                self.active.remove(binding)

                def last(binding: Binding = binding) -> list[str]:
                    inner = binding.switches - binding.outer
                    return (
                        [] if inner and binding.covered else self._check(binding, scope, body.pos)
                    )

                self.out.late(last)
            self.out.add(f"return {result}")
        finished = self.out
        self.out, self.active, self.depth = outer, active, depth
        self.functions.append(finished)

    def roots(self, names: dict[str, Name]) -> None:
        """The names every fragment knows."""
        self._roots = names


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


def _word(text: str) -> str:
    """A text as part of a Python name."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in text)


def scalar_text(node: Node | None) -> str | None:
    """The text of a scalar node."""
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


def plain_value(node: Node) -> Any:
    """The data of a node, for arguments that are data."""
    return plain(node)
