"""Generated Python that is ready to run, and its form as plain data, in which it is kept.

A program is a code object, the constants it names, and *calls*: the functions it names, each told
by where it is found (``("stock", "length")``), so that all of it but the functions is data.
"""

from __future__ import annotations

import linecache
import marshal
import traceback
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

from engine.language.functions import FUNCTIONS, stock
from engine.language.results import Rule
from engine.language.runtime import HELPERS

# Where a function is found: "stock" and its name; "function", its name and the attribute of its
# declaration; "template" and its text; "profile", its name and the method.
Call = tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """Generated Python: ``names`` are its globals; ``label`` stands in tracebacks for a file."""

    label: str
    code: CodeType
    constants: dict[str, Any]
    calls: dict[str, Call]
    # by the name of an object the keys that most have at most
    usual: dict[str, frozenset[str]]
    told: tuple[tuple[str, str, str, str], ...]
    names: dict[str, Any]
    # text and the mapping place of each line, for people: seldom looked at, so packed
    _shown: bytes

    @classmethod
    def made(
        cls,
        label: str,
        code: CodeType,
        constants: dict[str, Any],
        calls: dict[str, Call],
        usual: dict[str, frozenset[str]],
        rules: list[Rule],
        shown: tuple[str, list[str | None]],
        profiles: Mapping[str, Any] | None,
    ) -> Program:
        """A program from its parts; ``shown`` is its text and the mapping place of each line."""
        told = tuple((rule.place, rule.kind, rule.reason, rule.path) for rule in rules)
        packed = zlib.compress(marshal.dumps(shown), 1)
        return cls._ready(profiles, label, code, constants, calls, usual, told, packed)

    @classmethod
    def of(cls, data: tuple[Any, ...], profiles: Mapping[str, Any] | None) -> Program:
        """A program from its plain data."""
        return cls._ready(profiles, *data)

    @classmethod
    def _ready(
        cls,
        profiles: Mapping[str, Any] | None,
        label: str,
        code: CodeType,
        constants: dict[str, Any],
        calls: dict[str, Call],
        usual: dict[str, frozenset[str]],
        told: tuple[tuple[str, str, str, str], ...],
        shown: bytes,
    ) -> Program:
        names = namespace(constants, calls, profiles)
        exec(code, names)
        program = cls(label, code, constants, calls, usual, told, names, shown)
        # tracebacks ask for the text when they are printed
        linecache.cache[label] = (lambda: program.source,)
        return program

    def data(self) -> tuple[Any, ...]:
        """What :meth:`of` takes: text, numbers, tuples, lists, dicts, sets and a code object."""
        kept = (self.label, self.code, self.constants, self.calls, self.usual)
        return (*kept, self.told, self._shown)

    def quick(self, profiles: Mapping[str, Any] | None) -> Program | None:
        """The quick form; None when nothing is said of what is usual. Its lines and rules are those
        of this one, so either tells for the other."""
        if not self.usual:
            return None
        # what folds is needed once for each file
        from engine.language.quick import quick_tree
        from engine.language.slots import share
        from engine.language.statements import copied

        tree, tested = quick_tree(self.source, self.names, self.usual)
        constants = {**self.constants, **tested}
        code = compile(share(copied(tree)), self.label, "exec")
        return Program._ready(
            profiles, self.label, code, constants, self.calls, {}, self.told, self._shown
        )

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules by the numbers that the code knows them by."""
        return tuple(Rule(*each) for each in self.told)

    @property
    def source(self) -> str:
        """The Python text."""
        return str(self._unpacked()[0])

    def place(self, error: BaseException) -> str | None:
        """The place in the mapping where an error came up."""
        found = None
        places = self._unpacked()[1]
        for frame, number in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename == self.label and number <= len(places):
                found = places[number - 1] or found
        return found

    def _unpacked(self) -> tuple[str, list[str | None]]:
        shown: tuple[str, list[str | None]] = marshal.loads(zlib.decompress(self._shown))
        return shown


def namespace(
    constants: Mapping[str, Any], calls: Mapping[str, Call], profiles: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The globals that generated code runs with."""
    found = {name: _found(call, profiles) for name, call in calls.items()}
    return {**HELPERS, **constants, **found}


def _found(call: Call, profiles: Mapping[str, Any] | None) -> Callable[..., Any]:
    kind, name, *more = call
    if kind == "stock":
        return stock(name)
    if kind == "template":
        return _template(name)
    owner: Any = FUNCTIONS[name] if kind == "function" else (profiles or {})[name]
    found: Callable[..., Any] = getattr(owner, more[0])
    return found


def _template(text: str) -> Callable[[dict[str, Any]], str]:
    """The renderer of a template, made when it is first asked for: few documents need one."""
    made: list[Callable[[dict[str, Any]], str]] = []

    def render(values: dict[str, Any]) -> str:
        if not made:
            from engine.language.templates import renderer

            made.append(renderer(text))
        return made[0](values)

    return render
