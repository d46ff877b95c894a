"""What comes in: MAGDA answers, and the register of persons."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from time import sleep
from typing import TypeVar

from sqlmodel import Session

from app import access_log, dossiers, kbi, population, protocols
from app.database import Database
from app.dossiers import NO_DOSSIER
from app.errors import InputInvalid
from app.insz import Insz, NotAnInsz
from app.kbi import AnswerFault, NotAnAnswer
from app.register_lines import read_line

BATCH = 100  # files or lines in one transaction: a service that runs waits that long to write
PAUSE = 0.1  # seconds between two: time to decide anew, and to record what was decided

Item = TypeVar("Item")


@dataclass(frozen=True)
class Skipped:
    """A file or line that was not stored: its name, and a code or the rule it breaks.

    `lost`: some person's answer was in it, and nobody knows whose.
    """

    name: str
    rule: str
    lost: bool = True


@dataclass(frozen=True)
class Stored:
    """A file or line that was stored, or that said nothing new."""

    name: str
    new: bool
    warnings: tuple[str, ...] = ()  # what the source says beside it, by code


@dataclass(frozen=True)
class Delivery:
    """Whether a delivery counts as complete: from when it is, or None and why not."""

    fetched_at: datetime | None
    rule: str = ""


Report = Stored | Skipped | Delivery


def answer_files(paths: Sequence[Path]) -> list[Path]:
    """The files that these paths mean: a folder means its `.xml` files, by name."""
    return [
        file for path in paths for file in (sorted(path.glob("*.xml")) if path.is_dir() else [path])
    ]


def strays(paths: Sequence[Path]) -> int:
    """How much stands in these folders that `answer_files` would pass over."""
    return sum(
        not (entry.is_file() and entry.suffix == ".xml")
        for path in paths
        if path.is_dir()
        for entry in path.iterdir()
    )


def import_answers(
    database: Database,
    files: Sequence[Path],
    clock: Callable[[], datetime],
    *,
    production: bool,
    complete: bool = False,
) -> Iterator[Report]:
    """Store each answer as a new version of its dossier; a report is given after its commit.

    A fault of the source in a file named after a national number is kept for that person
    (advice.md, Fresh data). `opgehaaldOp` is the moment of the answer; in the demo, of the import.
    `complete`: who is not among these answers has no dossier. That is declared after the last of
    them, from the moment of the oldest one; not when an answer was lost.
    """
    begun = clock()
    dates: list[datetime] = []
    lost = 0
    for batch in _batches(files):
        answers = [(file, _read_answer(file)) for file in batch]
        with database.writing() as session:
            now = access_log.learn(session, clock())
            reports = [
                _store_answer(session, file, answer, now, production=production)
                for file, answer in answers
            ]
        lost += sum(isinstance(report, Skipped) and report.lost for report in reports)
        given = [answer.made_at for _, answer in answers if isinstance(answer, kbi.Dossier)]
        dates = [min([*dates, *given])] if dates or given else []
        yield from reports
    if complete:
        yield _declare(database, clock, begun, dates, lost, production=production)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """So many at a time, with a pause in between, without which no advice comes to its record."""
    remaining = iter(items)
    batch = list(islice(remaining, BATCH))
    while batch:
        yield batch
        if batch := list(islice(remaining, BATCH)):
            sleep(PAUSE)


def _declare(
    database: Database,
    clock: Callable[[], datetime],
    begun: datetime,
    dates: Sequence[datetime],
    lost: int,
    *,
    production: bool,
) -> Delivery:
    """Nothing is declared of a delivery of which a part is missing: that would make wrong OKs."""
    if lost:
        return Delivery(None, f"{lost} of its answers could not be stored")
    if not dates:
        return Delivery(None, "there is no dossier in it")
    fetched_at = min(*dates, begun) if production else begun
    with database.writing() as session:
        dossiers.declare_complete(session, fetched_at, access_log.learn(session, clock()))
    return Delivery(fetched_at)


def _read_answer(file: Path) -> kbi.Dossier | AnswerFault | Skipped:
    try:
        return kbi.parse_answer(file.read_bytes())
    except NotAnAnswer as invalid:
        return Skipped(file.name, f"no KBI answer: {invalid.reason}")
    except OSError as error:
        return Skipped(file.name, f"cannot be read: {type(error).__name__}")


def _store_answer(
    session: Session,
    file: Path,
    answer: kbi.Dossier | AnswerFault | Skipped,
    now: datetime,
    *,
    production: bool,
) -> Report:
    if isinstance(answer, Skipped):
        return answer
    # In the demo the moment of import: the public test answers are years old.
    fetched_at = min(answer.made_at, now) if production else now
    if isinstance(answer, AnswerFault):
        insz = _named_after(file)
        if insz:
            dossiers.store_fault(session, insz, answer.code, fetched_at, now)
        lost = insz is None and answer.code != NO_DOSSIER
        return Skipped(file.name, f"{answer.code} {answer.diagnosis}", lost)
    if production and answer.insz.is_test:
        return Skipped(file.name, "a test number, which production does not take")
    new = dossiers.store(session, answer.insz, answer.blocks, fetched_at, now)
    warnings = tuple(each.code for each in answer.notices if each.type == "WAARSCHUWING")
    return Stored(file.name, new, warnings)


def _named_after(file: Path) -> Insz | None:
    """The person whom a fault is about: the exception itself names nobody."""
    try:
        return Insz(file.stem)
    except NotAnInsz:
        return None


def import_lines(
    database: Database, lines: Iterable[str], clock: Callable[[], datetime], *, production: bool
) -> Iterator[Report]:
    """Store each line, in order; a report is given after its commit, with the line's number."""
    for batch in _batches(enumerate(lines, start=1)):
        with database.writing() as session:
            now = access_log.learn(session, clock())
            reports = [
                _import_line(session, number, line, now, production=production)
                for number, line in batch
                if line.strip()
            ]
        yield from reports


def _import_line(
    session: Session, number: int, line: str, now: datetime, *, production: bool
) -> Report:
    name = f"line {number}"
    try:
        facts = read_line(line)
    except InputInvalid as invalid:
        rules = (f"{issue.name or ''} {issue.detail}".strip() for issue in invalid.issues)
        return Skipped(name, "; ".join(rules))
    numbers = (facts.insz, *(facts.previous or ()))
    if production and any(number.is_test for number in numbers):
        return Skipped(name, "a test number, which production does not take")
    if population.is_replaced(session, facts.insz):
        return Skipped(name, "an older number: the person is known under a newer one")
    if population.store(session, facts, now):
        protocols.bump(session)  # a withdrawal holds for every answer after its commit
    return Stored(name, new=True)
