"""The use cases around a list: asking it, following it, fetching its file, handing over its key.

At most one a calendar year and one for each asked year (avsb-2021, art. 5; genk-2021, recital C):
the turn is taken when the file is whole, by `list_making`. The file and a key that was made for it
go over two channels (genk-2021, art. 6): two scopes, and never one client for both.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app import answers, listings, policy, protocols, recipients, sealing
from app.errors import (
    AccessRefused,
    Answered,
    ChannelSame,
    DateOutOfRange,
    FactsChanged,
    Fault,
    Issue,
    IssueType,
    KeyGone,
    ListBusy,
    NoAdvice,
    RangeOutside,
    Reason,
    RecordsPruned,
    RecordUnknown,
)
from app.gate import Gate, fault_of
from app.list_rows import KEY_AGAIN, test_date
from app.list_task import Owner, State, Task
from app.moments import brussels_date
from app.policy import Clause, Operation, Refused
from app.record import Agreement, RecordType, Trace
from app.values import but
from app.visit import Visit, new_event_id
from app.wire import ListQuestion

KEY = "identity"  # what the key of a month hides it as
TAKEN = ("key_client", "file_clients", "identity", "state")  # what two clients could change
_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.ASCII)


async def ask(gate: Gate, visit: Visit, question: ListQuestion, now: datetime) -> tuple[str, bytes]:
    """Let a list be made; whoever asks the same again while it is made gets the same one.

    Gives its id too. Raises AccessRefused, DateOutOfRange or ListBusy, after their record is
    durable.
    """
    today, year = brussels_date(now), question.jaar
    clause = gate.register.covering(visit.organisation, question.doeleinde, today)
    on = test_date(clause, year)
    asked = policy.Question(
        Operation.CREATE_LIJST,
        question.doeleinde,
        function_profile=visit.function_profile,
        test_date=on,
    )
    trace = Trace(as_of=on, year=year)
    granted, trace = await gate.open(visit, asked, trace, now, day="jaar")
    # The turn is taken when the list is whole: an attempt that fails before takes none.
    trace = but(trace, allowance=None, requested=granted.fields)
    if on is None and year != today.year:
        rule = "must be this year: who lives there is known of today"
        await gate.refuse(
            visit, trace, DateOutOfRange([Issue(IssueType.OUT_OF_RANGE, rule, name="jaar")])
        )
    owner, asker = Owner.of(granted.clause), granted.clause.organisation
    live, given, key = await gate.database.read(_standing, owner, asker, year)
    if given:
        await gate.refuse(visit, trace, AccessRefused(Reason.QUOTA))
    # One that was asked under another identifier is followed under that one.
    if live and (live.year, live.organisation) != (year, asker):
        await gate.refuse(visit, trace, ListBusy())
    task = live or _task(gate, visit, granted.clause, question, key, now)
    answer = answers.encode_list_task(visit, task, now)

    def add(session: Session) -> None:
        if live:
            return
        if listings.live(session, owner):  # another one was asked meanwhile
            raise FactsChanged
        listings.add(session, task)

    await gate.act(visit, but(trace, parent=task.id, answer=answer), add, Answered.ACCEPTED)
    return task.id, answer


def _standing(
    session: Session, owner: Owner, asker: str, year: int
) -> tuple[Task | None, bool, str | None]:
    """The list that is being made, whether one of this year was given, and the key of who asks."""
    key = recipients.key_of(session, asker)
    return listings.live(session, owner), listings.was_given(session, owner, year), key


def _task(
    gate: Gate, visit: Visit, clause: Clause, question: ListQuestion, key: str | None, now: datetime
) -> Task:
    """A new list; sealed to a key that is made for it alone where who asks registered none."""
    made = None if key else sealing.new_identity()
    return Task(
        id=new_event_id(now),
        protocol=clause.protocol,
        purpose=clause.purpose,
        organisation=clause.organisation,
        client=visit.client or "",
        year=question.jaar,
        form=question.vorm,
        recipient=made.recipient if made else key or "",
        own_key=made is not None,
        asked_at=now,
        visit=visit,
        identity=gate.log.keys.at(now).hide(KEY, made.secret) if made else None,
    )


async def follow(gate: Gate, visit: Visit, list_id: str, now: datetime) -> tuple[bytes, Answered]:
    """How far a list of the caller's organisation is."""
    task = await _known(gate, visit, list_id, now)
    how = Answered.ELSEWHERE if task.state == State.DONE else Answered.WHOLE
    problem = None
    if task.state == State.FAILED:
        problem = gate.problem(_why(Reason(str(task.reason))), task.id)
    answer = answers.encode_list_task(visit, task, now, problem)
    await gate.record(visit, but(_about(task), answer=answer), how=how)
    return answer, how


def _why(reason: Reason) -> Fault:
    """What a receiver is told of a list that failed; what is ours to mend is no detail of its."""
    if reason is Reason.NO_ADVICE:
        return NoAdvice()
    ours = (Reason.ERROR, Reason.CONFLICT)
    return Fault() if reason in ours else AccessRefused(reason)


@dataclass(frozen=True)
class Opened:
    """A file that may leave, and which of its bytes."""

    gate: Gate
    task: Task
    span: range
    how: Answered

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, piece by piece; broken off when what let them leave no longer holds.

        Whoever goes on with `Range` is decided anew.
        """
        at, gate = self.span.start, self.gate
        while at < self.span.stop:
            found = await gate.database.read(_piece, self.task.id, at, gate.register.version)
            if found is None or gate.log.rewritten:
                raise RecordsPruned
            first, content = found
            piece = content[at - first : self.span.stop - first]
            at += len(piece)
            yield piece


def _piece(session: Session, list_id: str, at: int, version: int) -> tuple[int, bytes] | None:
    same = protocols.read_version(session) == version
    return listings.part_at(session, list_id, at) if same else None


async def open_file(
    gate: Gate,
    visit: Visit,
    list_id: str,
    wanted: str | None,
    same: str | None,
    now: datetime,
) -> Opened:
    """The sealed file, or the part of it that `wanted` (a Range header) names; each time a record.

    `same` (If-Range) is the tag of the file that the caller has a part of already.

    Raises RecordUnknown, RecordsPruned, AccessRefused, ChannelSame, KeyGone or RangeOutside, after
    their record is durable.
    """
    task = await _known(gate, visit, list_id, now)
    if task.state != State.DONE:
        await gate.refuse(visit, _about(task), RecordUnknown())
    trace = await _still_open(gate, visit, task, now)
    client = visit.client or ""
    if client == task.key_client:
        await gate.refuse(visit, trace, ChannelSame())
    if not task.own_key:
        key = await gate.database.read(recipients.key_of, task.organisation)
        if key != task.recipient:  # it may be in other hands: that is why it was replaced
            await gate.refuse(visit, trace, KeyGone())
    span = _span(wanted if same in (None, tag(task)) else None, task.size)
    if span is None:
        await gate.refuse(visit, trace, RangeOutside(task.size))
    how = Answered.WHOLE if len(span) == task.size else Answered.PART
    trace = but(
        trace,
        type=RecordType.DELIVERY,
        file_digest=task.digest,
        delivered=task.fields or (),
        counts={"firstByte": span.start, "lastByte": span.stop - 1, "size": task.size},
    )

    def fetched(session: Session) -> None:
        _unchanged(session, task)
        listings.note_file(session, task, client)

    if client in task.file_clients:  # known already: it shares the commit of others
        await gate.record(visit, trace, how=how)
    else:
        await gate.act(visit, trace, fetched, how)
    return Opened(gate, task, span, how)


def tag(task: Task) -> str:
    """What names these bytes and no others (ETag)."""
    return f'"{task.digest}"'


async def hand_over(gate: Gate, visit: Visit, list_id: str, now: datetime) -> bytes:
    """The key that was made for this list alone, to one client.

    For some minutes that client may ask it again, for an answer can be lost; then it is kept here
    no longer. Raises RecordUnknown, RecordsPruned, AccessRefused, ChannelSame or KeyGone, after
    their record is durable.
    """
    task = await _known(gate, visit, list_id, now)
    trace = await _still_open(gate, visit, task, now)
    client = visit.client or ""
    if client in (task.client, *task.file_clients):
        await gate.refuse(visit, trace, ChannelSame())
    late = task.key_taken_at is not None and now >= task.key_taken_at + KEY_AGAIN
    if task.identity is None or late or task.key_client not in (None, client):
        await gate.refuse(visit, trace, KeyGone())
    secret = gate.log.keys.stored(task.asked_at).reveal(KEY, task.identity)
    answer = answers.encode_list_key(visit, task.id, secret)
    trace = but(trace, type=RecordType.DELIVERY, answer=answer)

    def taken(session: Session) -> None:
        _unchanged(session, task)
        listings.note_key(session, task.id, client, now)

    if task.key_client:
        await gate.record(visit, trace)
    else:
        await gate.act(visit, trace, taken)
    return answer


async def _known(gate: Gate, visit: Visit, list_id: str, now: datetime) -> Task:
    """A list of the caller's organisation; one of another looks as one that there is not."""
    task = await gate.database.read(listings.find, list_id, visit.organisation)
    if task is None:
        await gate.refuse(visit, Trace(), RecordUnknown())
    if task.expires_at and now >= task.expires_at:
        await gate.refuse(visit, _about(task), RecordsPruned())
    return task


async def _still_open(gate: Gate, visit: Visit, task: Task, now: datetime) -> Trace:
    """What is recorded of it, while the protocol still gives such lists; refused when it does not.

    The turn of the quota was taken by the list itself.
    """
    today = brussels_date(now)
    clause = gate.register.covering(task.organisation, task.purpose, today)
    question = policy.Question(
        Operation.CREATE_LIJST, task.purpose, function_profile=visit.function_profile
    )
    said = policy.decide(clause, question, today, production=gate.settings.production)
    trace = but(_about(task), agreement=Agreement.of(clause))
    if isinstance(said, Refused):
        await gate.refuse(visit, trace, fault_of(said))
    if said.clause.protocol != task.protocol:
        await gate.refuse(visit, trace, AccessRefused(Reason.NO_PROTOCOL))
    if outside := sorted(set(task.fields or ()) - said.fields):
        await gate.refuse(visit, trace, AccessRefused(Reason.FIELD, outside))
    return trace


def _about(task: Task) -> Trace:
    return Trace(
        parent=task.id,
        purpose=task.purpose,
        year=task.year,
        key_fingerprint=sealing.fingerprint(task.recipient),
    )


def _unchanged(session: Session, task: Task) -> None:
    """Raises FactsChanged when the file or the key was taken since: then it is decided anew."""
    now = listings.find(session, task.id, task.organisation)
    if now is None or [getattr(now, name) for name in TAKEN] != [
        getattr(task, name) for name in TAKEN
    ]:
        raise FactsChanged


def _span(wanted: str | None, size: int) -> range | None:
    """The bytes that a Range header asks for (RFC 9110, 14.2); None when there are none such.

    One range is served; what is not understood, and several ranges, get the whole.
    """
    asked = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if asked is None:
        return range(size)
    first, last, suffix = asked.groups()
    if suffix:
        return range(max(0, size - int(suffix)), size) if int(suffix) else None
    stop = min(int(last) + 1, size) if last else size
    if last and int(last) < int(first):
        return range(size)
    return range(int(first), stop) if int(first) < size else None
