"""The cases that stand beside the mappings, as `ai-proxy check` runs them."""

import json

import pytest

from engine.resources import shipped
from engine.translation import cases
from tests.support.translations import translator

ALL = cases.load([shipped("mappings")])


@pytest.mark.parametrize("case", ALL, ids=[f"{case.place}: {case.name}" for case in ALL])
def test_a_mapping_does_what_its_case_says(case: cases.Case) -> None:
    outcome = cases.run(translator(), case)
    shown = json.dumps(outcome.result, ensure_ascii=False, indent=1, default=str)
    assert not outcome.wrong, f"{outcome.wrong}; it gives\n{shown}"
