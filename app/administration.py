"""The acts of the office, on the register and on the log: each a record in its transaction."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Concatenate, ParamSpec

from sqlmodel import Session

from app import access_log, log_keys, protocols, recipients, sealing
from app.database import Database
from app.log_keys import KeyUnfit
from app.moments import brussels_date, rfc3339
from app.month_keys import MonthKeys
from app.protocols import Change, Source
from app.record import Agreement, Origin, RecordType, Trace
from app.tlog.note import Vkey

P = ParamSpec("P")


@dataclass(frozen=True)
class Office:
    """What an administrative act needs: the register's database, the log's keys, and who acts."""

    database: Database
    keys: MonthKeys
    origin: Origin
    actor: str | None = None


def record(
    session: Session,
    office: Office,
    operation: str,
    trace: Trace,
    now: datetime,
    organisation: str | None = None,
    reference: str | None = None,
) -> str:
    """Record an act of the office in the transaction of what it does; the id of the record.

    Raises ClockBehind, so that the act does not stand either.
    """
    return access_log.write_command(
        session,
        office.keys,
        office.origin,
        operation,
        trace,
        now,
        office.actor,
        organisation,
        reference,
    )


# All of these raise RegisterRefused, and ClockBehind when the clock stands before the log: then
# nothing is changed.


def load(office: Office, sources: Sequence[Source], now: datetime) -> list[Change]:
    """Load documents and lists in one transaction."""
    return _act(office, "protocolLoad", now, None, protocols.load, sources, now)


def activate(
    office: Office, protocol: str, version: str | None, now: datetime, reason: str | None = None
) -> list[Change]:
    """Put a draft in force for its own dates."""
    return _act(office, "protocolActivate", now, reason, protocols.activate, protocol, version, now)


def suspend(office: Office, protocol: str, reason: str, now: datetime) -> list[Change]:
    """Suspend a protocol for every answer after this."""
    change, since = protocols.set_suspension, brussels_date(now)
    return _act(office, "protocolSuspend", now, reason, change, protocol, since, reason)


def resume(office: Office, protocol: str, now: datetime, reason: str | None = None) -> list[Change]:
    """Lift a suspension."""
    return _act(
        office, "protocolResume", now, reason, protocols.set_suspension, protocol, None, None
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
    return _act(office, "protocolEnd", now, reason, protocols.set_end, protocol, last, notice)


def settle_legal_ground(
    office: Office,
    protocol: str,
    purpose: str | None,
    last: date | None,
    now: datetime,
    reason: str | None = None,
) -> list[Change]:
    """Settle the last day of the legal ground of one purpose, or of all; None is `geen`."""
    change = protocols.set_legal_ground_end
    return _act(office, "protocolSet", now, reason, change, protocol, purpose, last)


def settle_start(
    office: Office, protocol: str, name: str, since: date, now: datetime, reason: str | None = None
) -> list[Change]:
    """Settle a day from which the protocol counts a term: one of `protocols.STARTS`."""
    return _act(office, "protocolSet", now, reason, protocols.set_start, protocol, name, since)


def set_recipient(
    office: Office,
    organisation: str,
    recipient: str | None,
    now: datetime,
    reason: str | None = None,
) -> bool:
    """From now on files for an organisation are sealed to this key, or to none of its own.

    False when that was so already: then nothing is recorded.
    """
    with office.database.writing() as session:
        access_log.lock(session)
        if not recipients.set_key(session, organisation, recipient, now):
            return False
        print_ = sealing.fingerprint(recipient) if recipient else None
        said = f"{organisation}: {reason}" if reason else organisation
        trace = Trace(type=RecordType.ADMIN, reason_reference=said, key_fingerprint=print_)
        record(session, office, "recipientSet", trace, now)
    return True


def accept_clock(office: Office, reason: str, now: datetime) -> None:
    """Take the clock as it stands: the newest record was dated by a clock that ran ahead."""
    with office.database.writing() as session:
        forgotten = access_log.reset_clock(session, now)
        said = f"{rfc3339(forgotten)}: {reason}" if forgotten else reason
        trace = Trace(type=RecordType.ADMIN, reason_reference=said)
        record(session, office, "clockAccept", trace, now)


def adopt_key(office: Office, origin: str, key_file: Path, now: datetime) -> Vkey:
    """Give a new log the key in the file, made where there is none.

    Raises KeyUnfit for a log that has a key, and for a key that signed another log.
    """
    with office.database.reading() as session:
        _need_no_key(session)  # first: whoever is refused finds no new file either
    if log_keys.state_file(key_file).exists():
        raise KeyUnfit(
            f"{key_file} has signed a log already, and this database does not know it: restore the "
            "right database; or, for a new log, move the key and its .checkpoint away"
        )
    log_keys.create_file(origin, key_file)
    vkey = log_keys.read_file(key_file, origin).vkey
    with office.database.writing() as session:
        head = access_log.lock(session)
        _need_no_key(session)
        log_keys.add(session, vkey, head.size, "", now)
        trace = Trace(type=RecordType.ADMIN, reason_reference=vkey.text)
        record(session, office, "logKeyCreate", trace, now)
    return vkey


def _need_no_key(session: Session) -> None:
    if log_keys.listed(session):
        raise KeyUnfit("this log has a key: `protocolpoort log rotate-key` gives it another")


def rotate_key(
    office: Office, origin: str, key_file: Path, now: datetime, reason: str | None = None
) -> Vkey:
    """Let a new key sign the log; the one before it signs for it and stays listed.

    Cut off halfway it can be repeated. Raises KeyUnfit when the file does not hold the key that
    signs now.
    """
    waiting = log_keys.next_file(key_file)
    log_keys.create_file(origin, waiting)
    vkey = log_keys.read_file(waiting, origin).vkey
    with office.database.writing() as session:
        head = access_log.lock(session)
        known = log_keys.vkeys(session)
        if vkey not in known:
            before = log_keys.read_file(key_file, origin)
            if known[:1] != (before.vkey,):
                raise KeyUnfit(f"the key in {key_file} is not the one that signs this log")
            endorsement = before.sign(log_keys.endorsed_text(vkey, head.size))
            log_keys.add(session, vkey, head.size, endorsement, now)
            said = f"{vkey.text}: {reason}" if reason else vkey.text
            trace = Trace(type=RecordType.ADMIN, reason_reference=said)
            record(session, office, "logKeyRotate", trace, now)
    with suppress(FileNotFoundError):  # a service that runs has put it in place
        os.replace(waiting, key_file)
    return vkey


def record_reading(
    office: Office,
    operation: str,
    span: range,
    now: datetime,
    reason: str | None,
    *,
    begun: str | None = None,
    manifest: str | None = None,
) -> str:
    """Record that a stretch of the log is read by a command, before it is read; its id.

    Of an export once more, when it is whole: `begun` is the id of the first record, `manifest` the
    digest of what was written.
    """
    counts = {"firstIndex": span.start, "lastIndex": span.stop - 1} if span else {}
    trace = Trace(
        type=RecordType.LOG_READ,
        reason_reference=reason,
        parent=begun,
        counts={**counts, "records": len(span)},
        manifest=manifest,
    )
    with office.database.writing() as session:
        return record(session, office, operation, trace, now)


def _act(
    office: Office,
    operation: str,
    now: datetime,
    reason: str | None,
    act: Callable[Concatenate[Session, P], list[Change]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> list[Change]:
    """Run an act and write one record for each version that it touched; all or nothing."""
    with office.database.writing() as session:
        # Before the first look at the register: what another act changes meanwhile is not missed.
        access_log.lock(session)
        changes = act(session, *args, **kwargs)
        for change in changes:
            agreed = Agreement(change.protocol, change.version, change.hash, lists=change.lists)
            trace = Trace(
                type=RecordType.ADMIN,
                agreement=agreed,
                purpose=change.purpose,
                as_of=change.day,
                reason_reference=f"{change.kind}: {reason}" if reason else change.kind,
            )
            record(session, office, operation, trace, now)
    return changes
