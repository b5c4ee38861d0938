"""Python expressions as they are put together: what is known of each, and the names, constants and
functions that a generated module needs for them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from engine.language.reads import LOOK, PLAIN, WHOLE
from engine.language.scope import Name, Ref, Scope


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression, the path it reads, and what is known of its value.

    ``simple``: cheap and free of effects, may be written twice. ``boolean``: always True or False.
    ``never_null``: never None. ``whole``: always a whole number. ``plain``: never a number, so that
    Python calls it true where JMESPath does. ``name``: it is just that name.
    ``test``: Python code that is true where JMESPath calls the value true, when there is a shorter
    one than the general.
    """

    text: str
    ref: Ref | None = None
    simple: bool = False
    boolean: bool = False
    never_null: bool = False
    whole: bool = False
    plain: bool = False
    getter: str | None = None
    keys: frozenset[str] | None = None
    always: frozenset[str] = frozenset()
    test: str | None = None
    name: Name | None = None
    word: str = ""


class Codes:
    """Hands out names for one generated module, collects its constants and functions, and notes
    what its expressions read."""

    def __init__(self) -> None:
        self.temps = itertools.count(1)
        self.constants: dict[str, Any] = {}
        # the functions that are named, by where they are found
        self.calls: dict[str, tuple[str, ...]] = {}
        self.notes: list[Ref] = []

    def temp(self, prefix: str = "t") -> str:
        """A Python name nobody else has."""
        return f"{prefix}{next(self.temps)}"

    def keep(self, value: Any, prefix: str = "c") -> str:
        """The name of a module constant with this value."""
        name = f"_{prefix}{next(self.temps)}"
        self.constants[name] = value
        return name

    def call(self, prefix: str, *found: str) -> str:
        """The name of a function nobody else names; ``found`` says where it is."""
        name = f"_{prefix}{next(self.temps)}"
        self.calls[name] = found
        return name

    def function(self, how: str, *found: str) -> str:
        """The name of a function as all name it; ``how``: in which of its forms."""
        word = f"_{how}_{found[1]}"
        self.calls[word] = found
        return word

    def bound(self, text: str) -> tuple[str, str]:
        """A name for a value, and the code that binds it, to be evaluated first."""
        if text.isidentifier():
            return text, text
        temp = self.temp()
        return temp, f"{temp} := {text}"

    # ---------------------------------------------------------------- what a value is used for

    def take(self, code: Code, scope: Scope) -> str:
        """The value is used as it is: all that is in it counts as read."""
        return self._note(code, scope, WHOLE)

    def plain(self, code: Code, scope: Scope) -> str:
        """The value is used as a text or a number: an object there would be of no use."""
        return self._note(code, scope, PLAIN)

    def look(self, code: Code, scope: Scope) -> str:
        """The value is only looked at (a condition, a loop): what is in it does not count as
        read."""
        return self._note(code, scope, LOOK)

    def _note(self, code: Code, scope: Scope, how: int) -> str:
        if code.ref is not None:
            if how == WHOLE and (code.ref.binding, code.ref.path) in scope.texts:
                how = LOOK
            code.ref.binding.read(code.ref.path, scope.branch, how)
            self.notes.append(code.ref)
        return code.text

    def truth(self, code: Code, scope: Scope) -> str:
        """Python code that is true where JMESPath calls the value true."""
        text = self.look(code, scope)
        return code.test or self._true(text, code)

    def tested(self, code: Code) -> str:
        """The same, where it is noted elsewhere what is read."""
        return code.test or self._true(code.text, code)

    def _true(self, text: str, code: Code) -> str:
        if code.boolean or code.plain:
            return text
        return f"({self.held(code, *self.bound(text))})"

    def held(self, code: Code, value: str, bound: str) -> str:
        """The test whether JMESPath calls a value true that ``bound`` gives the name ``value``."""
        # everything empty is false in both languages, but a zero only in Python
        if code.plain:
            return f"({bound})"
        return f"({bound}) is not None and ({value} or {value} == 0 and {value} is not False)"
