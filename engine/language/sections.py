"""A compiled section of a mapping file: one half of requests, responses or errors.

:class:`Section` runs the Python function that was generated from it. Errors inside generated code
are told with the place in the mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.errors import Defect
from engine.language.lost import SOURCES, Lost, Said, Sources
from engine.language.places import some_places
from engine.language.programs import Program
from engine.language.results import Rule
from engine.language.roots import ASKED, Asked
from engine.language.runtime import ENDS, EVALUATION_ERRORS, Refusal
from engine.language.scope import Name
from engine.language.trace import Trace, TracedLoss, untold


@dataclass(frozen=True, slots=True)
class Forms:
    """Where the programs of a section come from: the general one, the same with tracing, and the
    quick one, which is made of the general one where it is not there and that is given."""

    plain: Callable[[], Program]
    traced: Callable[[], Program]
    quick: Callable[[Program | None], Program | None]
    # whether one of them (plain, traced, quick) is kept: fetching it takes no time worth saving
    kept: Callable[[str], bool] = lambda form: False


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


class Served:
    """The programs of a half, fetched when they are first needed."""

    def __init__(self, label: str, forms: Forms) -> None:
        self.label = label
        self._forms = forms

    @cached_property
    def program(self) -> Program:
        """What serves."""
        return self._forms.plain()

    @cached_property
    def traced(self) -> Program:
        """The same half compiled with tracing."""
        return self._forms.traced()

    def asks(self, name: str) -> frozenset[str] | None:
        """The keys that are read of a free root; None where there is no telling which."""
        found: Asked = self.program.constants[ASKED]
        return found[name]

    def kept(self, form: str) -> bool:
        """Whether a form (plain, traced, quick) is kept for other processes, too."""
        return self._forms.kept(form)

    def ready(self) -> None:
        """Make what serves, so that whoever needs it first does not wait."""
        self._hold("plain", "program", self._forms.plain)

    def _hold(self, form: str, name: str, make: Callable[[], Program]) -> None:
        """Make a program where it is not kept; what is kept takes no memory until it is needed."""
        if name in self.__dict__ or self._forms.kept(form):
            return
        made = make()
        if not self._forms.kept(form):
            self.__dict__[name] = made


class Section(Served):
    """One half: ``run`` for serving, ``trace`` for telling what happened."""

    def __init__(self, label: str, forms: Forms) -> None:
        super().__init__(label, forms)
        # the form that serves, once it is known which
        self._serves: Callable[..., Any] = self._first

    def _first(self, *given: Any) -> Any:
        self._serves = self._quick or self._main
        return self._serves(*given)

    @cached_property
    def _main(self) -> Callable[..., Any]:
        main: Callable[..., Any] = self.program.names["main"]
        return main

    @cached_property
    def _quick(self) -> Callable[..., Any] | None:
        program = self._forms.quick(None)
        return program.names["main"] if program is not None else None

    def quicken(self) -> None:
        """Make the quick form, where there is something to be made."""
        made = None
        if not self._forms.kept("quick"):
            made = self._forms.quick(self.__dict__.get("program") or self._forms.plain())
        if self._forms.kept("quick"):
            # it is fetched when it is needed, whoever looked for it before
            self.__dict__.pop("_quick", None)
        else:
            self._quick = made.names["main"] if made is not None else None
        self._serves = self._first

    def prepare(self) -> None:
        """Make what tracing needs."""
        self._hold("traced", "traced", self._forms.traced)

    def run(self, *given: Any) -> tuple[Any, Lost]:
        """The result, and what was lost. ``given``: the document and the roots. Raises Refusal (its
        path unknown) and Defect."""
        losses = Lost()
        try:
            try:
                return self._serves(*given, losses), losses
            except ENDS:
                # of the quick form; the general one comes to them again
                losses = Lost()
            return self._main(*given, losses), losses
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
            result = self.traced.names["main"](document, *roots, [], trace)
        except Refusal:
            raise
        except EVALUATION_ERRORS as error:
            raise self._refused(self.traced, error) from None
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise self._refused(self.traced, error) from error
        trace.settle()
        return result, trace

    def told(self, lost: Sequence[Said], document: Any) -> list[TracedLoss] | None:
        """What a run over this document lost, as a traced one tells it; None where only that
        can."""
        rules, found = self.program.rules, []
        if any(said.path is None for said in lost):
            return None
        within = [said.within for said in lost if said.within is not None]
        known = some_places(document, within) if within else {}
        for said in lost:
            path = said.path or ""
            if said.within is not None:
                above = known.get(id(said.within))
                if above is None:
                    return None
                path = f"{above}{path}" if path[:1] in ("", "[") or not above else f"{above}.{path}"
            rule = rules[said.rule]
            reason = rule.reason if said.reason is None else said.reason
            found.append(TracedLoss(path, reason, said.rule, rule.kind))
        return untold(found)

    @property
    def sources(self) -> Sources:
        """Where fields are copied from, as far as that is known beforehand."""
        found: Sources = self.program.names[SOURCES]
        return found

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
