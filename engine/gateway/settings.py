"""What a configuration file comes to: immutable, validated, safe to show without its secrets."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.gateway.cloak import CloakSettings
from engine.gateway.payload import Rule
from engine.gateway.state import Bounds
from engine.language.source import Map

# Stands for an api-key whose variable is not set; no key can hold the character.
UNSET = "\x00"
HIDDEN = "[hidden]"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client's key: its name in the log and either the text or its SHA-256 digest in hex."""

    name: str
    text: str | None = field(default=None, repr=False)
    digest: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What a credential serves: the upstream's name and the client's, both may be globs."""

    id: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """What signs requests. ``token`` comes with a secret that holds for a while only."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """One account at a provider.

    ``prefix`` ends with a slash; ``proxy_url`` "" connects directly.
    """

    provider: str
    name: str
    api_key: str | None = field(default=None, repr=False)
    signing: SigningKeys | None = None
    region: str | None = None
    base_url: str | None = None
    models: tuple[ModelEntry, ...] = ()
    excluded_models: tuple[str, ...] = ()
    prefix: str | None = None
    weight: int = 1
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy_url: str | None = field(default=None, repr=False)
    disabled: bool = False
    max_concurrent: int = 0
    max_queue: int = 100
    wire_api: str | None = None
    betas: tuple[str, ...] = ("*",)
    organisation: str | None = None
    cloak: CloakSettings = field(default_factory=CloakSettings)


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """Translation options for requests whose model, format and key name match the globs."""

    model: str
    format: str
    key: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """A validated configuration; names as in the file, sizes in bytes, times in seconds.

    ``providers`` are the facts that the file says of providers, with their places; ``notes`` say
    which credentials are off, ``files`` are the secrets' files that were read, ``document`` is the
    whole with its defaults and without its secrets, as people may see it.
    """

    host: str
    port: int
    tls: tuple[str, str] | None
    api_keys: tuple[ClientKey, ...]
    admin_key: ClientKey | None
    allow_anonymous: bool
    trusted_proxies: tuple[Network, ...]
    cors_origins: tuple[str, ...]
    proxy_url: str | None = field(repr=False)
    body_limit: int
    max_answer: int
    providers_dir: Path | None
    mappings_dir: Path | None
    providers: Map | None = field(repr=False)
    bounds: Bounds
    strategy: str
    affinity: bool
    by_capability: bool
    fallbacks: Mapping[str, tuple[str, ...]]
    max_retries: int
    max_backoff: float
    budget: float
    cooldowns: Mapping[str, float]
    connect_timeout: float
    first_event_timeout: float
    idle_timeout: float
    write_timeout: float
    keepalive: float
    bootstrap_retries: int
    non_stream_keepalive: float
    force_model_prefix: bool
    passthrough_headers: frozenset[str]
    routes: tuple[RouteOptions, ...]
    payload: tuple[Rule, ...]
    credentials: tuple[CredentialSettings, ...]
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)


def is_loopback(host: str) -> bool:
    """Whether a listening address or Host name means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def redacted(data: Mapping[str, Any]) -> dict[str, Any]:
    """A validated configuration as people may see it."""
    names = [
        row["name"] if isinstance(row, dict) else f"key-{index + 1}"
        for index, row in enumerate(data["api-keys"])
    ]
    shown = {**data, "api-keys": names, "proxy-url": _without_user(data["proxy-url"])}
    shown["admin-key"] = None if data["admin-key"] is None else HIDDEN
    shown["providers"] = {
        name: {**row, "headers": HIDDEN} if "headers" in row else row
        for name, row in data["providers"].items()
    }
    shown["credentials"] = [
        {
            **row,
            "api-key": HIDDEN if row["api-key"] and not row["api-key"].startswith(UNSET) else None,
            "signing": row["signing"] and dict.fromkeys(row["signing"], HIDDEN),
            "headers": dict.fromkeys(row["headers"], HIDDEN),
            "proxy-url": _without_user(row["proxy-url"]),
            "cloak": {**row["cloak"], "sensitive-words": HIDDEN},
        }
        for row in data["credentials"]
    ]
    return shown


def _without_user(url: str | None) -> str | None:
    if not url or "@" not in url:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{HIDDEN}@{rest.rpartition('@')[2]}"


def guard(settings: Settings, host: str) -> None:
    """Refuse to let the whole network in without a key. Raises ConfigError."""
    if settings.api_keys or settings.allow_anonymous or is_loopback(host):
        return
    raise ConfigError(
        [
            f"host {host}: without api-keys only this machine may connect; "
            "add api-keys, listen on 127.0.0.1, or set allow-anonymous: true"
        ]
    )
