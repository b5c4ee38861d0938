"""Fixtures of the tests of translation."""

from functools import cache

import pytest

from engine.translation.translator import Translator


@pytest.fixture
def loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command loads all mappings anew; here one load serves for all but the processes."""
    loaded = _loaded()
    monkeypatch.setattr(Translator, "load", lambda: loaded)


@cache
def _loaded() -> Translator:
    return Translator.load()
