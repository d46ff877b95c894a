"""The use case `listMijnRaadplegingen`: who looked at me, under which protocol and for what."""

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
    found = await gate.database.read(_find, insz, gate.log.keys, cursor)
    answer = answers.encode_consultations(found.records, more=found.more)
    trace = Trace(
        type=RecordType.LOG_READ,
        subject=insz.digits,
        counts={"records": len(found.records)},
        answer=answer,
    )
    await gate.record(visit, trace)
    return answer


def _find(session: Session, insz: Insz, keys: MonthKeys, cursor: int | None) -> Found:
    """Under each number that she has or had, encrypted with the key of each month that is kept."""
    numbers = population.numbers_of(session, insz)
    wanted = Search(
        subjects=tuple(key.hide("subject", number) for key in keys.kept() for number in numbers),
        type=RecordType.ACCESS.value,
        outcome=Outcome.ALLOWED.value,
        before=cursor,
        limit=PAGE,
    )
    return log_search.search(session, wanted)
