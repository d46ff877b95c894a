"""The commands. Data on stdout, messages on stderr; exit 0 ok, 1 failed, 2 usage, 3 set-up."""

import json
import os
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.exc import SQLAlchemyError

from app import administration, database, demo, intake, main, protocols
from app.administration import Office
from app.database import Database
from app.demo_persons import demo_persons
from app.deps import read_clock
from app.errors import InputInvalid
from app.intake import Report, Skipped, Stored
from app.month_keys import MonthKeyMissing, MonthKeys
from app.protocols import Change, FileFault, RegisterRefused, Source
from app.settings import SettingInvalid, Settings
from app.tokens import DemoIssuer, IssuersInvalid
from app.wire import read_note

FAILED, CONFIGURATION = 1, 3

app = typer.Typer(
    name="protocolpoort",
    help="The signed protocol is the access policy; every access is evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would show national numbers
)
db = typer.Typer(help="The schema of the database.", no_args_is_help=True)
protocol = typer.Typer(help="The register of protocols.", no_args_is_help=True)
kbi = typer.Typer(help="Answers of the Kruispuntbank Inburgering.", no_args_is_help=True)
register = typer.Typer(help="The register of persons.", no_args_is_help=True)
token = typer.Typer(help="Tokens of the demo issuer.", no_args_is_help=True)
keys = typer.Typer(help="The month keys of the access log.", no_args_is_help=True)
for name, group in {
    "db": db,
    "protocol": protocol,
    "kbi": kbi,
    "register": register,
    "token": token,
    "keys": keys,
}.items():
    app.add_typer(group, name=name)

messages = Console(stderr=True, highlight=False, soft_wrap=True)

AsJson = Annotated[bool, typer.Option("--json", help="Data as JSON.")]


def run() -> None:
    """Run a command; what the operator can mend is one line and exit code 3."""
    try:
        app()
    except (SettingInvalid, main.NotReady, MonthKeyMissing, IssuersInvalid) as error:
        say(str(error))
        sys.exit(CONFIGURATION)
    except (OSError, OverflowError) as error:
        say(f"this machine refuses: {error}")
        sys.exit(CONFIGURATION)
    except SQLAlchemyError as error:
        say(f"the database does not answer as it should: {type(error).__name__}")
        sys.exit(CONFIGURATION)


def say(text: str) -> None:
    """A message for the person at the keyboard, never data."""
    messages.print(text, markup=False)


def settings() -> Settings:
    """The settings of this environment."""
    return main.settings_from(os.environ)  # noqa: TID251 - a command reads it once


def office() -> Office:
    """Database and keys, ready for use; the demo makes what it misses."""
    chosen = settings()
    if chosen.month_keys is None:
        raise SettingInvalid("PROTOCOLPOORT_MONTH_KEYS must name the folder of the month keys")
    month_keys = MonthKeys(chosen.month_keys)
    if not chosen.production:
        database.upgrade(chosen.database_url)
        month_keys.create(read_clock(), months=2)
    return Office(ready_database(chosen), month_keys, main.origin())


def ready_database(chosen: Settings) -> Database:
    """The database, when its schema is the newest; raises NotReady."""
    opened = Database(chosen.database_url)
    if not database.is_current(opened):
        raise main.NotReady("the database is not up to date: run `protocolpoort db upgrade`")
    return opened


@app.command()
def serve(
    host: str = "127.0.0.1", port: int = 8000, workers: Annotated[int, typer.Option(min=1)] = 1
) -> None:
    """Serve the API."""
    main.create_app()  # what is wrong with the set-up is said here, once, and not by each worker
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        timeout_worker_healthcheck=60,  # seconds; a worker that still imports is not a dead one
        **main.SERVER,
    )


@app.command("demo")
def run_demo(persons: Annotated[int, typer.Option(min=3)] = 2000, port: int = 8000) -> None:
    """Serve synthetic persons on 127.0.0.1 and print what to try."""
    chosen = settings()
    if chosen.production:
        raise SettingInvalid("the demo runs with PROTOCOLPOORT_MODE=demo only")
    try:
        listener = demo.listen(port)
    except demo.PortTaken:
        say(f"port {port} of 127.0.0.1 is taken: choose another one with PORT=")
        raise typer.Exit(FAILED) from None
    desk = office()
    sources, faults = protocols.read_files(protocol_files(chosen.protocols))
    if faults:
        raise typer.Exit(report_faults(faults))
    load(desk, sources)
    say(f"{persons} synthetic persons ...")
    demo.fill(desk, demo_persons(persons), read_clock())
    service = main.create_app(chosen)
    issuer = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, chosen.mode)

    def announce() -> None:
        give(f"# Protocolpoort op http://127.0.0.1:{port}/ (Ctrl-C stopt)")
        for title, line in demo.lines_to_paste(issuer, port, read_clock()):
            give(f"\n# {title}\n{line}")

    demo.serve(service, listener, announce)


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the schema to the newest revision."""
    database.upgrade(settings().database_url)
    say("the database is up to date")


@db.command("check")
def db_check() -> None:
    """Exit 0 when the schema is the newest, 1 when not."""
    if database.is_current(Database(settings().database_url)):
        say("the database is up to date")
        return
    say("the database is not up to date: run `protocolpoort db upgrade`")
    raise typer.Exit(FAILED)


@protocol.command("validate")
def protocol_validate(files: list[Path]) -> None:
    """Check documents and lists; every fault with its file, place and rule."""
    sources, faults = protocols.read_files(files)
    for source in sources:
        say(f"{source.path}: valid")
    raise typer.Exit(report_faults(faults))


@protocol.command("load")
def protocol_load(folder: Annotated[Path | None, typer.Argument(metavar="DIR")] = None) -> None:
    """Put every complete document of DIR in force for its own dates, in one transaction."""
    chosen = settings()
    source = folder or chosen.protocols
    files, left_out = split_demo(source, production=chosen.production)
    for path in left_out:
        say(f"{path}: left out, it is for the demo only")
    if not files:
        say(f"{source}: no .yaml file to load")
        raise typer.Exit(FAILED)
    sources, faults = protocols.read_files(files)
    if faults:
        raise typer.Exit(report_faults(faults))
    changes = load(office(), sources)
    for change in changes:
        say(f"{change.protocol} {change.version}: {change.kind}")
    say(f"{len(sources)} files read, {len(changes)} changes")


@protocol.command("list")
def protocol_list(as_json: AsJson = False) -> None:
    """Every version in the register."""
    with ready_database(settings()).reading() as session:
        rows = [
            {
                "id": row.protocol,
                "versie": row.version,
                "status": "concept" if row.draft else "geschorst" if row.suspended_since else "",
                "geldigVan": row.document["geldigVan"],
                "geldigTot": row.document["geldigTot"],
                "hash": row.hash,
            }
            for row in protocols.list_all(session)
        ]
    give_rows(rows, as_json=as_json)


@protocol.command("suspend")
def protocol_suspend(
    id_: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
) -> None:
    """Suspend a protocol for every answer from now on."""
    try:
        told = read_note(reason)
    except InputInvalid as invalid:
        raise typer.BadParameter(f"--reason {invalid.issues[0].detail}") from None
    known = administration.suspend(office(), id_, told, read_clock())
    raise typer.Exit(outcome(known, f"{id_} is suspended", id_))


@protocol.command("resume")
def protocol_resume(id_: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Lift the suspension of a protocol."""
    known = administration.resume(office(), id_, read_clock())
    raise typer.Exit(outcome(known, f"{id_} is no longer suspended", id_))


@kbi.command("import")
def kbi_import(paths: list[Path]) -> None:
    """Store MAGDA GeefDossierKBI-01.00 answers: XML files, or folders of them."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise typer.BadParameter(f"{missing[0]} does not exist")
    files = intake.answer_files(paths)
    desk, production = office(), settings().production
    reports = intake.import_answers(desk.database, files, read_clock(), production=production)
    raise typer.Exit(follow(reports, len(files), "answers"))


@register.command("import")
def register_import(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Store residences, memberships, participations, consents and contact data (JSON Lines)."""
    desk, production = office(), settings().production
    with file.open(encoding="utf-8", errors="surrogateescape") as lines:
        reports = intake.import_lines(desk.database, lines, production=production)
        code = follow(reports, None, "lines")
    raise typer.Exit(code)


@token.command("issue")
def token_issue(
    organisation: Annotated[str, typer.Option()],
    client: Annotated[str, typer.Option()],
    scope: Annotated[str, typer.Option(help="Scopes, separated by spaces.")],
    ttl: Annotated[int, typer.Option(min=1, max=28800, help="Seconds.")] = 28800,
) -> None:
    """Print a token of the demo issuer, alone on one line."""
    issuer = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, settings().mode)
    give(issuer.issue(organisation, client, scope.split(), read_clock(), timedelta(seconds=ttl)))


@keys.command("create")
def keys_create(months: Annotated[int, typer.Option(min=1, max=120)] = 3) -> None:
    """Make the missing month keys, from this month on."""
    folder = settings().month_keys
    if folder is None:
        raise SettingInvalid("PROTOCOLPOORT_MONTH_KEYS must name the folder of the month keys")
    made = MonthKeys(folder).create(read_clock(), months)
    say(f"{len(made)} month keys made: {', '.join(made) or 'none was missing'}")


def protocol_files(folder: Path) -> list[Path]:
    """The documents and lists in a folder and its subfolders."""
    return sorted(folder.rglob("*.yaml"))


def split_demo(folder: Path, *, production: bool) -> tuple[list[Path], list[Path]]:
    """The files of a folder; in production what stands in a folder `demo` below it is left out."""
    files = protocol_files(folder)
    demos = [path for path in files if production and "demo" in path.relative_to(folder).parts]
    return [path for path in files if path not in demos], demos


def load(desk: Office, sources: list[Source]) -> list[Change]:
    """Load the files; say why and exit 1 when the register refuses."""
    try:
        return administration.load(desk, sources, read_clock())
    except RegisterRefused as refused:
        say(str(refused))
        raise typer.Exit(FAILED) from None


def report_faults(faults: list[FileFault]) -> int:
    """Say every fault; the exit code."""
    for fault in faults:
        say(f"{fault.path}: {fault.place}: {fault.rule}")
    return FAILED if faults else 0


def follow(reports: Iterable[Report], total: int | None, what: str) -> int:
    """Show the progress of an import and name what was skipped; the exit code."""
    stored = unchanged = skipped = 0
    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        for report in reports:
            progress.advance(task)
            match report:
                case Stored(new=True):
                    stored += 1
                case Stored():
                    unchanged += 1
                case Skipped():
                    skipped += 1
                    say(f"{report.name}: {report.rule}")
    say(f"{what}: {stored} stored, {unchanged} unchanged, {skipped} skipped")
    return FAILED if skipped else 0


def outcome(known: bool, done: str, id_: str) -> int:
    """Say what happened; the exit code."""
    say(done if known else f"there is no protocol {id_}")
    return 0 if known else FAILED


def give(data: str) -> None:
    """Data on stdout, plain and at once, also into a pipe; messages go through `say`."""
    print(data, flush=True)  # noqa: T201 - the one place that prints data


def give_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Rows as JSON, or a line for each with tabs."""
    if as_json:
        give(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        give("\t".join(str(value or "-") for value in row.values()))


if __name__ == "__main__":
    run()
