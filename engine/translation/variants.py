"""The models and API versions of a format that its mappings may treat differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from engine.translation.probes import text
from engine.translation.translator import Translator

NOBODY = "model"
"""A model that no row of limits knows."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A model and an API version of a format, as the limits of its models tell them apart.
    ``own``: may say what only clients of the format itself may."""

    model: str
    version: str | None
    provider: str | None
    own: bool = False


def variants(translator: Translator, name: str) -> tuple[Variant, ...]:
    """Those of a format; :func:`with_versions` knows the providers that they name."""
    side = translator.formats[name]
    who = translator.providers.get(side.default_provider)
    default = (who.api_version if who else None) or side.api_versions.default
    versions = [default, *(each for each in side.api_versions.known if each != default)]
    models: dict[str, str] = {}
    for model in (NOBODY, *(str(row["match"]) for row in side.limits.rows)):
        models.setdefault(text(side.limits.row(model)), model)
    return tuple(
        Variant(model, version, f"{side.default_provider}@{version}" if who else None)
        for version in versions
        for model in models.values()
    )


def others(translator: Translator, name: str) -> tuple[Variant, ...]:
    """The other providers of a format: what its clients may say where its own vendor's may not."""
    own = translator.formats[name].default_provider
    return tuple(
        Variant(NOBODY, who.api_version, who.name)
        for who in translator.providers.values()
        if who.format == name and who.name != own
    )


def with_versions(translator: Translator, known: Mapping[str, tuple[Variant, ...]]) -> Translator:
    """The same mappings, with a provider for each API version of a format; at a fixed time."""
    who = dict(translator.providers)
    for name, several in known.items():
        own = who.get(translator.formats[name].default_provider)
        for variant in several:
            if own is not None and variant.provider is not None:
                who[variant.provider] = replace(own, api_version=variant.version)
    return Translator(translator.formats, who, translator.kinds, lambda: 0.0)
