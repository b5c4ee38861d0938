"""The AST of JMESPath expressions: parsed, as their authors mean them, and what is asked of it.

The parser is that of the package; an AST is its ``{type, value, children}``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jmespath.exceptions
import jmespath.parser

Ast = dict[str, Any]

# Python takes about a hundred levels of parentheses.
DEPTH = 40
_TOO_DEEP = "an expression nested too deeply; name its parts with $let"


class ExpressionError(Exception):
    """An expression does not hold; ``offset`` counts characters from its beginning."""

    def __init__(self, message: str, offset: int = 0) -> None:
        self.message = message
        self.offset = offset
        super().__init__(message)


def parse(text: str) -> Ast:
    """The AST of an expression. Raises ExpressionError."""
    try:
        with warnings.catch_warnings():
            # the package accepts `word` for a text, with a warning
            warnings.simplefilter("error", PendingDeprecationWarning)
            ast: Ast = jmespath.parser.Parser().parse(text).parsed
    except PendingDeprecationWarning:
        raise ExpressionError("between backticks stands JSON; a text is written 'text'") from None
    except RecursionError:
        raise ExpressionError(_TOO_DEEP) from None
    except jmespath.exceptions.LexerError as error:
        words = error.message[:1].lower() + error.message[1:]
        raise ExpressionError(f"not an expression: {words}", error.lexer_position) from None
    except jmespath.exceptions.EmptyExpressionError:
        raise ExpressionError("an expression is missing here") from None
    except jmespath.exceptions.ParseError as error:
        if not error.token_value:
            raise ExpressionError("the expression ends too soon", error.lex_position) from None
        words = f"not an expression at {error.token_value!r}"
        raise ExpressionError(words, error.lex_position) from None
    if _deeper(ast, DEPTH):
        raise ExpressionError(_TOO_DEEP)
    return ast


def _deeper(ast: Ast, limit: int) -> bool:
    """Whether an AST has more levels than ``limit``."""
    return limit < 0 or any(
        _deeper(child, limit - 1) for child in ast["children"] if isinstance(child, dict)
    )


def names_in(ast: Ast) -> list[str]:
    """The names that an expression starts from."""
    if ast["type"] == "field":
        return [ast["value"]]
    inner = ast["children"][:1] if ast["type"] in _STARTING else ast["children"]
    return [name for child in inner if isinstance(child, dict) for name in names_in(child)]


# What begins with its first child: the others go on from it.
_STARTING = frozenset(
    "subexpression index_expression projection filter_projection value_projection pipe".split()
)
_PATHS = frozenset(
    "subexpression index_expression projection filter_projection value_projection flatten".split()
)


def _negated_whole(ast: Ast) -> Ast:
    """``!a.b`` as ``!(a.b)``: the parser reads ``(!a).b``, which is always null and never meant."""
    children = [_negated_whole(each) if type(each) is dict else each for each in ast["children"]]
    if ast["type"] in _PATHS and children[0]["type"] == "not_expression":
        path = {**ast, "children": [*children[0]["children"], *children[1:]]}
        return {**children[0], "children": [path]}
    return {**ast, "children": children}


@lru_cache(maxsize=4096)
def meant(text: str) -> Ast:
    """The AST of an expression, as its author means it: many stand in fragments. Raises
    ExpressionError."""
    return _negated_whole(parse(text))


def is_bare(ast: Ast) -> bool:
    """Whether an operand is a null, an empty list or an empty object."""
    return ast["type"] == "literal" and ast["value"] in (None, [], {})


def conjuncts(ast: Ast, holds: bool) -> Iterator[tuple[Ast, bool]]:
    """The conditions that hold, or do not, where one does."""
    if ast["type"] == "not_expression":
        yield from conjuncts(ast["children"][0], not holds)
    elif ast["type"] == ("and_expression" if holds else "or_expression"):
        for child in ast["children"]:
            yield from conjuncts(child, holds)
    else:
        yield ast, holds
