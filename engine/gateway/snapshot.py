"""What the gateway serves by: a configuration and all that is built from it, replaced as one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.gateway import credentials, failures
from engine.gateway.auth import Keyring
from engine.gateway.credentials import Credential
from engine.gateway.demo import DemoTransport
from engine.gateway.failures import Classes
from engine.gateway.ingress import Ingress
from engine.gateway.patterns import matches
from engine.gateway.payload import Payload
from engine.gateway.routing import Router
from engine.gateway.settings import RouteOptions, Settings
from engine.gateway.upstream import AsyncBaseTransport, Limits, Transports
from engine.translation.translator import Translator


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Built whole, swapped whole. A request keeps the one it began with.

    ``limits`` are those of connections; how long an answer may take is minded by who reads it.
    """

    settings: Settings
    translator: Translator
    keyring: Keyring
    router: Router
    ingress: Ingress
    classes: Classes
    payload: Payload
    transports: Transports
    limits: Limits
    demo: DemoTransport
    built: int
    notes: tuple[str, ...]

    def transport(self, credential: Credential) -> AsyncBaseTransport:
        """What the calls of a credential go through."""
        if credential.provider.demo:
            return self.demo
        return self.transports.for_proxy(credential.proxy)

    def options(self, model: str, format: str, key: str) -> dict[str, Any]:
        """The translation options of the first route that matches."""
        for route in self.settings.routes:
            if _fits(route, model, format, key):
                return dict(route.options)
        return {}


def _fits(route: RouteOptions, model: str, format: str, key: str) -> bool:
    return matches(route.model, model) and matches(route.format, format) and matches(route.key, key)


def load_translator(settings: Settings, trusting: bool = False) -> Translator:
    """The shipped mappings and providers with what the configuration says over them.

    ``trusting``: shipped mappings are compiled when they are needed. Raises MappingError.
    """
    return Translator.load(
        mappings=_folders(settings.mappings_dir),
        providers=_folders(settings.providers_dir),
        settings=settings.providers,
        trusting=trusting,
    )


def cases_of(translator: Translator, settings: Settings) -> tuple[int, list[str]]:
    """How many cases the shipped and the configured folders hold, and what is wrong with them."""
    # what reads cases is needed at no start
    from engine.translation import guard

    return guard.run(
        # what a configuration says of providers is not what their files' cases are about
        translator.with_settings(None),
        mappings=_folders(settings.mappings_dir),
        providers=_folders(settings.providers_dir),
    )


def build(
    settings: Settings,
    transports: Transports | None = None,
    translator: Translator | None = None,
    environ: Mapping[str, str] | None = None,
) -> Snapshot:
    """Everything for a configuration.

    Raises ConfigError, MappingError; nothing is left behind then.
    """
    translator = translator or load_translator(settings)
    usable, notes = credentials.build(settings, translator.providers, translator.formats, environ)
    return Snapshot(
        settings=settings,
        translator=translator,
        keyring=Keyring(settings.api_keys),
        router=Router(usable, settings.force_model_prefix, settings.fallbacks),
        ingress=Ingress(translator.formats),
        classes=failures.shipped(),
        payload=Payload(settings.payload, translator.formats),
        transports=transports or Transports(),
        limits=Limits(settings.connect_timeout, None, settings.write_timeout),
        demo=DemoTransport(translator),
        built=int(time.time()),
        notes=tuple(notes),
    )


def _folders(folder: Path | None) -> tuple[Path, ...]:
    return (folder,) if folder is not None else ()
