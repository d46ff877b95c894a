"""Requests that no caller answers for: recorded, but never enough to fill an undeletable log."""

from collections import Counter
from datetime import datetime

from app.errors import Fault, LogUnavailable, Outcome, Reason
from app.gate import Gate
from app.record import Trace
from app.visit import Visit, new_event_id

LIMIT = 60  # records a minute in each process (api.md, Request rules); the rest is counted


class Strangers:
    """Counts the requests without a valid token, and the rate-limited ones, of this minute."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._minute: datetime | None = None
        self._recorded = 0
        self._counted: Counter[Reason] = Counter()

    async def note(self, visit: Visit, fault: Fault, now: datetime) -> bool:
        """Record the refusal, or count it for the summary; True when it has its own record."""
        await self.summarise(now)
        if self._recorded >= LIMIT:
            self._counted[fault.reason] += 1
            return False
        self._recorded += 1
        trace = Trace(
            outcome=fault.outcome, reason=fault.reason, status=self._gate.status_of(fault)
        )
        await self._gate.log.append(visit, trace, now, None)
        return True

    async def summarise(self, now: datetime, *, closing: bool = False) -> None:
        """When the minute is over, or at the end: one record for each reason that was counted."""
        minute = now.replace(second=0, microsecond=0)
        if self._minute and minute <= self._minute and not closing:
            return  # an older request that ends later opens no new allowance
        self._minute, self._recorded = minute, 0
        for reason in [*self._counted]:
            count = self._counted.pop(reason, 0)  # another request may just be writing it
            if not count:
                continue
            visit = Visit(
                operation="summary",
                route="*",
                started_at=now,
                correlation_id="",
                event_id=new_event_id(now),
                trace_id="",
                span_id="",
            )
            trace = Trace(outcome=Outcome.DENIED, reason=reason, counts={"requests": count})
            try:
                await self._gate.log.append(visit, trace, now, None)
            except LogUnavailable:
                self._counted[reason] += count  # not lost: the next minute tries again
                raise
