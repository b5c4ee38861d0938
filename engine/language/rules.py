"""Rules of streams to Python: one function a value of ``dispatch``, one for other events, one for
the end."""

from __future__ import annotations

from dataclasses import replace

from engine.language.assembling import assemble, labelled
from engine.language.compiler import Compiler
from engine.language.directives import DIRECTIVES
from engine.language.events import DONE, EMITTED, START, STEADY, EventHalf
from engine.language.half import Half
from engine.language.lines import Lines
from engine.language.loops import assign
from engine.language.programs import Program
from engine.language.reads import WHOLE, Binding
from engine.language.results import NOTHING, Library, scalar_text
from engine.language.roots import ASKED, asked
from engine.language.scope import Name, Ref, Scope
from engine.language.sections import Forms, Roots
from engine.language.source import Map, Node, Scalar, Seq, plain
from engine.language.sources import ANY, EARLIER, KEPT, MADE, SOURCES, Source
from engine.language.stamping import Stamp
from engine.language.steady import FIRST, steady_rules


def half_program(label: str, node: Node, library: Library, roots: Roots, traced: bool) -> Program:
    """The program of a half of a stream. Raises MappingError."""
    return HalfCompiler(label, node, library, roots, traced).program()


def event_half(label: str, node: Node, library: Library, roots: Roots) -> EventHalf:
    """A half compiled now. Raises MappingError."""
    plain = half_program(label, node, library, roots, traced=False)
    forms = Forms(
        lambda: plain, lambda: half_program(label, node, library, roots, True), lambda _: None
    )
    return EventHalf(label, forms)


class HalfCompiler:
    """Compiles one half; one instance, one program."""

    def __init__(
        self, label: str, node: Node, library: Library, roots: Roots, traced: bool
    ) -> None:
        self.label = labelled(label, traced)
        if not isinstance(node, Map):
            node.pos.error("a half of a stream is a map with dispatch and events")
        self.roots = roots
        self.traced = traced
        self.compiler = Compiler(library, traced=traced, static=True)
        self.blocks: list[Lines] = []
        self.numbers = FIRST - 1
        self.half = Half(node, self.compiler)
        self.stamp = Stamp(self.half.get("stamp"), self.compiler)
        trace = "T" if traced else "None"
        self.kept = Binding("S", "state", trace=trace, checked=False, state=True)
        heads = ["S", *roots.parameters, "L", "out", *(["T"] if traced else [])]
        self.parameters = ", ".join(heads)

    def program(self) -> Program:
        """The half as a program with ``step`` and ``end``."""
        compiler = self.compiler
        rules = self.half.events
        handlers: dict[str, str] = {}
        for value in dict.fromkeys(value for rule in rules for value in self.half.values(rule)):
            handlers[value] = compiler.expr.temp("on")
            own = [rule for rule in rules if self.half.takes(rule, value)]
            self._function(handlers[value], own)
        self._function("on_other", [rule for rule in rules if not self.half.values(rule)])
        self._function("end", self.half.end)
        self._stepper(handlers)
        start = self.half.get("state")
        compiler.expr.constants[START] = plain(start) if start is not None else {}
        self._tell_sources()
        program = assemble(self.label, compiler, self.blocks)
        # the checks for what nothing reads are made last
        program.constants[MADE] = {
            number: compiler.sources.keys(binding) for number, binding in compiler.unread.items()
        }
        if not self.traced:
            program.constants[ASKED] = asked(program.source, self.roots.free)
            program.names[STEADY] = program.constants[STEADY] = steady_rules(program.source)
        return program

    def _tell_sources(self) -> None:
        """What is known of where values come from that wait in the state, and the fields of
        events."""
        compiler = self.compiler
        for number, ref in compiler.kept.items():
            for found in compiler.sources.of(ref)[:1]:
                path = _told(found) if found.words else found.path
                compiler.rules[number] = replace(compiler.rules[number], path=path)
        kept: dict[str, tuple[str, ...]] = {}
        for variable in sorted({path for path, _, _ in self.kept.readings if path}):
            origins = compiler.sources.of(Ref(self.kept, variable))
            kept[".".join(variable)] = tuple(dict.fromkeys(_told(each) for each in origins))
        for number, ref in enumerate(compiler.made_of, 1):
            origins = compiler.sources.of(ref)
            kept[str(number)] = tuple(dict.fromkeys(_told(each) for each in origins))
        compiler.expr.constants[KEPT] = kept
        compiler.expr.constants[SOURCES] = compiler.sources.table("type")

    def _scope(self, binding: Binding) -> Scope:
        names = self.roots.names()
        kept = Ref(self.kept)
        names["state"] = Name("S", kept, keys=self.half.state.keys, always=self.half.state.keys)
        names["emitted"] = Name(f"(S[{EMITTED!r}] + len(out))")
        names[self.roots.document] = self.compiler.named(binding)
        self.compiler.roots(
            {word: name for word, name in names.items() if word not in ("state", "emitted")}
            | {"state": names["state"]}
        )
        return Scope(names)

    def _stepper(self, handlers: dict[str, str]) -> None:
        compiler = self.compiler
        compiler.out = Lines()
        root = self.roots.document
        ignored = self.half.get("ignore")
        words = plain(ignored) if ignored is not None else []
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            assert ignored is not None
            compiler.problem(ignored.pos, "ignore takes a list of events, like [ping]")
            words = []
        kept = compiler.expr.keep(frozenset(words), "in")
        table = "{" + ", ".join(f"{value!r}: {name}" for value, name in handlers.items()) + "}"
        binding = compiler.observe(root, "", Scope({}), "''" if self.traced else "None", False)
        number = compiler.rule(self.half.pos, "unread", "no rule takes this event")
        with compiler.out.indented(f"def step({root}, {self.parameters}):"):
            scope = self._scope(binding)
            dispatch = self.half.get("dispatch")
            kind = "None"
            if dispatch is not None:
                kind = compiler.expr.look(compiler.expression(dispatch, scope), scope)
            compiler.out.add(f"kind = {kind}")
            compiler.out.add(
                "taken = HANDLERS.get(kind, on_other) if type(kind) is str else on_other"
            )
            call = f"taken({root}, {self.parameters})"
            compiler.out.add(f"number = {call}")
            test = f"if not number and not (type(kind) is str and kind in {kept}):"
            with compiler.out.indented(test):
                compiler.out.add(f"L.append({number})")
            compiler.out.add("return number")
        compiler.out.add(f"HANDLERS = {table}")
        self.blocks.append(compiler.out)

    def _function(self, name: str, rules: list[Map]) -> None:
        compiler = self.compiler
        compiler.out = Lines()
        root = self.roots.document
        binding = compiler.observe(root, "", Scope({}), "''" if self.traced else "None")
        together = any(rule.get("also") is not None for rule in rules)
        switch = compiler.switch()
        with compiler.out.indented(f"def {name}({root}, {self.parameters}):"):
            scope = self._scope(binding)
            if self.half.get("dispatch") is not None and name != "end":
                compiler.expr.look(compiler.expression(self.half.get("dispatch"), scope), scope)
            compiler.active.append(binding)
            if together:
                compiler.out.add("taken = False")
            for number, rule in enumerate(rules):
                inner = scope if together else scope.case(switch, number)
                self._rule(rule, inner, switch, together, binding, scope)
            if together:
                compiler.out.late(lambda: compiler.check(binding, scope, self.half.pos))
            compiler.out.add("return taken" if together else "return False")
            compiler.active.pop()
        self.blocks.append(compiler.out)

    def _rule(
        self, rule: Map, scope: Scope, switch: int, together: bool, binding: Binding, whole: Scope
    ) -> None:
        compiler = self.compiler
        compiler.out.pos = rule.pos
        compiler.sources.words = " ".join(self.half.values(rule)) or ANY
        compiler.sources.rule = str(rule.pos)
        when = rule.get("when")
        # names of a rule may serve its condition
        given = rule.get("let")
        if given is not None:
            scope = compiler.let(given, scope)
        test = compiler.condition(when, scope) if when is not None else "True"
        with compiler.nested(f"if {test}:"):
            ignored = rule.get("ignore")
            if ignored is not None:
                compiler.ignore(ignored, scope)
            each = rule.get("each")
            if each is not None:
                self._each(rule, each, scope)
            else:
                self._body(rule, scope)
            if self.half.flag(rule, "done"):
                compiler.out.add(f"S[{DONE!r}] = True")
            if together and self.half.flag(rule, "also"):
                compiler.out.add("taken = True")
            elif together:
                compiler.out.late(lambda: compiler.check(binding, whole, rule.pos))
                compiler.out.add(f"return taken or {self._next_number()}")
            else:
                compiler.check_case(switch, scope, rule.pos, always=True)
                compiler.out.add(f"return {self._next_number()}")

    def _next_number(self) -> int:
        """The number of a rule, by which it is known whether it is steady."""
        self.numbers += 1
        return self.numbers

    def _each(self, rule: Map, each: Node, scope: Scope) -> None:
        compiler = self.compiler
        name = scalar_text(rule.get("as")) or ""
        if not name.isidentifier():
            compiler.problem(rule.pos, "each needs as: a name for the element")
            return
        mark = len(compiler.expr.notes)
        code = compiler.expression(each, scope)
        source, var = compiler.expr.temp("s"), compiler.expr.temp(f"x_{name}_")
        compiler.out.add(f"{source} = {compiler.expr.look(code, scope)}")
        position = compiler.expr.temp("i")
        with compiler.out.indented(f"if {source} is not None and type({source}) is not list:"):
            compiler.out.add(compiler.refuse(rule.pos, f"_wrong({source}, 'list')", mark))
        with compiler.looping(f"for {position}, {var} in enumerate({source} or ()):"):
            trace = "None"
            if self.traced:
                trace = f"p_{var}"
                path = compiler.first_code(mark)
                compiler.out.add(f"{trace} = T.element({var}, {source}, {path}, {position})")
            of = code.ref if compiler.seen(mark) else None
            binding = compiler.observe(var, name, scope, trace, of is not None)
            if of is not None:
                binding.comes_from(of.binding, of.path, scope.branch)
            else:
                compiler.sources.computed(binding, compiler.expr.notes[mark:])
            binding.label = compiler.static_path(code.ref) + "[]"
            inner = scope.bind(
                **{name: compiler.named(binding), "position": Name(position, whole=True)}
            )
            with compiler.watching(binding, inner, rule.pos):
                self._body(rule, inner)

    def _body(self, rule: Map, scope: Scope) -> None:
        compiler = self.compiler
        root = self.roots.document
        hold, release = scalar_text(rule.get("hold")), scalar_text(rule.get("release"))
        if hold:
            compiler.out.add(f"_hold(S, {hold!r}, {root})")
            # it comes back: the rules that take it then answer for what is in it
            document = scope.names[root].ref
            assert document is not None
            document.binding.read((), scope.branch, WHOLE)
        assign(compiler, rule.get("set"), scope, self.half.state, False)
        assign(compiler, rule.get("append"), scope, self.half.state, True)
        self._emit(rule.get("emit"), scope)
        if release:
            with compiler.out.indented(f"for waiting in _release(S, {release!r}):"):
                compiler.out.add(f"step(waiting, {self.parameters})")
        fail = rule.get("fail")
        if fail is not None:
            with compiler.sources.failure("type", "error"):
                error = compiler.node(fail, scope)
            begin = self.stamp.begin()
            compiler.out.add(f"out.append({{'type': 'error', 'error': {error.text}}})")
            self.stamp.put(begin, scope)
            compiler.out.add(f"S[{DONE!r}] = True")
        assign(compiler, rule.get("then"), scope, self.half.state, False)

    def _emit(self, node: Node | None, scope: Scope) -> None:
        compiler = self.compiler
        if node is None:
            return
        for item in node.items if isinstance(node, Seq) else (node,):
            if isinstance(item, Scalar) and not str(item.value).startswith("="):
                compiler.problem(item.pos, "an event is a map, like {type: text, delta: = wire.d}")
                continue
            stamped = self.stamp.written(item)
            with compiler.sources.events():
                val = compiler.node(stamped or item, scope)
            if val is NOTHING:
                continue
            begin = self.stamp.begin() if stamped is None else ""
            if isinstance(item, Map) and not any(key in DIRECTIVES for key in item.keys()):
                if val.absent:
                    compiler.out.add(f"_extend(out, {val.text})")
                else:
                    compiler.out.add(f"out.append({val.text})")
            else:
                compiler.out.add(f"_extend(out, {val.text})")
            if stamped is None:
                self.stamp.put(begin, scope)


def _told(source: Source) -> str:
    """A path in an earlier event, behind the words of that event."""
    return f"{source.words}{EARLIER}{source.path}"
