"""The access log: one record for every request, durable before any answer leaves."""

import asyncio
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from anyio import to_thread
from sqlmodel import Session, col, delete, func, insert, select, update

from app import driver, log_tree
from app.database import Database, Line, settle
from app.driver import PATIENCE, Channel, Source
from app.errors import (
    ClockBehind,
    DecisionOvertaken,
    FactsChanged,
    LogUnavailable,
    QuotaTaken,
    RegisterChanged,
)
from app.models.access import AccessDetail, AccessRecord, LogEra, LogHead
from app.models.register import RegisterState
from app.moments import to_millisecond
from app.month_keys import MonthKey, MonthKeyMissing, MonthKeys
from app.record import CLOCK_TOLERANCE, Allowance, Entry, Origin, Trace, entry_of
from app.tlog import tree
from app.values import but
from app.visit import Visit, new_event_id

T = TypeVar("T")
Result = int | DecisionOvertaken | LogUnavailable


def write(source: Source, entries: Sequence[Entry]) -> list[Result]:
    """Append in the transaction of `source`: the index of each, or why it is not there.

    An entry whose event id is already there keeps its index: appending is idempotent.
    """
    channel = driver.of(source)
    # A statement of its own: what stands beside the head is read when the lock is had.
    size, newest, packed = channel.one(_LOCK)
    newest, edge = newest and driver.moment(newest), log_tree.hashes_in(packed)
    stored = channel.rows(_STATE_AND_STORED, ids=[entry.event_id for entry in entries])
    version, known_at = stored[0][0], driver.moment(stored[0][1])
    known = {event_id: index for *_, event_id, index in stored if event_id}
    results: list[Result] = []
    rows, details = [], []
    before = size
    for entry in entries:
        if entry.event_id in known:
            results.append(known[entry.event_id])
            continue
        if unfit := _unfit(entry, version, known_at, newest):
            results.append(unfit)
            continue
        columns = _take_turn(channel, entry, entry.allowance) if entry.allowance else entry.columns
        if isinstance(columns, Exception):
            results.append(columns)
            continue
        newest = max(newest or entry.recorded_at, entry.recorded_at)
        known[entry.event_id] = size
        results.append(size)
        for part, row in [(entry, columns), *((part, part.columns) for part in entry.parts)]:
            rows.append({**row, "log_index": size})
            tree.grow(edge, size, row["leaf_hash"])
            if part.detail:
                details.append({"event_id": part.event_id, "detail": dict(part.detail)})
            size += 1
    if rows:
        channel.insert("access_record", rows)
        channel.run(_GROW, size=size, newest=newest, edge=b"".join(edge))
        log_tree.close_tiles(channel, before, size)
    if details:
        channel.insert("access_detail", details)
    return results


_LOCK = "SELECT size, newest, edge FROM log_head FOR UPDATE"
_STATE = "SELECT version, known_at FROM register_state"
_STATE_AND_STORED = """
    SELECT s.version, s.known_at, r.event_id, r.log_index
    FROM register_state s LEFT JOIN EACH(:ids) AS given ON TRUE
    LEFT JOIN access_record r ON r.event_id = given.value
"""
_GROW = "UPDATE log_head SET size = :size, newest = :newest, edge = :edge"


def _unfit(
    entry: Entry, version: int, known_at: datetime, newest: datetime | None
) -> DecisionOvertaken | LogUnavailable | None:
    """Why the record may not stand: what decided is no longer so, or the clock is behind."""
    if entry.register_version not in (None, version):
        return RegisterChanged()
    if entry.known_at not in (None, known_at):
        return FactsChanged()
    if newest and entry.recorded_at < newest - CLOCK_TOLERANCE:
        return ClockBehind()
    return None


def _take_turn(
    channel: Channel, entry: Entry, allowance: Allowance
) -> Mapping[str, Any] | QuotaTaken | LogUnavailable:
    """The columns with the turn that is taken, under the lock of the head; or why none is."""
    ordinal = used(channel, allowance) + 1
    if ordinal > allowance.maximum:
        return QuotaTaken()
    try:
        columns = entry.numbered(ordinal)
    except LogUnavailable as too_large:
        return too_large
    channel.run(_TAKE, **allowance.turn._asdict())
    return columns


_TAKE = """
    INSERT INTO quota_use (protocol, purpose, organisation, operation, first, used)
    VALUES (:protocol, :purpose, :organisation, :operation, :first, 1)
    ON CONFLICT (protocol, purpose, organisation, operation, first)
    DO UPDATE SET used = quota_use.used + 1
"""
_USED = """
    SELECT coalesce(sum(used), 0) FROM quota_use
    WHERE protocol = :protocol AND purpose = :purpose AND organisation = ANY(:names)
    AND operation = :operation AND first >= :since AND first < :until
"""


def used(source: Source, allowance: Allowance) -> int:
    """How many turns of an allowance are taken in the time that its quota counts.

    Under every identifier of the party: another version can have another one first.
    """
    turn = allowance.turn
    [count] = driver.of(source).one(
        _USED,
        protocol=turn.protocol,
        purpose=turn.purpose,
        names=[*(allowance.names or (turn.organisation,))],
        operation=turn.operation,
        since=allowance.since,
        until=allowance.until,
    )
    return int(count)


def lock(session: Session) -> LogHead:
    """Keep every append and every act on the register waiting until this transaction ends."""
    return session.exec(select(LogHead).with_for_update()).one()


def learn(session: Session, now: datetime) -> datetime:
    """Take the moment at which this transaction learns facts about persons: for an import, and for
    a list, which learns none and has to be dated before whatever is learned later.

    Under the lock of the head, and later than every record and every import before: an advice that
    is in the log was given without these facts, and "as known at" its moment leaves them out.

    Raises ClockBehind: what was learned would be dated by a clock that is known to be wrong.
    """
    head = lock(session)
    state = session.exec(select(RegisterState)).one()
    newest = max(head.newest or state.known_at, state.known_at)
    if now < newest - CLOCK_TOLERANCE:
        raise ClockBehind
    later = to_millisecond(newest + timedelta(milliseconds=1))
    state.known_at = max(to_millisecond(now), later)
    session.add(state)
    return state.known_at


def is_set_back(session: Session, index: int, moment: datetime) -> bool:
    """Whether the time was set back to before a moment after the record at an index: what was
    learned since is dated among what was known then."""
    later = select(LogEra.first_index).where(LogEra.first_index > index)
    return (
        session.exec(
            select(AccessRecord.log_index)
            .where(col(AccessRecord.log_index).in_(later), AccessRecord.recorded_at < moment)
            .limit(1)
        ).first()
        is not None
    )


def known_at(source: Source) -> datetime:
    """When the newest facts about persons were learned."""
    return driver.moment(driver.of(source).one(_STATE)[1])


def reset_clock(session: Session, now: datetime) -> datetime | None:
    """Forget a newest record that a wrong clock dated in the future; the moment it had."""
    head = lock(session)
    forgotten = head.newest
    session.execute(update(LogHead).values(newest=now))
    session.execute(insert(LogEra), {"first_index": head.size})
    return forgotten


def newest_moment(session: Session) -> datetime | None:
    """The moment before which nothing is recorded any more."""
    return session.exec(select(LogHead.newest)).one()


def first_since(session: Session, moment: datetime) -> int:
    """The index of the first record of a moment or later; where there is none, the next index."""
    size = session.exec(select(LogHead.size)).one()
    place = col(AccessRecord.log_index)
    found = session.exec(
        select(place).where(AccessRecord.recorded_at >= moment).order_by(place).limit(1)
    ).first()
    return size if found is None else found


def count_below(session: Session, index: int) -> tuple[int, int]:
    """How many records there are below an index, and how many details."""
    below = select(AccessRecord.event_id).where(AccessRecord.log_index < index)
    records = session.exec(select(func.count()).select_from(below.subquery())).one()
    details = session.exec(select(func.count()).where(col(AccessDetail.event_id).in_(below))).one()
    return records, details


def raise_minimum(session: Session, index: int) -> None:
    """From now on what is below the index may go; only the owner of the tables can."""
    session.execute(update(LogHead).values(minimum=index))


def remove_below(session: Session, index: int, most: int) -> tuple[int, int]:
    """Remove the first records below an index, and their details; how many of each.

    The database refuses it for what is not below the minimum.
    """
    place = col(AccessRecord.log_index)
    going = session.exec(
        select(place, AccessRecord.event_id).where(place < index).order_by(place).limit(most)
    ).all()
    if not going:
        return 0, 0
    within = (place >= going[0][0], place <= going[-1][0])
    events = select(AccessRecord.event_id).where(*within)
    details = session.exec(delete(AccessDetail).where(col(AccessDetail.event_id).in_(events)))
    records = session.exec(delete(AccessRecord).where(*within))
    return records.rowcount, details.rowcount


def _stands(session: Session, event_id: str, /) -> bool:
    return bool(_indexes(session, [event_id]))


def _indexes(source: Source, event_ids: Sequence[str]) -> dict[str, int]:
    return dict(driver.of(source).rows(_INDEXES, ids=[*event_ids]))


_INDEXES = """
    SELECT r.event_id, r.log_index
    FROM EACH(:ids) AS given CROSS JOIN access_record r WHERE r.event_id = given.value
"""


def write_command(
    session: Session,
    keys: MonthKeys,
    origin: Origin,
    operation: str,
    trace: Trace,
    now: datetime,
    actor: str | None = None,
    organisation: str | None = None,
    reference: str | None = None,
) -> str:
    """Record a command of the office in the transaction of what it does: both stand, or neither.

    Returns the id of the record. Raises ClockBehind, so that the act does not stand either.
    """
    visit = command_visit(operation, now, actor, organisation=organisation, reference=reference)
    write_commands(session, keys, origin, [(visit, trace)], now)
    return visit.event_id


def command_visit(operation: str, now: datetime, actor: str | None, **more: Any) -> Visit:
    """A command of the office, as records have it."""
    return Visit(
        operation=operation,
        route="cli",
        started_at=now,
        correlation_id=str(uuid.uuid4()),
        event_id=new_event_id(now),
        trace_id=secrets.token_hex(16),
        span_id=secrets.token_hex(8),
        system="protocolpoort",
        user=actor,
        **more,
    )


def write_commands(
    session: Session,
    keys: MonthKeys,
    origin: Origin,
    commands: Sequence[tuple[Visit, Trace]],
    now: datetime,
) -> None:
    """Record several at once; raises what the first that does not stand says."""
    key = keys.at(now)
    entries = [entry_of(visit, trace, key, origin, now, None) for visit, trace in commands]
    for result in write(session, entries):
        if isinstance(result, Exception):
            raise result


class _Event(NamedTuple):
    """What waits to become a record."""

    visit: Visit
    trace: Trace
    now: datetime
    register_version: int | None
    parts: Sequence[tuple[Visit, Trace]]


class AccessLog:
    """The one writer of this process: what arrives during a commit shares the next one."""

    def __init__(self, database: Database, keys: MonthKeys, origin: Origin) -> None:
        self._database, self._line = database, Line(database)
        self._keys = keys
        self._origin = origin
        self._waiting: list[tuple[_Event, asyncio.Future[int]]] = []
        self._writer: asyncio.Task[None] | None = None
        self.failed = False  # the last append failed; health tells
        self.rewritten = False  # the log is not what was signed: nothing may leave

    @property
    def keys(self) -> MonthKeys:
        """The month keys, for searching by person and for health."""
        return self._keys

    async def append(
        self,
        visit: Visit,
        trace: Trace,
        now: datetime,
        register_version: int | None,
        parts: Sequence[tuple[Visit, Trace]] = (),
    ) -> int:
        """Return the index when the record is durable, and those of its parts after it.

        Raises DecisionOvertaken when the register or the quota is no longer what it was when
        it was decided, and LogUnavailable when the record cannot be written: nothing may leave.
        """
        if self.rewritten:
            raise LogUnavailable
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._waiting.append((_Event(visit, trace, now, register_version, parts), future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain())
        # A client that goes away does not take its record back; neither does one that waits too
        # long.
        patience = loop.call_later(PATIENCE, self._give_up, future)
        try:
            return await future
        finally:
            patience.cancel()

    async def act(
        self,
        visit: Visit,
        trace: Trace,
        now: datetime,
        register_version: int | None,
        work: Callable[[Session], T],
        parts: Sequence[tuple[Visit, Trace]] = (),
    ) -> T:
        """Do `work` in the transaction of its record: both are durable when this returns.

        Raises what `append` raises, or what `work` does; then neither stands.
        """
        if self.rewritten:
            raise LogUnavailable

        done: list[T] = []

        def run() -> None:
            entry = self._entry(_Event(visit, trace, now, register_version, parts), {})
            if isinstance(entry, LogUnavailable):
                raise entry
            with self._database.writing() as session:
                lock(session)  # first: else who writes a record meanwhile waits for this one
                done.append(work(session))
                [result] = write(session, [entry])
                if isinstance(result, Exception):
                    raise result

        try:
            async with asyncio.timeout(PATIENCE):
                await to_thread.run_sync(run, abandon_on_cancel=True)
        except (TimeoutError, *driver.FAILED):
            self.failed = True
            # A connection that was lost around the commit: look before answering.
            stands = await self._database.read(_stands, visit.event_id)
            if not (done and stands):
                raise LogUnavailable from None
        return done[0]

    def _give_up(self, future: "asyncio.Future[int]") -> None:
        self.failed = True
        settle(future, LogUnavailable())

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results = await self._line.run(self._record, [event for event, _ in batch])
            except Exception:  # noqa: BLE001 - whatever it was, every waiter must hear of it
                self.failed = True
                results = [LogUnavailable() for _ in batch]
            for (_, future), result in zip(batch, results, strict=True):
                settle(future, result)

    def _record(self, events: Sequence[_Event]) -> list[Result]:
        """Make the records, and append those that can be made."""
        keys: dict[datetime, MonthKey | None] = {}
        made = [self._entry(event, keys) for event in events]
        entries = [entry for entry in made if isinstance(entry, Entry)]
        written = iter(self._commit(entries) if entries else ())
        return [next(written) if isinstance(entry, Entry) else entry for entry in made]

    def _entry(
        self, event: _Event, keys: dict[datetime, MonthKey | None]
    ) -> Entry | LogUnavailable:
        """The record; LogUnavailable without the key of its month, or for one that is too large.

        `keys`: those that were looked for, for these records alone: a key may be destroyed.
        """
        month = event.now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if month not in keys:
            keys[month] = self._key(month)
        key = keys[month]
        if key is None:
            return LogUnavailable()
        origin, now = self._origin, event.now
        try:
            entry = entry_of(event.visit, event.trace, key, origin, now, event.register_version)
            parts = tuple(entry_of(*part, key, origin, now, None) for part in event.parts)
        except LogUnavailable as unavailable:
            return unavailable
        except Exception:  # noqa: BLE001 - whatever it was, it is not the fault of the others
            self.failed = True
            return LogUnavailable()
        return but(entry, parts=parts) if parts else entry

    def _key(self, moment: datetime) -> MonthKey | None:
        try:
            return self._keys.at(moment)
        except (MonthKeyMissing, OSError):
            self.failed = True
            return None

    def _commit(self, entries: Sequence[Entry]) -> list[Result]:
        """One transaction for all; when it fails, one each, so that a bad one fails alone."""
        try:
            results = self._line.write(lambda channel: write(channel, entries))
        except driver.LOST:
            # The lock or the connection, not a record: each alone would wait as long again.
            self.failed = True
            return self._settle(entries)
        except driver.FAILED:
            self.failed = True
            if len(entries) == 1:
                return [LogUnavailable()]
            return [result for entry in entries for result in self._commit([entry])]
        self.failed = any(isinstance(result, LogUnavailable) for result in results)
        return results

    def _settle(self, entries: Sequence[Entry]) -> list[Result]:
        """What a connection that was lost around the commit left behind: look before answering."""
        ids = [entry.event_id for entry in entries]
        known = self._line.read(lambda channel: _indexes(channel, ids))
        return [known.get(entry.event_id, LogUnavailable()) for entry in entries]
