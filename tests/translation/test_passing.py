"""What passes through is read for its error and its usage, as far as a translation reads it."""

from typing import Any

import pytest

from engine.errors import UpstreamError
from tests.support.translations import CLIENTS, OwnCase, own_cases, translator

# Only a format that clients speak is on both sides.
CASES = [case for case in own_cases("response") if case.format in CLIENTS]


def _read(case: OwnCase, whole: bool) -> tuple[Any, Any] | str:
    by, request = translator(), case.client(case.format)
    provider = case.provider.get(case.format)
    try:
        if not whole:
            plan = by.observing(request, case.format, provider)
            return by.passing(case.body, case.format, plan)
        answer = by.response(
            case.body, case.format, case.format, request=request, provider=provider
        )
        return answer.error, answer.usage
    except UpstreamError as error:
        return error.message


@pytest.mark.parametrize("case", CASES, ids=[f"{case.format}-{case.name}" for case in CASES])
def test_a_passing_answer_tells_the_error_and_usage_that_its_translation_tells(
    case: OwnCase,
) -> None:
    assert _read(case, whole=False) == _read(case, whole=True)
