"""What all commands share: what a configuration says, JSON for people, the way out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from engine.errors import ConfigError, MappingError
from engine.translation.translator import Translator

if TYPE_CHECKING:
    from engine.gateway.settings import Settings


def known(config: str | None) -> Translator:
    """Everything that is shipped, with what a configuration lays over it."""
    settings = settings_of(config)
    if settings is None:
        return Translator.load()
    from engine.gateway.snapshot import load_translator

    try:
        return load_translator(settings)
    except (ConfigError, MappingError) as error:
        stop(error.problems)


def settings_of(config: str | None) -> Settings | None:
    """The settings of a configuration, if one is named."""
    if config is None:
        return None
    from engine.gateway.config import load

    try:
        return load(Path(config))
    except ConfigError as error:
        stop(error.problems)


def own_mappings(settings: Settings | None) -> list[Path]:
    """The folders of mappings that a configuration adds to the shipped ones."""
    return [settings.mappings_dir] if settings and settings.mappings_dir else []


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def stop(lines: Iterable[str], status: int = 1) -> NoReturn:
    """End the program with these lines on the error output."""
    for line in lines:
        click.echo(line, err=True)
    sys.exit(status)
