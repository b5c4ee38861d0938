"""Mapping trees to Python source, as Jinja does it.

A :class:`Compiler` turns one section (a read or write half) into Python functions. Literals fold
into dict displays, loops are loops, names are locals. This module has scalars, plain maps and
lists, and the names a map binds; directives are one function each
(:mod:`engine.language.directives` lists them). The same section is compiled twice: plainly for
serving, and *traced* when a loss or an explanation has to be told.

The layers below: :mod:`engine.language.recorder` (mistakes, rules, paths) and
:mod:`engine.language.observer` (what is read of each object).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from engine.language import templates
from engine.language.lines import Lines
from engine.language.observer import Observer
from engine.language.results import NOTHING, WRITTEN_NULL, Library, Val, scalar_text, word
from engine.language.scope import Name, Scope
from engine.language.source import Map, Node, Scalar, Seq, plain, suggest

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Compiler(Observer):
    """Compiles one section."""

    def __init__(self, library: Library, traced: bool = False, static: bool = False) -> None:
        super().__init__(library, traced, static)
        self.functions: list[Lines] = []
        # fragments that call themselves: the Python function and its parameters
        self.recursive: dict[str, tuple[str, list[str]]] = {}
        self.expanding: list[str] = []
        self.root_names: dict[str, Name] = {}

    def roots(self, names: dict[str, Name]) -> None:
        """The names every fragment knows."""
        self.root_names = names
        self.expr.lasting = {word: word for word, each in names.items() if each.code == word}

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
        self.sources.literal(value)
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
                self.unmade(text, mark)
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
                mark = len(self.expr.notes)
                block = self.out.indented(f"if {self.condition(value, scope)}:")
                block.__enter__()
                self.conditional(mark)
                scope = self.given(value, scope)
                self.depth += 1
                blocks += 1
                opened = block
        yield scope
        if blocks:
            self.depth -= 1
            opened.__exit__(None, None, None)

    def let(self, node: Node, scope: Scope) -> Scope:
        """``$let``: bind names, one after the other."""
        for name, value in self.names(node, "$let"):
            scope = scope.bind(**{name: self.bound(name, value, scope)})
        return scope

    def names(self, node: Node, owner: str) -> Iterator[tuple[str, Node]]:
        """The names that a ``$let`` or ``$with`` gives, with their expressions."""
        if not isinstance(node, Map):
            self.problem(node.pos, f"{owner} takes a map of names, like {{source: part.source}}")
            return
        for key, value in node.entries:
            name = str(key.value)
            if NAME.fullmatch(name):
                yield name, value
            else:
                self.problem(key.pos, f"{name} is no name; take letters, digits and _")

    def bound(self, label: str, node: Node, scope: Scope) -> Name:
        """A name for the value of an expression (or of a node, when it is a map or list)."""
        var = self.expr.temp(f"v_{word(label)}_")
        mark = len(self.expr.notes)
        if isinstance(node, Map | Seq):
            since = self.mark() if self.traced else ""
            place = self.sources.token()
            with self.sources.at(*place):
                val = self.node(node, scope)
            text = self.written(val, self.stable(val)) if val.null else val.text
            self.out.add(f"{var} = {text}")
            made = "None"
            if self.traced:
                made = f"p_{var}"
                self.out.add(f"{made} = T.value({var}, T.first({since}))")
            binding = self.observe(var, label, scope, made, checked=False)
            self.sources.name(binding, place)
            return self.named(binding)
        code = self.expression(node, scope)
        if not self.traced and code.name is not None:
            self.expr.look(code, scope)
            return code.name
        kept = code.ref is not None and code.ref.binding.state
        if code.ref is not None and not kept:
            self.out.add(f"{var} = {self.expr.look(code, scope)}")
            return Name(var, code.ref, self.getter(var, label), keys=code.keys, plain=code.plain)
        self.out.add(f"{var} = {self.expr.look(code, scope) if kept else code.text}")
        trace = "None"
        if self.traced:
            trace = f"p_{var}"
            first = self.first_code(mark)
            self.out.add(f"{trace} = T.value({var}, {first})")
        binding = self.observe(var, label, scope, trace, checked=False)
        self.sources.computed(binding, self.expr.notes[mark:])
        plain = code.plain or code.boolean
        world = self.world(node, scope)
        return replace(self.named(binding), plain=plain, whole=code.whole, world=world)

    def ignore(self, node: Node, scope: Scope) -> None:
        """``$ignore``: these are read on purpose."""
        for item in node.items if isinstance(node, Seq) else (node,):
            self.expr.take(self.expression(item, scope), scope)

    def plain_map(self, node: Map, scope: Scope, modifiers: frozenset[str] = frozenset()) -> Val:
        """An object: its keys in order, absent ones left out."""
        fields = [(key, value) for key, value in node.entries if not str(key.value).startswith("$")]
        return self.object(node, fields, scope)

    def value(self, node: Node | None, scope: Scope, plain: bool = False) -> Val:
        """An argument that is an expression, or a node when it is a map, a list or a template.
        ``plain``: only a text or a number is of use."""
        if node is not None and (isinstance(node, Map | Seq) or "{{" in (scalar_text(node) or "")):
            val = self.node(node, scope)
            if not val.null:
                return val
            # a null, too, is nothing to a directive
            return Val(self.written(val, self.stable(val)), atom=val.atom)
        mark = len(self.expr.notes)
        code = self.expression(node, scope)
        text = (self.expr.plain if plain else self.expr.take)(code, scope)
        if node is not None:
            self.note(node.pos, "copy" if code.ref else "map", mark)
        return Val(text, absent=not code.never_null, atom=code.simple)

    def object(self, node: Map, fields: list[tuple[Scalar, Node]], scope: Scope) -> Val:
        """An object of these fields with the ``$rest``, ``$spread`` and ``$empty`` of ``node``."""
        with self.sources.object():
            return self._object(node, fields, scope)

    def _object(self, node: Map, fields: list[tuple[Scalar, Node]], scope: Scope) -> Val:
        rest, spread, empty = node.get("$rest"), node.get("$spread"), node.get("$empty")
        pending: list[str] = []
        target = ""
        if self.traced:
            target = self.expr.temp("d")
            self.out.add(f"{target} = {{}}")
        for key, child in fields:
            name = repr(key.value)
            mark = self.mark() if self.traced else ""
            with self.sources.inside(str(key.value)):
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
                self.unmade(text, mark)
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
            if scalar_text(empty) != "drop":
                self.problem(empty.pos, f"$empty is drop here, not {plain(empty)}")
            text = target or f"{{{', '.join(pending)}}}"
            return Val(f"({text} or None)")
        return Val(target, False, atom=True) if target else Val(f"{{{', '.join(pending)}}}", False)

    def _rest(self, node: Node, target: str, scope: Scope) -> None:
        for item in node.items if isinstance(node, Seq) else (node,):
            word = item.value if isinstance(item, Scalar) else None
            name = scope.names.get(str(word))
            if name is None or name.ref is None:
                objects = [key for key, each in scope.names.items() if each.ref is not None]
                self.problem(
                    item.pos, f"$rest takes the name of an object{suggest(str(word), objects)}"
                )
            else:
                with self.sources.inside("native"), self.sources.inside(self.library.word):
                    self.sources.read([name.ref], True)
                self.rest_lines(name, target, scope, item.pos)

    def _spread(self, node: Node, target: str, scope: Scope) -> None:
        mark = len(self.expr.notes)
        code = self.expression(node, scope)
        own = self.expr.below(self.expr.below(code, "native"), self.library.word)
        temp = self.expr.temp("n")
        self.out.add(f"{temp} = {self.expr.take(own, scope)}")
        with self.out.indented(f"if {temp} is not None:"):
            if self.traced:
                number = self.rule(node.pos, "note", "")
                self.out.add(f"T.spread({target}, {temp}, {self.path(own.ref)}, {number})")
            number = self.rule(node.pos, "unread", "its place is taken by another value")
            if self.traced and not self.static:
                with self.out.indented(f"for _k in _spread({target}, {temp}):"):
                    paths = f"T.p({self.path(own.ref)}, _k)"
                    said = "'its place is taken by another value'"
                    self.out.add(f"T.loss({number}, 'dropped', {said}, {paths})")
            else:
                with self.out.indented(f"if _spread({target}, {temp}):"):
                    self.out.add(f"L.append({number})")
        del self.expr.notes[mark:]

    def extend(self, result: str, text: str) -> None:
        """Lines that concatenate a list; a single value counts as a list of one."""
        with self.out.indented(f"if type({text}) is list:"):
            self.out.add(f"{result} += {text}")
        with self.out.indented(f"elif {text} is not None:"):
            self.out.add(f"_extend({result}, {text})")

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
