"""The signer of the log: it vouches for the tree as it grows, and stops when it was rewritten.

Every process compares, so that each is a witness of the others; the one that has the row of the
checkpoint signs (access-log.md, Writing).
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import NoResultFound, SQLAlchemyError
from sqlmodel import Session, select, update

from app import log_keys, log_search, log_tree
from app.database import Database
from app.log_keys import KeyUnfit, Listed, LogRewritten
from app.log_tree import Head
from app.models.access import LogCheckpoint
from app.secret_files import write_over
from app.tlog import note, tree
from app.tlog.note import Checkpoint, NoteInvalid, Vkey
from app.tlog.tiles import WIDTH

PAUSE = timedelta(seconds=1)  # between two signatures, whoever gives them
# What is not signed can be taken away without a trace: when signing lags, health tells; when it
# lags further, nothing leaves any more.
LAGS, STOPS = timedelta(seconds=10), timedelta(seconds=60)


@dataclass(frozen=True)
class Published:
    """The newest signed checkpoint, and the keys of this log, current first."""

    note: str  # the signed note; empty before the first
    size: int
    signed_at: datetime | None
    keys: tuple[Listed, ...]

    @property
    def vkeys(self) -> tuple[Vkey, ...]:
        """The public keys alone."""
        return tuple(each.vkey for each in self.keys)


def published(session: Session) -> Published:
    """What the log has published; raises LogRewritten for keys that do not follow each other."""
    return Published(*_newest(session), log_keys.listed(session))


def _newest(session: Session) -> tuple[str, int, datetime | None]:
    return session.exec(
        select(LogCheckpoint.note, LogCheckpoint.size, LogCheckpoint.signed_at)
    ).one()


def verified(session: Session, origin: str) -> Checkpoint | None:
    """The newest signed checkpoint, when the log continues it; None before the first.

    Raises LogRewritten.
    """
    told, head = _read(session)
    if not told.note:
        return None
    known = _opened(told, origin)
    _prove(session, known, head)
    return known


def unannounced(session: Session, minimum: int) -> str | None:
    """What is wrong with the minimum index: records go in whole bundles, and with a record."""
    if minimum % WIDTH:
        return f"the minimum index {minimum} is no border of a bundle"
    if minimum and not log_search.has_pruned(session, minimum):
        return f"the records below {minimum} are gone, and no record says that they were pruned"
    return None


class Notary:
    """Signs for one process, and knows the newest checkpoint that it vouches for."""

    def __init__(self, database: Database, origin: str, key_file: Path, key: note.Signer) -> None:
        self._database = database
        self._origin = origin
        self._key_file = key_file
        self._key = key
        self._state_file = log_keys.state_file(key_file)
        self._vouched: Checkpoint | None = None
        self._note = ""  # of what is vouched for
        self._minimum = 0  # the newest that was announced
        self._unsigned_since: datetime | None = None
        self.failed = False  # the last turn did not end, or signing lags; health tells

    @classmethod
    def open(cls, database: Database, origin: str, key_file: Path) -> "Notary":
        """Take the key of this log; raises KeyUnfit."""
        notary = cls(database, origin, key_file, log_keys.read_file(key_file, origin))
        try:
            with database.reading() as session:
                known = log_keys.listed(session)
        except LogRewritten as how:
            raise KeyUnfit(str(how)) from None
        if not known:
            raise KeyUnfit(
                "this log has no key. A new one gets it with `protocolpoort log create-key`; one "
                "that had a key has lost it: restore the database"
            )
        if not notary._take_key(known):
            raise KeyUnfit(f"the key in {key_file} is not the one that signs this log")
        notary._vouched, notary._note = notary._remembered(known)
        return notary

    def turn(self, now: datetime, *, closing: bool = False) -> None:
        """Compare the log with what was signed, and sign what it grew by.

        At most once a second, but at the end (`closing`) at once. Raises LogRewritten when it is
        no continuation, and when nothing was signed for too long.
        """
        try:
            self._look(now, closing=closing)
        except LogRewritten:
            self.failed = True
            raise
        except (SQLAlchemyError, OSError, KeyUnfit) as error:
            self.failed = True
            self._stop_when_late(now)
            raise error
        self.failed = self._lag(now) > LAGS
        self._stop_when_late(now)

    def _look(self, now: datetime, *, closing: bool) -> None:
        with self._database.reading() as session:
            told, head = _read(session)
        if told.note and head.size <= told.size:
            self._unsigned_since = None
        elif self._unsigned_since is None:
            self._unsigned_since = now
        signed = False
        try:
            if self._is_due(head, told, now, closing=closing):
                signed = self._sign(now, closing=closing)
        finally:
            # Who signs compares on the way, and proves nothing twice; who cannot compares all the
            # same: a lock that somebody holds hides no rewriting.
            if not signed:
                with self._database.reading() as session:
                    self._compare(session)
        self._save(told.keys)

    def _lag(self, now: datetime) -> timedelta:
        return now - self._unsigned_since if self._unsigned_since else timedelta()

    def _stop_when_late(self, now: datetime) -> None:
        if self._lag(now) > STOPS:
            raise LogRewritten(f"nothing was signed since {self._unsigned_since}")

    def _sign(self, now: datetime, *, closing: bool) -> bool:
        """Compare, and sign what is still due; False when another process is at it."""
        with self._database.writing() as session:
            free = select(LogCheckpoint.id).with_for_update(skip_locked=True)
            if session.exec(free).first() is None:
                return False
            head, told = self._compare(session)
            if not self._is_due(head, told, now, closing=closing):
                return True
            if not self._take_key(told.keys):
                raise KeyUnfit("the key that signs this log is not in LOG_KEY_FILE")
            checkpoint = Checkpoint(self._origin, head.size, head.root)
            text = self._key.sign(checkpoint.text)
            session.execute(update(LogCheckpoint).values(size=head.size, note=text, signed_at=now))
        self._vouched, self._note = checkpoint, text
        self._unsigned_since = None
        return True

    def _save(self, known: tuple[Listed, ...]) -> None:
        """Keep what is vouched for beside the key, whoever signed it: a restart must know it."""
        remembered, _ = self._remembered(known)
        if self._vouched and (remembered is None or remembered.size < self._vouched.size):
            write_over(self._state_file, self._note.encode())

    def _is_due(self, head: Head, told: Published, now: datetime, *, closing: bool) -> bool:
        if told.note and head.size <= told.size:
            return False
        return closing or told.signed_at is None or abs(now - told.signed_at) >= PAUSE

    def _compare(self, session: Session) -> tuple[Head, Published]:
        """The tree, when it continues what this process and the database vouch for."""
        told, head = _read(session)
        newest = _opened(told, self._origin) if told.note else None
        for known in {self._vouched, newest} - {None}:
            _prove(session, known, head)
        if newest and (self._vouched is None or newest.size > self._vouched.size):
            self._vouched, self._note = newest, told.note
            self._unsigned_since = None  # another process signs, and this one only follows
        if head.minimum != self._minimum:
            if what := unannounced(session, head.minimum):
                raise LogRewritten(what)
            self._minimum = head.minimum
        return head, told

    def _take_key(self, known: tuple[Listed, ...]) -> bool:
        """Hold the key that the log names as its current one; False when it is not here.

        A rotation that was cut off between the log and the file is finished on the way.
        """
        current, waiting = known[0].vkey, log_keys.next_file(self._key_file)
        if self._key.vkey != current:
            self._key = log_keys.read_file(self._key_file, self._origin)
        if self._key.vkey != current and waiting.exists():
            key = log_keys.read_file(waiting, self._origin)
            if key.vkey == current:
                os.replace(waiting, self._key_file)
                self._key = key
        return self._key.vkey == current

    def _remembered(self, known: tuple[Listed, ...]) -> tuple[Checkpoint | None, str]:
        """What the state file beside the key says was signed; raises KeyUnfit."""
        try:
            text = self._state_file.read_text(encoding="utf-8")
            return log_keys.open_signed(text, known, self._origin), text
        except FileNotFoundError:
            return None, ""
        except (OSError, UnicodeDecodeError, NoteInvalid):
            raise KeyUnfit(
                f"{self._state_file} is not a checkpoint of this log: restore it, or see whether "
                "the database is the right one"
            ) from None


def _read(session: Session) -> tuple[Published, Head]:
    """What was signed, and the tree as it stands."""
    try:
        # The checkpoint first, the keys last: what is read later can only have grown.
        newest, head = _newest(session), log_tree.head(session)
    except NoResultFound:
        raise LogRewritten("the database has no checkpoint or no head of the log") from None
    return Published(*newest, log_keys.listed(session)), head


def _opened(told: Published, origin: str) -> Checkpoint:
    try:
        opened = log_keys.open_signed(told.note, told.keys, origin)
    except NoteInvalid as invalid:
        raise LogRewritten(f"the checkpoint in the database does not hold: {invalid}") from None
    if opened.size != told.size:
        raise LogRewritten("the checkpoint in the database is of another size than it says")
    return opened


def _prove(session: Session, known: Checkpoint | None, head: Head) -> None:
    if known is None:
        return
    if known.size > head.size:
        raise LogRewritten(f"{known.size} records were signed, {head.size} are there")
    try:
        proof = tree.consistency_proof(known.size, head.size, log_tree.reader(session, head.size))
    except (LookupError, ValueError) as missing:
        raise LogRewritten(f"the tree has a gap: {missing}") from None
    if not tree.verify_consistency(known.size, known.root, head.size, head.root, proof):
        raise LogRewritten(f"the first {known.size} records are not those that were signed")
