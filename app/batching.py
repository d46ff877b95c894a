"""Several persons in one request: each a record of its own, and one for the whole."""

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from app import answers
from app.errors import Fault, InszInvalid, Issue, IssueType
from app.gate import Gate, Told
from app.insz import Insz
from app.record import Trace
from app.visit import Visit, new_event_id
from app.wire import AboutPerson

logger = logging.getLogger("protocolpoort")

Tell = Callable[[Session, Visit, Trace, Insz], Told]


async def answer_all(
    gate: Gate,
    visit: Visit,
    trace: Trace,
    asked: Sequence[AboutPerson],
    tell: Tell,
    now: datetime,
) -> bytes:
    """Tell of each person apart: one whom the answer cannot be about never spoils another.

    All records become durable together, or none does.
    """
    of_person = replace(trace, allowance=None, parent=visit.event_id)
    parts = await gate.database.read(
        _tell_all, visit, of_person, asked, tell, now, production=gate.settings.production
    )
    items = [_item(gate, each, told) for each, told in parts]
    answer = answers.encode_batch(visit, items)
    trace = replace(
        trace,
        answer=answer,
        counts={"persons": len(parts), "answered": sum(told.fault is None for _, told in parts)},
        # The first: what is learned while the others are read is noticed at the record.
        known_at=next((told.trace.known_at for _, told in parts if told.trace.known_at), None),
    )
    await gate.record(visit, trace, parts)
    # The records are durable here; nothing has left yet.
    return answer


def _item(gate: Gate, visit: Visit, told: Told) -> dict[str, Any]:
    """What the batch says of one person: the bytes of an answer as they are, or a problem."""
    item = {"referte": visit.reference, "status": gate.status_of(told.fault)}
    if told.fault:
        return {**item, "probleem": gate.problem(told.fault, visit.event_id)}
    return {**item, "antwoord": orjson.Fragment(told.answer)}


def _tell_all(
    session: Session,
    visit: Visit,
    trace: Trace,
    asked: Sequence[AboutPerson],
    tell: Tell,
    now: datetime,
    *,
    production: bool,
) -> list[tuple[Visit, Told]]:
    told = []
    for index, each in enumerate(asked):
        about = replace(visit, event_id=new_event_id(now), reference=each.referte)
        if each.insz is None or (production and each.insz.is_test):
            told.append((about, Told(trace, fault=_no_number(index, each.insz))))
            continue
        of_person = replace(trace, subject=each.insz.digits)
        try:
            told.append((about, tell(session, about, of_person, each.insz)))
        except SQLAlchemyError:
            raise  # the transaction is over, for the others too
        except Exception as error:  # noqa: BLE001 - whatever broke, it is about one person
            frames = "".join(traceback.format_tb(error.__traceback__))
            logger.error("unexpected %s in %s\n%s", type(error).__name__, visit.operation, frames)
            told.append((about, Told(of_person, fault=Fault())))
    return told


def _no_number(index: int, insz: Insz | None) -> InszInvalid:
    rule = "is not a valid national number"
    if insz is not None:
        rule = "is a test number, which production does not take"
    return InszInvalid([Issue(IssueType.INVALID_STRUCTURE, rule, name=f"vragen[{index}].insz")])
