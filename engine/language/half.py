"""A half of a stream as it is written: its state and its rules, and what is wrong with them."""

from __future__ import annotations

from engine.language.compiler import Compiler
from engine.language.loops import State as Variables
from engine.language.loops import mutations
from engine.language.results import scalar_text
from engine.language.source import Map, Node, Pos, Seq, plain, suggest

RULE_KEYS = frozenset(
    "event when let each as set append emit hold release then fail done also ignore".split()
)
HALF_KEYS = frozenset("dispatch state ignore stamp events end".split())


class Half:
    """Every mistake is noted with ``compiler``. ``events`` and ``end``: the rules; ``state``: the
    variables of the stream, with how deep the rules change each."""

    def __init__(self, node: Map, compiler: Compiler) -> None:
        self._compiler = compiler
        self._node = node
        self._check_keys()
        self.events, self.end = self._rules("events"), self._rules("end")
        self._check_reached(self.events)
        self.state = self._state()

    @property
    def pos(self) -> Pos:
        """Where it begins."""
        return self._node.pos

    def get(self, key: str) -> Node | None:
        """What stands under one of its keys."""
        return self._node.get(key)

    def values(self, rule: Map) -> list[str]:
        """The values of ``dispatch`` that a rule takes; none: it takes all."""
        given = rule.get("event")
        items = given.items if isinstance(given, Seq) else (given,) if given is not None else ()
        return [str(plain(item)) for item in items]

    def takes(self, rule: Map, value: str) -> bool:
        """Whether a rule takes the events with this value of ``dispatch``."""
        values = self.values(rule)
        return not values or value in values

    def flag(self, rule: Map, key: str) -> bool:
        """Whether a rule says so."""
        given = rule.get(key)
        value = plain(given) if given is not None else False
        if not isinstance(value, bool):
            assert given is not None
            self._compiler.problem(given.pos, f"{key} is true or false, not {value}")
        return value is True

    def _check_keys(self) -> None:
        for key, _ in self._node.entries:
            if key.value not in HALF_KEYS:
                self._compiler.problem(
                    key.pos, f"unknown key {key.value}{suggest(str(key.value), HALF_KEYS)}"
                )

    def _state(self) -> Variables:
        start = self._node.get("state")
        if start is not None and not isinstance(start, Map):
            self._compiler.problem(start.pos, "state takes a map of names with their start values")
        given = start if isinstance(start, Map) else Map(self._node.pos, ())
        for _, value in given.entries:
            if "= " in (scalar_text(value) or "")[:2] or "{{" in (scalar_text(value) or ""):
                self._compiler.problem(
                    value.pos, "a start value is plain data; set it in a rule instead"
                )
        keys = frozenset(name for name, _ in self._compiler.names(given, "state"))
        rules = [*self.events, *self.end]
        words = (("set", False), ("append", True), ("then", False))
        assigned = [(rule.get(word), appending) for rule in rules for word, appending in words]
        return Variables("S", keys, mutations(assigned))

    def _check_reached(self, rules: list[Map]) -> None:
        """Rules that stand below one that takes all their events."""
        always: set[str | None] = set()
        for rule in rules:
            values = self.values(rule)
            if None in always or (values and always.issuperset(values)):
                self._compiler.problem(
                    rule.pos,
                    "this rule never runs: one before takes its events; put it first,"
                    " or give that one also: true or when",
                )
            if rule.get("when") is None and not self.flag(rule, "also"):
                always.update(values or [None])

    def _rules(self, key: str) -> list[Map]:
        listed = self._node.get(key)
        if listed is None:
            return []
        if not isinstance(listed, Seq):
            self._compiler.problem(listed.pos, f"{key} is a list of rules")
            return []
        rules = []
        for rule in listed.items:
            if not isinstance(rule, Map):
                self._compiler.problem(rule.pos, "a rule is a map, like {event: ping, emit: …}")
                continue
            for name, _ in rule.entries:
                if name.value not in RULE_KEYS:
                    known = suggest(str(name.value), RULE_KEYS)
                    self._compiler.problem(name.pos, f"unknown key {name.value} in a rule{known}")
            self._check_rule(rule, key)
            rules.append(rule)
        return rules

    def _check_rule(self, rule: Map, key: str) -> None:
        event = rule.get("event")
        if event is not None and key == "end":
            self._compiler.problem(event.pos, "a rule of end has no event; the bytes are over")
        elif event is not None and self._node.get("dispatch") is None:
            self._compiler.problem(event.pos, "event needs dispatch: what it is compared with")
        if rule.get("as") is not None and rule.get("each") is None:
            self._compiler.problem(rule.pos, "as needs each beside it")
        for word in ("hold", "release"):
            given = rule.get(word)
            if given is not None and not scalar_text(given):
                self._compiler.problem(given.pos, f"{word} takes the name of a queue")
        hold, release = rule.get("hold"), rule.get("release")
        if hold is not None and release is not None and plain(hold) == plain(release):
            self._compiler.problem(
                rule.pos, f"hold and release of {plain(hold)} in one rule never end; use two rules"
            )
