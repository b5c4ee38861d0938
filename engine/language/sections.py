"""A compiled section of a mapping file: one half of requests, responses or errors.

:class:`Section` runs the Python function that was generated from it. Errors inside generated code
are told with the place in the mapping.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.errors import Defect
from engine.language.programs import Program
from engine.language.results import Rule
from engine.language.runtime import EVALUATION_ERRORS, Refusal
from engine.language.scope import Name
from engine.language.trace import Trace

# Gives the program of a section, or of its traced form.
Make = Callable[[bool], Program]


@dataclass(frozen=True, slots=True)
class Roots:
    """The names a section may start from: the document's own, free ones, and those with known
    keys."""

    document: str
    free: tuple[str, ...] = ()
    closed: tuple[tuple[str, frozenset[str]], ...] = ()

    @property
    def parameters(self) -> list[str]:
        """The parameters of the generated function, after the document."""
        return [*self.free, *(name for name, _ in self.closed)]

    def names(self) -> dict[str, Name]:
        """Scope entries for all but the document."""
        found = {name: Name(name) for name in self.free}
        for name, keys in self.closed:
            found[name] = Name(name, keys=keys or None, always=keys)
        return found


class Section:
    """One half: ``run`` for serving, ``trace`` for telling what happened. Both programs are had
    from ``make`` when they are first needed."""

    def __init__(self, label: str, make: Make) -> None:
        self.label = label
        self._make = make

    @cached_property
    def program(self) -> Program:
        """What serves."""
        return self._make(False)

    @cached_property
    def traced(self) -> Program:
        """The same section compiled with tracing."""
        return self._make(True)

    @cached_property
    def _main(self) -> Callable[..., Any]:
        main: Callable[..., Any] = self.program.names["main"]
        return main

    def run(self, document: Any, *roots: Any) -> tuple[Any, bool]:
        """The result, and whether anything was lost. Raises Refusal (its path unknown) and
        Defect."""
        losses: list[int] = []
        try:
            return self._main(document, *roots, losses), bool(losses)
        except Refusal:
            raise
        except EVALUATION_ERRORS as error:
            raise self._refused(self.program, error) from None
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._refused(self.program, error) from error

    def trace(self, document: Any, *roots: Any) -> tuple[Any, Trace]:
        """The result and the records of how it came about. Raises Refusal with its path."""
        trace = Trace(document)
        try:
            return self.traced.names["main"](document, *roots, [], trace), trace
        except Refusal:
            raise
        except EVALUATION_ERRORS as error:
            raise self._refused(self.traced, error) from None
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._refused(self.traced, error) from error

    def rule(self, number: int, traced: bool = False) -> Rule:
        """A rule by its number in the generated code."""
        return (self.traced if traced else self.program).rules[number]

    def _refused(self, program: Program, error: Exception) -> Exception:
        place = program.place(error)
        if isinstance(error, EVALUATION_ERRORS):
            refusal = Refusal(-1, f"cannot be read ({told(error)}) at {place}", 400, None)
            return refusal
        return Defect(f"{place or program.label}: {type(error).__name__}")


def told(error: BaseException) -> str:
    """An evaluation error without the value it was about."""
    name = getattr(error, "function_name", None) or getattr(error, "name", None)
    return f"wrong type for {name}()" if name else type(error).__name__
