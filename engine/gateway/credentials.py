"""The accounts at the providers, ready to be called."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from engine.errors import ConfigError
from engine.extras import MissingExtra
from engine.gateway.cloak import CloakSettings
from engine.gateway.settings import CredentialSettings, ModelEntry, Settings
from engine.gateway.signing import SIGNERS, Signer
from engine.language.source import suggest
from engine.translation.formats import Format
from engine.translation.providers import Provider
from engine.translation.scopes import scope_of

# Nothing is ever sent there: the demo answers in this process.
DEMO_URL = "http://demo.invalid"
DEMO_MODELS = (ModelEntry("demo"), ModelEntry("demo-*"))

_VERSION = re.compile(r"v[0-9]+[a-z0-9]*")


@dataclass(frozen=True, slots=True)
class Credential:
    """One usable account. ``id`` outlives reloads as long as provider, address and key do.

    ``base_urls`` and ``headers`` are by the wire formats that it can be spoken to in, the usual one
    first.
    """

    id: str
    name: str
    provider: Provider
    base_urls: Mapping[str, str]
    headers: Mapping[str, Mapping[str, str]] = field(repr=False)
    models: tuple[ModelEntry, ...]
    excluded_models: tuple[str, ...]
    prefix: str | None
    weight: int
    proxy: str | None = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    signer: Signer | None = field(default=None, repr=False)
    cloak: CloakSettings = field(default_factory=CloakSettings, repr=False)
    max_concurrent: int = 0
    max_queue: int = 0
    betas: tuple[str, ...] = ("*",)
    # of its organisation; null where nobody tells organisations apart
    scope: str | None = None
    query: str = field(default="", repr=False)

    def wire(self, format: str) -> str:
        """The wire format to speak for a client of this one: its own where that is possible."""
        return format if format in self.base_urls else next(iter(self.base_urls))

    def url(self, path: str, wire: str) -> str:
        """The address of a call, without a key that goes into it; a version segment in the base
        URL stands for the path's own."""
        return address(self.base_urls[wire], path)

    def asked(self, path: str, wire: str) -> str:
        """The address of a call as it is asked: a secret, where the key goes into it."""
        url = self.url(path, wire)
        return f"{url}{'&' if '?' in url else '?'}{self.query}" if self.query else url


def address(base: str, path: str) -> str:
    """The address of a path; a version segment that ends ``base`` stands for the path's own."""
    first, _, rest = path.lstrip("/").partition("/")
    if _VERSION.fullmatch(base.rpartition("/")[2]) and _VERSION.fullmatch(first):
        return f"{base}/{rest}"
    return f"{base}/{path.lstrip('/')}"


def unversioned(path: str) -> str:
    """A path without the version segment that it begins with."""
    first, _, rest = path.lstrip("/").partition("/")
    return f"/{rest}" if _VERSION.fullmatch(first) else path


def build(
    settings: Settings,
    providers: Mapping[str, Provider],
    formats: Mapping[str, Format],
    environ: Mapping[str, str] | None = None,
) -> tuple[list[Credential], list[str]]:
    """The usable credentials in the order of the file, and a note for each that is off.

    Raises ConfigError for unknown providers and missing addresses.
    """
    environ = os.environ if environ is None else environ
    usable: list[Credential] = []
    notes: list[str] = list(settings.notes)
    problems: list[str] = []
    for row in settings.credentials:
        provider = providers.get(row.provider)
        if provider is None:
            problems.append(
                f"credential {row.name}: there is no provider {row.provider}"
                f"{suggest(row.provider, providers)}"
            )
            continue
        base_url = row.base_url or provider.base_url or (DEMO_URL if provider.demo else None)
        if base_url is None:
            problems.append(f"credential {row.name}: provider {row.provider} needs a base-url")
            continue
        key = row.api_key
        if key is None and row.signing is None and provider.key_env and not row.disabled:
            key = environ.get(provider.key_env)
            if not key:
                notes.append(f"credential {row.name} is off: {provider.key_env} is not set")
                continue
        wires = _wires(row, provider)
        if not wires:
            problems.append(
                f"credential {row.name}: wire-api is one of {', '.join(provider.wires)}"
            )
        elif not row.disabled:
            auth = {wire: provider.auth or formats[wire].auth_out for wire in wires}
            try:
                for wire in wires:
                    formats[wire].framing.kind.prepare()
                signer = _signer(row, provider)
                usable.append(_credential(row, provider, auth, base_url, key, signer, settings))
            except (ConfigError, MissingExtra) as error:
                problems.append(f"credential {row.name}: {error}")
    if problems:
        raise ConfigError(problems)
    return usable, notes


def _wires(row: CredentialSettings, provider: Provider) -> list[str]:
    """The wire formats of a credential, the provider's usual one first.

    ``wire-api`` is one of them, or the last word of its name. What a provider serves at another
    address is not looked for at the operator's own.
    """
    known = list(dict.fromkeys((provider.format, *provider.wires)))
    asked = row.wire_api
    if asked is not None:
        return [wire for wire in known if wire == asked or wire.endswith(f"-{asked}")][:1]
    elsewhere = provider.base_urls if row.base_url else {}
    return [wire for wire in known if wire == provider.format or wire not in elsewhere]


def _signer(row: CredentialSettings, provider: Provider) -> Signer | None:
    """What signs the requests of a credential. Raises ConfigError, MissingExtra."""
    if row.signing is None:
        return None
    how = provider.signing
    if how is None:
        raise ConfigError([f"provider {provider.name} takes no signed requests, only an api-key"])
    if row.api_key is not None:
        raise ConfigError(["it has an api-key and signing; leave one of them out"])
    signer = SIGNERS.get(how["method"])
    if signer is None:
        known = ", ".join(SIGNERS)
        raise ConfigError(
            [f"provider {provider.name} signs by {how['method']}, which is none of: {known}"]
        )
    region = row.region or provider.region
    if region is None:
        raise ConfigError(["a signature is for a region; name one"])
    return signer(row.signing, how["service"], region)


def _placed(address: str, region: str | None) -> str:
    """The address with the region in its place. Raises ConfigError when there is none."""
    if "{region}" in address and region is None:
        raise ConfigError([f"{address} wants a region; name one"])
    return address.replace("{region}", region or "").rstrip("/")


def _credential(
    row: CredentialSettings,
    provider: Provider,
    auth: Mapping[str, Mapping[str, str]],
    base_url: str,
    key: str | None,
    signer: Signer | None,
    settings: Settings,
) -> Credential:
    common = {name.lower(): value for name, value in provider.headers.items()}
    headers = {}
    for wire, way in auth.items():
        own = {}
        if key is not None and "header" in way:
            own = {way["header"].lower(): way.get("prefix", "") + key}
        headers[wire] = {**common, **own, **row.headers}
    region = row.region or provider.region
    own_urls = {} if row.base_url else provider.base_urls
    signing = row.signing
    account = key or (signing.key_id if signing else "")
    identity = "\n".join((provider.name, base_url, account, row.prefix or ""))
    query = _query(provider, key)
    known = (key, query.partition("=")[2], signing and signing.secret, signing and signing.token)
    models = row.models
    if provider.demo and not models:
        # Never a fallback for real models: the demo answers to its own names only.
        models = DEMO_MODELS
    told_apart = any(each.organisation for each in settings.credentials)
    return Credential(
        id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        name=row.name,
        provider=provider,
        base_urls={wire: _placed(own_urls.get(wire, base_url), region) for wire in auth},
        headers=headers,
        models=models,
        excluded_models=row.excluded_models,
        prefix=row.prefix,
        weight=row.weight,
        proxy=(settings.proxy_url if row.proxy_url is None else row.proxy_url) or None,
        secrets=tuple(dict.fromkeys(secret for secret in known if secret)),
        signer=signer,
        cloak=row.cloak,
        max_concurrent=row.max_concurrent,
        max_queue=row.max_queue,
        betas=row.betas,
        scope=scope_of(row.organisation) if told_apart else None,
        query=query,
    )


def _query(provider: Provider, key: str | None) -> str:
    """The key as a query parameter, where its provider takes it so."""
    name = (provider.auth or {}).get("query")
    return urlencode({name: key}) if name and key else ""


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text without any of the secrets: upstreams like to quote the key they refuse."""
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    return text
