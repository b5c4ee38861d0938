"""What a mapping reads of each object: the knowledge behind losses, ``$rest`` and coverage.

A :class:`Binding` is one object a mapping looks into: a root, an element of a loop, a fragment's argument. Each
reading is noted with the branch (cases of ``$switch``) it stands in, so that a key known only in another case counts
as unread. A *tree* is what is known of an object: ``{key: tree}``; ``None`` for what is taken whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Branch = tuple[tuple[int, int], ...]
Tree = dict[str, "Tree | None"]
Path = tuple[str, ...]

ELEMENT = "[]"


def together(one: Branch, other: Branch) -> bool:
    """Whether both can run for the same object: no switch in which they stand in different cases."""
    cases = dict(one)
    return all(cases.get(switch, case) == case for switch, case in other)


@dataclass(slots=True, eq=False)
class Binding:
    """One object under observation.

    ``var`` is its Python name, ``label`` what messages call it, ``trace`` Python code of its path in a traced run.
    ``checked``: what is unread of it is a loss. ``depth``, ``outer``: how many conditions and which switches it was
    made in; ``covered``: some switch that always runs does the check in each of its cases.
    """

    var: str
    label: str
    readings: list[tuple[Path, Branch, bool]] = field(default_factory=list)
    rests: list[Branch] = field(default_factory=list)
    switches: set[int] = field(default_factory=set)
    trace: str = "None"
    checked: bool = True
    depth: int = 0
    covered: bool = False
    outer: frozenset[int] = frozenset()

    def read(self, path: Path, branch: Branch, whole: bool) -> None:
        """Note that ``path`` is read here; ``whole``: with all that is in it."""
        self.readings.append((path, branch, whole))
        self.switches.update(switch for switch, _ in branch)

    def tree(self, branch: Branch) -> Tree | None:
        """What is known of the object where ``branch`` runs; None when it is taken whole."""
        root: Tree = {}
        for path, where, whole in self.readings:
            if not together(where, branch):
                continue
            if not path:
                if whole:
                    return None
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
                else:
                    at.setdefault(path[-1], {})
        return _closed(root)

    def rested(self, branch: Branch) -> bool:
        """Whether a ``$rest`` takes what is unread where ``branch`` runs."""
        return any(set(where) <= set(branch) for where in self.rests)


def _closed(tree: Tree) -> Tree:
    """Keys that are only looked at, with nothing known below them, count as taken whole."""
    return {key: _closed(below) if below else None for key, below in tree.items()}
