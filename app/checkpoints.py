"""The signer of the log: it vouches for the tree as it grows, and stops when it was rewritten.

Every process compares, so that each is a witness of the others; the one that has the row of the
checkpoint signs (access-log.md, Writing).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import NoResultFound
from sqlmodel import Session, col, select, update

from app import access_log, log_tree
from app.database import Database
from app.log_tree import Head
from app.models.access import LogCheckpoint, LogKey
from app.secret_files import write_once, write_over
from app.tlog import note, tree
from app.tlog.note import Checkpoint, NoteInvalid, Vkey

PAUSE = timedelta(seconds=1)  # between two signatures, whoever gives them


class KeyUnfit(Exception):
    """The signing key cannot be used for this log; the text says what helps."""


class LogRewritten(Exception):
    """The log is not a continuation of what was signed; the text says how, for the operator."""


@dataclass(frozen=True)
class Published:
    """The newest signed checkpoint, and the keys of this log, current first."""

    note: str  # the signed note; empty before the first
    size: int
    signed_at: datetime | None
    vkeys: tuple[Vkey, ...]


def published(session: Session) -> Published:
    """What the log has published."""
    row = session.exec(
        select(LogCheckpoint.note, LogCheckpoint.size, LogCheckpoint.signed_at)
    ).one()
    return Published(row[0], row[1], row[2], vkeys(session))


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


def vkeys(session: Session) -> tuple[Vkey, ...]:
    """Every public key that this log ever had, current first."""
    texts = session.exec(select(LogKey.vkey).order_by(col(LogKey.id).desc()))
    return tuple(Vkey.parse(text) for text in texts)


def add_key(session: Session, vkey: Vkey, now: datetime) -> None:
    """From now on this key signs; those before it stay listed."""
    session.add(LogKey(vkey=vkey.text, since=now))


def create_key(origin: str, path: Path) -> bool:
    """Make the signing key of a log (0600); False when there is one, which stays."""
    return write_once(path, f"{note.Signer.generate(origin).secret}\n".encode())


def next_key(path: Path) -> Path:
    """Where a new key waits until the log knows it."""
    return path.with_name(f"{path.name}.next")


def read_key(path: Path, origin: str) -> note.Signer:
    """The signing key in a file; raises KeyUnfit."""
    try:
        key = note.Signer.parse(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise KeyUnfit(f"there is no {path}: run `protocolpoort log create-key`") from None
    except (OSError, UnicodeDecodeError, NoteInvalid):
        raise KeyUnfit(f"{path} cannot be read as a signing key") from None
    if key.vkey.name != origin:
        raise KeyUnfit(f"the key in {path} is not one of PROTOCOLPOORT_LOG_ORIGIN")
    return key


class Notary:
    """Signs for one process, and knows the newest checkpoint that it vouches for."""

    def __init__(self, database: Database, origin: str, key_file: Path, key: note.Signer) -> None:
        self._database = database
        self._origin = origin
        self._key_file = key_file
        self._key = key
        self._state_file = key_file.with_name(f"{key_file.name}.checkpoint")
        self._vouched: Checkpoint | None = None
        self._unsaved: Published | None = None  # signed here, and not yet in the state file
        self.failed = False  # the last turn did not end; health tells

    @classmethod
    def open(cls, database: Database, origin: str, key_file: Path, now: datetime) -> "Notary":
        """Take the key of this log, or give a new log its first; raises KeyUnfit."""
        notary = cls(database, origin, key_file, read_key(key_file, origin))
        with database.writing() as session:
            access_log.lock(session)
            try:
                known = vkeys(session)
            except NoteInvalid as invalid:
                raise KeyUnfit(f"a public key in the database is none: {invalid}") from None
            if not known and notary._state_file.exists():
                raise KeyUnfit(
                    f"{key_file} has signed another log: a new database needs a new key. Move the "
                    "key and its .checkpoint away and run `protocolpoort log create-key`"
                )
            if not known:
                add_key(session, notary._key.vkey, now)
                known = (notary._key.vkey,)
        if not notary._take_key(known):
            raise KeyUnfit(f"the key in {key_file} is not the one that signs this log")
        notary._vouched = notary._remembered(known)
        return notary

    def turn(self, now: datetime) -> None:
        """Compare the log with what was signed, and sign what it grew by.

        Raises LogRewritten when it is no continuation: nothing is signed then.
        """
        failed = True
        try:
            with self._database.reading() as session:
                head, told = self._compare(session)
            if self._is_due(head, told, now):
                self._sign(now)
            self._save()
            failed = False
        finally:
            self.failed = failed  # only now: health is asked while a turn is under way

    def _sign(self, now: datetime) -> None:
        with self._database.writing() as session:
            free = select(LogCheckpoint.id).with_for_update(skip_locked=True)
            if session.exec(free).first() is None:
                return  # another process signs
            head, told = self._compare(session)
            if not self._is_due(head, told, now):
                return
            if not self._take_key(told.vkeys):
                raise KeyUnfit("the key that signs this log is not in LOG_KEY_FILE")
            checkpoint = Checkpoint(self._origin, head.size, head.root)
            text = self._key.sign(checkpoint.text)
            session.execute(update(LogCheckpoint).values(size=head.size, note=text, signed_at=now))
        self._vouched = checkpoint
        self._unsaved = Published(text, head.size, now, told.vkeys)

    def _save(self) -> None:
        """Keep what was signed beside the key; where that fails, the next turn tries again."""
        if self._unsaved is None:
            return
        remembered = self._remembered(self._unsaved.vkeys)
        if remembered is None or remembered.size < self._unsaved.size:
            write_over(self._state_file, self._unsaved.note.encode())
        self._unsaved = None

    def _is_due(self, head: Head, told: Published, now: datetime) -> bool:
        if told.note and head.size <= told.size:
            return False
        return told.signed_at is None or abs(now - told.signed_at) >= PAUSE

    def _compare(self, session: Session) -> tuple[Head, Published]:
        """The tree, when it continues what this process and the database vouch for."""
        told, head = _read(session)
        newest = _opened(told, self._origin) if told.note else None
        for known in {self._vouched, newest} - {None}:
            _prove(session, known, head)
        if newest and (self._vouched is None or newest.size > self._vouched.size):
            self._vouched = newest
        return head, told

    def _take_key(self, known: Sequence[Vkey]) -> bool:
        """Hold the key that the log names as its current one; False when it is not here.

        A rotation that was cut off between the log and the file is finished on the way.
        """
        current, waiting = known[0], next_key(self._key_file)
        if self._key.vkey != current:
            self._key = read_key(self._key_file, self._origin)
        if self._key.vkey != current and waiting.exists():
            key = read_key(waiting, self._origin)
            if key.vkey == current:
                os.replace(waiting, self._key_file)
                self._key = key
        return self._key.vkey == current

    def _remembered(self, known: Sequence[Vkey]) -> Checkpoint | None:
        """What the state file beside the key says was signed; raises KeyUnfit."""
        try:
            text = self._state_file.read_text(encoding="utf-8")
            return note.open_checkpoint(text, known, self._origin)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, NoteInvalid):
            raise KeyUnfit(
                f"{self._state_file} is not a checkpoint of this log: restore it, or see whether "
                "the database is the right one"
            ) from None


def _read(session: Session) -> tuple[Published, Head]:
    """What was signed, and the tree as it stands."""
    try:
        # The checkpoint first: what is read after it can only have grown.
        return published(session), log_tree.head(session)
    except NoResultFound:
        raise LogRewritten("the database has no checkpoint or no head of the log") from None
    except NoteInvalid as invalid:
        raise LogRewritten(f"a public key in the database is none: {invalid}") from None


def _opened(told: Published, origin: str) -> Checkpoint:
    try:
        opened = note.open_checkpoint(told.note, told.vkeys, origin)
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
