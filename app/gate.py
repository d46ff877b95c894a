"""What a use case may reach, and the two ways it ends: an answer or a refusal, both recorded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NoReturn

from app import access_log, policy, protocols
from app.access_log import AccessLog
from app.database import Database
from app.errors import DayPassed, Fault
from app.moments import brussels_date
from app.policy import Clause, Granted, Operation, Question, Refused
from app.record import Allowance, Trace
from app.register import Register
from app.settings import Settings
from app.visit import Visit


@dataclass
class Gate:
    """One for each process; only the register snapshot ever changes."""

    settings: Settings
    database: Database
    register: Register
    log: AccessLog
    clock: Callable[[], datetime]
    status_of: Callable[[Fault | None], int]  # `problems` alone knows status codes
    day: date | None = None  # the Brussels day on which one request is decided

    async def decide(
        self, visit: Visit, question: Question, today: date
    ) -> tuple[Clause | None, Granted | Refused]:
        """The clause that covers the question, and what `policy.decide` says of it."""
        clause = self.register.covering(visit.organisation, question.purpose, today)
        used = await self.used(clause, question.operation, today)
        production = self.settings.production
        return clause, policy.decide(clause, question, today, production=production, used=used)

    async def used(self, clause: Clause | None, operation: Operation, today: date) -> int:
        """How often the operation succeeded within its quota; 0 where there is none."""
        allowance = Allowance.of(clause, operation, today)
        return await self.database.read(access_log.used, allowance) if allowance else 0

    async def record(self, visit: Visit, trace: Trace) -> None:
        """Append the record of an answer; it is durable when this returns.

        Raises LogUnavailable, and DecisionOvertaken when the register or the quota is no longer
        what it was: nothing is recorded then, and the use case is to run again.
        """
        await self._append(visit, replace(trace, status=self.status_of(None)))

    async def refuse(self, visit: Visit, trace: Trace, fault: Fault) -> NoReturn:
        """Append the record of a refusal, then raise it: the other order would lose it."""
        refused = replace(
            trace,
            outcome=fault.outcome,
            reason=fault.reason,
            status=self.status_of(fault),
            allowance=None,  # what is refused takes no turn
        )
        await self._append(visit, refused)
        raise fault

    async def _append(self, visit: Visit, trace: Trace) -> None:
        now = self.clock()
        if self.day not in (None, brussels_date(now)):
            raise DayPassed
        await self.log.append(visit, trace, now, self.register.version)

    async def reload_register(self) -> None:
        """Take the newest register into memory."""
        self.register = await self.database.read(protocols.read_register)

    async def refresh_register(self) -> None:
        """For what reads the register and records nothing: reload when it has moved."""
        if await self.database.read(protocols.read_version) != self.register.version:
            await self.reload_register()
