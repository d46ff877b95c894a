"""What a use case may reach, and the two ways it ends: an answer or a refusal, both recorded."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NoReturn, TypeVar

from sqlmodel import Session

from app import access_log, policy, protocols
from app.access_log import AccessLog
from app.database import Database
from app.errors import (
    AccessRefused,
    Answered,
    DateOutOfRange,
    Fault,
    Issue,
    IssueType,
    Reason,
    TimePassed,
)
from app.moments import brussels_date
from app.policy import Clause, Granted, Operation, Question, Refused
from app.reader import A, Read, Reader
from app.record import Agreement, Allowance, Trace
from app.register import Register
from app.settings import Settings
from app.values import but
from app.visit import Visit

T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """How a question about one person ends: its record, and the answer or why there is none."""

    trace: Trace
    answer: bytes = b""
    fault: Fault | None = None


@dataclass
class Gate:
    """One for each process; only the register snapshot ever changes."""

    settings: Settings
    database: Database
    register: Register
    log: AccessLog
    reader: Reader
    clock: Callable[[], datetime]
    status_of: Callable[[Fault | Answered | None], int]  # `problems` alone knows status codes
    problem: Callable[[Fault, str], Mapping[str, Any]]  # a fault as a document, with its record
    decided_at: datetime | None = None  # the moment as of which one request is decided
    reloading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def decide(
        self, visit: Visit, question: Question, today: date
    ) -> tuple[Clause | None, Granted | Refused]:
        """The clause that covers the question, and what `policy.decide` says of it."""
        clause = self.register.covering(visit.organisation, question.purpose, today)
        used = await self.used(clause, question.operation, today)
        production = self.settings.production
        return clause, policy.decide(clause, question, today, production=production, used=used)

    async def open(
        self, visit: Visit, question: Question, trace: Trace, now: datetime, day: str = "toetsdatum"
    ) -> tuple[Granted, Trace]:
        """All that does not depend on the person: what is granted, and the record so far.

        `day` names the property that a test date outside the legal ground comes from. Raises
        AccessRefused or DateOutOfRange, after their record is durable.
        """
        today = brussels_date(now)
        clause, decision = await self.decide(visit, question, today)
        trace = but(
            trace,
            agreement=Agreement.of(clause),
            purpose=self.register.known_purpose(question.purpose),
            allowance=Allowance.of(clause, question.operation, today),
        )
        if isinstance(decision, Refused):
            await self.refuse(visit, trace, fault_of(decision, day))
        return decision, trace

    async def tell(self, read: Read[A, Told], asked: A) -> Told:
        """How a question about one person ends, read together with those of others."""
        [told] = await self.reader.ask(read, [asked])
        if isinstance(told, Exception):
            raise told
        return told

    async def finish(self, visit: Visit, told: Told) -> bytes:
        """Record how it ended; give the answer, or raise the fault."""
        if told.fault:
            await self.refuse(visit, told.trace, told.fault)
        await self.record(visit, but(told.trace, answer=told.answer))
        # The record is durable here; nothing has left yet.
        return told.answer

    async def used(self, clause: Clause | None, operation: Operation, today: date) -> int:
        """How often the operation succeeded within its quota; 0 where there is none."""
        allowance = Allowance.of(clause, operation, today)
        return await self.database.read(access_log.used, allowance) if allowance else 0

    async def record(
        self,
        visit: Visit,
        trace: Trace,
        parts: Sequence[tuple[Visit, Told]] = (),
        how: Answered = Answered.WHOLE,
    ) -> None:
        """Append the record of an answer, and one for each person; durable when this returns.

        Raises LogUnavailable, and DecisionOvertaken when the register or the quota is no longer
        what it was: nothing is recorded then, and the use case is to run again.
        """
        persons = [(each, self._ended(told)) for each, told in parts]
        await self._append(visit, but(trace, status=self.status_of(how)), persons)

    async def act(
        self,
        visit: Visit,
        trace: Trace,
        work: Callable[[Session], T],
        how: Answered = Answered.WHOLE,
        parts: Sequence[tuple[Visit, Told]] = (),
    ) -> T:
        """Do something and record it, in one transaction: both stand when this returns, or neither.

        Raises what `work` raises, and what `record` does.
        """
        now = self._now()
        trace = but(trace, status=self.status_of(how))
        told = [(each, self._ended(one)) for each, one in parts]
        return await self.log.act(visit, trace, now, self.register.version, work, told)

    async def refuse(self, visit: Visit, trace: Trace, fault: Fault) -> NoReturn:
        """Append the record of a refusal, then raise it: the other order would lose it."""
        # What is refused takes no turn.
        refused = self._ended(Told(but(trace, allowance=None), fault=fault))
        await self._append(visit, refused)
        raise fault

    def _ended(self, told: Told) -> Trace:
        """The trace with the end of its question."""
        if not told.fault:
            return but(told.trace, status=self.status_of(None), answer=told.answer)
        return but(
            told.trace,
            outcome=told.fault.outcome,
            reason=told.fault.reason,
            status=self.status_of(told.fault),
        )

    async def _append(
        self, visit: Visit, trace: Trace, parts: Sequence[tuple[Visit, Trace]] = ()
    ) -> None:
        now = self._now()
        await self.log.append(visit, trace, now, self.register.version, parts)

    def _now(self) -> datetime:
        """The moment of the record; raises TimePassed when what was decided is of another day."""
        now = self.clock()
        if self.decided_at and _passed(self.decided_at, now):
            raise TimePassed
        return now

    async def reload_register(self) -> None:
        """Take the newest register into memory."""
        self.register = await self.database.read(protocols.read_register)

    async def refresh_register(self) -> None:
        """Reload when it has moved; once for all who find that out together."""
        async with self.reloading:
            if await self.database.read(protocols.read_version) != self.register.version:
                await self.reload_register()


def _passed(decided_at: datetime, now: datetime) -> bool:
    """Whether another day has begun, or the clock was set back: a record is no older than what
    decided it."""
    return now < decided_at or brussels_date(now) != brussels_date(decided_at)


def fault_of(refused: Refused, day: str = "toetsdatum") -> AccessRefused | DateOutOfRange:
    """A date outside the legal ground is a fault of the question, all else a refusal."""
    if refused.reason is not Reason.INVALID_DATE:
        return AccessRefused(refused.reason, refused.fields, refused.on)
    first = f" and not before {refused.on}" if refused.on else ""
    rule = f"must be a date of today or earlier{first}"
    return DateOutOfRange([Issue(IssueType.OUT_OF_RANGE, rule, name=day)])
