"""The store of the exchange with VDAB: its rounds, the numbers that are out, its files."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Session, col, delete, func, or_, select, update

from app import driver
from app.driver import Source
from app.models.rounds import ExchangeFile, ExchangeRound, SentNumber

PART = 1000  # numbers that are read together


class State(StrEnum):
    """How far a round is."""

    GATHERING = "verzameld"  # its persons are being recorded; nothing has been made
    EXPORTED = "uitgevoerd"  # the file with the numbers is made, and may have been sent
    TAKEN_IN = "ingelezen"  # what VDAB gave back is found good and stands aside
    RELEASED = "vrijgegeven"
    CANCELLED = "stopgezet"


@dataclass(frozen=True)
class Round:
    """One round, and what its files are called: only these names ever become paths."""

    id: int
    began_on: date
    state: State
    folder: str  # the mark in the folder that has its files
    delivery_id: str  # of the record of the numbers' file, which stands once that is made
    persons: int  # whose number was sent
    answer_digest: str | None
    ended_at: datetime | None

    @property
    def label(self) -> str:
        """What it is called, in files and signatures: `vdab-20260601-1`."""
        return f"vdab-{self.began_on:%Y%m%d}-{self.id}"

    @property
    def numbers_file(self) -> str:
        """What goes to VDAB."""
        return f"{self.label}.csv.age"

    @property
    def answer_file(self) -> str:
        """What VDAB gives back; the signature over it has `.sig` behind that."""
        return f"{self.label}-antwoord.csv.age"

    def result_file(self, organisation: str) -> str:
        """What one receiver gets."""
        return f"{self.label}-uitkomst-{organisation}.csv.age"


@dataclass(frozen=True)
class RoundFile:
    """A file that was made; `digest` is of the encrypted bytes."""

    name: str
    round: int
    organisation: str
    digest: str
    key_fingerprint: str  # of the key that opens it
    event_id: str  # of the record of its delivery
    keep_until: date | None = None  # None: until the round ends
    sent_at: datetime | None = None
    removed_at: datetime | None = None


def current(session: Session) -> Round | None:
    """The round that is open."""
    found = select(ExchangeRound).where(col(ExchangeRound.open).is_not(None))
    return next(map(_round, session.exec(found)), None)


def newest_first(session: Session) -> list[Round]:
    """Every round there was."""
    every = select(ExchangeRound).order_by(col(ExchangeRound.id).desc())
    return [_round(row) for row in session.exec(every)]


def folder(session: Session) -> str | None:
    """The mark in the folder that has the files of every round; None before the first one."""
    newest = select(ExchangeRound.folder).order_by(col(ExchangeRound.id).desc()).limit(1)
    return session.exec(newest).first()


def begin(session: Session, today: date, folder: str, delivery_id: str) -> Round:
    """Open a round; there may be no other."""
    row = ExchangeRound(
        began_on=today, state=State.GATHERING, open=1, folder=folder, delivery_id=delivery_id
    )
    session.add(row)
    session.flush()
    return _round(row)


def advance(session: Session, round_: Round, state: State, **values: Any) -> None:
    """Let a round be further than it was."""
    one = update(ExchangeRound).where(col(ExchangeRound.id) == round_.id)
    session.exec(one.values(state=state, **values))


def end(session: Session, round_: Round, state: State, now: datetime) -> None:
    """Close a round, and forget whose numbers were sent."""
    session.exec(delete(SentNumber).where(col(SentNumber.round) == round_.id))
    advance(session, round_, state, open=None, ended_at=now)


def was_taken_in(session: Session, digest: str, round_: Round) -> bool:
    """Whether an answer was taken in before, in another round than this one."""
    same = select(ExchangeRound.id).where(ExchangeRound.answer_digest == digest)
    return session.exec(same).first() not in (None, round_.id)


def add_numbers(session: Session, round_: Round, numbers: Sequence[str]) -> None:
    """Remember that these are sent."""
    if numbers:
        rows = [{"round": round_.id, "insz": number} for number in numbers]
        driver.of(session).insert("sent_number", rows)


def sent_among(source: Source, round_: Round, numbers: Collection[str]) -> set[str]:
    """Those of these numbers that are sent in a round."""
    rows = driver.of(source).rows(_AMONG, numbers=[*numbers], round=round_.id)
    return {insz for (insz,) in rows}


_AMONG = """
    SELECT s.insz FROM EACH(:numbers) AS given CROSS JOIN sent_number s
    WHERE s.insz = given.value AND s.round = :round
"""


def sent_numbers(session: Session, round_: Round) -> Iterator[list[str]]:
    """The numbers of a round in their order, a part at a time."""
    channel, after = driver.of(session), ""
    while rows := channel.rows(_NEXT, round=round_.id, after=after, most=PART):
        yield [insz for (insz,) in rows]
        [after] = rows[-1]


_NEXT = """
    SELECT insz FROM sent_number WHERE round = :round AND insz > :after ORDER BY insz LIMIT :most
"""


def count_sent(session: Session, round_: Round) -> int:
    """How many numbers a round has."""
    of_round = select(SentNumber).where(SentNumber.round == round_.id).subquery()
    return session.exec(select(func.count()).select_from(of_round)).one()


def add_file(session: Session, made: RoundFile) -> None:
    """Keep what is known of a file."""
    session.add(ExchangeFile(**vars(made)))


def mark(session: Session, name: str, **moment: datetime) -> None:
    """Say when a file was sent, or removed."""
    session.exec(update(ExchangeFile).where(col(ExchangeFile.name) == name).values(**moment))


def files_of(session: Session, round_: Round) -> list[RoundFile]:
    """The files of a round, by name."""
    return _files(session, ExchangeFile.round == round_.id)


def to_send(session: Session, organisation: str, today: date) -> list[RoundFile]:
    """The files for an organisation that were not sent yet, and are not to be taken away."""
    return _files(
        session,
        ExchangeFile.organisation == organisation,
        col(ExchangeFile.sent_at).is_(None),
        col(ExchangeFile.removed_at).is_(None),
        ~_passed(today),
    )


def overdue(session: Session, today: date) -> list[RoundFile]:
    """The files whose term has passed, or whose round has ended where they have none."""
    return _files(session, col(ExchangeFile.removed_at).is_(None), _passed(today))


def _passed(today: date) -> Any:
    ended = select(ExchangeRound.id).where(col(ExchangeRound.open).is_(None))
    no_term, keep_until = col(ExchangeFile.keep_until).is_(None), col(ExchangeFile.keep_until)
    # Never NULL: its opposite has to hold too.
    return or_(~no_term & (keep_until < today), no_term & col(ExchangeFile.round).in_(ended))


def _files(session: Session, *which: Any) -> list[RoundFile]:
    found = session.exec(select(ExchangeFile).where(*which).order_by(col(ExchangeFile.name)))
    return [RoundFile(**row.model_dump()) for row in found]


def _round(row: ExchangeRound) -> Round:
    values = row.model_dump(exclude={"open", "state"})
    return Round(state=State(row.state), **values)
