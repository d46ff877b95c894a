"""The keys that sign the log: the private one in a file, the public ones in the log itself.

Each key but the first is listed with a signature of the one before it, so that nobody who can
write to the database alone becomes a signer (docs/log-format.md, Keys).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlmodel import Session, col, select

from app.models.access import LogKey
from app.secret_files import write_once
from app.tlog import note
from app.tlog.note import Checkpoint, NoteInvalid, Vkey


class KeyUnfit(Exception):
    """The signing key cannot be used for this log; the text says what helps."""


class LogRewritten(Exception):
    """The log is not a continuation of what was signed; the text says how, for the operator."""


@dataclass(frozen=True)
class Listed:
    """A public key of the log, and how large the tree was when the next one took over."""

    vkey: Vkey
    until: int | None = None  # None: it signs now


def listed(session: Session) -> tuple[Listed, ...]:
    """Every key that this log ever had, current first; raises LogRewritten for a broken chain."""
    rows = session.exec(select(LogKey).order_by(col(LogKey.id))).all()
    found: list[Listed] = []
    try:
        for row in rows:
            vkey = Vkey.parse(row.vkey)
            if found:
                before = found[0].vkey
                if note.open_note(row.endorsement, [before]) != endorsed_text(vkey, row.size):
                    raise NoteInvalid("the endorsement is of another key")
                found[0] = Listed(before, row.size)
            found.insert(0, Listed(vkey))
    except NoteInvalid as invalid:
        raise LogRewritten(
            f"a public key is listed that the one before it did not sign for: {invalid}"
        ) from None
    return tuple(found)


def vkeys(session: Session) -> tuple[Vkey, ...]:
    """The public keys alone, current first; raises LogRewritten."""
    return tuple(each.vkey for each in listed(session))


def open_signed(text: str, keys: Sequence[Listed], origin: str) -> Checkpoint:
    """The checkpoint in a note that a key of this log signed while it was the current one.

    Raises NoteInvalid.
    """
    checkpoint, vkey = note.open_checkpoint_signed(text, [each.vkey for each in keys], origin)
    until = next(each.until for each in keys if each.vkey == vkey)
    if until is not None and checkpoint.size > until:
        raise NoteInvalid("the key that signed it had been replaced by then")
    return checkpoint


def endorsed_text(vkey: Vkey, size: int) -> str:
    """What the key of before signs when this one takes over a tree of `size`."""
    return f"protocolpoort-log-key@v1\n{vkey.text}\n{size}\n"


def add(session: Session, vkey: Vkey, size: int, endorsement: str, now: datetime) -> None:
    """From now on this key signs; those before it stay listed."""
    last = session.exec(select(LogKey.id).order_by(col(LogKey.id).desc())).first()
    session.add(
        LogKey(id=(last or 0) + 1, vkey=vkey.text, size=size, endorsement=endorsement, since=now)
    )


def create_file(origin: str, path: Path) -> bool:
    """Make a signing key (0600); False when there is one, which stays."""
    return write_once(path, f"{note.Signer.generate(origin).secret}\n".encode())


def next_file(path: Path) -> Path:
    """Where a new key waits until the log knows it."""
    return path.with_name(f"{path.name}.next")


def state_file(path: Path) -> Path:
    """Where the newest checkpoint is remembered, beside the key."""
    return path.with_name(f"{path.name}.checkpoint")


def read_file(path: Path, origin: str) -> note.Signer:
    """The signing key in a file; raises KeyUnfit."""
    try:
        key = note.Signer.parse(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise KeyUnfit(f"there is no {path}: restore it; a new log has `log create-key`") from None
    except (OSError, UnicodeDecodeError, NoteInvalid):
        raise KeyUnfit(f"{path} cannot be read as a signing key") from None
    if key.vkey.name != origin:
        raise KeyUnfit(f"the key in {path} is not one of PROTOCOLPOORT_LOG_ORIGIN")
    return key
