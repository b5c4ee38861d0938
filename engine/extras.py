"""Packages that only some installations need: imported when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from engine.errors import EngineError

# Which extra of this package brings what.
EXTRAS = {"botocore": "aws"}


class MissingExtra(EngineError):
    """A package is not installed; the message names the extra that brings it."""


def load(module: str, purpose: str) -> Any:
    """The module, imported; ``purpose`` begins the sentence of the MissingExtra raised without
    it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        extra = EXTRAS[package]
        raise MissingExtra(
            f"{purpose} needs the package {package}: pip install 'ai-proxy[{extra}]'"
        ) from error
