"""From a configuration file to immutable settings, with all problems at once."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.errors import ConfigError, MappingError
from engine.gateway.cloak import CloakSettings
from engine.gateway.config_file import ConfigFile
from engine.gateway.payload import Rule, Target, steps
from engine.gateway.settings import (
    UNSET,
    ClientKey,
    CredentialSettings,
    ModelEntry,
    Network,
    RouteOptions,
    Settings,
    SigningKeys,
    redacted,
)
from engine.gateway.state import Bounds
from engine.language import source
from engine.language.source import Node

# Headers that say how this answer lies on this connection: another's would break it.
OF_THE_CONNECTION = frozenset(
    "connection content-encoding content-length content-type keep-alive proxy-authenticate te "
    "trailer transfer-encoding upgrade".split()
)
_SHA256 = re.compile(r"sha256:([0-9a-fA-F]{64})")
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def load(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in a file. Raises ConfigError with every problem found."""
    try:
        tree = source.read(path)
    except MappingError as error:
        raise ConfigError(error.problems) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from None
    return _settings(tree, path.parent, os.environ if environ is None else environ)


def parse(text: str, environ: Mapping[str, str] | None = None, folder: Path = Path()) -> Settings:
    """The settings in a YAML text; relative paths start at ``folder``. Raises ConfigError."""
    try:
        tree = source.parse(text, "configuration")
    except MappingError as error:
        raise ConfigError(error.problems) from None
    return _settings(tree, folder, os.environ if environ is None else environ)


def _settings(tree: Node, folder: Path, environ: Mapping[str, str]) -> Settings:
    file = ConfigFile(tree, folder, environ)
    data = file.validated()
    settings = _Builder(file).settings(data) if data is not None else None
    if file.problems or settings is None:
        raise ConfigError(file.in_order())
    return settings


class _Builder:
    """Makes settings of the data of one file; what does not hold is told to the file."""

    def __init__(self, file: ConfigFile) -> None:
        self.file = file
        self.problem = file.problem
        self.notes: list[str] = []

    def settings(self, data: dict[str, Any]) -> Settings:
        credentials = self._credentials(data["credentials"])
        retry, timeouts, streaming = data["retry"], data["timeouts"], data["streaming"]
        settings = Settings(
            host=data["host"],
            port=data["port"],
            tls=self._tls(data["tls"]),
            api_keys=self._client_keys(data["api-keys"]),
            admin_key=self._client_key(data["admin-key"], "admin", ("admin-key",)),
            allow_anonymous=data["allow-anonymous"],
            trusted_proxies=self._networks(data["trusted-proxies"]),
            cors_origins=tuple(data["cors"]["origins"]),
            proxy_url=self._proxy(data["proxy-url"], ("proxy-url",)),
            body_limit=int(data["body-limit-mb"] * 1024 * 1024),
            max_answer=int(data["max-answer-mb"] * 1024 * 1024),
            providers_dir=self._folder(data["providers-dir"], "providers-dir"),
            mappings_dir=self._folder(data["mappings-dir"], "mappings-dir"),
            providers=self.file.providers(data["providers"]),
            bounds=_bounds(data["state"]),
            strategy=data["routing"]["strategy"],
            affinity=data["routing"]["affinity"] == "prefix",
            by_capability=data["routing"]["by-capability"],
            fallbacks={model: tuple(to) for model, to in data["routing"]["fallbacks"].items()},
            max_retries=retry["max-retries"],
            max_backoff=retry["max-backoff-secs"],
            budget=retry["budget-secs"],
            cooldowns={name: retry[f"cooldown-{name}-secs"] for name in COOLDOWNS},
            connect_timeout=timeouts["connect-secs"],
            first_event_timeout=timeouts["first-event-secs"],
            idle_timeout=timeouts["idle-secs"],
            write_timeout=timeouts["write-secs"],
            keepalive=streaming["keepalive-seconds"],
            bootstrap_retries=streaming["bootstrap-retries"],
            non_stream_keepalive=data["non-stream-keepalive-secs"],
            force_model_prefix=data["force-model-prefix"],
            passthrough_headers=self._passed(data["passthrough-headers"]),
            routes=tuple(
                RouteOptions(
                    row["match"]["model"],
                    row["match"]["format"],
                    row["match"]["key"],
                    row["options"],
                )
                for row in data["routes"]
            ),
            payload=self._payload(data["payload"]),
            credentials=credentials,
            notes=tuple(self.notes),
            files=tuple(self.file.read),
            document=redacted(data),
        )
        return settings

    def _tls(self, tls: Mapping[str, Any]) -> tuple[str, str] | None:
        if not tls["enable"]:
            return None
        files = []
        for name in ("cert", "key"):
            if not tls[name]:
                self.problem(
                    ("tls",), f"tls.{name} is missing; name a PEM file or set enable: false"
                )
                continue
            path = self.file.folder / tls[name]
            if not path.is_file():
                self.problem(("tls", name), f"{name}: there is no file {path}")
            files.append(str(path))
        return (files[0], files[1]) if len(files) == 2 else None

    def _client_keys(self, rows: list[Any]) -> tuple[ClientKey, ...]:
        keys = []
        for index, row in enumerate(rows):
            path: tuple[Any, ...] = ("api-keys", index)
            name = f"key-{index + 1}"
            if isinstance(row, dict):
                row, name, path = row["key"], row["name"], (*path, "key")
            key = self._client_key(row, name, path)
            if key is not None:
                keys.append(key)
        return tuple(keys)

    def _client_key(self, text: str | None, name: str, path: tuple[Any, ...]) -> ClientKey | None:
        text = self.file.secret(text, path) if text else None
        if not text:
            return None
        if not text.startswith("sha256:"):
            return ClientKey(name, text=text)
        found = _SHA256.fullmatch(text)
        if found is None:
            self.problem(path, "sha256: must be followed by 64 hexadecimal digits")
            return None
        return ClientKey(name, digest=found[1].lower())

    def _networks(self, rows: list[str]) -> tuple[Network, ...]:
        networks = []
        for index, row in enumerate(rows):
            try:
                networks.append(ipaddress.ip_network(row, strict=False))
            except ValueError:
                self.problem(("trusted-proxies", index), f"{row} is no address or network")
        return tuple(networks)

    def _folder(self, text: str | None, key: str) -> Path | None:
        if text is None:
            return None
        folder = self.file.folder / text
        if not folder.is_dir():
            self.problem((key,), f"{key}: there is no folder {folder}")
        return folder

    def _passed(self, names: list[str]) -> frozenset[str]:
        for at, name in enumerate(names):
            if name.lower() in OF_THE_CONNECTION:
                words = f"{name} belongs to each connection by itself; leave it out"
                self.problem(("passthrough-headers", at), words)
        return frozenset(name.lower() for name in names)

    def _proxy(self, text: str | None, path: tuple[Any, ...]) -> str | None:
        if text:
            parts = urlsplit(text)
            if parts.scheme not in PROXY_SCHEMES or not parts.hostname:
                self.problem(
                    path, f"a proxy is one of {', '.join(PROXY_SCHEMES)} with ://host:port"
                )
        return text

    def _payload(self, kinds: Mapping[str, Any]) -> tuple[Rule, ...]:
        rules = []
        for action in ("default", "override", "filter"):
            for index, row in enumerate(kinds[action]):
                params = row["params"]
                for number, path in enumerate(params):
                    place = ("payload", action, index, "params")
                    try:
                        steps(path)
                    except ValueError as error:
                        key = path if isinstance(params, dict) else number
                        self.problem((*place, key), str(error), at_key=True)
                targets = tuple(Target(t["name"], t["protocol"]) for t in row["models"])
                values = params if isinstance(params, dict) else dict.fromkeys(params)
                name = f"payload.{action}[{index}]"
                rules.append(Rule(action, name, targets, tuple(values.items())))
        return tuple(rules)

    def _credentials(self, rows: list[dict[str, Any]]) -> tuple[CredentialSettings, ...]:
        credentials: list[CredentialSettings] = []
        names: set[str] = set()
        for index, row in enumerate(rows):
            path = ("credentials", index)
            name = row["name"] or _unused(row["provider"], names)
            if name in names:
                self.problem(
                    (*path, "name"), f"two credentials are named {name}; names must be unique"
                )
            names.add(name)
            key, signing = row["api-key"], row["signing"]
            disabled = row["disabled"]
            unset = next((each for each in _secrets(row) if each.startswith(UNSET)), None)
            if unset is not None:
                self.notes.append(
                    f"credential {name} is off: the variable {unset.removeprefix(UNSET)} is not set"
                )
                key, signing, disabled = None, None, True
            elif key is not None:
                key = self.file.secret(key, (*path, "api-key"))
            prefix = row["prefix"]
            credentials.append(
                CredentialSettings(
                    provider=row["provider"],
                    name=name,
                    api_key=key or None,
                    signing=signing and self._signing(signing, (*path, "signing")),
                    region=row["region"],
                    base_url=self._base_url(row["base-url"], (*path, "base-url")),
                    models=tuple(ModelEntry(m["id"], m["alias"]) for m in row["models"]),
                    excluded_models=tuple(row["excluded-models"]),
                    prefix=prefix if prefix is None or prefix.endswith("/") else f"{prefix}/",
                    weight=row["weight"],
                    headers={k.lower(): v for k, v in row["headers"].items()},
                    proxy_url=self._proxy(row["proxy-url"], (*path, "proxy-url")),
                    disabled=disabled,
                    max_concurrent=row["max-concurrent"],
                    max_queue=row["max-queue"],
                    wire_api=row["wire-api"],
                    betas=tuple(row["betas"]),
                    organisation=row["organisation"],
                    cloak=_cloak(row["cloak"]),
                )
            )
        return tuple(credentials)

    def _signing(self, row: Mapping[str, Any], path: tuple[Any, ...]) -> SigningKeys:
        said = {key: self.file.secret(text, (*path, key)) for key, text in row.items() if text}
        return SigningKeys(said["key-id"], said["secret"], said.get("token"))

    def _base_url(self, text: str | None, path: tuple[Any, ...]) -> str | None:
        if text is None:
            return None
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            self.problem(path, "base-url must begin with http:// or https:// and name a host")
        elif parts.username or parts.password:
            self.problem(path, "base-url must hold no user and password; use api-key or headers")
        elif parts.query or parts.fragment:
            self.problem(path, "base-url must end with its path")
        return text.rstrip("/")


def _secrets(row: Mapping[str, Any]) -> list[str]:
    """What a credential's row says of its secrets, as it was written."""
    return [text for text in (row["api-key"], *(row["signing"] or {}).values()) if text]


def _cloak(row: Mapping[str, Any]) -> CloakSettings:
    return CloakSettings(
        row["mode"],
        row["system-prompt"],
        row["placement"],
        row["user-id"],
        tuple(row["sensitive-words"]),
    )


COOLDOWNS = ("429", "5xx", "network", "auth")


def _bounds(row: Mapping[str, Any]) -> Bounds:
    """The bounds of what is kept between requests."""
    return Bounds(row["max-entries"], int(row["max-mb"] * 1024 * 1024), row["ttl-secs"])


def _unused(name: str, taken: set[str]) -> str:
    """The name, or the name with the next free number."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
