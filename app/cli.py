"""The commands. Data on stdout, messages on stderr; exit 0 ok, 1 failed, 2 usage, 3 set-up."""

import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from rich.progress import Progress
from sqlalchemy.exc import SQLAlchemyError

from app import (
    administration,
    database,
    demo,
    doctor,
    intake,
    main,
    protocols,
    roles,
)
from app.console import (
    CONFIGURATION,
    FAILED,
    Actor,
    AsJson,
    give,
    give_rows,
    messages,
    note,
    office,
    ready_database,
    say,
    settings,
)
from app.database import Database
from app.demo_persons import demo_persons
from app.deps import read_clock
from app.doctor import Level
from app.errors import ClockBehind, LogUnavailable
from app.insz import Insz, NotAnInsz
from app.intake import Report, Skipped, Stored
from app.log_commands import log
from app.log_keys import LogRewritten, vkeys
from app.month_keys import MonthKeyMissing, MonthKeys
from app.notation import DocumentInvalid
from app.register_commands import attempt, protocol, protocol_files, report_faults
from app.settings import SettingInvalid
from app.tokens import DemoIssuer, IssuersInvalid

app = typer.Typer(
    name="protocolpoort",
    help="The signed protocol is the access policy; every access is evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would show national numbers
)
db = typer.Typer(help="The schema of the database.", no_args_is_help=True)
kbi = typer.Typer(help="Answers of the Kruispuntbank Inburgering.", no_args_is_help=True)
register = typer.Typer(help="The register of persons.", no_args_is_help=True)
token = typer.Typer(help="Tokens of the demo issuer.", no_args_is_help=True)
clock = typer.Typer(help="The time that records are dated by.", no_args_is_help=True)
keys = typer.Typer(help="The month keys of the access log.", no_args_is_help=True)
for name, group in {
    "db": db,
    "protocol": protocol,
    "kbi": kbi,
    "register": register,
    "token": token,
    "keys": keys,
    "clock": clock,
    "log": log,
}.items():
    app.add_typer(group, name=name)


def run() -> None:
    """Run a command; what the operator can mend is one line and exit code 3."""
    try:
        app()
    except (SettingInvalid, main.NotReady, MonthKeyMissing, IssuersInvalid) as error:
        say(str(error))
        sys.exit(CONFIGURATION)
    except ClockBehind:
        say(
            "nothing was changed: the clock of this machine stands before the newest record of "
            "the log. Set the clock right; or, when that record was dated by a clock that ran "
            "ahead, run `protocolpoort clock accept`"
        )
        sys.exit(CONFIGURATION)
    except LogRewritten as how:
        say(f"the access log does not hold: {how}")
        sys.exit(CONFIGURATION)
    except LogUnavailable:
        say("nothing was changed: the access log takes no record")
        sys.exit(CONFIGURATION)
    except DocumentInvalid:
        say("the register holds a document that this version cannot read: run `doctor`")
        sys.exit(CONFIGURATION)
    except (OSError, OverflowError) as error:
        say(f"this machine refuses: {error}")
        sys.exit(CONFIGURATION)
    except SQLAlchemyError as error:
        say(f"the database does not answer as it should: {type(error).__name__}")
        sys.exit(CONFIGURATION)


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
    attempt(lambda: administration.load(desk, sources, read_clock()))
    say(f"{persons} synthetic persons ...")
    demo.fill(desk, demo_persons(persons), read_clock())
    service = main.create_app(chosen)
    with desk.database.reading() as session:
        vkey = vkeys(session)[0].text
    issuer = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, chosen.mode)

    def announce() -> None:
        give(f"# Protocolpoort op http://127.0.0.1:{port}/ (Ctrl-C stopt)")
        for title, line in demo.lines_to_paste(issuer, port, vkey, read_clock()):
            give(f"\n# {title}\n{line}")

    demo.serve(service, listener, announce)


@app.command("doctor")
def run_doctor(as_json: AsJson = False) -> None:
    """Say what is wrong with the set-up and what to do; exit 1 for an error."""
    findings = doctor.examine(settings(), read_clock())
    give_rows([asdict(finding) for finding in findings], as_json=as_json)
    say(f"{len(findings)} findings")
    raise typer.Exit(FAILED if any(one.level is Level.ERROR for one in findings) else 0)


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the schema to the newest revision."""
    try:
        database.upgrade(settings().database_url)
    except database.UpgradeRefused as how:
        say(f"nothing was changed: {how}")
        raise typer.Exit(FAILED) from None
    say("the database is up to date")


@db.command("check")
def db_check() -> None:
    """Exit 0 when the schema is the newest, 1 when not."""
    if database.is_current(Database(settings().database_url)):
        say("the database is up to date")
        return
    say("the database is not up to date: run `protocolpoort db upgrade`")
    raise typer.Exit(FAILED)


@db.command("grant")
def db_grant(role: str) -> None:
    """Give a login role of PostgreSQL what the service needs and no more; run it as the owner."""
    opened = ready_database(settings())
    try:
        with opened.writing() as session:
            roles.grant(session, role)
    except roles.RoleUnfit as unfit:
        say(f"nothing was changed: {unfit}")
        raise typer.Exit(CONFIGURATION) from None
    say(f"{role} has what the service needs, and no more: let PROTOCOLPOORT_DATABASE_URL name it")


@clock.command("accept")
def clock_accept(
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")], actor: Actor = None
) -> None:
    """Take the clock as it stands, after one that ran ahead dated a record in the future."""
    administration.accept_clock(office(actor), note(reason) or "", read_clock())
    say("records are dated by the clock of this machine again")


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


@token.command("citizen")
def token_citizen(
    source: Annotated[str, typer.Argument(metavar="-", help="The INSZ comes on standard input.")],
) -> None:
    """Print a token of the demo issuer for one person, alone on one line."""
    if source != "-":  # an argument stands in the history of the shell
        raise typer.BadParameter("give - and the INSZ on standard input")
    issuer = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, settings().mode)
    try:
        insz = Insz(sys.stdin.readline().strip())
    except (NotAnInsz, UnicodeDecodeError):
        say("standard input holds no valid INSZ on its first line")
        raise typer.Exit(FAILED) from None
    give(issuer.issue_citizen(insz, read_clock()))


@keys.command("create")
def keys_create(months: Annotated[int, typer.Option(min=1, max=120)] = 3) -> None:
    """Make the missing month keys, from this month on."""
    folder = settings().month_keys
    if folder is None:
        raise SettingInvalid("PROTOCOLPOORT_MONTH_KEYS must name the folder of the month keys")
    made = MonthKeys(folder).create(read_clock(), months)
    say(f"{len(made)} month keys made: {', '.join(made) or 'none was missing'}")


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


if __name__ == "__main__":
    run()
