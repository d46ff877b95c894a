"""The exchange with VDAB: what its acts need, whether the protocol opens them, their records."""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from sqlmodel import Session

from app import access_log, driver, policy, protocols, rounds
from app.administration import Office
from app.errors import Outcome, Reason
from app.moments import brussels_date
from app.monitoring import NUMBER, ORGANISATION, PURPOSE
from app.policy import Clause, Granted, Operation, Question, Refused
from app.record import Agreement, Allowance, RecordType, Trace
from app.register import Register
from app.rounds import Round, State
from app.secret_files import write_once

EXCHANGE = Operation.EXCHANGE_VDAB
OUT, BACK = "uit", "terug"  # folders: what was made for others, and what VDAB gave back
MARK = "merk"  # the file by which the folder is known again

T = TypeVar("T")
Advance = Callable[[int], None]  # takes how much is done


class ExchangeRefused(Exception):
    """Nothing was sent, taken in or released; the text says why and names no person.

    `reason` is what the access log says of it.
    """

    reason, outcome = Reason.INVALID_REQUEST, Outcome.INVALID
    clause: Clause | None = None


class Closed(ExchangeRefused):
    """The protocol does not open the exchange."""

    outcome = Outcome.DENIED

    def __init__(self, refused: Refused, clause: Clause | None) -> None:
        day = f" ({refused.on})" if refused.on else ""
        super().__init__(f"the protocol does not open it: {refused.reason.value}{day}")
        self.reason, self.clause = refused.reason, clause


class MachineRefused(ExchangeRefused):
    """A full disk, or files that cannot be reached."""

    reason, outcome = Reason.ERROR, Outcome.ERROR


@dataclass
class Post:
    """What an act of the exchange needs, and on whose behalf it is done."""

    office: Office
    folder: Path  # what it makes and gets, for its owner alone
    clock: Callable[[], datetime]
    production: bool
    function_profile: str | None = None  # of those at VDAB who get the data
    register: Register | None = None

    @property
    def out(self) -> Path:
        """Where what is made for others stands."""
        return self.folder / OUT

    @property
    def back(self) -> Path:
        """Where what VDAB gave back stands."""
        return self.folder / BACK


def act(post: Post, work: Callable[[Session, Granted, datetime], T], *, counted: bool = False) -> T:
    """Decide by the protocol, and do, in one transaction: `work` writes its records in it.

    `counted`: it takes a turn of the quota. Raises ExchangeRefused; then nothing is done.
    """
    with post.office.database.writing() as session:
        # Before the register is read: what another act changes waits until this one is recorded.
        access_log.lock(session)
        now = post.clock()
        return work(session, _decide(session, post, now, counted=counted), now)


def _decide(session: Session, post: Post, now: datetime, *, counted: bool) -> Granted:
    today = brussels_date(now)
    if post.register is None or post.register.version != protocols.read_version(session):
        post.register = protocols.read_register(session)
    clause = post.register.covering(ORGANISATION, PURPOSE, today)
    allowance = Allowance.of(clause, EXCHANGE, today) if counted else None
    decision = policy.decide(
        clause,
        Question(EXCHANGE, PURPOSE, (NUMBER,), post.function_profile),
        today,
        production=post.production,
        used=access_log.used(session, allowance) if allowance else 0,
    )
    if isinstance(decision, Refused):
        raise Closed(decision, clause)
    return decision


def is_over(session: Session, today: date, *, production: bool) -> bool:
    """Whether the protocol opens the exchange no more, to whatever profile at VDAB.

    A suspension may be lifted, and a list of profiles may be given: neither is an end.
    """
    clause = protocols.read_register(session).covering(ORGANISATION, PURPOSE, today)
    asked = Question(EXCHANGE, PURPOSE, (NUMBER,))
    decision = policy.decide(clause, asked, today, production=production)
    passing = (Reason.SUSPENDED, Reason.FUNCTION_PROFILE)
    return isinstance(decision, Refused) and decision.reason not in passing


def trace(said: Granted, **more: object) -> Trace:
    """What every record of the exchange says of the protocol."""
    agreed = Agreement.of(said.clause)
    return Trace(**{"agreement": agreed, "purpose": PURPOSE, "type": RecordType.ADMIN, **more})  # type: ignore[arg-type]


def record(
    session: Session,
    post: Post,
    operation: str,
    traces: Sequence[Trace],
    now: datetime,
    organisation: str = ORGANISATION,
    event_id: str | None = None,
) -> list[str]:
    """Write a record for each; their ids. `event_id`: that of the only one, where it was chosen."""
    desk = post.office
    given = {"organisation": organisation, "function_profile": post.function_profile}
    commands = [
        (access_log.command_visit(operation, now, desk.actor, **given), each) for each in traces
    ]
    if event_id:
        [(visit, only)] = commands
        commands = [(replace(visit, event_id=event_id), only)]
    access_log.write_commands(session, desk.keys, desk.origin, commands, now)
    return [visit.event_id for visit, _ in commands]


@contextmanager
def step(post: Post, operation: str) -> Iterator[None]:
    """An act of several transactions: when it is refused, on whatever ground, that is recorded.

    One at a time. Raises ExchangeRefused for a full disk too.
    """
    try:
        try:
            with alone(post):
                yield
        except (OSError, sqlite3.Error) as error:
            what = error.strerror if isinstance(error, OSError) else str(error)
            raise MachineRefused(f"this machine refuses: {what}") from None
    except ExchangeRefused as refused:
        _record_refusal(post, operation, refused)
        raise


@contextmanager
def alone(post: Post) -> Iterator[None]:
    """The folder is of one command at a time; ends with the process, however that ends.

    Raises ExchangeRefused while another one is at work, and when it is not the folder that has the
    files of the rounds: one where they are missing would be recorded as one where they are gone.
    """
    post.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = os.open(post.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExchangeRefused("another command of the exchange is at work") from None
        with post.office.database.reading() as session:
            expected = rounds.folder(session)
        if expected and mark_of(post) != expected:
            raise ExchangeRefused(
                "the folder is not the one of the rounds before: put that back, with all that was "
                f"in it. Only if it is lost for good: `{MARK}` in a new one has to hold {expected}"
            )
        yield
    finally:
        os.close(folder)


def mark_of(post: Post) -> str | None:
    """What the folder is known by, if it ever had a round."""
    try:
        return (post.folder / MARK).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None


def marked(post: Post) -> str:
    """What the folder is known by: made by chance for its first round."""
    write_once(post.folder / MARK, f"{secrets.token_hex(16)}\n".encode())
    made = mark_of(post)
    assert made  # noqa: S101 - it was there or was written
    return made


def _record_refusal(post: Post, operation: str, refused: ExchangeRefused) -> None:
    clause = refused.clause
    told = Trace(
        type=RecordType.ADMIN,
        outcome=refused.outcome,
        reason=refused.reason,
        agreement=Agreement.of(clause),
        purpose=clause.purpose if clause else None,
        reason_reference=str(refused),
    )
    try:
        with post.office.database.writing() as session:
            record(session, post, operation, [told], post.clock())
    except driver.FAILED:
        return  # a full disk takes no record either: nothing was done, and that is said


def the_round(session: Session, *states: State) -> Round:
    """The open round, which must be so far. Raises ExchangeRefused."""
    found = rounds.current(session)
    if found is None:
        raise ExchangeRefused("no round is open: `protocolpoort vdab export` begins one")
    if found.state not in states:
        raise ExchangeRefused(f"{found.label} is {found.state}, and not {' or '.join(states)}")
    return found
