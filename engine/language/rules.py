"""Rules of streams to Python: one function a value of ``dispatch``, one for other events, one for
the end."""

from __future__ import annotations

from dataclasses import replace

from engine.language.assembling import assemble, labelled
from engine.language.compiler import Compiler
from engine.language.directives import DIRECTIVES
from engine.language.events import DONE, EMITTED, START, STEADY, EventHalf
from engine.language.lines import Lines
from engine.language.loops import State as Variables
from engine.language.loops import assign, mutations
from engine.language.programs import Program
from engine.language.reads import WHOLE, Binding
from engine.language.results import NOTHING, Library, scalar_text
from engine.language.roots import ASKED, asked
from engine.language.scope import Name, Ref, Scope
from engine.language.sections import Forms, Roots
from engine.language.source import Map, Node, Scalar, Seq, plain, suggest
from engine.language.sources import ANY, EARLIER, KEPT, MADE, SOURCES, Source
from engine.language.steady import FIRST, steady_rules

RULE_KEYS = frozenset(
    "event when let each as set append emit hold release then fail done also ignore".split()
)
HALF_KEYS = frozenset("dispatch state ignore stamp events end".split())
# Where the events stand in a directive that makes several, or one of several.
_EVENTS_IN = {
    "$each": ("$item", "$flat"),
    "$scan": ("$item", "$flat", "$last"),
    "$switch": ("$cases", "$else"),
    "$first": ("$first",),
    "$concat": ("$concat",),
}


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
        self.node = node
        self.roots = roots
        self.traced = traced
        self.compiler = Compiler(library, traced=traced, static=True)
        self.blocks: list[Lines] = []
        self.numbers = FIRST - 1
        self.events, self.end = self._rules("events"), self._rules("end")
        self.state = self._state()
        trace = "T" if traced else "None"
        self.kept = Binding("S", "state", trace=trace, checked=False, state=True)
        heads = ["S", *roots.parameters, "L", "out", *(["T"] if traced else [])]
        self.parameters = ", ".join(heads)

    def program(self) -> Program:
        """The half as a program with ``step`` and ``end``."""
        compiler = self.compiler
        for key, _ in self.node.entries:
            if key.value not in HALF_KEYS:
                compiler.problem(
                    key.pos, f"unknown key {key.value}{suggest(str(key.value), HALF_KEYS)}"
                )
        rules = self.events
        self._check_reached(rules)
        handlers: dict[str, str] = {}
        for value in dict.fromkeys(value for rule in rules for value in self._values(rule)):
            handlers[value] = compiler.expr.temp("on")
            own = [rule for rule in rules if not self._values(rule) or value in self._values(rule)]
            self._function(handlers[value], own)
        self._function("on_other", [rule for rule in rules if not self._values(rule)])
        self._function("end", self.end)
        self._stepper(handlers)
        start = self.node.get("state")
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

    def _state(self) -> Variables:
        """The variables of the stream, with how deep the rules change each."""
        start = self.node.get("state")
        if start is not None and not isinstance(start, Map):
            self.compiler.problem(start.pos, "state takes a map of names with their start values")
        given = start if isinstance(start, Map) else Map(self.node.pos, ())
        for _, value in given.entries:
            if "= " in (scalar_text(value) or "")[:2] or "{{" in (scalar_text(value) or ""):
                self.compiler.problem(
                    value.pos, "a start value is plain data; set it in a rule instead"
                )
        keys = frozenset(name for name, _ in self.compiler.names(given, "state"))
        rules = [*self.events, *self.end]
        words = (("set", False), ("append", True), ("then", False))
        assigned = [(rule.get(word), appending) for rule in rules for word, appending in words]
        return Variables("S", keys, mutations(assigned))

    def _check_reached(self, rules: list[Map]) -> None:
        """Rules that stand below one that takes all their events."""
        always: set[str | None] = set()
        for rule in rules:
            values = self._values(rule)
            if None in always or (values and always.issuperset(values)):
                self.compiler.problem(
                    rule.pos,
                    "this rule never runs: one before takes its events; put it first,"
                    " or give that one also: true or when",
                )
            if rule.get("when") is None and not self._flag(rule, "also"):
                always.update(values or [None])

    def _flag(self, rule: Map, key: str) -> bool:
        given = rule.get(key)
        value = plain(given) if given is not None else False
        if not isinstance(value, bool):
            assert given is not None
            self.compiler.problem(given.pos, f"{key} is true or false, not {value}")
        return value is True

    def _rules(self, key: str) -> list[Map]:
        listed = self.node.get(key)
        if listed is None:
            return []
        if not isinstance(listed, Seq):
            self.compiler.problem(listed.pos, f"{key} is a list of rules")
            return []
        rules = []
        for rule in listed.items:
            if not isinstance(rule, Map):
                self.compiler.problem(rule.pos, "a rule is a map, like {event: ping, emit: …}")
                continue
            for name, _ in rule.entries:
                if name.value not in RULE_KEYS:
                    known = suggest(str(name.value), RULE_KEYS)
                    self.compiler.problem(name.pos, f"unknown key {name.value} in a rule{known}")
            self._check_rule(rule, key)
            rules.append(rule)
        return rules

    def _check_rule(self, rule: Map, key: str) -> None:
        event = rule.get("event")
        if event is not None and key == "end":
            self.compiler.problem(event.pos, "a rule of end has no event; the bytes are over")
        elif event is not None and self.node.get("dispatch") is None:
            self.compiler.problem(event.pos, "event needs dispatch: what it is compared with")
        if rule.get("as") is not None and rule.get("each") is None:
            self.compiler.problem(rule.pos, "as needs each beside it")
        for word in ("hold", "release"):
            given = rule.get(word)
            if given is not None and not scalar_text(given):
                self.compiler.problem(given.pos, f"{word} takes the name of a queue")
        hold, release = rule.get("hold"), rule.get("release")
        if hold is not None and release is not None and plain(hold) == plain(release):
            self.compiler.problem(
                rule.pos, f"hold and release of {plain(hold)} in one rule never end; use two rules"
            )

    def _values(self, rule: Map) -> list[str]:
        given = rule.get("event")
        items = given.items if isinstance(given, Seq) else (given,) if given is not None else ()
        return [str(plain(item)) for item in items]

    def _scope(self, binding: Binding) -> Scope:
        names = self.roots.names()
        kept = Ref(self.kept)
        names["state"] = Name("S", kept, keys=self.state.keys, always=self.state.keys)
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
        ignored = self.node.get("ignore")
        words = plain(ignored) if ignored is not None else []
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            assert ignored is not None
            compiler.problem(ignored.pos, "ignore takes a list of events, like [ping]")
            words = []
        kept = compiler.expr.keep(frozenset(words), "in")
        table = "{" + ", ".join(f"{value!r}: {name}" for value, name in handlers.items()) + "}"
        binding = compiler.observe(root, "", Scope({}), "''" if self.traced else "None", False)
        number = compiler.rule(self.node.pos, "unread", "no rule takes this event")
        with compiler.out.indented(f"def step({root}, {self.parameters}):"):
            scope = self._scope(binding)
            dispatch = self.node.get("dispatch")
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
            if self.node.get("dispatch") is not None and name != "end":
                compiler.expr.look(compiler.expression(self.node.get("dispatch"), scope), scope)
            compiler.active.append(binding)
            if together:
                compiler.out.add("taken = False")
            for number, rule in enumerate(rules):
                inner = scope if together else scope.case(switch, number)
                self._rule(rule, inner, switch, together, binding, scope)
            if together:
                compiler.out.late(lambda: compiler.check(binding, scope, self.node.pos))
            compiler.out.add("return taken" if together else "return False")
            compiler.active.pop()
        self.blocks.append(compiler.out)

    def _rule(
        self, rule: Map, scope: Scope, switch: int, together: bool, binding: Binding, whole: Scope
    ) -> None:
        compiler = self.compiler
        compiler.out.pos = rule.pos
        compiler.sources.words = " ".join(self._values(rule)) or ANY
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
            if self._flag(rule, "done"):
                compiler.out.add(f"S[{DONE!r}] = True")
            if together and self._flag(rule, "also"):
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
        assign(compiler, rule.get("set"), scope, self.state, False)
        assign(compiler, rule.get("append"), scope, self.state, True)
        self._emit(rule.get("emit"), scope)
        if release:
            with compiler.out.indented(f"for waiting in _release(S, {release!r}):"):
                compiler.out.add(f"step(waiting, {self.parameters})")
        fail = rule.get("fail")
        if fail is not None:
            with compiler.sources.failure("type", "error"):
                error = compiler.node(fail, scope)
            begin = self._begin()
            compiler.out.add(f"out.append({{'type': 'error', 'error': {error.text}}})")
            self._stamp(begin, scope)
            compiler.out.add(f"S[{DONE!r}] = True")
        assign(compiler, rule.get("then"), scope, self.state, False)

    def _emit(self, node: Node | None, scope: Scope) -> None:
        compiler = self.compiler
        if node is None:
            return
        for item in node.items if isinstance(node, Seq) else (node,):
            if isinstance(item, Scalar) and not str(item.value).startswith("="):
                compiler.problem(item.pos, "an event is a map, like {type: text, delta: = wire.d}")
                continue
            stamped = self._stamped(item)
            with compiler.sources.events():
                val = compiler.node(stamped or item, scope)
            if val is NOTHING:
                continue
            begin = self._begin() if stamped is None else ""
            if isinstance(item, Map) and not any(key in DIRECTIVES for key in item.keys()):
                if val.absent:
                    compiler.out.add(f"_extend(out, {val.text})")
                else:
                    compiler.out.add(f"out.append({val.text})")
            else:
                compiler.out.add(f"_extend(out, {val.text})")
            if stamped is None:
                self._stamp(begin, scope)

    def _begin(self) -> str:
        """The name of the number of events emitted so far."""
        if not isinstance(self.node.get("stamp"), Map):
            return ""
        begin = self.compiler.expr.temp("b")
        self.compiler.out.add(f"{begin} = len(out)")
        return begin

    def _stamp(self, begin: str, scope: Scope) -> None:
        """The keys of ``stamp`` on the events emitted since, where they do not have them."""
        stamp = self.node.get("stamp")
        if begin and stamp is not None:
            val = self.compiler.node(stamp, scope)
            self.compiler.out.add(f"_stamp(out, {begin}, {val.text})")

    def _stamped(self, item: Node) -> Node | None:
        """The event with the keys of ``stamp`` that it does not have; None when that is known only
        later."""
        stamp = self.node.get("stamp")
        if stamp is None:
            return item
        if not isinstance(stamp, Map):
            self.compiler.problem(stamp.pos, "stamp takes a map of keys for every event")
            return item
        if not isinstance(item, Map):
            return None
        chosen = next((str(key) for key in item.keys() if key in DIRECTIVES), None)
        if chosen is None:
            have = set(item.keys())
            own = tuple(pair for pair in stamp.entries if pair[0].value not in have)
            return Map(item.pos, item.entries + own)
        inside = _EVENTS_IN.get(chosen, ())
        entries: list[tuple[Scalar, Node]] = []
        for key, value in item.entries:
            found: Node | None = value
            if key.value in inside and key.value == "$cases" and isinstance(value, Map):
                found = self._each_stamped(value)
            elif key.value in inside and isinstance(value, Seq):
                items = [self._stamped(each) for each in value.items]
                found = Seq(value.pos, tuple(each for each in items if each is not None))
                found = found if len(found.items) == len(items) else None
            elif key.value in inside:
                found = self._stamped(value)
            if found is None:
                return None
            entries.append((key, found))
        return Map(item.pos, tuple(entries)) if inside else None

    def _each_stamped(self, cases: Map) -> Map | None:
        entries = [(key, self._stamped(case)) for key, case in cases.entries]
        known = tuple((key, case) for key, case in entries if case is not None)
        return Map(cases.pos, known) if len(known) == len(entries) else None


def _told(source: Source) -> str:
    """A path in an earlier event, behind the words of that event."""
    return f"{source.words}{EARLIER}{source.path}"
