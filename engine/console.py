"""What all commands share: the translator of a configuration, JSON for people, the way out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import click

from engine.errors import ConfigError, MappingError
from engine.translation.translator import Translator


def known(config: str | None) -> Translator:
    """Everything that is shipped, with what a configuration lays over it."""
    if config is None:
        return Translator.load()
    from engine.gateway.config import load
    from engine.gateway.snapshot import load_translator

    try:
        return load_translator(load(Path(config)))
    except (ConfigError, MappingError) as error:
        stop(error.problems)


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def stop(lines: Iterable[str], status: int = 1) -> NoReturn:
    """End the program with these lines on the error output."""
    for line in lines:
        click.echo(line, err=True)
    sys.exit(status)
