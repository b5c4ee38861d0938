"""Names in force at one place of a mapping."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.language.reads import Binding, Branch, Path


@dataclass(frozen=True, slots=True)
class Ref:
    """A value that is a plain path into an observed object.

    ``shown``: the path as people read it, with the positions that the mapping itself names.
    """

    binding: Binding
    path: Path = ()
    shown: Path = ()

    def down(self, key: str, shown: str | None = None) -> Ref:
        """The same path one key further."""
        return Ref(self.binding, (*self.path, key), (*self.shown, shown or key))


@dataclass(frozen=True, slots=True)
class Name:
    """What a name stands for: Python code, the path it reads (if any), the Python name of its
    trace path.

    ``getter`` is Python code of a ``dict.get`` bound to it (safe on any value); ``keys`` the only
    keys allowed below.
    ``whole``: always a whole number. ``plain``: never a number. ``world``: it is true in that world
    only (:func:`engine.language.reads.settled`).
    """

    code: str
    ref: Ref | None = None
    getter: str | None = None
    keys: frozenset[str] | None = None
    always: frozenset[str] = frozenset()
    trace: str = "None"
    whole: bool = False
    plain: bool = False
    world: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Immutable: each directive that binds names makes a new one."""

    names: dict[str, Name]
    branch: Branch = ()
    # what is known to be a text here
    texts: frozenset[tuple[Binding, Path]] = frozenset()

    def bind(self, **names: Name) -> Scope:
        """With these names over the present ones."""
        return replace(self, names={**self.names, **names})

    def given(self, worlds: Branch, texts: frozenset[tuple[Binding, Path]]) -> Scope:
        """Where a condition holds."""
        if not worlds and not texts:
            return self
        return replace(self, branch=(*self.branch, *worlds), texts=self.texts | texts)

    def case(self, switch: int, case: int) -> Scope:
        """Inside one case of a switch."""
        return replace(self, branch=(*self.branch, (switch, case)))
