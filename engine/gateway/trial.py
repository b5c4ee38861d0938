"""Trials of one provider: what is set up for them, and what a new one can be taught by them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from engine.errors import ConfigError
from engine.gateway import config
from engine.gateway.conformance import FAILED, OK, Asker, Result, alone
from engine.gateway.patterns import is_glob
from engine.gateway.probe import Probe, ProbeError
from engine.gateway.settings import CredentialSettings, Settings
from engine.gateway.snapshot import Snapshot, build
from engine.gateway.upstream import Transports
from engine.translation.conformance import Check, Conformance
from engine.translation.provider_draft import Draft
from engine.translation.translator import Translator

Say = Callable[[str], None]


def credential_of(settings: Settings | None, provider: str) -> CredentialSettings | None:
    """The first credential of a configuration at this provider that is not off."""
    rows = settings.credentials if settings else ()
    return next((row for row in rows if row.provider == provider and not row.disabled), None)


def setup(
    provider: str,
    translator: Translator,
    settings: Settings | None = None,
    key: str | None = None,
    base_url: str | None = None,
    patience: float = 60.0,
) -> Snapshot:
    """What asks the provider: with its credential in the configuration, or with this key.

    ``key`` and ``base_url`` stand before what that credential says. Its transports are the
    caller's to close. Raises ConfigError.
    """
    row = credential_of(settings, provider) or CredentialSettings(provider, provider)
    if key is not None:
        row = replace(row, api_key=key, signing=None)
    if base_url is not None:
        row = replace(row, base_url=base_url)
    made = build(
        alone(settings or config.parse("{}"), row, patience),
        transports=Transports(),
        translator=translator,
    )
    if not made.router.credentials:
        raise ConfigError([*made.notes, f"nothing to ask {provider} with; name a key"])
    return replace(made, classes=made.classes.open())


async def model_of(snapshot: Snapshot, row: CredentialSettings | None, say: Say) -> str:
    """A model to ask for: the first that the configuration names, or the provider lists. Raises
    ProbeError."""
    for entry in row.models if row else ():
        if not is_glob(entry.id):
            return entry.id
    (credential,) = snapshot.router.credentials
    key = credential.secrets[0] if credential.secrets else None
    wire = credential.provider.format
    probe = Probe(credential.base_urls[wire], key, snapshot.translator, snapshot.transports, say)
    models = await probe.models(snapshot.translator.formats[wire])
    if not models:
        raise ProbeError(f"{credential.provider.name} lists no models; name one with --model")
    return models[0]


async def run(snapshot: Snapshot, checks: Iterable[Check], model: str, say: Say) -> list[Result]:
    """What comes of the checks, in turn."""
    asker, results = Asker(snapshot), list[Result]()
    for check in checks:
        say(f"{check.name} …")
        result = await asker.check(check, model)
        say(f"{check.name}: {result.outcome} ({result.seconds * 1000:.0f} ms)")
        results.append(result)
    return results


async def learn(
    draft: Draft,
    known: Conformance,
    model: str,
    load: Callable[[Path], Translator],
    key: str | None,
    say: Say,
    patience: float,
) -> tuple[Draft, list[Result]]:
    """The draft with the quirks with which it passes more, and what came of the checks.

    ``load`` gives the translator with a folder of provider files.
    """

    async def tried(new: Draft, name: str) -> Result:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / f"{new.name}.yaml").write_text(new.file(), encoding="utf-8")
            made = setup(new.name, load(Path(folder)), None, key, patience=patience)
        try:
            return (await run(made, [known.check(name)], model, say))[0]
        finally:
            await made.transports.aclose()

    results = {known.checks[0].name: await tried(draft, known.checks[0].name)}
    for lesson in known.lessons if draft.format.unknown else ():
        before = results.get(lesson.check)
        if lesson.says is not None:
            failed = before is not None and before.outcome == FAILED
            if not failed or before is None or not re.search(lesson.says, before.detail):
                continue
        result = await tried(draft.with_quirks(lesson.quirks), lesson.check)
        if result.outcome == OK:
            draft = draft.with_quirks(lesson.quirks)
            results[lesson.check] = result
    return draft, list(results.values())
