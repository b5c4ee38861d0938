"""``ai-proxy providers list | show | new | test``."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.console import known, own_mappings, pretty, settings_of, stop
from engine.errors import ConfigError, MappingError
from engine.language.source import suggest
from engine.resources import shipped
from engine.translation import provider_cases
from engine.translation.provider_cases import Outcome
from engine.translation.translator import Translator

if TYPE_CHECKING:
    from engine.gateway.conformance import Result
    from engine.gateway.probe import Found
    from engine.gateway.settings import Settings
    from engine.gateway.snapshot import Snapshot
    from engine.translation.conformance import Check
    from engine.translation.provider_draft import Draft

NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
# A model may have to be loaded first.
ANSWER_SECONDS = 120.0
PROBE_SECONDS = 15.0
SECONDS = click.FloatRange(min=0, min_open=True)

CONFIG = click.option("--config", help="With the providers and mappings of this configuration.")
JSON = click.option("--json", "as_json", is_flag=True, help="The outcome as JSON.")
KEY_ENV = click.option("--key-env", help="The variable that holds the key.")


@click.group()
def providers() -> None:
    """Look into providers, add one, test one."""


@providers.command("list")
@CONFIG
@click.option("--json", "as_json", is_flag=True)
def list_all(config: str | None, as_json: bool) -> None:
    """The providers that are known, with their wire format and key variable."""
    rows = [
        {"name": each.name, "format": each.format, "key-env": each.key_env}
        for each in known(config).providers.values()
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(f"{row['name']:24} {row['format']:18} {row['key-env'] or ''}".rstrip())


@providers.command("show")
@click.option("--model", help="As it is asked for this model.")
@CONFIG
@click.option("--json", "as_json", is_flag=True)
@click.argument("name")
def show(name: str, model: str | None, config: str | None, as_json: bool) -> None:
    """Every fact of a provider, with the file and line that says it."""
    from engine.translation.provider_manual import facts

    translator = known(config)
    _must_be_known(name, translator)
    rows = list(facts(translator.providers[name], model))
    if as_json:
        click.echo(json.dumps([{"key": key, "value": v, "from": at} for key, v, at in rows]))
        return
    shown = [(f"{key}: {json.dumps(value, ensure_ascii=False)}", at) for key, value, at in rows]
    width = min(72, max(len(text) for text, _ in shown))
    for text, at in shown:
        click.echo(f"{text:{width}}  # {at}")


def _must_be_known(name: str, translator: Translator) -> None:
    if name not in translator.providers:
        near = suggest(name, translator.providers)
        stop([f"no provider {name}{near}", "see: ai-proxy providers list"], 2)


# ------------------------------------------------------------------------------------------- new


@providers.command("new")
@click.option("--base-url", required=True, help="Where it answers, its version segment included.")
@KEY_ENV
@click.option("--dir", "folder", help="Where to write; default: providers-dir, or ./providers.")
@click.option("--format", "wire", help="The wire format that it speaks, where it cannot be asked.")
@click.option("--model", help="The model to try; default: the first that it lists.")
@click.option("--timeout", type=SECONDS, default=PROBE_SECONDS, help="Seconds for each question.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@CONFIG
@JSON
@click.argument("name")
def new(
    name: str,
    base_url: str,
    key_env: str | None,
    folder: str | None,
    wire: str | None,
    model: str | None,
    timeout: float,
    force: bool,
    config: str | None,
    as_json: bool,
) -> None:
    """Ask a server what it is, and write the file, the cases and the snapshots of a provider."""
    from engine.gateway import trial
    from engine.gateway.conformance import FAILED
    from engine.gateway.probe import ProbeError
    from engine.translation import conformance
    from engine.translation.provider_draft import Draft

    settings = settings_of(config)
    base_url = _usable(name, base_url.rstrip("/"))
    home = Path(folder) if folder else (settings and settings.providers_dir) or Path("providers")
    mine = [home / f"{name}.yaml", home / f"{name}{provider_cases.SUFFIX}"]
    there = [str(path) for path in mine if path.exists()]
    if there and not force:
        stop([f"{', '.join(there)}: there already; with --force it is written over"], 2)
    translator = known(config)
    if wire is not None and wire not in translator.formats:
        stop([f"unknown wire format {wire}{suggest(wire, translator.formats)}"], 2)
    if name in translator.providers and not there and not force:
        words = "; say what differs in the configuration (docs/configuration.md, Providers)"
        stop([f"the provider {name} is known{words}, or take another name, or --force"], 2)
    variable = key_env or f"{name.upper().replace('-', '_')}_API_KEY"
    key = os.environ.get(variable) or None
    if key_env and key is None:
        stop([f"the variable {key_env} is not set; set it, or leave --key-env out"], 2)
    try:
        found = asyncio.run(_look(base_url, key, translator, wire, timeout))
    except ProbeError as error:
        stop([str(error)])
    draft = Draft(
        name,
        translator.formats[found.format],
        found.wires,
        base_url,
        found.path,
        variable if key or found.locked else None,
        found.models,
    )
    wanted = model or next(iter(found.models), None)
    checks = conformance.load(own_mappings(settings))
    results: list[Result] = []
    if wanted is not None and (key is not None or not found.locked):
        load = partial(_loaded, settings)
        learning = trial.learn(draft, checks, wanted, load, key, _progress, ANSWER_SECONDS)
        draft, results = asyncio.run(learning)
    written = _write(draft, checks.checks, wanted or "MODEL", home, settings)
    failed = any(result.outcome == FAILED for result in results)
    if as_json:
        shown = {"files": list(map(str, written)), "format": found.format}
        more = {"wires": found.wires, "models": found.models, "quirks": draft.quirks}
        click.echo(json.dumps({**shown, **more, "checks": [each.as_dict() for each in results]}))
    else:
        for line in _next_steps(draft, written, home, settings, wanted):
            click.echo(line)
        for result in results:
            if result.outcome == FAILED:
                click.echo(f"{result.name}: {result.detail}")
    sys.exit(1 if failed else 0)


def _usable(name: str, base_url: str) -> str:
    if not NAME.fullmatch(name):
        stop([f"{name}: a name is of small letters, digits and -"], 2)
    if not re.match(r"https?://[^/?#@\s]+(/[^?#\s]*)?\Z", base_url):
        words = "begins with http:// or https://, names a host, and ends with its path"
        stop([f"{base_url}: a base URL {words}"], 2)
    return base_url


async def _look(
    base_url: str, key: str | None, translator: Translator, wire: str | None, patience: float
) -> Found:
    from engine.gateway.probe import Probe
    from engine.gateway.upstream import Transports

    transports = Transports()
    try:
        probe = Probe(base_url, key, translator, transports, _progress, patience)
        return await probe.found(wire)
    finally:
        await transports.aclose()


def _write(
    draft: Draft,
    checks: Sequence[Check],
    model: str,
    home: Path,
    settings: Settings | None,
) -> list[Path]:
    """Write the provider's files, and what editors check them by; the names of the files."""
    from engine import editor_schemas
    from engine.translation.provider_draft import SCHEMAS

    home.mkdir(parents=True, exist_ok=True)
    (home / SCHEMAS).mkdir(exist_ok=True)
    for sort in ("provider", "provider-cases"):
        text = pretty(editor_schemas.schema(sort, own_mappings(settings))) + "\n"
        (home / SCHEMAS / f"{sort}.json").write_text(text, encoding="utf-8")
    file, cases = home / f"{draft.name}.yaml", home / f"{draft.name}{provider_cases.SUFFIX}"
    file.write_text(draft.file(), encoding="utf-8")
    cases.write_text(draft.cases(checks, model), encoding="utf-8")
    translator = _loaded(settings, home)
    made = provider_cases.load([home], draft.name)
    return [file, cases, *_snapshots(provider_cases.run(translator, case) for case in made)]


def _snapshots(outcomes: Iterable[Outcome]) -> list[Path]:
    """Write the snapshots of these outcomes that have some; their names."""
    written = []
    for outcome in outcomes:
        if outcome.case.reviewed and outcome.result:
            file = outcome.case.snapshot
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_bytes() != outcome.text():
                file.write_bytes(outcome.text())
            written.append(file)
    return written


def _next_steps(
    draft: Draft, written: list[Path], home: Path, settings: Settings | None, model: str | None
) -> list[str]:
    own = settings is not None and settings.providers_dir is not None
    row = f"  - {{ provider: {draft.name}"
    if model:
        row += f", models: [{{ id: {json.dumps(model)} }}]"
    lines = [f"wrote {path}" for path in written[:2]]
    if model is None:
        lines.append("it lists no models: have one tried with --model NAME --force")
    lines += [f"wrote {len(written) - 2} snapshots in {home / 'snapshots' / draft.name}", ""]
    lines += ["next, in the configuration:", ""]
    lines += [] if own else [f"providers-dir: {home}"]
    lines += ["credentials:", f"{row} }}", ""]
    key = f"set {draft.key_env}, " if draft.key_env else ""
    live = "" if draft.key_env else " --live"
    test = f"ai-proxy providers test {draft.name} --dir {home}{live}"
    return [*lines, f"then {key}look at the snapshots, and see what works: {test}"]


# ------------------------------------------------------------------------------------------ test


@providers.command("test")
@click.option("--dir", "folder", help="Further provider files; default: those of --config.")
@click.option("--base-url", help="Where to ask it, in place of the file's.")
@KEY_ENV
@click.option("--model", help="The model to ask; default: of --config, else the first it lists.")
@click.option("--check", "only", multiple=True, help="Only this check of the live run; repeatable.")
@click.option("--timeout", type=SECONDS, default=ANSWER_SECONDS, help="Seconds for each answer.")
@click.option(
    "--live/--offline", default=None, help="Ask it; default: when its key is known, or to be had."
)
@click.option("--update", is_flag=True, help="Write the snapshots of its cases anew.")
@CONFIG
@JSON
@click.argument("name")
def test(
    name: str,
    folder: str | None,
    base_url: str | None,
    key_env: str | None,
    model: str | None,
    only: tuple[str, ...],
    timeout: float,
    live: bool | None,
    update: bool,
    config: str | None,
    as_json: bool,
) -> None:
    """Run the cases of a provider, and with its key ask it to show that it works."""
    from engine.gateway import trial
    from engine.gateway.conformance import FAILED
    from engine.gateway.probe import ProbeError
    from engine.translation import conformance

    settings = settings_of(config)
    home = Path(folder) if folder else settings.providers_dir if settings else None
    translator = _loaded(settings, home)
    _must_be_known(name, translator)
    folders = [shipped("providers"), *([home] if home else [])]
    try:
        cases = provider_cases.load(folders, name)
    except MappingError as error:
        stop(error.problems)
    outcomes = [provider_cases.run(translator, case) for case in cases]
    if update:
        _snapshots(outcomes)
        outcomes = [provider_cases.run(translator, case) for case in cases]
    results: list[Result] = []
    variable = key_env or translator.providers[name].key_env
    key = os.environ.get(variable) if variable else None
    if key_env and not key:
        stop([f"the variable {key_env} is not set"], 2)
    if live is None:
        live = bool(key) or trial.credential_of(settings, name) is not None
    if live:
        checks = _picked(only, conformance.load(own_mappings(settings)).checks)
        try:
            snapshot = trial.setup(name, translator, settings, key, base_url, timeout)
            results = asyncio.run(_live(snapshot, checks, model, name, settings))
        except ConfigError as error:
            stop(error.problems)
        except ProbeError as error:
            stop([str(error)])
    if as_json:
        cases_shown = [{"case": each.case.name, "wrong": each.wrong} for each in outcomes]
        checks_shown = [each.as_dict() for each in results]
        click.echo(json.dumps({"cases": cases_shown, "checks": checks_shown}))
    else:
        _tell(name, outcomes, results)
        if not live:
            click.echo(f"not asked itself: {_how_to_ask(variable)}")
    wrong = any(outcome.wrong for outcome in outcomes)
    sys.exit(1 if wrong or any(result.outcome == FAILED for result in results) else 0)


async def _live(
    snapshot: Snapshot,
    checks: Sequence[Check],
    model: str | None,
    name: str,
    settings: Settings | None,
) -> list[Result]:
    from engine.gateway import trial

    try:
        row = trial.credential_of(settings, name)
        model = model or await trial.model_of(snapshot, row, _progress)
        return await trial.run(snapshot, checks, model, _progress)
    finally:
        await snapshot.transports.aclose()


def _picked(only: Sequence[str], checks: Sequence[Check]) -> list[Check]:
    names = [check.name for check in checks]
    for name in only:
        if name not in names:
            stop([f"no check {name}{suggest(name, names)}"], 2)
    return [check for check in checks if not only or check.name in only]


def _how_to_ask(variable: str | None) -> str:
    return f"set {variable}, or name another variable with --key-env" if variable else "say --live"


def _tell(name: str, outcomes: Sequence[Outcome], results: Sequence[Result]) -> None:
    """The outcomes as a table."""
    for outcome in outcomes:
        if outcome.wrong:
            click.echo(f"{outcome.case.place}: {outcome.case.name}: {outcome.wrong}", err=True)
    wrong = sum(bool(outcome.wrong) for outcome in outcomes)
    click.echo(f"{name}: {len(outcomes)} cases, {wrong} wrong")
    if results:
        width = max(len(result.name) for result in results)
        click.echo(f"\n{'check':{width}}  {'outcome':11}  {'ms':>6}  what it was")
    for result in results:
        ms = round(result.seconds * 1000)
        line = f"{result.name:{width}}  {result.outcome:11}  {ms:>6}  {result.detail}"
        click.echo(line.rstrip())


# ----------------------------------------------------------------------------------------- shared


def _progress(text: str) -> None:
    """A step, for who waits; the outcome goes to the standard output."""
    click.echo(text, err=True)


def _loaded(settings: Settings | None, home: Path | None) -> Translator:
    """The translator of a configuration, with this folder of provider files."""
    try:
        return Translator.load(
            mappings=own_mappings(settings),
            providers=[home] if home else [],
            settings=settings.providers if settings else None,
        )
    except MappingError as error:
        stop(error.problems)
