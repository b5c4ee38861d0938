"""The command line: ``ai-proxy serve | check | translate | mapping | providers``.

Exit status: 0 fine, 1 findings, 2 usage. ``--json`` where a program may want to read the answer.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from engine.console import known, own_mappings, pretty, settings_of, stop
from engine.errors import ConfigError, MappingError, Rejected, UpstreamError
from engine.provider_commands import providers
from engine.resources import shipped
from engine.translation import guard
from engine.translation.jsontext import JsonError, dumps, loads
from engine.translation.translator import Translator


class _Default(click.Group):
    """Without a command it serves."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = ["serve", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Default, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ai-proxy", prog_name="ai-proxy")
def main() -> None:
    """An AI proxy gateway whose translations are data."""


@main.command()
@click.option("--config", default="config.yaml", envvar="AI_PROXY_CONFIG", show_default=True)
@click.option("--host", envvar="AI_PROXY_HOST", help="Listen address, over the configuration's.")
@click.option("--port", type=int, envvar="AI_PROXY_PORT", help="Listen port.")
@click.option("--log-level", envvar="AI_PROXY_LOG_LEVEL", help="debug, info, warning or error.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    envvar="AI_PROXY_WORKERS",
    help="Processes that share the port.",
)
def serve(
    config: str, host: str | None, port: int | None, log_level: str | None, workers: int
) -> None:
    """Serve with a configuration."""
    from engine.gateway.server import serve as run

    try:
        run(Path(config), host=host, port=port, log_level=log_level, workers=workers)
    except (ConfigError, MappingError) as error:
        stop(error.problems)


@main.command()
@click.option(
    "--config", help="Check this configuration, too, and run the cases of its own mappings."
)
@click.option("--json", "as_json", is_flag=True, help="Findings as JSON.")
def check(config: str | None, as_json: bool) -> None:
    """Check configuration, providers and mappings, and run the cases beside them."""
    if config:
        from engine.gateway.server import check_config

        ran, findings = check_config(Path(config))
    else:
        try:
            ran, findings = guard.run(Translator.load())
        except MappingError as error:
            ran, findings = 0, error.problems
    if as_json:
        click.echo(json.dumps({"cases": ran, "findings": findings}))
    else:
        for finding in findings:
            click.echo(finding, err=True)
        click.echo(f"{ran} cases, {len(findings)} findings")
    sys.exit(1 if findings else 0)


@main.command()
@click.option(
    "--kind", type=click.Choice(["request", "response", "stream", "error"]), default="request"
)
@click.option("--from", "source", required=True, help="Wire format of the input.")
@click.option("--to", "target", required=True, help="Wire format of the output.")
@click.option("--provider", help="Provider file; default: the upstream format's own.")
@click.option("--model", help="The upstream's name of the model.")
@click.option("--config", help="With the providers and mappings of this configuration.")
@click.option(
    "--request",
    "request_file",
    type=click.Path(exists=True),
    help="The client's request, for answers.",
)
@click.option("--status", type=int, default=500, show_default=True, help="Status of an error.")
@click.option("--losses", is_flag=True, help="Show what was lost, on the error output.")
@click.option(
    "--explain", is_flag=True, help="Show where each field came from instead of the result."
)
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
@click.argument("file", type=click.File("rb"), default="-")
def translate(file: Any, **options: Any) -> None:
    """Translate a document or a stream from FILE (or the standard input)."""
    data: bytes = file.read()
    try:
        result = _translate(
            data,
            **{key: options[key] for key in options if key not in ("losses", "explain", "as_json")},
            explain=options["explain"],
        )
    except Rejected as error:
        if options["as_json"]:
            click.echo(dumps({"refused": _refused(error)}).decode())
            sys.exit(1)
        stop([f"refused: {error}"])
    except (UpstreamError, JsonError, ValueError) as error:
        stop([str(error)], 2 if isinstance(error, ValueError) else 1)
    losses = [loss.as_dict() for loss in result["losses"]]
    if options["as_json"]:
        shown = {**result, "losses": losses}
        if isinstance(shown["body"], bytes):
            shown["body"] = shown["body"].decode()
        if not options["explain"]:
            del shown["explain"]
        click.echo(dumps({key: each for key, each in shown.items() if each is not None}).decode())
    elif options["explain"]:
        for row in result["explain"]:
            click.echo(dumps(row).decode())
    else:
        body = result["body"]
        click.echo(
            body if isinstance(body, bytes) else pretty(body), nl=not isinstance(body, bytes)
        )
    if options["losses"] and not options["as_json"]:
        for loss in losses:
            click.echo(
                f"{loss['path']}: {loss['reason']} ({loss['kind']}, {loss['rule']})", err=True
            )


def _translate(
    data: bytes,
    kind: str,
    source: str,
    target: str,
    provider: str | None,
    model: str | None,
    config: str | None,
    request_file: str | None,
    status: int,
    explain: bool,
) -> dict[str, Any]:
    translator = known(config)
    request = loads(Path(request_file).read_bytes()) if request_file else {}
    if kind == "stream":
        stream = translator.stream(
            source, target, request=request, provider=provider, explain=explain
        )
        body = stream.feed(data) + stream.close()
        rows = stream.explain() if explain else []
        return {"body": body, "error": stream.error, "losses": stream.losses, "explain": rows}
    if kind == "error":
        try:
            wire = loads(data)
        except JsonError:
            wire = data.decode("utf-8", "replace")
        error = translator.error(status, wire, source, target, provider=provider)
        told = {"status": error.status, "headers": error.headers, "body": error.body}
        return {**told, "losses": [], "explain": []}
    document = loads(data)
    if kind == "request":
        made = translator.request(document, source, target, provider, model)
        return {
            "path": made.path,
            "headers": made.headers,
            "body": made.body,
            "losses": made.losses,
            "explain": made.explain() if explain else [],
        }
    answer = translator.response(document, source, target, request=request, provider=provider)
    return {
        "body": answer.body,
        "error": answer.error,
        "losses": answer.losses,
        "explain": answer.explain() if explain else [],
    }


def _refused(error: Rejected) -> dict[str, Any]:
    told = {"path": error.path, "reason": error.reason, "status": error.status, "rule": error.rule}
    return {key: value for key, value in told.items() if value is not None}


@main.group()
def mapping() -> None:
    """Look into mappings."""


@mapping.command("show")
@click.option("--python", is_flag=True, help="The generated Python instead of the YAML.")
@click.option("--json", "as_json", is_flag=True, help="The texts as JSON, each with its name.")
@click.argument("name")
def mapping_show(name: str, python: bool, as_json: bool) -> None:
    """Show a mapping, like claude/request: its fragments resolved, or the generated function."""
    from engine.language.show import resolved
    from engine.translation.formats import KINDS

    form, _, kind = name.partition("/")
    translator = Translator.load()
    side = translator.formats.get(form)
    if side is None or kind not in KINDS:
        formats = ", ".join(sorted(translator.formats))
        known = f"one of {formats} and {', '.join(KINDS)}"
        raise click.UsageError(f"no mapping {name}; write FORMAT/KIND with {known}")
    if not python:
        text = resolved(side.files(), kind)
        click.echo(dumps({name: text}).decode() if as_json else text, nl=as_json)
        return
    if kind == "stream":
        halves = [side.events_in, side.events_out]
        programs = [half.program for half in halves if half is not None]
    else:
        sections = [side.read.get(kind), side.write.get(kind)]
        programs = [section.program for section in sections if section is not None]
    if as_json:
        click.echo(dumps({program.label: program.source for program in programs}).decode())
        return
    for program in programs:
        click.echo(f"# {program.label}\n{program.source}")


@mapping.command("matrix")
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 1 when the page is not up to date."
)
@click.option("--json", "as_json", is_flag=True, help="Every cell as JSON, written nowhere.")
@click.option("--config", help="With the providers and mappings of this configuration.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="docs/fidelity.md",
    show_default=True,
    help="The page to write or check.",
)
def mapping_matrix(check: bool, as_json: bool, config: str | None, out: Path) -> None:
    """Measure what gets from each wire format to each other one, and write it as a page."""
    from engine.translation.fidelity import Matrix
    from engine.translation.fidelity_page import data, page
    from engine.translation.probes import Probes

    if not as_json and not check and not out.parent.is_dir():
        stop([f"no folder {out.parent} here; name a file with --out"], 2)
    matrix = Matrix(known(config), Probes(shipped("mappings")))
    if as_json:
        click.echo(json.dumps(data(matrix), ensure_ascii=False))
        return
    text = page(matrix)
    if not check:
        out.write_text(text, encoding="utf-8")
        click.echo(f"wrote {out}")
    elif not out.is_file() or out.read_text(encoding="utf-8") != text:
        stop([f"{out} is not up to date; write it again: ai-proxy mapping matrix --out {out}"])


@main.command()
@click.option("--config", help="With the quirks of this configuration's own mappings.")
@click.argument("what")
def schema(what: str, config: str | None) -> None:
    """Print the JSON Schema of a sort of file, for editors and other tools."""
    from engine import editor_schemas

    if what not in editor_schemas.NAMES:
        raise click.UsageError(f"{what} is not one of {', '.join(editor_schemas.NAMES)}")
    try:
        click.echo(pretty(editor_schemas.schema(what, own_mappings(settings_of(config)))))
    except MappingError as error:
        stop(error.problems)


main.add_command(providers)
