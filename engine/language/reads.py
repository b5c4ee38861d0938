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

ELEMENT = "[]"
# Beside the keys of a tree: the value itself is looked at, so that one that is no object is read,
# too.
SELF = "\0"


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
    readings: list[tuple[Path, Branch, bool]] = field(default_factory=list)
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
    elements: list[tuple[Path, Binding]] = field(default_factory=list)

    def comes_from(self, list_of: Binding, path: Path) -> None:
        """This is an element of the list at ``path``: both know what the other reads of it."""
        self.source = (list_of, path)
        list_of.elements.append((path, self))

    def read(self, path: Path, branch: Branch, whole: bool) -> None:
        """Note that ``path`` is read here; ``whole``: with all that is in it."""
        # a switch in a loop below runs many times for this one object: none of its cases is the
        # object's
        branch = tuple(case for case in branch if self.loops.get(case[0], 0) <= self.loop)
        self.readings.append((path, branch, whole))
        self.switches.update(switch for switch, _ in branch)

    def look(self, path: Path, branch: Branch, paths: str) -> None:
        """Note that what ``paths`` (Python code) say is read below ``path`` here."""
        branch = tuple(case for case in branch if self.loops.get(case[0], 0) <= self.loop)
        self.looks.append((path, branch, paths))
        self.switches.update(switch for switch, _ in branch)

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
        readings = self._of_elements()
        if inherited and self.source is not None:
            readings += self._of_source(*self.source)
        for path, where, whole in readings:
            if not together(where, branch):
                continue
            if not path:
                if whole:
                    return None
                root[SELF] = None
                continue
            at = root
            for key in path[:-1]:
                below = at.setdefault(key, {})
                if below is None:
                    break
                at = below
            else:
                if whole:
                    at[path[-1]] = None
                elif (below := at.setdefault(path[-1], {})) is not None:
                    below[SELF] = None
        known = _closed(root)
        for path, where in self.taken:
            if together(where, branch):
                _take(known, path)
        return known

    def below(self, path: Path, branch: Branch) -> Tree | None:
        """What is known of the object at ``path``, where a ``$rest`` of its own asks."""
        inner = Binding(self.var, self.label)
        inner.readings = [
            (each[len(path) :], where, whole)
            for each, where, whole in self.readings
            if each[: len(path)] == path and (len(each) > len(path) or whole)
        ]
        return inner.tree(branch)

    def _of_elements(self) -> list[tuple[Path, Branch, bool]]:
        """Own readings, and those of the loops over lists whose elements are looked at here,
        too."""
        found = list(self.readings)
        for path, element in self.elements:
            start = (*path, ELEMENT)
            if any(each[: len(start)] == start for each, _, _ in self.readings):
                found += [
                    ((*start, *below), where, whole)
                    for below, where, whole in element._of_elements()
                ]
                if element.rests:
                    found.append((start, (), True))
        return found

    def _of_source(self, list_of: Binding, path: Path) -> list[tuple[Path, Branch, bool]]:
        """What a filter looks at in the elements, and what other loops over the same list read."""
        start = (*path, ELEMENT)
        found = [
            (each[len(start) :], where, whole)
            for each, where, whole in list_of.readings
            if len(each) > len(start) and each[: len(start)] == start
        ]
        for where_it_is, other in list_of.elements:
            if where_it_is == path and other is not self:
                # what another loop takes whole, or reads in a case, is of elements it is about
                found += [
                    each
                    for each in other.readings
                    if each[0] and all(switch in other.outer for switch, _ in each[1])
                ]
        return found

    def same(self, branch: Branch) -> bool:
        """Whether the last case of ``branch`` knows what is known without it.

        ``$rest`` in a case is a difference.
        """
        switch = branch[-1][0]
        if any(switch == each for where in self.rests for each, _ in where):
            return False
        if self.looked(branch) != self.looked(branch[:-1]):
            return False
        return self.tree(branch) == self.tree(branch[:-1])

    def rested(self, branch: Branch) -> bool:
        """Whether a ``$rest`` takes what is unread where ``branch`` runs."""
        return any(set(where) <= set(branch) for where in self.rests)


def _closed(tree: Tree) -> Tree:
    """Keys that are only looked at, with nothing known below them, count as taken whole."""
    return {
        key: _closed(below) if below and below.keys() != {SELF} else None
        for key, below in tree.items()
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
