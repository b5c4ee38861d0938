"""What every step of compiling writes down: mistakes, rules, the paths that were read, losses,
refusals."""

from __future__ import annotations

import itertools
import re

from engine.errors import MappingError
from engine.language.codes import Code
from engine.language.expressions import Expressions
from engine.language.lines import Lines
from engine.language.lost import joined
from engine.language.reads import ELEMENT, Binding
from engine.language.results import Library, Rule, scalar_text
from engine.language.scope import Ref, Scope
from engine.language.source import Node, Pos, Scalar
from engine.language.sources import Sources
from engine.language.syntax import ExpressionError, meant


class Recorder:
    """Collects generated lines, the rules they name, and the mistakes of the mapping.

    ``traced``: the code records where everything came from. ``static``: losses are told with
    static paths at once (streams).
    """

    def __init__(self, library: Library, traced: bool = False, static: bool = False) -> None:
        self.library = library
        self.traced = traced
        self.static = static
        self.problems: list[tuple[str, int, int, str]] = []
        self.rules: list[Rule] = []
        self.expr = Expressions()
        self.out = Lines()
        # the document itself: of what stands in it at once, losses are told whole
        self.document: Binding | None = None
        self.sources = Sources()
        # rules about what came by the state, with what that is
        self.kept: dict[int, Ref] = {}
        # of a stream: rules about what nothing reads of objects that rules made, with the object;
        # what a traced run reads of such objects, by its number
        self.unread: dict[int, Binding] = {}
        self.made_of: list[Ref] = []

    # ---------------------------------------------------------------- mistakes

    def problem(self, pos: Pos, message: str) -> None:
        """Note a mistake; compiling goes on, so that all of a file are told at once."""
        found = (pos.source.name, pos.line, pos.column, pos.problem(message))
        if found not in self.problems:
            self.problems.append(found)

    def finish(self) -> None:
        """Raise MappingError when there were mistakes."""
        if self.problems:
            raise MappingError([text for *_, text in sorted(self.problems)])

    def rule(self, pos: Pos, kind: str, reason: str, path: str = "") -> int:
        """The number of a rule in the generated code."""
        self.rules.append(Rule(str(pos), kind, reason, path))
        return len(self.rules) - 1

    # ---------------------------------------------------------------- expressions

    def expression(
        self, node: Node | None, scope: Scope, what: str = "an expression", asked: bool = False
    ) -> Code:
        """An argument that is an expression, with or without ``=``."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            if isinstance(node, Scalar) and node.value is not None:
                return Code(repr(node.value), simple=True, never_null=True)
            if node is not None:
                self.problem(node.pos, f"{what} is wanted here, like request.turns")
            return Code("None", simple=True)
        return self._expression(node, node.value, scope, asked)

    def _expression(self, node: Scalar, text: str, scope: Scope, asked: bool = False) -> Code:
        lead = 0 if node.plain else 1
        body = text
        if body.startswith("="):
            lead += 1 + len(body[1:]) - len(body[1:].lstrip())
            body = body[1:].strip()
        try:
            return self.expr.expression(body, scope, asked)
        except ExpressionError as error:
            source, line = node.pos.source, node.pos.line
            place = Pos(source, line, node.pos.column + lead + error.offset)
            hint = ""
            if node.plain and f"{text} #" in source.lines[line - 1]:
                hint = "; a # after a blank begins a comment, so quote the formula"
            self.problem(place if "\n" not in text else node.pos, error.message + hint)
            return Code("None", simple=True)

    def world(self, node: Node, scope: Scope) -> tuple[int, int] | None:
        """The world that an expression asks for."""
        text = scalar_text(node)
        try:
            return self.expr.world(meant(text.removeprefix("=").strip()), scope) if text else None
        except ExpressionError:  # told where it was compiled
            return None

    def given(self, node: Node, scope: Scope) -> Scope:
        """The scope where a condition holds."""
        text = scalar_text(node)
        try:
            told = self.expr.told_by(meant(text.removeprefix("=").strip()), scope) if text else None
        except ExpressionError:  # told where it was compiled
            return scope
        return scope.given(*told) if told is not None else scope

    def condition(self, node: Node | None, scope: Scope) -> str:
        """Python code that is true when the expression is."""
        return self.expr.truth(self.expression(node, scope, "a condition", asked=True), scope)

    # ---------------------------------------------------------------- tracing

    def paths(self, mark: int) -> str:
        """Python code of the paths read since ``mark``, as further arguments."""
        seen: list[str] = []
        for ref in self.expr.notes[mark:]:
            text = self.path(ref)
            if text != "None" and text not in seen:
                seen.append(text)
        return "".join(f", {text}" for text in seen)

    def path(self, ref: Ref | None) -> str:
        """Python code of the path of a value in the document read."""
        if ref is None or ref.binding.trace == "None":
            return "None"
        if ref.binding.state:
            return f"T.state({'.'.join(ref.path)!r}, KEPT)" if ref.path else "None"
        if ref.path and ref.binding is self.document:
            return repr(joined(ref.shown))
        path = f"T.p({ref.binding.trace}, {ref.shown!r})" if ref.path else ref.binding.trace
        if not self.static or not self.sources.named(ref.binding):
            return path
        self.made_of.append(ref)
        return f"T.known({path}, '{len(self.made_of)}', KEPT)"

    def static_path(self, ref: Ref | None) -> str:
        """The path of a value without positions, for losses told at once."""
        if ref is None or ref.binding.state:
            return ""
        text = ref.binding.label
        for key in ref.path:
            text = text + key if key == ELEMENT else f"{text}.{key}" if text else key
        return text

    def seen(self, mark: int) -> bool:
        """Whether anything of a document was read since ``mark``."""
        return any(not ref.binding.state for ref in self.expr.notes[mark:])

    def first_path(self, mark: int) -> str:
        """Static path of the first reading since ``mark``."""
        notes = self.expr.notes[mark:]
        return self.static_path(notes[0]) if notes else ""

    def note(self, pos: Pos, how: str, mark: int) -> None:
        """Note what the value just made was read from; a traced run says so."""
        self.sources.read(self.expr.notes[mark:], how == "copy")
        if self.traced:
            number = self.rule(pos, "note", "")
            self.out.add(f"T.note({number}, {how!r}{self.paths(mark)})")

    def conditional(self, mark: int) -> None:
        """In a traced run: say what the condition of the values that follow was read from."""
        paths = self.paths(mark) if self.traced else ""
        if paths:
            self.out.add(f"T.when({paths.removeprefix(', ')})")

    def lose(self, pos: Pos, kind: str, reason: str, mark: int, text: str | None = None) -> None:
        """A line that records a loss; ``text`` is Python code of a reason made at run time."""
        static = re.sub(r"\{\{.*?\}\}", "…", reason)
        number = self.rule(pos, kind, static, self.first_path(mark))
        for ref in self.expr.notes[mark : mark + 1]:
            self.kept[number] = ref
        if self.static:
            # losses of streams are counted in a traced run, too
            self.out.add(f"L.append({number})")
        elif self.traced:
            said = text or repr(reason)
            self.out.add(f"T.loss({number}, {kind!r}, {said}{self.paths(mark)})")
        elif (paths := self._certain(mark)) is not None:
            self.out.add(f"L.told({number}, {text}, {paths!r})")
        elif places := self._within(mark):
            self.out.add(f"L.among({number}, {text}, {', '.join(places)})")
        else:
            self.out.add(f"L.append({number})")

    def _certain(self, mark: int) -> tuple[str, ...] | None:
        """The paths read since ``mark``, where all are the document's own."""
        refs = self.expr.notes[mark:]
        if any(ref.binding is not self.document for ref in refs):
            return None
        return tuple(dict.fromkeys(joined(ref.shown) for ref in refs))

    def _within(self, mark: int) -> list[str]:
        """Python code of the objects and paths read since ``mark``; nothing where one is no
        object's."""
        refs = self.expr.notes[mark:]
        if any(ref.binding.state for ref in refs):
            return []
        # whichever elements they are: the list stands for them
        known = ((ref, itertools.takewhile(lambda key: key != ELEMENT, ref.shown)) for ref in refs)
        places = [f"({ref.binding.var}, {joined(keys)!r})" for ref, keys in known]
        return list(dict.fromkeys(places))

    def refuse(self, pos: Pos, text: str, mark: int, status: int = 400) -> str:
        """Python statement that refuses the document; ``text`` is Python code of the sentence."""
        static = self.first_path(mark)
        number = self.rule(pos, "rejected", "", static)
        where = (
            self.first_code(mark) if self.traced else repr(static or None) if self.static else None
        )
        return f"raise Refusal({number}, {text}, {status}, {where})"

    def first_code(self, mark: int) -> str:
        """Python code of the path first read since ``mark``."""
        notes = self.expr.notes[mark:]
        return self.path(notes[0]) if notes else "None"

    def mark(self) -> str:
        """In a traced run: the name of a mark for ``T.at``."""
        name = self.expr.temp("m")
        self.out.add(f"{name} = T.mark()")
        return name

    def made(self, target: str, key: str, mark: str, pos: Pos) -> None:
        """In a traced run: what was noted since ``mark`` made this key of a result."""
        if self.traced:
            number = self.rule(pos, "note", "")
            self.out.add(f"T.at({target}, {key}, {mark}, {number})")

    def unmade(self, text: str, mark: str) -> None:
        """In a traced run: where the value is absent, what was noted since ``mark`` came to
        nothing."""
        if self.traced:
            self.out.add(f"if {text} is None: T.forget({mark})")
