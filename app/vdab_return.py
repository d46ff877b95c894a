"""The use case `vdab take-in`: what VDAB gives back stands aside whole, or not at all.

Who sealed a file with age is not known by that: the signature over it says so (ADR 0019).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlmodel import Session

from app import rounds, sealing, ssh_signatures, staging
from app.monitoring import RETURNED, is_dirty
from app.policy import Granted
from app.returned_rows import Row, RowReader, RowsUnfit
from app.rounds import Round, State
from app.sealing import SealBroken
from app.secret_files import PIECE, digest_of, shred
from app.ssh_signatures import SIGNATURE_LIMIT, SignatureInvalid
from app.staging import NumberTwice, Staging
from app.vdab import Advance, ExchangeRefused, Post, act, record, step, the_round, trace
from app.vdab_ending import SIGNATURE, every_staged, staged

ANSWERED = (State.EXPORTED, State.TAKEN_IN)  # a better answer takes the place of the first
LIMIT = 1024**3  # bytes of a file: a million rows take a fifth of it
# Name and column in the counts of a record and a report.
EMPTY, DIRTY = "leeg", "afwijkend"


@dataclass
class Counted:
    """What stood in an answer: not cleaned, and so counted (art. 7)."""

    rows: int = 0
    missing: int = 0  # numbers that were sent and did not come back
    empty: dict[str, int] = field(default_factory=dict)
    dirty: dict[str, int] = field(default_factory=dict)

    def add(self, rows: Sequence[Row]) -> None:
        """Count these rows in."""
        self.rows += len(rows)
        for at, column in enumerate(RETURNED, start=1):
            name = column.name
            empty = sum(not row[at].strip() for row in rows)
            dirty = sum(is_dirty(name, row[at]) for row in rows)
            self.empty[name] = self.empty.get(name, 0) + empty
            self.dirty[name] = self.dirty.get(name, 0) + dirty

    def in_words(self) -> dict[str, int]:
        """For a record: only what there is."""
        told = {"rows": self.rows, "missing": self.missing}
        for kind, counts in ((EMPTY, self.empty), (DIRTY, self.dirty)):
            told |= {f"{kind}.{name}": count for name, count in counts.items() if count}
        return told


def take_in(
    post: Post, file: Path, identity: str, signers: dict[bytes, str], advance: Advance
) -> Counted:
    """Take in the answer to the open round: of VDAB, whole, and about nobody else.

    `signers`: the public keys that VDAB signs with, and their fingerprints. Raises ExchangeRefused;
    then nothing of the file is kept.
    """
    with step(post, "vdabTakeIn"):
        round_ = act(post, lambda session, *_: the_round(session, *ANSWERED))
        counted = Counted()
        with _copied(post, file, round_) as (copy, signature):
            key, digest = signed_by(copy, signature, round_, signers), digest_of(copy)
            with staging.drafted(staged(post, round_, digest)) as draft:
                _fill(post, copy, identity, _Taker(post, round_, draft, counted), advance)
                with post.office.database.reading() as session:
                    counted.missing = rounds.count_sent(session, round_) - counted.rows
        kept = staged(post, round_, digest)
        try:
            act(post, partial(_accept, post, round_, digest, signers[key], counted))
        except ExchangeRefused:
            if digest != round_.answer_digest:  # one that was accepted before stays
                shred(kept)
            raise
        for other in every_staged(post, round_):
            if other != kept:
                shred(other)
        return counted


@contextmanager
def _copied(post: Post, file: Path, round_: Round) -> Iterator[tuple[Path, Path]]:
    """A copy of a file and of its signature that nobody else can change; gone when this ends.

    What stands in somebody's folder could be another file by the time that it is opened. The name
    of the file is of whoever gave it, and so is told nowhere: it could be a number.
    """
    own = post.back / f"{round_.label}-inname.age"
    sealed = file.with_name(file.name + SIGNATURE)
    with staging.scratch(own) as copy, staging.scratch(own.with_suffix(SIGNATURE)) as signature:
        _copy(file, copy, LIMIT, "the file")
        _copy(sealed, signature, SIGNATURE_LIMIT, f"its signature ({SIGNATURE}, beside it)")
        yield copy, signature


def _copy(source: Path, target: Path, limit: int, what: str) -> None:
    if not source.is_file():
        raise ExchangeRefused(f"{what} is not there")
    if source.stat().st_size > limit:
        raise ExchangeRefused(f"{what} is larger than {limit} bytes")
    left = limit  # it may grow under our hands; what is cut off there has no good signature
    with source.open("rb") as given, target.open("wb") as copy:
        while piece := given.read(min(PIECE, left)):
            copy.write(piece)
            left -= len(piece)


def signed_by(file: Path, sealed: Path, round_: Round, signers: dict[bytes, str]) -> bytes:
    """The key of VDAB that signed a file for this round, in `sealed`. Raises ExchangeRefused."""
    try:
        signature = sealed.read_text(encoding="ascii", errors="replace")
        return ssh_signatures.signer_of(file, signature, round_.label, signers)
    except SignatureInvalid as invalid:
        raise ExchangeRefused(f"the file is not one of VDAB: {invalid}") from None


class _Taker:
    """Takes rows: about those whose number was sent, and about each of them once."""

    def __init__(self, post: Post, round_: Round, draft: Staging, counted: Counted) -> None:
        self._post, self._round, self._draft, self._counted = post, round_, draft, counted

    def __call__(self, rows: Sequence[Row], line: int) -> None:
        numbers = [row[0] for row in rows]
        with self._post.office.database.reading() as session:
            sent = rounds.sent_among(session, self._round, numbers)
        for at, number in enumerate(numbers, start=line):
            if number not in sent:
                raise RowsUnfit(f"line {at} has a number that was not sent in this round")
        try:
            self._draft.add(rows)
        except NumberTwice:
            last = line + len(rows) - 1
            raise RowsUnfit(f"a number of lines {line} to {last} stands there twice") from None
        self._counted.add(rows)


def _fill(post: Post, file: Path, identity: str, take: _Taker, advance: Advance) -> None:
    """Unseal a file into the draft, piece by piece: none of it counts before the end is whole."""
    reader, done = RowReader(take), 0

    def feed(piece: bytes) -> None:
        nonlocal done
        done += len(piece)
        reader.feed(piece)
        advance(done)

    try:
        with file.open("rb") as source:
            sealing.unseal(source, identity, feed)
        reader.close()
    except SealBroken as broken:
        raise ExchangeRefused(f"the file cannot be opened: {broken}") from None
    except RowsUnfit as unfit:
        raise ExchangeRefused(str(unfit)) from None


def _accept(
    post: Post,
    round_: Round,
    digest: str,
    fingerprint: str,
    counted: Counted,
    session: Session,
    said: Granted,
    now: datetime,
) -> None:
    if the_round(session, *ANSWERED).id != round_.id:
        raise ExchangeRefused("another round was begun meanwhile")
    if rounds.was_taken_in(session, digest, round_):
        raise ExchangeRefused("this file was taken in before, in another round")
    rounds.advance(session, round_, State.TAKEN_IN, answer_digest=digest)
    taken = trace(said, counts=counted.in_words(), file_digest=digest, key_fingerprint=fingerprint)
    record(session, post, "vdabTakeIn", [taken], now)
