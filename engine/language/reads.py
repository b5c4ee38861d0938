"""What a mapping reads of each object: the knowledge behind losses, ``$rest`` and coverage.

A :class:`Binding` is one object a mapping looks into: a root, an element of a loop, a fragment's
argument. Each reading is noted with the branch (cases of ``$switch``) it stands in, so that a key
known only in another case counts as unread. A *tree* is what is known of an object: ``{key:
tree}``; ``None`` for what is taken whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Branch = tuple[tuple[int, int], ...]
Tree = dict[str, "Tree | None"]
Path = tuple[str, ...]
# what is read, where, and how
Reading = tuple[Path, Branch, int]

ELEMENT = "[]"
# Beside the keys of a tree: the value itself is looked at, so that one that is no object is read,
# too.
SELF = "\0"
# How: whether it is there is asked; it is taken for a text or a number, which holds nothing more;
# it is taken with all that is in it.
LOOK, PLAIN, WHOLE = 0, 1, 2
# In a tree that is being made: where nothing is known below, all is known.
_SHUT = "\1"


def settled(branch: Branch) -> Branch:
    """The cases of switches alone: *worlds*, which are conditions that hold for a whole document or
    do not, have numbers below nought."""
    return tuple(case for case in branch if case[0] > 0)


def together(one: Branch, other: Branch) -> bool:
    """Whether both can run for the same object: no switch in which they stand in different
    cases."""
    cases = dict(one)
    return all(cases.get(switch, case) == case for switch, case in other)


@dataclass(slots=True, eq=False)
class Binding:
    """One object under observation.

    ``var`` is its Python name, ``label`` what messages call it, ``trace`` Python code of its path
    in a traced run.
    ``checked``: what is unread of it is a loss. ``depth``, ``outer``: how many conditions and
    which switches it was made in; ``covering``: the switches that always run, ``relying``: those
    with a case that leaves the check to the end of the object. ``source``: for the element of a
    list, the object and the path of the list; ``elements``: the same from the other side.
    ``taken``: the objects inside whose rest a ``$rest`` of their own takes. ``loop``: how many
    loops it was made in; ``loops``: the same of every switch.
    """

    var: str
    label: str
    # what the mapping calls it
    word: str = ""
    readings: list[Reading] = field(default_factory=list)
    rests: list[Branch] = field(default_factory=list)
    taken: list[tuple[Path, Branch]] = field(default_factory=list)
    switches: set[int] = field(default_factory=set)
    trace: str = "None"
    checked: bool = True
    depth: int = 0
    covering: set[int] = field(default_factory=set)
    relying: set[int] = field(default_factory=set)
    outer: frozenset[int] = frozenset()
    loop: int = 0
    loops: dict[int, int] = field(default_factory=dict)
    # where paths known only at run time are looked up: there, and Python code of the paths
    looks: list[tuple[Path, Branch, str]] = field(default_factory=list)
    source: tuple[Binding, Path] | None = None
    # the variables of a stream: no document, so nothing of it is lost
    state: bool = False
    elements: list[tuple[Path, Binding]] = field(default_factory=list)
    # the branch that the loop stands in, as far as it is of that object
    within: Branch = ()

    def comes_from(self, list_of: Binding, path: Path, branch: Branch) -> None:
        """This is an element of the list at ``path``: both know what the other reads of it."""
        self.source = (list_of, path)
        list_of.elements.append((path, self))
        self.within = list_of._own(branch)

    def read(self, path: Path, branch: Branch, how: int) -> None:
        """Note that ``path`` is read here, and how."""
        branch = self._own(branch)
        self.readings.append((path, branch, how))
        self.switches.update(switch for switch, _ in branch)

    def look(self, path: Path, branch: Branch, paths: str) -> None:
        """Note that what ``paths`` (Python code) say is read below ``path`` here."""
        branch = self._own(branch)
        self.looks.append((path, branch, paths))
        self.switches.update(switch for switch, _ in branch)

    def _own(self, branch: Branch) -> Branch:
        """The cases that are the object's own: a switch in a loop below runs many times for this
        one object."""
        return tuple(case for case in branch if self.loops.get(case[0], 0) <= self.loop)

    def looked(self, branch: Branch, path: Path = ()) -> list[tuple[Path, str]]:
        """The looks below ``path`` where ``branch`` runs, from there on, each once."""
        found = self._all_looks()
        if self.source is not None:
            list_of, where = self.source
            start = (*where, ELEMENT)
            found += [
                (each[len(start) :], when, paths)
                for each, when, paths in list_of._all_looks()
                if each[: len(start)] == start
            ]
        return list(
            dict.fromkeys(
                (each[len(path) :], paths)
                for each, when, paths in found
                if each[: len(path)] == path and together(when, branch)
            )
        )

    def _all_looks(self) -> list[tuple[Path, Branch, str]]:
        """Own looks, and those of the loops over lists in it."""
        return self.looks + [
            ((*path, ELEMENT, *below), when, paths)
            for path, element in self.elements
            for below, when, paths in element._all_looks()
        ]

    def tree(self, branch: Branch, inherited: bool = True) -> Tree | None:
        """What is known of the object where ``branch`` runs; None when it is taken whole.

        ``inherited``: with what a filter or projection of the list it stands in looks at.
        """
        root: Tree = {}
        if not any(path for path, _, _ in self.readings):
            # nobody looks into it anywhere: it need not be an object
            root[SELF] = None
        readings, lists = self._reached() if inherited else (list(self.readings), [])
        lists += self._lists()
        reached = _beginnings(readings) if lists else set()
        for start, element in lists:
            if start in reached:
                more = [((*start, *below), where, how) for below, where, how in element.readings]
                more += [(start, where, WHOLE) for where in element.rests]
                readings += more
                reached |= _beginnings(more)
        runs: dict[Branch, int | None] = {}
        for path, where, how in readings:
            if where not in runs:
                runs[where] = _most(where, branch)
            most = runs[where]
            if most is None:
                continue
            how = min(how, most)
            if not path:
                if how == WHOLE:
                    return None
                root[SELF] = None
                if how == PLAIN:
                    root[_SHUT] = None
                continue
            at = root
            for key in path[:-1]:
                below = at.setdefault(key, {})
                if below is None:
                    break
                at = below
            else:
                if how == WHOLE:
                    at[path[-1]] = None
                elif (below := at.setdefault(path[-1], {})) is not None:
                    below[SELF] = None
                    if how == PLAIN:
                        below[_SHUT] = None
        for start, element in lists:
            if start[:-1] and together(settled(element.within), branch):
                _looped(root, start[:-1])
        known = _closed(root)
        if known is None:
            return None
        for path, where in self.taken:
            if together(where, branch):
                _take(known, path)
        return known

    def below(self, path: Path, branch: Branch) -> Tree | None:
        """What is known of the object at ``path``, where a ``$rest`` of its own asks."""
        inner = Binding(self.var, self.label)
        inner.readings = [
            (each[len(path) :], where, how)
            for each, where, how in self.readings
            if each[: len(path)] == path and (len(each) > len(path) or how == WHOLE)
        ]
        return inner.tree(branch)

    def _lists(self) -> list[tuple[Path, Binding]]:
        """The elements of loops over lists in it, and of loops over lists in these, each with its
        path."""
        found = []
        for path, element in self.elements:
            start = (*path, ELEMENT)
            found.append((start, element))
            found += [((*start, *below), inner) for below, inner in element._lists()]
        return found

    def _reached(self) -> tuple[list[Reading], list[tuple[Path, Binding]]]:
        """What is read of it: here, by a filter or projection of the list it stands in, and by
        other loops over that list; with the lists that those loop over."""
        readings, lists = list(self.readings), []
        if self.source is not None:
            list_of, path = self.source
            start = (*path, ELEMENT)
            above, beside = list_of._reached()
            readings += [
                (each[len(start) :], where, how)
                for each, where, how in above
                if len(each) > len(start) and each[: len(start)] == start
            ]
            lists += [
                (each[len(start) :], element)
                for each, element in beside
                if len(each) > len(start) and each[: len(start)] == start
            ]
            for there, other in list_of.elements:
                if there == path and other is not self:
                    # what another loop takes whole, or reads in a case, is of elements it is about
                    readings += [
                        each
                        for each in other.readings
                        if each[0] and all(switch in other.outer for switch, _ in settled(each[1]))
                    ]
                    lists += other._lists()
        return readings, lists

    def same(self, branch: Branch) -> bool:
        """Whether the last case of ``branch`` knows what is known without it.

        ``$rest`` in a case is a difference.
        """
        known = {number for number, _ in branch}
        if unknown := self.worlds() - known:
            # what is taken whole in one world hides what is told apart in the other
            world = max(unknown)
            worlds = ((*branch[:-1], (world, holds), branch[-1]) for holds in (1, 0))
            return all(self.same(each) for each in worlds)
        switch = branch[-1][0]
        if any(switch == each for where in self.rests for each, _ in where):
            return False
        if self.looked(branch) != self.looked(branch[:-1]):
            return False
        return self.tree(branch) == self.tree(branch[:-1])

    def rested(self, branch: Branch) -> Branch | None:
        """Where the ``$rest`` stands that takes what is unread where ``branch`` runs, if there is
        one."""
        found = (settled(where) for where in self.rests)
        return max((each for each in found if set(each) <= set(branch)), key=len, default=None)

    def worlds(self) -> set[int]:
        """The worlds that its readings are of."""
        readings, lists = self._reached()
        readings += [each for _, element in lists + self._lists() for each in element.readings]
        return {number for _, where, _ in readings for number, _ in where if number < 0}


def _beginnings(readings: list[Reading]) -> set[Path]:
    """The paths that are read, and those on the way to them."""
    paths = {path for path, _, _ in readings}
    return {path[:length] for path in paths for length in range(len(path) + 1)}


def _most(where: Branch, branch: Branch) -> int | None:
    """How a reading counts at most that stands somewhere, where ``branch`` runs; None: not at
    all."""
    if together(where, branch):
        return WHOLE
    # it is known, though nobody takes it in this world
    return PLAIN if together(settled(where), branch) else None


def _looped(tree: Tree, path: Path) -> None:
    """What is in the elements of the list at ``path`` is for a loop to tell."""
    at: Tree | None = tree
    for key in path:
        at = at.get(key) if at else None
    if at:
        at.setdefault(ELEMENT, None)


def _closed(tree: Tree) -> Tree | None:
    """The tree without the marks of its making; None where all is known: lists that loops run over,
    which tell what is unread of their elements, and what is no object."""
    if tree.keys() == {SELF, ELEMENT} and tree[ELEMENT] is None:
        return None
    if _SHUT in tree and tree.keys() <= {SELF, ELEMENT, _SHUT} and not tree.get(ELEMENT):
        return None
    return {
        key: None if below is None else _closed(below)
        for key, below in tree.items()
        if key != _SHUT
    }


def _take(tree: Tree, path: Path) -> None:
    """What is at ``path`` is all known."""
    at = tree
    for key in path[:-1]:
        below = at.setdefault(key, {})
        if below is None:
            return
        at = below
    at[path[-1]] = None
