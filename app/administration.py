"""The acts of the office, on the register and on the log: each a record in its transaction."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlmodel import Session

from app import access_log, checkpoints, protocols
from app.database import Database
from app.moments import brussels_date, rfc3339
from app.month_keys import MonthKeys
from app.protocols import Change, Source
from app.record import Agreement, Origin, Trace
from app.tlog.note import Vkey


@dataclass(frozen=True)
class Office:
    """What an administrative act needs: the register's database, the log's keys, and who acts."""

    database: Database
    keys: MonthKeys
    origin: Origin
    actor: str | None = None


# All of these raise RegisterRefused, and ClockBehind when the clock stands before the log: then
# nothing is changed.


def load(office: Office, sources: Sequence[Source], now: datetime) -> list[Change]:
    """Load documents and lists in one transaction."""
    return _act(office, "protocolLoad", now, None, lambda db: protocols.load(db, sources, now))


def activate(
    office: Office, protocol: str, version: str | None, now: datetime, reason: str | None = None
) -> list[Change]:
    """Put a draft in force for its own dates."""
    return _act(
        office,
        "protocolActivate",
        now,
        reason,
        lambda db: protocols.activate(db, protocol, version, now),
    )


def suspend(office: Office, protocol: str, reason: str, now: datetime) -> list[Change]:
    """Suspend a protocol for every answer after this."""
    since = brussels_date(now)
    return _act(
        office,
        "protocolSuspend",
        now,
        reason,
        lambda db: protocols.set_suspension(db, protocol, since, reason),
    )


def resume(office: Office, protocol: str, now: datetime, reason: str | None = None) -> list[Change]:
    """Lift a suspension."""
    return _act(
        office,
        "protocolResume",
        now,
        reason,
        lambda db: protocols.set_suspension(db, protocol, None, None),
    )


def end(
    office: Office,
    protocol: str,
    now: datetime,
    *,
    last: date | None = None,
    notice: date | None = None,
    reason: str | None = None,
) -> list[Change]:
    """End a protocol after its `last` valid day, or as a `notice` given on that day says."""
    return _act(
        office,
        "protocolEnd",
        now,
        reason,
        lambda db: protocols.set_end(db, protocol, last, notice),
    )


def settle_legal_ground(
    office: Office,
    protocol: str,
    purpose: str | None,
    last: date | None,
    now: datetime,
    reason: str | None = None,
) -> list[Change]:
    """Settle the last day of the legal ground of one purpose, or of all; None is `geen`."""
    return _act(
        office,
        "protocolSet",
        now,
        reason,
        lambda db: protocols.set_legal_ground_end(db, protocol, purpose, last),
        purpose,
    )


def settle_cooperation(
    office: Office, protocol: str, since: date, now: datetime, reason: str | None = None
) -> list[Change]:
    """Settle when the agreement began from which the protocol counts its term."""
    return _act(
        office,
        "protocolSet",
        now,
        reason,
        lambda db: protocols.set_cooperation(db, protocol, since),
    )


def accept_clock(office: Office, reason: str, now: datetime) -> None:
    """Take the clock as it stands: the newest record was dated by a clock that ran ahead."""
    with office.database.writing() as session:
        forgotten = access_log.reset_clock(session, now)
        trace = Trace(reason_reference=f"{rfc3339(forgotten)}: {reason}" if forgotten else reason)
        access_log.write_admin(
            session, office.keys, office.origin, "clockAccept", trace, now, office.actor
        )


def rotate_key(
    office: Office, origin: str, key_file: Path, now: datetime, reason: str | None = None
) -> Vkey:
    """Let a new key sign the log; the old one stays listed. Cut off halfway it can be repeated."""
    waiting = checkpoints.next_key(key_file)
    checkpoints.create_key(origin, waiting)
    vkey = checkpoints.read_key(waiting, origin).vkey
    with office.database.writing() as session:
        access_log.lock(session)
        if vkey not in checkpoints.vkeys(session):
            checkpoints.add_key(session, vkey, now)
            trace = Trace(reason_reference=f"{vkey.text}: {reason}" if reason else vkey.text)
            access_log.write_admin(
                session, office.keys, office.origin, "logKeyRotate", trace, now, office.actor
            )
    with suppress(FileNotFoundError):  # a service that runs has put it in place
        os.replace(waiting, key_file)
    return vkey


def record_export(
    office: Office, span: range, manifest: str, now: datetime, reason: str | None = None
) -> None:
    """Record that a range of the log was written out, before it is."""
    trace = Trace(
        reason_reference=reason,
        counts={"firstIndex": span.start, "lastIndex": span.stop - 1, "records": len(span)},
        manifest=manifest,
    )
    with office.database.writing() as session:
        access_log.write_admin(
            session, office.keys, office.origin, "logExport", trace, now, office.actor
        )


def _act(
    office: Office,
    operation: str,
    now: datetime,
    reason: str | None,
    act: Callable[[Session], list[Change]],
    purpose: str | None = None,
) -> list[Change]:
    """Run an act and write one record for each version that it touched; all or nothing."""
    with office.database.writing() as session:
        # Before the first look at the register: what another act changes meanwhile is not missed.
        access_log.lock(session)
        changes = act(session)
        for change in changes:
            agreed = Agreement(change.protocol, change.version, change.hash, lists=change.lists)
            trace = Trace(
                agreement=agreed,
                purpose=purpose,
                as_of=change.day,
                reason_reference=f"{change.kind}: {reason}" if reason else change.kind,
            )
            access_log.write_admin(
                session, office.keys, office.origin, operation, trace, now, office.actor
            )
    return changes
