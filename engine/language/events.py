"""Stream halves: rules over events, with state.

A half becomes one Python function a value of ``dispatch`` (its rules in the order of the file), one for all other events, one
for the end of the bytes. ``EventHalf.step`` runs one event and returns what was emitted; the state is a plain dict per stream,
made by ``EventHalf.start``.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from engine.errors import Defect
from engine.language.compiler import Compiler
from engine.language.directives import DIRECTIVES
from engine.language.lines import Lines
from engine.language.loops import assign
from engine.language.reads import Binding, Tree
from engine.language.results import NOTHING, Library, Rule, scalar_text
from engine.language.runtime import EVALUATION_ERRORS, Refusal, unread
from engine.language.scope import Name, Scope
from engine.language.sections import Program, Roots, assemble
from engine.language.source import Map, Node, Pos, Scalar, Seq, plain, suggest
from engine.language.trace import Trace

State = dict[str, Any]

RULE_KEYS = frozenset(
    "event when let each as set append emit hold release then fail done also ignore".split()
)
HALF_KEYS = frozenset("dispatch state ignore stamp events end".split())
# The state's own entries, out of reach of mappings.
DONE, EMITTED, HELD = "$done", "$emitted", "$held"


@dataclass(slots=True)
class EventLosses:
    """Losses of a stream: each rule and static path once, with a count."""

    rules: tuple[Rule, ...]
    counts: dict[tuple[str, str, str, Pos], int] = field(default_factory=dict)

    def append(self, number: int) -> None:
        """A ``$drop``, ``$clamp`` or ``$emulate`` happened."""
        rule = self.rules[number]
        self._count(rule.path, rule.reason, rule.kind, rule.pos)

    def unread(self, number: int, value: Any, tree: Tree) -> None:
        """An event held what no rule reads."""
        rule = self.rules[number]
        for keys in unread(value, tree):
            path = rule.path
            for key in keys:
                key = "[]" if key.startswith("[") else key
                path = path + key if key == "[]" else f"{path}.{key}" if path else key
            self._count(path, rule.reason, "unread", rule.pos)

    def _count(self, path: str, reason: str, kind: str, pos: Pos) -> None:
        key = (path, reason, kind, pos)
        self.counts[key] = self.counts.get(key, 0) + 1


class EventHalf:
    """The read or write half of a stream."""

    def __init__(self, label: str, node: Node, library: Library, roots: Roots) -> None:
        self.label = label
        self.node = node
        self.roots = roots
        self._library = library
        self.program = self._compile(traced=False)
        self._step = self.program.functions["step"]
        start = _part(node, "state")
        self._start: State = plain(start) if start is not None else {}

    def start(self) -> State:
        """The state of a new stream."""
        return {**copy.deepcopy(self._start), DONE: False, EMITTED: 0, HELD: {}}

    def losses(self) -> EventLosses:
        """A collector for one stream."""
        return EventLosses(self.program.rules)

    def step(
        self, event: dict[str, Any], state: State, losses: EventLosses, *roots: Any
    ) -> list[dict[str, Any]]:
        """Run one event. Raises Refusal when a rule refuses it and Defect for a mistake of the mapping."""
        out: list[dict[str, Any]] = []
        if state[DONE]:
            return out
        try:
            self._step(event, state, *roots, losses, out)
        except Refusal:
            raise
        except (*EVALUATION_ERRORS, TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._told(self.program, error) from error
        state[EMITTED] += len(out)
        return out

    def finish(self, state: State, losses: EventLosses, *roots: Any) -> list[dict[str, Any]]:
        """Run the rules for the end of the bytes."""
        out: list[dict[str, Any]] = []
        if state[DONE]:
            return out
        try:
            self.program.functions["end"](None, state, *roots, losses, out)
        except (*EVALUATION_ERRORS, TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._told(self.program, error) from error
        state[EMITTED] += len(out)
        return out

    def trace(
        self, event: dict[str, Any], state: State, *roots: Any
    ) -> tuple[list[dict[str, Any]], Trace]:
        """As :meth:`step`, with records of where each field came from."""
        out: list[dict[str, Any]] = []
        trace = Trace(event)
        if not state[DONE]:
            losses = EventLosses(self.traced.rules)
            self.traced.functions["step"](event, state, *roots, losses, out, trace)
            state[EMITTED] += len(out)
        return out, trace

    @cached_property
    def traced(self) -> Program:
        """The same half compiled with tracing."""
        return self._compile(traced=True)

    def _compile(self, traced: bool) -> Program:
        return _HalfCompiler(self.label, self.node, self._library, self.roots, traced).program()

    def _told(self, program: Program, error: Exception) -> Exception:
        place = program.place(error)
        if isinstance(error, EVALUATION_ERRORS):
            return Refusal(-1, f"an event cannot be read at {place}", 400, None)
        return Defect(f"{place or program.label}: {type(error).__name__}")


def _part(node: Node, key: str) -> Node | None:
    return node.get(key) if isinstance(node, Map) else None


class _HalfCompiler:
    """Compiles one half; one instance, one program."""

    def __init__(
        self, label: str, node: Node, library: Library, roots: Roots, traced: bool
    ) -> None:
        self.label = f"<mapping {label}{' traced' if traced else ''}>"
        self.node = node if isinstance(node, Map) else Map(node.pos, ())
        self.roots = roots
        self.traced = traced
        self.compiler = Compiler(library, traced=traced, static=not traced)
        self.blocks: list[Lines] = []
        state = self.node.get("state")
        self.state = frozenset(state.keys()) if isinstance(state, Map) else frozenset()
        heads = ["S", *roots.parameters, "L", "out", *(["T"] if traced else [])]
        self.parameters = ", ".join(heads)

    def program(self) -> Program:
        """The half as a program with ``step`` and ``end``."""
        compiler = self.compiler
        if not isinstance(self.node, Map):
            compiler.problem(self.node.pos, "a half of a stream is a map with events")
        for key, _ in self.node.entries:
            if key.value not in HALF_KEYS:
                compiler.problem(
                    key.pos, f"unknown key {key.value}{suggest(str(key.value), HALF_KEYS)}"
                )
        rules = self._rules("events")
        handlers: dict[str, str] = {}
        for value in dict.fromkeys(value for rule in rules for value in self._values(rule)):
            handlers[value] = compiler.expr.temp("on")
            own = [rule for rule in rules if not self._values(rule) or value in self._values(rule)]
            self._function(handlers[value], own)
        self._function("on_other", [rule for rule in rules if not self._values(rule)])
        self._function("end", self._rules("end"))
        self._stepper(handlers)
        return assemble(self.label, compiler, self.blocks)

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
            rules.append(rule)
        return rules

    def _values(self, rule: Map) -> list[str]:
        given = rule.get("event")
        items = given.items if isinstance(given, Seq) else (given,) if given is not None else ()
        return [str(plain(item)) for item in items]

    def _scope(self, binding: Binding) -> Scope:
        names = self.roots.names()
        names["state"] = Name("S", keys=self.state, always=self.state)
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
        kept = compiler.expr.keep(
            frozenset(plain(ignored)) if ignored is not None else frozenset(), "in"
        )
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
            with compiler.out.indented(f"if not {call} and kind not in {kept}:"):
                compiler.out.add(f"L.append({number})")
        compiler.out.add(f"HANDLERS = {table}")
        self.blocks.append(compiler.out)

    def _function(self, name: str, rules: list[Map]) -> None:
        compiler = self.compiler
        compiler.out = Lines()
        root = self.roots.document
        binding = compiler.observe(root, "", Scope({}), "''" if self.traced else "None")
        together = any(rule.get("also") is not None for rule in rules)
        switch = next(compiler.switches)
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
            if plain(rule.get("done") or Scalar(rule.pos, False)) is True:
                compiler.out.add(f"S[{DONE!r}] = True")
            also = plain(rule.get("also") or Scalar(rule.pos, False)) is True
            if together and also:
                compiler.out.add("taken = True")
            elif together:
                compiler.out.late(lambda: compiler.check(binding, whole, rule.pos))
                compiler.out.add("return True")
            else:
                compiler.check_case(switch, scope, rule.pos)
                compiler.out.add("return True")

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
        with compiler.nested(f"for {position}, {var} in enumerate({source} or ()):"):
            trace = "None"
            if self.traced:
                trace = f"p_{var}"
                path = compiler.first_code(mark)
                compiler.out.add(f"{trace} = T.element({var}, {source}, {path}, {position})")
            binding = compiler.observe(var, name, scope, trace, code.ref is not None)
            if code.ref is not None:
                binding.comes_from(code.ref.binding, code.ref.path)
            binding.label = compiler.static_path(code.ref) + "[]"
            inner = scope.bind(**{name: compiler.named(binding), "position": Name(position)})
            with compiler.watching(binding, inner, rule.pos):
                self._body(rule, inner)

    def _body(self, rule: Map, scope: Scope) -> None:
        compiler = self.compiler
        root = self.roots.document
        hold, release = scalar_text(rule.get("hold")), scalar_text(rule.get("release"))
        if hold:
            compiler.out.add(f"_hold(S, {hold!r}, {root})")
        assign(compiler, rule.get("set"), scope, "S", self.state, False)
        assign(compiler, rule.get("append"), scope, "S", self.state, True)
        self._emit(rule.get("emit"), scope)
        if release:
            with compiler.out.indented(f"for waiting in _release(S, {release!r}):"):
                compiler.out.add(f"step(waiting, {self.parameters})")
        fail = rule.get("fail")
        if fail is not None:
            error = compiler.node(fail, scope)
            compiler.out.add(f"out.append({{'type': 'error', 'error': {error.text}}})")
            compiler.out.add(f"S[{DONE!r}] = True")
        assign(compiler, rule.get("then"), scope, "S", self.state, False)

    def _emit(self, node: Node | None, scope: Scope) -> None:
        compiler = self.compiler
        if node is None:
            return
        for item in node.items if isinstance(node, Seq) else (node,):
            item = self._stamped(item)
            val = compiler.node(item, scope)
            if val is NOTHING:
                continue
            if val.absent:
                compiler.out.add(f"_extend(out, {val.text})")
            elif isinstance(item, Map) and not any(key in DIRECTIVES for key in item.keys()):
                compiler.out.add(f"out.append({val.text})")
            else:
                compiler.out.add(f"_extend(out, {val.text})")

    def _stamped(self, item: Node) -> Node:
        """The event with the keys of ``stamp`` that it does not have; inside the item of a loop, too."""
        stamp = self.node.get("stamp")
        if not isinstance(stamp, Map) or not isinstance(item, Map):
            return item
        entries: list[tuple[Scalar, Node]] = []
        inside = False
        for key, value in item.entries:
            if key.value in ("$item", "$flat", "$else"):
                value, inside = self._stamped(value), True
            elif key.value == "$cases" and isinstance(value, Map):
                cases = tuple((name, self._stamped(case)) for name, case in value.entries)
                value, inside = Map(value.pos, cases), True
            elif key.value in ("$first", "$concat") and isinstance(value, Seq):
                value, inside = Seq(value.pos, tuple(map(self._stamped, value.items))), True
            entries.append((key, value))
        if not inside and item.get("$use") is None:
            have = set(item.keys())
            entries += [(key, value) for key, value in stamp.entries if key.value not in have]
        return Map(item.pos, tuple(entries))
