"""From a mapping tree to a program: the lines that were generated, put together and compiled."""

from __future__ import annotations

import ast

from engine.errors import Defect
from engine.language.compiler import Compiler
from engine.language.lines import Lines
from engine.language.lost import SOURCES, sources
from engine.language.programs import Program
from engine.language.results import Library
from engine.language.roots import ASKED, asked
from engine.language.scope import Scope
from engine.language.sections import Forms, Roots, Section
from engine.language.slots import share
from engine.language.source import Node, Pos


def assemble(label: str, compiler: Compiler, blocks: list[Lines]) -> Program:
    """Compile the collected blocks. Raises MappingError when the compiler noted mistakes."""
    texts: list[str] = []
    places: list[Pos | None] = []
    for block in [*compiler.functions, *blocks]:
        lines, where = block.render()
        texts += [*lines, ""]
        places += [*where, None]
    for word, (pos, _) in compiler.library.usual.items():
        if compiler.checking and word not in compiler.met:
            compiler.problem(pos, f"usual tells of {word}, but no rule looks into such an object")
    compiler.finish()
    source = "\n".join(texts) + "\n"
    try:
        code = compile(source if compiler.traced else share(ast.parse(source)), label, "exec")
    except SyntaxError as error:
        # what Python itself has bounds for: loops in loops, levels of indentation
        place = places[(error.lineno or 1) - 1]
        if place is None:
            raise Defect(f"{label}: {error.msg}") from error
        place.error(f"too much inside each other ({error.msg}); move a part to a fragment")
    told = {pos: str(pos) for pos in dict.fromkeys(places) if pos is not None}
    shown = (source, [told[pos] if pos is not None else None for pos in places])
    made = compiler.expr
    profiles = compiler.library.profiles
    usual = {} if compiler.traced else compiler.usual
    return Program.made(
        label, code, made.constants, made.calls, usual, compiler.rules, shown, profiles
    )


def section_program(
    label: str, node: Node, library: Library, roots: Roots, whole: bool, traced: bool
) -> Program:
    """The program of a section. ``whole``: it is there for all of its document, so that what
    nothing reads of it is a loss. Raises MappingError."""
    compiler = Compiler(library, traced=traced)
    compiler.checking = whole
    root = roots.document
    binding = compiler.observe(root, "", Scope({}), "''" if traced else "None")
    binding.word = root
    compiler.document = binding
    if not traced:
        compiler.expr.constants[SOURCES] = sources(node, root, library.word)
    names = roots.names()
    heads = [root, *roots.parameters, "L", *(["T"] if traced else [])]
    with compiler.out.indented(f"def main({', '.join(heads)}):"):
        names[root] = compiler.named(binding)
        compiler.roots(names)
        scope = Scope(names)
        compiler.rarely(scope, roots.free)
        with compiler.watching(binding, scope, node.pos):
            val = compiler.node(node, scope)
            result = compiler.stable(val)
        compiler.out.add(f"return {compiler.written(val, result)}")
    program = assemble(labelled(label, traced), compiler, [compiler.out])
    if not traced:
        program.constants[ASKED] = asked(program.source, roots.free)
    return program


def section(label: str, node: Node, library: Library, roots: Roots, whole: bool = True) -> Section:
    """A section compiled now. Raises MappingError."""
    plain = section_program(label, node, library, roots, whole, traced=False)
    forms = Forms(
        lambda: plain,
        lambda: section_program(label, node, library, roots, whole, traced=True),
        lambda given: given and given.quick(library.profiles),
    )
    return Section(label, forms)


def labelled(label: str, traced: bool) -> str:
    """The name of a program in tracebacks."""
    return f"mapping {label}{' traced' if traced else ''}"
