"""The directives that loop: ``$each``, ``$scan``, ``$map``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.language.compiler import NAME, Compiler
from engine.language.composing import empty, empty_word
from engine.language.reads import Binding
from engine.language.results import NOTHING, Val, scalar_text
from engine.language.scope import Name, Scope
from engine.language.source import Map, Node, Seq, plain, suggest

JOIN_KEYS = frozenset({"same", "concat", "on-conflict", "when"})


@dataclass(slots=True)
class Loop:
    """A loop being compiled: the Python names of its list and its scope inside."""

    source: str
    scope: Scope
    mark: int


def _names(compiler: Compiler, node: Map) -> list[str]:
    given = node.get("$as")
    items = given.items if isinstance(given, Seq) else (given,)
    names = [scalar_text(item) or "" for item in items]
    if not names or len(names) > 2 or not all(NAME.fullmatch(name) for name in names):
        compiler.problem(given.pos if given else node.pos, "$as takes a name or [name, index]")
        return ["it"]
    return names


@contextmanager
def _looping(compiler: Compiler, node: Map, word: str, scope: Scope) -> Iterator[Loop]:
    """The ``for`` over a list, with its names bound and ``$if`` passed; guards against what is no
    list."""
    mark = len(compiler.expr.notes)
    argument = node.get(word)
    source = compiler.expr.temp("s")
    observed = True
    of = None
    place = compiler.sources.token()
    if isinstance(argument, Map | Seq):
        with compiler.sources.at(*place):
            val = compiler.node(argument, scope)
        compiler.out.add(f"{source} = {val.text}")
    else:
        code = compiler.expression(argument, scope)
        compiler.out.add(f"{source} = {compiler.expr.look(code, scope)}")
        observed, of = compiler.seen(mark), code.ref
        if of is not None and of.binding.state:
            of = None
        with compiler.sources.at(*place):
            compiler.sources.read(compiler.expr.notes[mark:], True)
    path = "None"
    if compiler.traced:
        path = compiler.expr.temp("q")
        compiler.out.add(f"{path} = T.value({source}, {compiler.first_code(mark)})")
    names = _names(compiler, node)
    with compiler.out.indented(f"if {source} is not None and type({source}) is not list:"):
        compiler.out.add(compiler.refuse(node.pos, f"_wrong({source}, 'list')", mark))
    end = len(compiler.expr.notes)
    var = compiler.expr.temp(f"x_{names[0]}_")
    position = compiler.expr.temp("i")
    counted = len(names) > 1 or compiler.traced
    head = (
        f"for {position}, {var} in enumerate({source} or ()):"
        if counted
        else f"for {var} in {source} or ():"
    )
    with compiler.looping(head):
        trace = "None"
        if compiler.traced:
            trace = f"p_{var}"
            compiler.out.add(f"{trace} = T.element({var}, {source}, {path}, {position})")
        binding = compiler.observe(var, names[0], scope, trace, observed)
        if of is not None:
            binding.comes_from(of.binding, of.path, scope.branch)
        else:
            compiler.sources.name(binding, place)
        if compiler.static:
            seen = compiler.seen(mark)
            binding.label = compiler.first_path(mark) + "[]" if seen else names[0]
        inner = scope.bind(**{names[0]: compiler.named(binding)})
        if len(names) > 1:
            inner = inner.bind(**{names[1]: Name(position, whole=True)})
        test = node.get("$if")
        if test is not None:
            with compiler.out.indented(f"if not ({compiler.condition(test, inner)}):"):
                compiler.out.add("continue")
        with compiler.watching(binding, inner, node.pos):
            yield Loop(source, inner, mark)
    del compiler.expr.notes[end:]


def _collect(compiler: Compiler, node: Map, scope: Scope, result: str) -> None:
    """One round's item or items into the result list."""
    flat = node.get("$flat")
    item = node.get("$item") if flat is None else flat
    if item is None:
        return
    if flat is not None and node.get("$item") is not None:
        compiler.problem(node.pos, "$item and $flat in one loop; take one of them")
    mark = compiler.mark() if compiler.traced else ""
    val = compiler.node(item, scope)
    if val is NOTHING:
        return
    text = compiler.stable(val)
    if flat is not None:
        compiler.extend(result, text)
        return
    add = f"{result}.append({compiler.written(val, text)})"
    if not val.absent:
        compiler.out.add(add)
        compiler.made(result, f"len({result}) - 1", mark, item.pos)
        return
    with compiler.out.indented(f"if {text} is not None:"):
        compiler.out.add(add)
        compiler.made(result, f"len({result}) - 1", mark, item.pos)
    compiler.unmade(text, mark)


def each(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$each``: list from list."""
    if node.get("$item") is None and node.get("$flat") is None:
        compiler.problem(node.pos, "$each needs $item or $flat beside it")
        return NOTHING
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = []")
    with _looping(compiler, node, "$each", scope) as loop:
        _collect(compiler, node, loop.scope, result)
    return _finished(compiler, node, scope, loop, result)


def _finished(compiler: Compiler, node: Map, scope: Scope, loop: Loop, result: str) -> Val:
    join = node.get("$join")
    if join is not None:
        _join(compiler, join, scope, result)
    word = empty_word(compiler, node)
    if word == "drop":
        compiler.out.add(f"{result} = {result} or None")
        return Val(result, True, False, True)
    if word == "keep":
        return Val(result, False, False, True)
    with compiler.out.indented(f"if {loop.source} is None and not {result}:"):
        compiler.out.add(f"{result} = None")
    return Val(result, True, False, True)


def _join(compiler: Compiler, node: Node, scope: Scope, result: str) -> None:
    """``$join``: neighbours that are equal in some keys become one."""
    if not isinstance(node, Map):
        compiler.problem(node.pos, "$join takes {same: key, concat: [keys]}")
        return
    for key, _ in node.entries:
        if key.value not in JOIN_KEYS:
            compiler.problem(
                key.pos, f"unknown key {key.value} in $join{suggest(str(key.value), JOIN_KEYS)}"
            )
    data = {key.value: plain(value) for key, value in node.entries if key.value != "when"}
    same, concat = (_listed(data.get(word)) for word in ("same", "concat"))
    if not same:
        compiler.problem(node.pos, "$join needs same: the key in which neighbours are equal")
    conflict = data.get("on-conflict", "loss")
    if conflict not in ("loss", "break"):
        compiler.problem(node.pos, f"on-conflict is loss or break, not {conflict}")
    strict = conflict == "break"
    test = "None"
    when = node.get("when")
    if when is not None:
        one, two = compiler.expr.temp("j"), compiler.expr.temp("j")
        inner = scope.bind(before=Name(one), after=Name(two))
        test = f"lambda {one}, {two}: {compiler.condition(when, inner)}"
    number = compiler.rule(node.pos, "dropped", "the neighbour it was merged with says otherwise")
    reason = "'the neighbour it was merged with says otherwise'"
    told, moved = f"lambda _o, _k: L.append({number})", "None"
    if compiler.traced:
        if not compiler.static:
            told = f"lambda _o, _k: T.loss({number}, 'dropped', {reason}, T.came(_o, _k))"
        moved = "T.moved"
    arguments = f"{result}, {same!r}, {concat!r}, {strict}, {test}, {told}, {moved}"
    compiler.out.add(f"{result} = _joined({arguments})")


def _listed(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    return (str(value),) if value is not None else ()


def scan(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$scan``: ``$each`` with carried state."""
    start = node.get("$state")
    if not isinstance(start, Map):
        compiler.problem(node.pos, "$state takes a map of names with their start values")
        return NOTHING
    sets, appends, then = (node.get(word) for word in ("$set", "$append", "$then"))
    state = State(
        compiler.expr.temp("S"),
        frozenset(name for name, _ in compiler.names(start, "$state")),
        mutations([(sets, False), (appends, True), (then, False)]),
    )
    compiler.out.add(f"{state.var} = {_start(compiler, start, scope, state)}")
    scope = scope.bind(state=Name(state.var, keys=state.keys, always=state.keys))
    result = compiler.expr.temp("r")
    compiler.out.add(f"{result} = []")
    with _looping(compiler, node, "$scan", scope) as loop:
        assign(compiler, sets, loop.scope, state, False)
        assign(compiler, appends, loop.scope, state, True)
        _collect(compiler, node, loop.scope, result)
        assign(compiler, then, loop.scope, state, False)
    last = node.get("$last")
    if last is not None:
        val = compiler.node(last, scope)
        compiler.extend(result, compiler.stable(val))
    if node.get("$item") is None and node.get("$flat") is None and last is None:
        for word in ("$join", "$empty"):
            if node.get(word) is not None:
                compiler.problem(node.pos, f"{word} needs $item or $flat beside it")
        return Val(state.var, False, False, True)
    return _finished(compiler, node, scope, loop, result)


@dataclass(frozen=True, slots=True)
class State:
    """The state of a scan or a stream: its Python name, its variables, and how deep each is
    changed.

    A value set at a depth that is changed later is copied first: it may be a part of the document.
    """

    var: str
    keys: frozenset[str]
    mutated: dict[str, int]

    def kept(self, name: str, depth: int, text: str) -> str:
        """Python code of a value as the state keeps it."""
        return f"_own({text})" if self.mutated.get(name, -1) >= depth else text


def mutations(assigned: Iterable[tuple[Node | None, bool]]) -> dict[str, int]:
    """How deep each state variable is changed in place by these sets and appends."""
    found: dict[str, int] = {}
    for node, appending in assigned:
        for key, child in node.entries if isinstance(node, Map) else ():
            path = child.get("$key") if isinstance(child, Map) else None
            length = len(path.items) if isinstance(path, Seq) else 1 if path is not None else 0
            depth = length if appending else length - 1
            found[str(key.value)] = max(depth, found.get(str(key.value), -1))
    return found


def _start(compiler: Compiler, start: Map, scope: Scope, state: State) -> str:
    pairs = []
    for key, value in start.entries:
        val = compiler.node(value, scope)
        text = compiler.written(val, compiler.stable(val)) if val.null else val.text
        pairs.append(f"{key.value!r}: {state.kept(str(key.value), 0, text)}")
    return f"{{{', '.join(pairs)}}}"


def assign(
    compiler: Compiler, node: Node | None, scope: Scope, state: State, appending: bool
) -> None:
    """``set`` and ``append``: state variables get new values, one after the other."""
    if node is None:
        return
    if not isinstance(node, Map):
        compiler.problem(node.pos, "a map of state variables is wanted here")
        return
    for key, child in node.entries:
        name = str(key.value)
        if name not in state.keys:
            compiler.problem(key.pos, f"unknown state variable {name}{suggest(name, state.keys)}")
            continue
        path: list[str] = []
        value: Node | None = child
        kept = scope.names["state"].ref is not None
        since = compiler.mark() if compiler.traced and kept else ""
        if isinstance(child, Map) and child.get("$key") is not None:
            _check_keyed(compiler, child)
            path = _path(compiler, child.get("$key"), scope)
            value = child.get("$value")
        mark = len(compiler.expr.notes)
        with compiler.sources.at("state", state.var, name):
            val = compiler.node(value, scope) if value is not None else NOTHING
        text = compiler.stable(val)
        del compiler.expr.notes[mark:]
        if since:
            compiler.out.add(f"T.keep({name!r}, {since})")
        keys = "".join(f"{each}, " for each in path)
        if appending:
            compiler.out.add(f"_append({state.var}, {name!r}, ({keys}), {text})")
        elif path:
            text = state.kept(name, len(path), text)
            # to remove a key from what has none changes nothing
            with compiler.out.indented(f"if {text} is not None or {state.var}[{name!r}]:"):
                compiler.out.add(f"_put({state.var}, {name!r}, ({keys}), {text})")
        else:
            text = state.kept(name, 0, compiler.written(val, text))
            compiler.out.add(f"{state.var}[{name!r}] = {text}")


def _check_keyed(compiler: Compiler, node: Map) -> None:
    for key, _ in node.entries:
        if key.value not in ("$key", "$value"):
            compiler.problem(key.pos, f"{key.value} stands beside $key; only $value may")
    if node.get("$value") is None:
        compiler.problem(node.pos, "$key needs $value beside it")


def _path(compiler: Compiler, node: Node | None, scope: Scope) -> list[str]:
    items = node.items if isinstance(node, Seq) else (node,)
    return [compiler.value(item, scope).text for item in items]


def mapped(compiler: Compiler, node: Map, scope: Scope) -> Val:
    """``$map``: an object with computed keys."""
    names = _names(compiler, node)
    result = compiler.expr.temp("r")
    if len(names) == 2:
        return _mapped_object(compiler, node, scope, names, result)
    compiler.out.add(f"{result} = {{}}")
    with _looping(compiler, node, "$map", scope) as loop:
        _pair(compiler, node, loop.scope, result)
    with compiler.out.indented(f"if {loop.source} is None:"):
        compiler.out.add(f"{result} = None")
    return empty(compiler, node, result, "{}")


def _mapped_object(
    compiler: Compiler, node: Map, scope: Scope, names: list[str], result: str
) -> Val:
    mark = len(compiler.expr.notes)
    code = compiler.expression(node.get("$map"), scope)
    source = compiler.expr.temp("s")
    compiler.out.add(f"{source} = {compiler.expr.take(code, scope)}")
    compiler.out.add(f"{result} = None if {source} is None else {{}}")
    key, value = compiler.expr.temp("k"), compiler.expr.temp("w")
    with compiler.out.indented(f"if {source} is not None and type({source}) is not dict:"):
        compiler.out.add(compiler.refuse(node.pos, f"_wrong({source}, 'object')", mark))
    trace = "None"
    with compiler.looping(f"for {key}, {value} in ({source} or {{}}).items():"):
        if compiler.traced:
            trace = f"p_{value}"
            compiler.out.add(f"{trace} = T.p({compiler.first_code(mark)}, ({key},))")
        binding: Binding = compiler.observe(value, names[1], scope, trace, checked=False)
        compiler.sources.computed(binding, compiler.expr.notes[mark:])
        inner = scope.bind(**{names[0]: Name(key), names[1]: compiler.named(binding)})
        test = node.get("$if")
        if test is not None:
            with compiler.out.indented(f"if not ({compiler.condition(test, inner)}):"):
                compiler.out.add("continue")
        _pair(compiler, node, inner, result)
    return empty(compiler, node, result, "{}")


def _pair(compiler: Compiler, node: Map, scope: Scope, result: str) -> None:
    key_node, item = node.get("$key"), node.get("$item")
    assert key_node is not None and item is not None
    name = compiler.expr.temp("k")
    compiler.out.add(f"{name} = {compiler.value(key_node, scope).text}")
    mark = compiler.mark() if compiler.traced else ""
    val = compiler.node(item, scope)
    text = compiler.stable(val)
    with compiler.out.indented(f"if {text} is not None and {name} is not None:"):
        compiler.out.add(f"{name} = _key({name})")
        compiler.out.add(f"{result}[{name}] = {compiler.written(val, text)}")
        compiler.made(result, name, mark, item.pos)
