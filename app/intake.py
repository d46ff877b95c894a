"""What comes in: MAGDA answers, and the register of persons."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from sqlmodel import Session

from app import dossiers, kbi, population, protocols
from app.database import Database
from app.errors import InputInvalid
from app.insz import Insz, NotAnInsz
from app.kbi import AnswerFault, NotAnAnswer
from app.register_lines import read_line

BATCH = 100  # files or lines in one transaction: a service that runs waits that long to write
NO_DOSSIER = "30001"  # MAGDA: the source states that there is no dossier


@dataclass(frozen=True)
class Skipped:
    """A file or line that was not stored: its name, and a code or the rule it breaks."""

    name: str
    rule: str


@dataclass(frozen=True)
class Stored:
    """A file or line that was stored, or that said nothing new."""

    name: str
    new: bool


Report = Stored | Skipped


def answer_files(paths: Sequence[Path]) -> list[Path]:
    """The files that these paths mean: a folder means its `.xml` files, by name."""
    return [
        file for path in paths for file in (sorted(path.glob("*.xml")) if path.is_dir() else [path])
    ]


def import_answers(
    database: Database, files: Sequence[Path], now: datetime, *, production: bool
) -> Iterator[Report]:
    """Store each answer as a new version of its dossier; a report is given after its commit.

    A fault of the source in a file named after a national number marks that person (advice.md,
    Fresh data). `opgehaaldOp` is the moment of the answer; in the demo, of the import.
    """
    for start in range(0, len(files), BATCH):
        with database.writing() as session:
            reports = [
                _import_answer(session, file, now, production=production)
                for file in files[start : start + BATCH]
            ]
        yield from reports


def _import_answer(session: Session, file: Path, now: datetime, *, production: bool) -> Report:
    try:
        answer = kbi.parse_answer(file.read_bytes())
    except NotAnAnswer as invalid:
        return Skipped(file.name, f"no KBI answer: {invalid.reason}")
    except OSError as error:
        return Skipped(file.name, f"cannot be read: {type(error).__name__}")
    # In the demo the moment of import: the public test answers are years old.
    fetched_at = min(answer.made_at, now) if production else now
    if isinstance(answer, AnswerFault):
        _mark(session, file, answer, fetched_at)
        return Skipped(file.name, f"{answer.code} {answer.diagnosis}")
    if production and answer.insz.is_test:
        return Skipped(file.name, "a test number, which production does not take")
    new = dossiers.store(session, answer.insz, answer.blocks, fetched_at, now)
    return Stored(file.name, new)


def _mark(session: Session, file: Path, fault: AnswerFault, at: datetime) -> None:
    """30001 beside a stored dossier contradicts it; without one it is a plain answer."""
    try:
        insz = Insz(file.stem)
    except NotAnInsz:
        return
    numbers = population.numbers_of(session, insz)
    if fault.code == NO_DOSSIER and not dossiers.has_dossier(session, numbers):
        dossiers.lift_fault(session, insz, at)
        return
    dossiers.mark_fault(session, insz, fault.code, at)


def import_lines(database: Database, lines: Iterable[str], *, production: bool) -> Iterator[Report]:
    """Store each line, in order; a report is given after its commit, with the line's number."""
    numbered = enumerate(lines, start=1)
    while batch := list(islice(numbered, BATCH)):
        with database.writing() as session:
            population.lock(session)
            reports = [
                _import_line(session, number, line, production=production)
                for number, line in batch
                if line.strip()
            ]
        yield from reports


def _import_line(session: Session, number: int, line: str, *, production: bool) -> Report:
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
    if population.store(session, facts):
        protocols.bump(session)  # a withdrawal holds for every answer after its commit
    return Stored(name, new=True)
