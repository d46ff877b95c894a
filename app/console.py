"""The terminal of a command: what it reads, what it is told, where data and messages go."""

import csv
import getpass
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.progress import Progress

from app import database, main
from app.administration import Office
from app.database import Database
from app.deps import read_clock
from app.errors import InputInvalid
from app.insz import Insz, NotAnInsz
from app.moments import read_day
from app.settings import Settings
from app.wire import read_instant, read_note

FAILED, CONFIGURATION = 1, 3

AsJson = Annotated[bool, typer.Option("--json", help="Data as JSON.")]


def note(text: str | None) -> str | None:
    """A text that may stand in the log: short, printable, no national number."""
    if text is None:
        return None
    try:
        return read_note(text)
    except InputInvalid as invalid:
        raise typer.BadParameter(invalid.issues[0].detail) from None


Reason = Annotated[str | None, typer.Option(help="Why; it stands in the log.", callback=note)]
NeededReason = Annotated[
    str, typer.Option("--reason", help="Why; it stands in the log.", callback=note)
]
Actor = Annotated[
    str | None,
    typer.Option(help="Who acts; the account of this machine without it.", callback=note),
]


def _dash(source: str) -> str:
    if source != "-":
        raise typer.BadParameter("give - and the INSZ on standard input")
    return source


# A national number is never an argument, which stands in the history of the shell.
FromStdin = Annotated[
    str, typer.Argument(metavar="-", help="The INSZ comes on standard input.", callback=_dash)
]

messages = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A message for the person at the keyboard, never data."""
    messages.print(text, markup=False)


class Advance(Protocol):
    """Shows how much is done, and of how much where only the work knows that."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """So much by now."""


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """A bar on the terminal for long work; nothing elsewhere."""
    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int, total: int | None = total) -> None:
            bar.update(task, description=f"{what} {done}", completed=done, total=total)

        yield advance


def settings() -> Settings:
    """The settings of this environment."""
    return main.settings_from(os.environ)  # noqa: TID251 - a command reads it once


def office(actor: str | None = None) -> Office:
    """Database and keys, ready for use, and who acts; the demo makes what it misses."""
    chosen = settings()
    month_keys = main.month_keys(chosen)
    if not chosen.production:
        database.upgrade(chosen.database_url)
        month_keys.create(read_clock(), months=2)
    return Office(ready_database(chosen), month_keys, main.origin(), actor or _account())


def _account() -> str:
    """The account that runs the command: hidden in the record as any user is."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in a container
        return f"uid-{os.getuid()}"


def ready_database(chosen: Settings) -> Database:
    """The database, when its schema is the newest; raises NotReady."""
    opened = Database(chosen.database_url)
    if not database.is_current(opened):
        raise main.NotReady("the database is not up to date: run `protocolpoort db upgrade`")
    return opened


def day(name: str, text: str) -> date:
    """A date of the command line."""
    found = read_day(text)
    if found is None:
        raise typer.BadParameter(f"{name} must be a date, as 2026-01-31")
    return found


def moment(name: str, text: str) -> datetime:
    """A moment of the command line."""
    try:
        return read_instant(text)
    except InputInvalid as invalid:
        raise typer.BadParameter(f"{name} {invalid.issues[0].detail}") from None


def insz_from_stdin() -> Insz:
    """The national number of a command that takes `FromStdin`."""
    try:
        return Insz(sys.stdin.readline().strip())
    except (NotAnInsz, UnicodeDecodeError):
        say("standard input holds no valid INSZ on its first line")
        raise typer.Exit(FAILED) from None


def give(data: str) -> None:
    """Data on stdout, plain and at once, also into a pipe; messages go through `say`."""
    print(data, flush=True)  # noqa: T201 - the one place that prints data


def give_each(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, as_json: bool) -> None:
    """Rows as they come, however many: as CSV with a heading, or as one JSON list."""
    if not as_json:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)
        return
    before = "["
    for row in rows:
        give(before + json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False))
        before = ","
    give("]" if before == "," else "[]")


def give_rows(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Rows as JSON, or a line for each with tabs."""
    if as_json:
        give(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        give("\t".join(str(value or "-") for value in row.values()))
