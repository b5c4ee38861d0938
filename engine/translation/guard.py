"""The cases beside mappings and providers, run before anything serves by them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.resources import shipped
from engine.translation import cases, provider_cases
from engine.translation.translator import Translator


def run(
    translator: Translator, mappings: Iterable[Path] = (), providers: Iterable[Path] = ()
) -> tuple[int, list[str]]:
    """How many cases there are in the shipped folders and in these, and what is wrong with each
    that does not hold. Raises MappingError for files that are no cases."""
    of_mappings = cases.load([shipped("mappings"), *mappings])
    of_providers = provider_cases.load([shipped("providers"), *providers])
    wrong = [
        f"{case.place}: {case.name}: {outcome.wrong}"
        for case in of_mappings
        if (outcome := cases.run(translator, case)).wrong
    ]
    wrong += [
        f"{case.place}: {case.name}: {found.wrong}"
        for case in of_providers
        if (found := provider_cases.run(translator, case)).wrong
    ]
    return len(of_mappings) + len(of_providers), wrong
