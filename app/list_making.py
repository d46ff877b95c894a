"""The use case behind `createLijst`: making the list, in the background, once.

A list is made in three steps, each of which a killed process leaves as it was or done:
1. who stands on it is written down and sealed, as of one moment: cut off, it begins anew;
2. each person gets her record, part by part: cut off, it goes on behind the last that stands;
3. the delivery is recorded and takes the turn of the quota: only then the file can be fetched.
What refuses the list meanwhile (a suspension, a quota that is used up) ends it, with a record.
"""

import hashlib
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from app import (
    access_log,
    driver,
    list_format,
    listings,
    log_tree,
    notices,
    policy,
    protocols,
    recipients,
    sealing,
)
from app.canonical import canonical_json
from app.database import Database
from app.errors import AccessRefused, Fault, LogUnavailable, Outcome, Reason
from app.list_format import Form
from app.list_rows import EXPLAINED, KEY_AGAIN, PART, RULES, Job, Rows, test_date
from app.list_task import Owner, State, Task
from app.listings import LeaseLost, Person
from app.log_keys import KeyUnfit
from app.moments import brussels_date, rfc3339
from app.month_keys import MonthKeyMissing, MonthKeys
from app.policy import Operation, Question, Refused
from app.record import Allowance, Entry, Origin, RecordType, Trace, entry_of
from app.settings import Settings
from app.values import but
from app.visit import Visit, new_event_id

LEASE = timedelta(minutes=2)  # after which another process takes over from one that says nothing
ATTEMPTS = 5  # to make a list that something breaks
LATER = timedelta(seconds=10)  # until the next one
RECORDS = 100  # that are written together: whoever else writes waits for them
AVAILABLE = timedelta(days=30)  # that a file can be fetched
EXPIRE = "listExpire"

# What is not the fault of the list: it waits until that is over.
PASSING = (LogUnavailable, MonthKeyMissing, KeyUnfit, OSError)

logger = logging.getLogger("protocolpoort")


@dataclass
class Workshop:
    """What a process needs to make lists, and its name."""

    database: Database
    keys: MonthKeys
    origin: Origin
    settings: Settings
    clock: Callable[[], datetime]
    sign: Callable[[str], str]  # a text, with the signature of the log under it
    log_origin: str
    name: str
    closing: bool = False  # it is to stop, between two parts
    progress: Callable[[int], None] = field(default=lambda _: None)
    stopped: Callable[[], bool] = field(default=lambda: False)  # the log does not hold
    rest: float = 0  # of the time that a part of the records took, for others who write


class Interrupted(Exception):
    """The process stops: another one, or the next, goes on."""


class ListRefused(Exception):
    """The list cannot be given; the reason stands in its record."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def work_once(shop: Workshop) -> bool:
    """Take the list that waits longest and make it; False when none is waiting.

    Whatever breaks over a list is logged, and tried again a few times.
    """
    if shop.closing or shop.stopped():
        return False
    now = shop.clock()
    with shop.database.reading() as session:
        waits = listings.waits(session, now)
    if not waits:
        tidy(shop)
        return False
    with shop.database.writing() as session:
        task = listings.claim(session, shop.name, now, now + LEASE)
    if task is None:
        return False
    try:
        if task.attempts > ATTEMPTS:
            raise ListRefused(Reason.ERROR)
        _make(shop, task)
    except LeaseLost:
        pass
    except Interrupted:
        _leave(shop, task, now, attempts=task.attempts - 1)
    except ListRefused as refused:
        _fail(shop, task, refused.reason)
    except PASSING as error:
        logger.error("a list has to wait: %s", type(error).__name__)
        _leave(shop, task, now + LATER, attempts=task.attempts - 1)
    except Exception as error:  # noqa: BLE001 - whatever broke, it is tried again
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("a list was not made: unexpected %s\n%s", type(error).__name__, frames)
        _leave(shop, task, now + LATER)
    return True


def _make(shop: Workshop, task: Task) -> None:
    while True:
        # The register may move between two parts: then it is decided anew.
        with shop.database.reading() as session:
            job = _decided(shop, session, task)
        if job.basis != task.basis:
            # What was sealed is no longer what would be; persons may have been recorded of it.
            if task.recorded:
                raise ListRefused(Reason.CONFLICT)
            task = _seal(shop, task)
            continue
        reached = _record_persons(shop, job)
        task = but(task, recorded=reached)
        if reached == task.persons and _deliver(shop, job):
            break
    tidy(shop)


def _decided(shop: Workshop, session: Session, task: Task) -> Job:
    """What the protocol says of this list now. Raises ListRefused when it says no."""
    register, today = protocols.read_register(session), brussels_date(shop.clock())
    if brussels_date(task.asked_at).year != today.year:
        raise ListRefused(Reason.CONFLICT)  # it would be of one year and count for another
    clause = register.covering(task.organisation, task.purpose, today)
    allowance = Allowance.of(clause, Operation.CREATE_LIJST, today)
    question = Question(
        Operation.CREATE_LIJST,
        task.purpose,
        function_profile=task.visit.function_profile,
        test_date=test_date(clause, task.year),
    )
    used = access_log.used(session, allowance) if allowance else 0
    production = shop.settings.production
    said = policy.decide(clause, question, today, production=production, used=used)
    if isinstance(said, Refused):
        raise ListRefused(said.reason)
    if said.clause.protocol != task.protocol:
        raise ListRefused(Reason.NO_PROTOCOL)
    recipient = task.recipient
    if not task.own_key:
        recipient = recipients.key_of(session, task.organisation) or ""
        if not recipient:
            raise ListRefused(Reason.CONFLICT)  # the key that it was asked for is gone
    return Job(task, said, register, task.visit, recipient, today)


# Step 1: who stands on it, as of one moment.


def _seal(shop: Workshop, task: Task) -> Task:
    """Write down who stands on it and seal the file; what an attempt before left goes first."""
    shop.sign(list_format.manifest_text(shop.log_origin, b""))  # the key that signs is there
    _renewed(shop, task, lambda db: listings.drop_file(db, task.id))
    while _renewed(shop, task, lambda db: listings.clear(db, task.id, PART)):
        pass
    digest, size = hashlib.sha256(), 0

    def keep(piece: bytes) -> None:
        nonlocal size
        digest.update(piece)
        _renewed(shop, task, lambda db: listings.add_part(db, task.id, size, piece))
        size += len(piece)

    with shop.database.writing() as session:
        # What an import learns that is not in the snapshot is dated after this: the advices on the
        # list can be given again.
        as_of = access_log.learn(session, shop.clock())
    with shop.database.snapshot() as snapshot:
        job, now = _decided(shop, snapshot, task), shop.clock()
        rows = Rows(job, as_of, driver.of(snapshot), shop.settings.max_data_age)

        def manifest(digest: str) -> Iterator[tuple[str, bytes]]:
            told = _manifest(shop, job, rows, now, digest, log_tree.head(snapshot).size)
            note = shop.sign(list_format.manifest_text(shop.log_origin, told))
            yield list_format.MANIFEST, told
            yield list_format.SIGNATURE, note.encode()

        packed = list_format.pack(Form(task.form), _lines(shop, job, rows), manifest)
        sealing.seal(packed, job.recipient, keep)
    if rows.left_out and not rows.count:
        raise ListRefused(Reason.NO_ADVICE)  # a list of nobody, for want of fresh data, is none
    found = {
        "sealed_at": now,
        "basis": job.basis,
        "fields": job.leaves,
        "recipient": job.recipient,
        "persons": rows.count,
        "left_out": rows.left_out,
        "size": size,
        "digest": f"sha256:{digest.hexdigest()}",
        "recorded": 0,
    }
    _renewed(shop, task, lambda _: None, **found)
    return but(task, **found)


def _lines(shop: Workshop, job: Job, rows: Rows) -> Iterator[bytes]:
    """The lines of the file; each person is written down before she goes into it."""
    yield list_format.head(Form(job.task.form), job.leaves)
    for part in rows.parts():
        _add(shop, job.task, part)
        shop.progress(rows.count)
        yield b"".join(person.line for person in part)


def _add(shop: Workshop, task: Task, part: Sequence[Person]) -> None:
    _renewed(shop, task, lambda db: listings.add_persons(db, task.id, part))


def _manifest(
    shop: Workshop, job: Job, rows: Rows, now: datetime, digest: str, position: int
) -> bytes:
    """What the file is: for its receiver, and for whoever holds it against the log."""
    task, clause = job.task, job.clause
    keep_until = job.register.keep_until(clause, brussels_date(now))
    told = {
        "formaat": list_format.FORMAT,
        "lijstId": task.id,
        "protocol": {"id": clause.protocol, "versie": clause.version, "hash": clause.hash},
        "doeleinde": clause.purpose,
        "organisatie": task.organisation,
        "namens": clause.on_behalf_of,
        "jaar": task.year,
        "toetsdatum": job.on.isoformat() if job.on else None,
        "gemaaktOp": rfc3339(now),
        "velden": job.leaves,
        "bestand": {"naam": Form(task.form).file, "personen": rows.count, "sha256": digest},
        "bewarenTot": keep_until.isoformat() if keep_until else None,
        "beschikbaarTot": rfc3339(now + AVAILABLE),
        "log": {"oorsprong": shop.log_origin, "boomgrootte": position},
        "disclaimer": list_format.DISCLAIMER,
    }
    return canonical_json({name: value for name, value in told.items() if value is not None})


# Step 2: a record for each person.


def _record_persons(shop: Workshop, job: Job) -> int:
    """Write the records that are missing; of how many persons they stand when this returns.

    That is not all of them when the register moved meanwhile.
    """
    task, reached = job.task, job.task.recorded
    while reached < task.persons:
        with shop.database.reading() as session:
            part = listings.persons(session, task.id, reached, RECORDS)
        if not part:
            raise LookupError("who stands on the list is not all there")
        now, began = shop.clock(), time.monotonic()
        entries = [_entry_of_person(shop, job, each, now) for each in part]
        if not _written(shop, task, entries, recorded=reached + len(part)):
            break
        reached += len(part)
        shop.progress(reached)
        time.sleep(shop.rest * (time.monotonic() - began))
    return reached


def _entry_of_person(shop: Workshop, job: Job, person: Person, now: datetime) -> Entry:
    detail = person.detail or {}
    trace = but(
        job.trace(),
        parent=job.task.id,
        subject=person.insz,
        subject_basis=job.clause.population.kind.value,
        subject_fact=person.fact,
        answer=person.line,
        rule_set=detail.get(RULES),
        detail=detail.get(EXPLAINED),
    )
    return _entry(shop, job, new_event_id(now), trace, now)


def _entry(shop: Workshop, job: Job, event_id: str, trace: Trace, now: datetime) -> Entry:
    visit, key = but(job.visit, event_id=event_id), shop.keys.at(now)
    return entry_of(visit, trace, key, shop.origin, now, job.register.version)


def _written(
    shop: Workshop,
    task: Task,
    entries: Sequence[Entry],
    holds: Callable[[Session], bool] = lambda _: True,
    **values: Any,
) -> bool:
    """Append records and note it, in one transaction; False when it is to be decided anew."""
    with shop.database.writing() as session:
        access_log.lock(session)
        if not holds(session):
            return False
        results = access_log.write(session, entries)
        for result in results:
            if isinstance(result, Fault):
                raise result
        if any(isinstance(result, Exception) for result in results):
            session.rollback()
            return False
        _renew(shop, session, task, **values)
    return True


# Step 3: the delivery, and the turn of the quota.


def _deliver(shop: Workshop, job: Job) -> bool:
    """Record that the list is there to be fetched; False when it is to be decided anew."""
    task, now = job.task, shop.clock()
    if brussels_date(now) != job.today:
        return False
    sealed_at = task.sealed_at
    assert sealed_at  # noqa: S101 - a file is recorded when it is whole

    def holds(session: Session) -> bool:
        if notices.corrected_since(session, sealed_at):
            raise ListRefused(Reason.CONFLICT)  # who answered it could not tell this receiver
        if listings.was_given(session, Owner.of(job.clause), task.year):
            raise ListRefused(Reason.QUOTA)
        return task.own_key or recipients.key_of(session, task.organisation) == task.recipient

    trace = but(
        job.trace(),
        counts={"persons": task.persons, "withoutAdvice": task.left_out},
        file_digest=task.digest,
        key_fingerprint=sealing.fingerprint(task.recipient),
        allowance=Allowance.of(job.clause, Operation.CREATE_LIJST, brussels_date(now)),
    )
    entry = _entry(shop, job, task.id, trace, now)
    done: dict[str, Any] = {
        "state": State.DONE.value,
        "ended_at": now,
        "expires_at": sealed_at + AVAILABLE,
        "visit": None,
    }
    return _written(shop, task, [entry], holds, **done)


def _fail(shop: Workshop, task: Task, reason: Reason) -> None:
    """End a list that cannot be given, with a record of why; the file and the names go."""
    now = shop.clock()
    refused = reason is not Reason.ERROR
    trace = Trace(
        type=RecordType.DELIVERY,
        parent=task.id,
        outcome=AccessRefused.outcome if refused else Outcome.ERROR,
        reason=reason,
        purpose=task.purpose,
        year=task.year,
    )
    visit: Visit = but(task.visit, event_id=new_event_id(now))
    entry = entry_of(visit, trace, shop.keys.at(now), shop.origin, now, None)
    ended: dict[str, Any] = {"state": State.FAILED.value, "reason": reason.value, "ended_at": now}
    try:
        _written(shop, task, [entry], visit=None, identity=None, **ended)
    except LeaseLost:
        return
    tidy(shop)


def _leave(shop: Workshop, task: Task, until: datetime, **values: Any) -> None:
    """Let somebody go on from then; nothing where another process does already."""
    with suppress(LeaseLost), shop.database.writing() as session:
        listings.renew(session, task.id, shop.name, until, **values)


def tidy(shop: Workshop) -> None:
    """Take away what lists that have ended still hold: names, and files whose time is over."""
    with shop.database.reading() as session:
        ended = listings.ended_with_persons(session)
    for id_ in ended:
        while True:
            with shop.database.writing() as session:
                if not listings.clear(session, id_, PART):
                    break
    now = shop.clock()
    with shop.database.reading() as session:
        handed_over = listings.handed_over(session, now - KEY_AGAIN)
    for id_ in handed_over:
        with shop.database.writing() as session:
            listings.drop_key(session, id_)
    expire(shop.database, shop.keys, shop.origin, now)


def expire(
    database: Database, keys: MonthKeys, origin: Origin, now: datetime, actor: str | None = None
) -> list[str]:
    """Take away the files and keys of lists whose time is over, each with a record; their ids."""
    with database.reading() as session:
        over = listings.expired(session, now)
    for id_ in over:
        with database.writing() as session:
            access_log.lock(session)
            pieces, keys_gone = listings.drop_file(session, id_), listings.drop_key(session, id_)
            if not pieces + keys_gone:
                continue  # another process was first
            trace = Trace(type=RecordType.ADMIN, parent=id_)
            access_log.write_command(session, keys, origin, EXPIRE, trace, now, actor)
    return over


def _renewed(shop: Workshop, task: Task, work: Callable[[Session], Any], **values: Any) -> Any:
    """Do a part of the work in one transaction, for as long as this process may."""
    with shop.database.writing() as session:
        _renew(shop, session, task, **values)
        return work(session)


def _renew(shop: Workshop, session: Session, task: Task, **values: Any) -> None:
    """Raises Interrupted when the process stops, LeaseLost when another one has taken over."""
    if (shop.closing or shop.stopped()) and "state" not in values:
        raise Interrupted
    listings.renew(session, task.id, shop.name, shop.clock() + LEASE, **values)
