"""What a use case may reach, and the two ways it ends: an answer or a refusal, both recorded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from app import protocols
from app.access_log import AccessLog
from app.database import Database
from app.errors import Fault
from app.protocols import Register
from app.record import Trace
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

    async def record(self, visit: Visit, trace: Trace) -> None:
        """Append the record of an answer; it is durable when this returns.

        Raises LogUnavailable, and RegisterChanged when the register is no longer the one that
        decided: nothing is recorded then, and the use case is to run again.
        """
        answered = replace(trace, status=self.status_of(None))
        await self.log.append(visit, answered, self.clock(), self.register.version)

    async def refuse(self, visit: Visit, trace: Trace, fault: Fault) -> NoReturn:
        """Append the record of a refusal, then raise it: the other order would lose it."""
        refused = replace(
            trace, outcome=fault.outcome, reason=fault.reason, status=self.status_of(fault)
        )
        await self.log.append(visit, refused, self.clock(), self.register.version)
        raise fault

    async def reload_register(self) -> None:
        """Take the newest register into memory."""
        self.register = await self.database.read(protocols.read_register)

    async def refresh_register(self) -> None:
        """For what reads the register and records nothing: reload when it has moved."""
        if await self.database.read(protocols.read_version) != self.register.version:
            await self.reload_register()
