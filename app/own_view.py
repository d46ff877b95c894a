"""The use case `listMijnRaadplegingen`: who looked at me, under which protocol and for what."""

from typing import Any

from sqlmodel import Session

from app import answers, log_search, population
from app.errors import Outcome
from app.gate import Gate
from app.insz import Insz
from app.log_search import Found, Search
from app.month_keys import MonthKeys
from app.record import RecordType, Trace
from app.visit import Visit

PAGE = 100


async def my_consultations(gate: Gate, visit: Visit, insz: Insz, cursor: int | None) -> bytes:
    """A page of the answers about this person that left, newest first, and a record of it.

    A refusal disclosed nothing of her, so it is not among them. What was recorded in a month
    whose key is destroyed is nobody's any more. A month key that cannot be read breaks the
    request: a page that misses a month would pass for whole.
    """
    shown, found = await gate.database.read(_find, insz, gate.log.keys, cursor)
    next_ = found.records[-1][0] if found.more else None
    answer = answers.encode_consultations(shown, next_)
    trace = Trace(
        type=RecordType.LOG_READ,
        subject=insz.digits,
        counts={"records": len(shown)},
        answer=answer,
    )
    await gate.record(visit, trace)
    return answer


def _find(
    session: Session, insz: Insz, keys: MonthKeys, cursor: int | None
) -> tuple[list[tuple[int, dict[str, Any]]], Found]:
    """What she may see of the page that was found, and that page.

    Under each number that she has or had, encrypted with the key of each month that is kept.
    """
    numbers = population.numbers_of(session, insz)
    wanted = Search(
        subjects=keys.hidden("subject", numbers),
        types=(RecordType.ACCESS.value, RecordType.DELIVERY.value),
        outcome=Outcome.ALLOWED.value,
        before=cursor,
        limit=PAGE,
    )
    found = log_search.search(session, wanted)
    # Of a list that was never given the records of its persons can stand: nothing left of them.
    told = {one["eventId"] for one in log_search.given(session, [one for _, one in found.records])}
    return [each for each in found.records if each[1]["eventId"] in told], found
