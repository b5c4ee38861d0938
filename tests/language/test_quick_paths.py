"""What compiled expressions do in place agrees with the reference, whatever the values are."""

from typing import Any

import jmespath
import jmespath.exceptions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.expressions import Expressions
from engine.language.functions import FUNCTIONS, FunctionError
from engine.language.programs import namespace
from engine.language.runtime import EVALUATION_ERRORS

# Values that Python and JMESPath tell apart in different ways.
VALUE = st.sampled_from(
    [None, True, False, 0, 1, 2, -1, 0.0, 1.0, 1.5, "", "a", "1", [], [0], [1, True], {}, {"x": 1}]
)

EXPRESSIONS = (
    "a == b", "a != b", "a < b", "a <= b", "a > b", "a >= b", "a < `1`", "`1` < a", "`0` <= `1`",
    "a == `1`", "a != `1`", "a == `0`", "a == `2`", "a == `true`", "a != `false`", "a == `null`",
    "a == 'a'", "a == `[]`", "`1` == a", "a || b", "a && b", "!a", "!(a || b)", "a || b && !c",
    "(a == b) || c", "(a == b) && c", "not_null(a, b, c)", "[a, b][0]", "a[0]", "a[1]", "a[-1]",
    "[a, b, c][?@]", "[a, b, c][?@ == `1`]", "[a, b, c][?!@]", "[a, b][*].x", "[a, b][].x",
    "{x: a}.x", "a | [0]", "a.x", "[a, b] | [?x == `1`] | [0]", "length([a, b]) > `1`",
    "(length([a]) || b) == c",
)  # fmt: skip


def compiled(expression: str, document: Any) -> Any:
    compiler = Expressions()
    source = compiler.search(expression)
    return eval(f"(lambda doc: {source})", namespace(compiler.constants, compiler.calls, None))(
        document
    )


@pytest.mark.parametrize("expression", EXPRESSIONS)
@given(a=VALUE, b=VALUE, c=VALUE)
def test_an_expression_gives_what_the_reference_gives(
    expression: str, a: Any, b: Any, c: Any
) -> None:
    document = {"a": a, "b": b, "c": c}
    try:
        wanted = jmespath.search(expression, document)
    except (jmespath.exceptions.JMESPathError, TypeError):
        with pytest.raises(EVALUATION_ERRORS):
            compiled(expression, document)
        return
    got = compiled(expression, document)
    assert got == wanted
    assert type(got) is type(wanted)


@pytest.mark.parametrize("name", ["add", "sub"])
@given(a=VALUE, b=VALUE)
def test_a_sum_in_place_is_the_sum_of_the_function(name: str, a: Any, b: Any) -> None:
    try:
        wanted = FUNCTIONS[name].call(a, b)
    except FunctionError:
        with pytest.raises(FunctionError):
            compiled(f"{name}(a, b)", {"a": a, "b": b})
        return
    got = compiled(f"{name}(a, b)", {"a": a, "b": b})
    assert got == wanted
    assert type(got) is type(wanted)


@pytest.mark.parametrize("name", ["lower", "is_text", "is_list", "is_object", "parse_json"])
@given(a=VALUE)
def test_a_call_in_place_is_the_call_of_the_function(name: str, a: Any) -> None:
    try:
        wanted = FUNCTIONS[name].call(a)
    except FunctionError:
        with pytest.raises(FunctionError):
            compiled(f"{name}(a)", {"a": a})
        return
    assert compiled(f"{name}(a)", {"a": a}) == wanted
