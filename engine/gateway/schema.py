"""The configuration's keys: one Cerberus schema, from which validation, defaults and docs come.

``meta`` is what a person reads; docs/configuration.md is held to it by a test. A key stands here
only when something reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from engine.gateway.cloak import MODES, PLACEMENTS
from engine.translation.provider_files import with_quirks
from engine.translation.quirks import Quirks

Rule = dict[str, Any]

AFFINITIES = ("prefix", "none")
STRATEGIES = ("round-robin", "fill-first")

# Read once, at the start; everything else becomes live when the file changes.
RESTART = ("host", "port", "tls", "cors", "state")


def _number(value: Any) -> Any:
    """A number that came out of a variable; anything else stays and fails its type."""
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        try:
            return float(value)
        except ValueError:
            return value


def _flag(value: Any) -> Any:
    """true or false that came out of a variable."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _text(default: str | None, meta: str, **more: Any) -> Rule:
    return {"type": "string", "nullable": default is None, "default": default, "meta": meta, **more}


def _int(default: int, meta: str, low: int = 0, high: int | None = None) -> Rule:
    rule: Rule = {
        "type": "integer",
        "coerce": _number,
        "default": default,
        "meta": meta,
        "min": low,
    }
    return rule if high is None else {**rule, "max": high}


def _seconds(default: float, meta: str, low: float = 0) -> Rule:
    return {"type": "number", "coerce": _number, "default": default, "meta": meta, "min": low}


def _bool(default: bool, meta: str) -> Rule:
    return {"type": "boolean", "coerce": _flag, "default": default, "meta": meta}


def _word(usual: str, other: str, meta: str) -> Rule:
    return _words([usual, other], f"`{usual}` or `{other}`: {meta}")


def _words(allowed: list[str], meta: str) -> Rule:
    return {"type": "string", "allowed": allowed, "meta": meta}


def _map(meta: str, **keys: Rule) -> Rule:
    return {"type": "dict", "default": {}, "schema": _kebab(keys), "meta": meta}


def _list(item: Rule, meta: str) -> Rule:
    return {"type": "list", "default": [], "schema": item, "meta": meta}


def _kebab(keys: Mapping[str, Rule]) -> dict[str, Rule]:
    return {name.replace("_", "-"): rule for name, rule in keys.items()}


_STRING: Rule = {"type": "string", "empty": False}

_CLIENT_KEY: Rule = {
    "anyof": [
        {"type": "string", "empty": False},
        {
            "type": "dict",
            "schema": {
                "key": {"type": "string", "required": True, "empty": False},
                "name": {"type": "string", "required": True, "empty": False},
            },
        },
    ],
}

_CREDENTIAL: Rule = {
    "type": "dict",
    "schema": _kebab(
        {
            "provider": {
                "type": "string",
                "required": True,
                "empty": False,
                "meta": "the name of a file in providers/, without its ending",
            },
            "name": _text(
                None,
                "how logs and debug headers call it; must be unique; default: the provider's name",
            ),
            "api_key": _text(
                None,
                "the key, `${VAR}` or `file:PATH`; an unset variable switches the credential off",
            ),
            "signing": {
                "type": "dict",
                "nullable": True,
                "default": None,
                "schema": {
                    "key-id": {**_STRING, "required": True, "meta": "the name of the secret"},
                    "secret": {**_STRING, "required": True, "meta": "never sent: it signs"},
                    "token": _text(None, "what comes with a secret that holds for a while only"),
                },
                "meta": "in place of `api-key`, where the provider takes signed requests: values "
                "as of `api-key`",
            },
            "region": _text(
                None,
                "takes the place of `{region}` in the provider's address, and is signed with; "
                "default: the provider file's",
                regex=r"[a-z0-9-]+",
            ),
            "base_url": _text(
                None,
                "where it answers, with or without a version segment; default: the provider file's",
            ),
            "models": _list(
                {
                    "type": "dict",
                    "schema": {
                        "id": {**_STRING, "required": True},
                        "alias": {
                            "type": "string",
                            "nullable": True,
                            "default": None,
                            "empty": False,
                        },
                    },
                },
                "what it serves: `id` is the upstream's name, `alias` the client's; both may be "
                "globs (`*`, `?`); an empty list takes any name",
            ),
            "excluded_models": _list(dict(_STRING), "globs of names that it must not serve"),
            "prefix": _text(None, "clients reach its models as `prefix/name` too", empty=False),
            "weight": _int(1, "its share under round-robin", low=1, high=1000),
            "max_concurrent": _int(0, "most calls at once, streams to their end; 0: any number"),
            "max_queue": _int(100, "most calls that wait for one of these to end; beyond it 503"),
            "betas": {
                **_list(
                    dict(_STRING),
                    "globs of the optional features that clients may ask for in their format's "
                    "header; those in `headers` are always asked for",
                ),
                "default": ["*"],
            },
            "organisation": _text(
                None,
                "whose account it is: what a vendor signed or sealed for one, another is not sent",
                empty=False,
            ),
            "wire_api": _text(
                None, "the one wire format to speak with it, where its provider has several"
            ),
            "headers": {
                "type": "dict",
                "default": {},
                "keysrules": {"type": "string", "regex": r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"},
                "valuesrules": {"type": "string", "regex": r"[^\r\n\x00]*"},
                "meta": "sent with each of its upstream requests, over what the provider file says",
            },
            "proxy_url": _text(
                None, 'its own proxy; `""` connects directly; default: the global one'
            ),
            "cloak": _map(
                "what its upstream sees in place of what the client wrote",
                mode={
                    **_text(
                        "never",
                        "`never`, `always`, or `auto`: for clients of another wire format only",
                    ),
                    "allowed": list(MODES),
                },
                system_prompt=_text(None, "instructions of the operator", empty=False),
                placement={
                    **_text("prepend", "`prepend` them to the client's, or `replace` those"),
                    "allowed": list(PLACEMENTS),
                },
                user_id=_bool(
                    False, "a stable pseudonym of the client's key in place of its user id"
                ),
                sensitive_words=_list(
                    # Nothing that JSON escapes: the masks are replaced in its text.
                    {"type": "string", "minlength": 2, "regex": r'[^"\\\x00-\x1f]*'},
                    "masked in the request, restored in the answer; any case",
                ),
            ),
            "disabled": _bool(False, "keep it in the file, but out of use"),
        }
    ),
}

_TARGETS: Rule = {
    "type": "list",
    "required": True,
    "empty": False,
    "schema": {
        "type": "dict",
        "schema": {
            "name": {
                **_STRING,
                "required": True,
                "meta": "a glob over the upstream's name of the model",
            },
            "protocol": _text(
                None, "the wire format that the upstream is asked in; default: any", empty=False
            ),
        },
    },
    "meta": "what the rule is for; one that fits is enough",
}


def _payload(params: Rule, meta: str) -> Rule:
    row = {"models": _TARGETS, "params": {"required": True, "empty": False, **params}}
    return _list({"type": "dict", "schema": row}, meta)


_VALUES: Rule = {
    "type": "dict",
    "keysrules": {"type": "string", "empty": False},
    "meta": "path: value, as in `a.b[0].c: 1`",
}
_PATHS: Rule = {"type": "list", "schema": dict(_STRING), "meta": "paths"}

_MATCH: Rule = _map(
    "globs; what is absent matches everything",
    model=_text("*", "the model's name as the client wrote it"),
    format=_text("*", "the client's wire format"),
    key=_text("*", "the name of the client's key"),
)

# Without a default: what is absent is left to the mapping.
_OPTIONS: Rule = _map(
    "what the translation does where the formats leave it open",
    on_loss=_words(
        ["report", "avoid", "reject"],
        "a request that would lose something: `report` it, `avoid` it where another loses nothing, "
        "or `reject` it",
    ),
    on_refusal=_words(
        ["reject"],
        "`reject`: what no provider can be asked for is an error; what may be let go instead has "
        "an option of its own below",
    ),
    hosted_tools=_word("drop", "reject", "tools that run at another vendor"),
    missing_results=_word("reject", "supply", "calls in the history that have no result"),
    forced_tool_choice=_word("reject", "auto", "a forced tool where the model takes none"),
    expose_reasoning={"type": "boolean", "meta": "whether clients see thinking"},
    auto_cache={"type": "boolean", "meta": "mark the prompt for caching when the client did not"},
    cache_ttl=_word("5m", "1h", "how long such marks hold"),
)

SCHEMA: dict[str, Rule] = _kebab(
    {
        "host": _text("127.0.0.1", "the address to listen on"),
        "port": _int(8317, "the port to listen on, 0 for any free one", high=65535),
        "tls": _map(
            "https instead of http",
            enable=_bool(False, "serve https"),
            cert=_text(None, "file with the certificate chain, PEM"),
            key=_text(None, "file with its private key, PEM"),
        ),
        "api_keys": _list(
            _CLIENT_KEY,
            "what clients authenticate with: plain, `${VAR}`, `file:PATH` or `sha256:HEX`, or "
            "`{ key, name }` with a name for the log; without any only loopback is served",
        ),
        "admin_key": _text(
            None,
            "what `/admin` asks for, as in api-keys; without it `/admin` answers this machine only",
            empty=False,
        ),
        "allow_anonymous": _bool(
            False, "without api-keys, listen on other addresses than loopback, too"
        ),
        "trusted_proxies": _list(
            dict(_STRING),
            "addresses or networks whose X-Forwarded-For names the client's address in the log",
        ),
        "cors": _map(
            "browsers",
            origins=_list(dict(_STRING), 'origins whose pages may call the gateway; `"*"` for all'),
        ),
        "proxy_url": _text(
            None, "proxy for all upstream calls: http, https, socks5 or socks5h, with credentials"
        ),
        "body_limit_mb": _seconds(20, "largest request body, in MiB; beyond it 413", low=0.001),
        "max_answer_mb": _seconds(
            64, "largest answer of an upstream held for one client, in MiB", low=0.001
        ),
        "providers_dir": _text(None, "folder whose provider files are added to the shipped ones"),
        "mappings_dir": _text(None, "folder whose mappings are added to the shipped ones"),
        "providers": {
            "type": "dict",
            "default": {},
            "keysrules": {"type": "string", "empty": False},
            "valuesrules": {"type": "dict"},
            "meta": "what holds for providers here, by their names: the keys of a provider file "
            "([providers.md](providers.md)), over those of its file; a new provider says `extends`",
        },
        "routing": _map(
            "which credential serves a request",
            strategy={
                **_text(
                    "round-robin",
                    "`round-robin` by weight, or `fill-first`: the first that is free",
                ),
                "allowed": list(STRATEGIES),
            },
            affinity={
                **_text(
                    "prefix",
                    "`prefix`: a conversation stays with the credential that began it; `none`",
                ),
                "allowed": list(AFFINITIES),
            },
            by_capability=_bool(
                False,
                "a request goes only where it gets what it asks for and nothing of it is lost; to "
                "nobody where there is no such place",
            ),
            fallbacks={
                "type": "dict",
                "default": {},
                "keysrules": {"type": "string", "empty": False},
                "valuesrules": {"type": "list", "schema": dict(_STRING)},
                "meta": "model: [models to try in turn when all of its credentials have failed]",
            },
        ),
        "retry": _map(
            "what happens after a failure; error-classes.yaml says which failure is retried",
            max_retries=_int(3, "most further upstream calls for one request"),
            max_backoff_secs=_seconds(30, "longest wait between two rounds over the providers"),
            budget_secs=_seconds(120, "no further call is begun this long after the request came"),
            cooldown_429_secs=_seconds(60, "rest after a rate limit that names no time"),
            cooldown_5xx_secs=_seconds(15, "rest after a server error that names no time"),
            cooldown_network_secs=_seconds(10, "rest after a failed or broken connection"),
            cooldown_auth_secs=_seconds(300, "rest after a refused key or an empty account"),
        ),
        "timeouts": _map(
            "waiting times; none of them cuts a healthy stream",
            connect_secs=_seconds(30, "for a connection to the upstream", low=0.01),
            first_event_secs=_seconds(
                300, "for a whole answer, or the first event of a stream", low=0.01
            ),
            idle_secs=_seconds(120, "for the next bytes of a stream", low=0.01),
            write_secs=_seconds(
                60,
                "for a client that does not read what it was sent, and for an upstream that does"
                " not take what it is sent",
                low=0.01,
            ),
        ),
        "streaming": _map(
            "answers as they are made",
            keepalive_seconds=_seconds(
                15, "silence after which the client gets a sign of life; 0: never"
            ),
            bootstrap_retries=_int(
                1, "most further upstream calls for a stream, before its first event"
            ),
        ),
        "non_stream_keepalive_secs": _seconds(
            0,
            "answers that are not streamed: a space after so much silence (commits status 200); "
            "0: never",
        ),
        "force_model_prefix": _bool(
            False,
            "take names only as `prefix/name`; a credential without prefix has its provider's name",
        ),
        "passthrough_headers": _list(
            dict(_STRING),
            "upstream answer headers that the client gets, too, whole and streamed; none that "
            "belong to the connection, like `content-length`",
        ),
        "payload": _map(
            "changes to translated requests, in this order",
            default=_payload(_VALUES, "set what is absent"),
            override=_payload(_VALUES, "set in any case"),
            filter=_payload(_PATHS, "take away"),
        ),
        "state": _map(
            "what clients may lose between two turns and upstreams want back, and who answers a "
            "conversation; shared by all workers",
            max_entries=_int(50_000, "most texts that are kept", low=1),
            max_mb=_seconds(64, "most of them together, in MiB", low=0.001),
            ttl_secs=_seconds(10_800, "how long one is kept after it was last used", low=1),
        ),
        "routes": _list(
            {
                "type": "dict",
                "schema": {
                    "match": _MATCH,
                    "options": _OPTIONS,
                },
            },
            "translation options for what matches; the first match wins",
        ),
        "credentials": _list(_CREDENTIAL, "the providers' accounts, in order of preference"),
    }
)


def json_schema_of(quirks: Quirks) -> dict[str, Any]:
    """The JSON Schema of a configuration in which these quirks of providers are known."""
    # a server needs none
    from engine.language import json_schema

    rows = {key: rule for key, rule in with_quirks(quirks).items() if key != "name"}
    said = {**SCHEMA["providers"], "valuesrules": {"type": "dict", "schema": rows}}
    keys = {**SCHEMA, "providers": said}
    return json_schema.document({"type": "dict", "schema": keys}, "configuration")


class Key(NamedTuple):
    """One key as the manual lists it: ``path`` with dots, ``[]`` for elements of a list."""

    path: str
    type: str
    default: Any
    meta: str

    @property
    def restart(self) -> bool:
        """Whether a change needs a restart."""
        return self.path.partition(".")[0] in RESTART


def keys(schema: Mapping[str, Rule] = SCHEMA, prefix: str = "") -> Iterator[Key]:
    """Every key of the configuration, in the order of the schema."""
    for name, rule in schema.items():
        path = prefix + name
        kind = rule.get("type", "any")
        yield Key(path, kind, rule.get("default"), rule.get("meta", ""))
        inner: Any = rule.get("schema")
        if kind == "dict" and inner:
            yield from keys(inner, f"{path}.")
        elif kind == "list" and inner.get("type") == "dict":
            yield from keys(inner["schema"], f"{path}[].")
