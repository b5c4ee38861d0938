"""Calls of functions in JMESPath as Python, with what is quick to check done in place."""

from __future__ import annotations

from engine.language.codes import Code, Codes
from engine.language.functions import FUNCTIONS, STOCK, Function
from engine.language.registry import exact_types
from engine.language.scope import Scope
from engine.language.source import suggest
from engine.language.syntax import Ast, ExpressionError, names_in

# Functions that say something about a value and pass nothing of it on.
_ASKING = frozenset({"length", "type"})


def called(codes: Codes, ast: Ast, arguments: list[Code], scope: Scope) -> Code:
    """A call with these arguments. Raises ExpressionError."""
    name = ast["value"]
    if name == "look" and len(arguments) == 2 and arguments[0].ref is not None:
        return _looked(codes, ast["children"][1], arguments, scope)
    own = FUNCTIONS.get(name)
    asking = own.boolean if own is not None else name in _ASKING
    texts = [(codes.look if asking else codes.take)(each, scope) for each in arguments]
    if own is not None:
        _arity(name, len(texts), own.min_args, own.max_args)
        return _own(codes, own, ast["children"], arguments, texts)
    if name not in STOCK:
        known = {*FUNCTIONS, *STOCK}
        raise ExpressionError(f"unknown function {name}(){suggest(name, known)}")
    if name == "not_null" and texts:
        text = texts[-1]
        for each in reversed(texts[:-1]):
            value, bound = codes.bound(each)
            text = f"({value} if ({bound}) is not None else {text})"
        return Code(text, never_null=arguments[-1].never_null)
    call = codes.function("f", "stock", name)
    if name == "length" and len(texts) == 1:
        value, bound = codes.bound(texts[0])
        text = f"(len({value}) if type({bound}) is list else {call}({value}))"
        return Code(text, never_null=True, whole=True)
    return Code(f"{call}({', '.join(texts)})")


def _looked(codes: Codes, written: Ast, arguments: list[Code], scope: Scope) -> Code:
    """``look()`` into an observed object: only what its paths say counts as read there. They
    are asked for again at the end of the object, so nothing local may stand in them."""
    ref = arguments[0].ref
    assert ref is not None
    for word in names_in(written):
        if scope.names[word].code != word or scope.names[word].ref is not None:
            raise ExpressionError(
                f"the paths of look() come from what a rule is given, like ctx, not from {word}"
            )
    paths = codes.take(arguments[1], scope)
    ref.binding.look(ref.path, scope.branch, paths)
    if ref.path:
        # that it is somewhere in the whole document tells a trace nothing
        codes.notes.append(ref)
    call = codes.function("q", "function", "look", "quick")
    return Code(f"{call}({arguments[0].text}, {paths})")


def _own(
    codes: Codes, own: Function, written: list[Ast], arguments: list[Code], texts: list[str]
) -> Code:
    """A call of a function of the language, with the checks that are quick done in place."""
    if own.inline is not None:
        return Code(own.inline.format(*texts), boolean=own.boolean, never_null=own.boolean)
    checked = codes.function("f", "function", own.name, "call")
    settled = all(map(_settled, written[1:], own.kinds[1:]))
    types = exact_types(own.kinds[0]) if own.kinds else None
    if types and settled and not own.takes_null:
        # only the first argument is left to be looked at
        plain = codes.function("p", "function", own.name, "plain")
        value, bound = codes.bound(texts[0])
        first, *others = sorted(each.__name__ for each in types)
        test = f"type({bound}) is {first}"
        test += "".join(f" or type({value}) is {each}" for each in others)
        rest = "".join(f", {text}" for text in texts[1:])
        text = f"({plain}({value}{rest}) if {test} else {checked}({value}{rest}))"
        return Code(text, plain=own.container)
    call = checked
    if len(texts) == own.max_args:
        call = codes.function("q", "function", own.name, "quick")
    if own.numbers is not None:
        return Code(_numbers(codes, own.numbers, call, texts, arguments))
    if own.takes_null or own.kinds[0] == "any" or arguments[0].never_null:
        return Code(f"{call}({', '.join(texts)})", plain=own.container)
    value, bound = codes.bound(texts[0])
    rest = "".join(f", {text}" for text in texts[1:])
    text = f"({call}({value}{rest}) if ({bound}) is not None else None)"
    return Code(text, plain=own.container)


def _numbers(codes: Codes, sign: str, call: str, texts: list[str], arguments: list[Code]) -> str:
    """A sum or the like; quick for whole numbers."""
    (one, bound), (other, other_bound) = codes.bound(texts[0]), codes.bound(texts[1])
    # both are bound before either is tested: the call needs them, too
    named = zip((one, other), arguments, strict=True)
    tests = [f"type({name}) is int" for name, code in named if not code.whole]
    if not tests:
        return f"({texts[0]} {sign} {texts[1]})"
    quick = f"{one} {sign} {other} if {' and '.join(tests)} else {call}({one}, {other})"
    before = [each for each, name in ((bound, one), (other_bound, other)) if each != name]
    return f"(({', '.join(before)}), {quick})[-1]" if before else f"({quick})"


def _arity(name: str, given: int, least: int, most: int | None) -> None:
    if given < least or (most is not None and given > most):
        wanted = str(least) if most == least else f"{least} to {most if most else 'any number'}"
        plural = "" if wanted == "1" else "s"
        raise ExpressionError(f"{name}() takes {wanted} argument{plural}, not {given}")


def _settled(ast: Ast, kind: str) -> bool:
    """Whether an argument is of the kind that a function takes, whatever the document says."""
    types = exact_types(kind)
    return types is None or (ast["type"] == "literal" and type(ast["value"]) in types)
