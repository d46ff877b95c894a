"""The acts on the register: each a record of its protocol, in the transaction of the act."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app import access_log, protocols
from app.database import Database
from app.moments import brussels_date
from app.month_keys import MonthKeys
from app.protocols import Change, Source
from app.record import Agreement, Origin


@dataclass(frozen=True)
class Office:
    """What an administrative act needs: the register's database and the log's keys."""

    database: Database
    keys: MonthKeys
    origin: Origin


def load(office: Office, sources: Sequence[Source], now: datetime) -> list[Change]:
    """Load documents and lists in one transaction; raises RegisterRefused, then nothing remains."""
    with office.database.writing() as session:
        changes = protocols.load(session, sources, now)
        _note(office, session, "protocolLoad", changes, now)
    return changes


def suspend(office: Office, protocol: str, reason: str, now: datetime) -> bool:
    """Suspend a protocol for every answer after this; False when there is no such protocol."""
    with office.database.writing() as session:
        changes = protocols.set_suspension(session, protocol, brussels_date(now), reason)
        _note(office, session, "protocolSuspend", changes, now, reason)
    return bool(changes)


def resume(office: Office, protocol: str, now: datetime) -> bool:
    """Lift a suspension; False when there is no such protocol."""
    with office.database.writing() as session:
        changes = protocols.set_suspension(session, protocol, None, None)
        _note(office, session, "protocolResume", changes, now)
    return bool(changes)


def _note(
    office: Office,
    session: Session,
    act: str,
    changes: Sequence[Change],
    now: datetime,
    reason: str | None = None,
) -> None:
    """One record for each version that the act touched."""
    for change in changes:
        agreement = Agreement(change.protocol, change.version, change.hash)
        access_log.write_admin(
            session, office.keys, office.origin, act, agreement, now, reason or change.kind
        )
