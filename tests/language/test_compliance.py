"""The official JMESPath cases: compiled expressions agree with the jmespath package's visitor."""

import json
import os
from pathlib import Path
from typing import Any

import jmespath
import jmespath.exceptions
import pytest

from engine.language.expressions import Expressions
from engine.language.programs import namespace
from engine.language.runtime import EVALUATION_ERRORS
from engine.language.syntax import ExpressionError

FOLDER = Path(
    os.environ.get(
        "AI_PROXY_COMPLIANCE",
        Path(__file__).resolve().parents[3] / "shared" / "jmespath-compliance",
    )
)


def cases() -> list[Any]:
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        for group, suite in enumerate(json.loads(file.read_text())):
            for number, case in enumerate(suite["cases"]):
                name = f"{file.stem}-{group}-{number}"
                found.append(pytest.param(suite["given"], case, id=name))
    if not found:
        reason = f"no JMESPath compliance cases in {FOLDER}"
        found.append(pytest.param(None, None, marks=pytest.mark.skip(reason=reason)))
    return found


def compiled(expression: str, document: Any) -> Any:
    compiler = Expressions()
    source = compiler.search(expression)
    return eval(f"(lambda doc: {source})", namespace(compiler.constants, compiler.calls, None))(
        document
    )


@pytest.mark.filterwarnings("ignore:deprecated string literal syntax:PendingDeprecationWarning")
@pytest.mark.parametrize(("given", "case"), cases())
def test_compiled_expression_agrees_with_the_reference(given: Any, case: Any) -> None:
    expression = case["expression"]
    if "error" in case:
        with pytest.raises((ExpressionError, *EVALUATION_ERRORS)):
            compiled(expression, given)
        # a slice with step 0 leaves the package as ValueError
        with pytest.raises((jmespath.exceptions.JMESPathError, ValueError)):
            jmespath.search(expression, given)
        return
    assert compiled(expression, given) == case["result"]
    assert compiled(expression, given) == jmespath.search(expression, given)
