"""Where the fields of the events of a stream come from, as far as a mapping itself tells.

A value may wait in the state for a later event, so no single run of a rule knows all of it. What is
noted here while a half is compiled is static: of every place that is written (a field of an emitted
event, a variable, a name) the readings that make it. Keys that are computed, and positions in
lists, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from engine.language.reads import ELEMENT, Binding, Path
from engine.language.scope import Ref

EARLIER = "\x1f"
"""Stands between the words of an event, as rules name it, and a path in that event: of what the
state may have kept of an earlier one."""

# The constants of a program that hold, by the path of a variable, where it may come from; by the
# number of a rule the same of the keys of an object that rules made; and the table of the fields of
# its events.
KEPT, MADE, SOURCES = "KEPT", "MADE", "SOURCES"

Table = dict[str, dict[str, tuple[tuple[str, bool], ...]]]
"""By the type of an event and the path of a field the paths it is read from, and whether what is
below the field is below the path, too. Type ``*``: known only when the rules run."""

_Root = tuple[object, ...]
ANY = "*"
# A variable may be made of what is in itself: paths grow no longer than this.
_DEPTH = 12


@dataclass(frozen=True, slots=True)
class _Reading:
    ref: Ref
    copy: bool
    words: str
    rule: str


@dataclass(frozen=True, slots=True)
class Source:
    """A path in the document of the half; ``words``: the events whose rules read it there."""

    path: str
    copy: bool
    words: str = ""


@dataclass(slots=True)
class Sources:
    """What is written where, and of what."""

    # the rule that is compiled: the words of the events that it takes, and its place
    words: str = ANY
    rule: str = ""
    _made: dict[_Root, dict[Path, list[_Reading]]] = field(default_factory=dict)
    _literals: dict[_Root, dict[Path, list[str]]] = field(default_factory=dict)
    _roots: dict[int, _Root] = field(default_factory=dict)
    _bindings: list[Binding] = field(default_factory=list)
    _root: _Root = ("result",)
    _path: Path = ()
    _count: int = 0

    # ------------------------------------------------------------ told by the compiler

    def token(self) -> _Root:
        """A new place, for what gets a name later."""
        self._count += 1
        return ("made", self._count)

    @contextmanager
    def at(self, *root: object) -> Iterator[None]:
        """What is compiled now is written there."""
        before = self._root, self._path
        self._root, self._path = root, ()
        yield
        self._root, self._path = before

    @contextmanager
    def events(self) -> Iterator[None]:
        """The next objects, one or several, are events."""
        with self.at("events"):
            yield

    @contextmanager
    def object(self) -> Iterator[None]:
        """An object is compiled: an event of its own where events stand."""
        if self._root != ("events",):
            yield
            return
        self._count += 1
        with self.at("event", self._count):
            yield

    @contextmanager
    def failure(self, type_key: str, word: str) -> Iterator[None]:
        """The inner object of an event that tells of a failure is compiled."""
        with self.events(), self.object():
            with self.inside(type_key):
                self.literal(word)
            with self.inside(word):
                yield

    @contextmanager
    def inside(self, key: str) -> Iterator[None]:
        """A key of the object that is compiled."""
        before = self._path
        self._path = (*before, key)
        yield
        self._path = before

    def read(self, refs: list[Ref], copy: bool) -> None:
        """These make the value at this place."""
        # what a variable is computed of are objects more often than not
        copy = copy or (self._root[0] == "state" and not self._path)
        self._add(self._root, self._path, refs, copy)

    def literal(self, text: str) -> None:
        """A text stands at this place."""
        found = self._literals.setdefault(self._root, {}).setdefault(self._path, [])
        if text not in found:
            found.append(text)

    def name(self, binding: Binding, root: _Root) -> None:
        """This object is what was written at ``root``."""
        self._roots[id(binding)] = root
        self._bindings.append(binding)

    def named(self, binding: Binding) -> bool:
        """Whether this object is none of the document: rules made it."""
        listed = binding.source
        return id(binding) in self._roots or (listed is not None and self.named(listed[0]))

    def computed(self, binding: Binding, refs: list[Ref]) -> None:
        """This object was made of these: what is below one of them may be below it."""
        root = self.token()
        self.name(binding, root)
        self._add(root, (), refs, True)

    def _add(self, root: _Root, path: Path, refs: list[Ref], copy: bool) -> None:
        found = self._made.setdefault(root, {}).setdefault(path, [])
        found += [_Reading(ref, copy, self.words, self.rule) for ref in refs]

    # ------------------------------------------------------------ asked at the end

    def of(self, ref: Ref) -> list[Source]:
        """Where in the document a value comes from."""
        return list(dict.fromkeys(self._of(_Reading(ref, True, "", ""), set())))

    def keys(self, binding: Binding) -> dict[str, str]:
        """Where the values of an object come from that rules made, by its keys."""
        found: dict[str, str] = {}
        while binding.source is not None:
            # an element has the keys of what its list is made of
            binding = binding.source[0]
        reading = _Reading(Ref(binding), True, "", "")
        for path in self._inside(reading, set()):
            for source in self.of(Ref(binding, path[:1]))[:1]:
                found.setdefault(path[0], source.path)
        return found

    def table(self, type_key: str) -> Table:
        """The fields of all events; ``type_key`` holds the type of an event."""
        table: dict[str, dict[str, dict[tuple[str, bool], None]]] = {}
        for root, fields in self._made.items():
            if root[0] != "event":
                continue
            types = self._literals.get(root, {}).get((type_key,)) or [ANY]
            for path, reading in self._fields(fields):
                found = {(each.path, each.copy): None for each in self._of(reading, set())}
                for each in types if path and found else ():
                    table.setdefault(each, {}).setdefault(".".join(path), {}).update(found)
        return {
            each: {path: tuple(found) for path, found in rows.items()}
            for each, rows in table.items()
        }

    def _fields(self, fields: dict[Path, list[_Reading]]) -> Iterator[tuple[Path, _Reading]]:
        """The fields, and what is known to be in the objects that are copied to them."""
        for path, readings in fields.items():
            for reading in readings:
                yield path, reading
                for below in dict.fromkeys(self._inside(reading, set())):
                    ref = Ref(reading.ref.binding, (*reading.ref.path, *below))
                    yield (*path, *below), replace(reading, ref=ref)

    def _inside(self, reading: _Reading, seen: set[tuple[_Root, Path]]) -> Iterator[Path]:
        """What is written below the object that a reading copies."""
        root, path = self._place(reading.ref)
        if root is None or not reading.copy or (root, path) in seen:
            return
        seen.add((root, path))
        for each, readings in self._made.get(root, {}).items():
            below = each[len(path) :]
            if each[: len(path)] == path:
                if below:
                    yield below
                for inner in readings:
                    yield from ((*below, *deeper) for deeper in self._inside(inner, seen))

    def _place(self, ref: Ref) -> tuple[_Root | None, Path]:
        """Where what a reading reads was written; None for the document itself."""
        root = self._roots.get(id(ref.binding))
        path = ref.path
        if root is None and ref.binding.state and path:
            root, path = ("state", ref.binding.var, path[0]), path[1:]
        return root, tuple(key for key in path if key != ELEMENT) if root is not None else path

    def _of(self, reading: _Reading, seen: set[tuple[_Root, Path]]) -> Iterator[Source]:
        binding = reading.ref.binding
        root, path = self._place(reading.ref)
        if root is not None:
            yield from self._written(root, path, reading, seen)
        elif binding.source is not None:
            listed, where = binding.source
            ref = Ref(listed, (*where, ELEMENT, *path))
            yield from self._of(replace(reading, ref=ref), seen)
        elif not binding.state:
            yield Source(_joined(binding.label, path), reading.copy, reading.words)

    def _written(
        self, root: _Root, path: Path, asked: _Reading, seen: set[tuple[_Root, Path]]
    ) -> Iterator[Source]:
        if (root, path) in seen or len(path) > _DEPTH:
            return
        seen.add((root, path))
        fields = self._made.get(root, {})
        nearest = max((each for each in fields if path[: len(each)] == each), key=len, default=None)
        if nearest is not None:
            for reading in _of_rule(fields[nearest], asked.rule):
                below = path[len(nearest) :] if reading.copy else ()
                ref = Ref(reading.ref.binding, (*reading.ref.path, *below))
                copy = asked.copy and reading.copy
                yield from self._of(replace(reading, ref=ref, copy=copy), seen)
        if nearest:
            return
        for each, readings in fields.items():
            if each[: len(path)] == path and each != path:
                for reading in _of_rule(readings, asked.rule):
                    yield from self._of(replace(reading, copy=False), seen)


def _of_rule(readings: list[_Reading], rule: str) -> list[_Reading]:
    """What the same rule says, where it says something: that comes before what others say."""
    return [each for each in readings if each.rule == rule] or readings


def _joined(label: str, path: Path) -> str:
    text = label
    for key in path:
        text = text + key if key == ELEMENT else f"{text}.{key}" if text else key
    return text
