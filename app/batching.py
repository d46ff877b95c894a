"""Several persons in one request: each a record of its own, and one for the whole."""

import logging
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson

from app import answers
from app.errors import Fault, InszInvalid, Issue, IssueType
from app.gate import Gate, Told
from app.insz import Insz
from app.reader import A, Read
from app.record import Trace
from app.values import but
from app.visit import Visit, new_event_id
from app.wire import AboutPerson

logger = logging.getLogger("protocolpoort")

About = Callable[[Visit, Trace, Insz], A]


async def answer_all(
    gate: Gate,
    visit: Visit,
    trace: Trace,
    asked: Sequence[AboutPerson],
    about: About[A],
    tell_all: Read[A, Told],
    now: datetime,
) -> bytes:
    """Tell of each person apart: one whom the answer cannot be about never spoils another.

    All records become durable together, or none does.
    """
    of_person = but(trace, allowance=None, parent=visit.event_id)
    parts: list[tuple[Visit, Told]] = []
    questions: list[tuple[int, Trace, A]] = []
    for place, each in enumerate(asked):
        one = but(visit, event_id=new_event_id(now), reference=each.referte)
        if each.insz is None or (gate.settings.production and each.insz.is_test):
            parts.append((one, Told(of_person, fault=_no_number(place, each.insz))))
            continue
        subject = but(of_person, subject=each.insz.digits)
        parts.append((one, Told(subject)))
        questions.append((place, subject, about(one, subject, each.insz)))
    told = await gate.reader.ask(tell_all, [question for *_, question in questions])
    for (place, subject, _), outcome in zip(questions, told, strict=True):
        one, _ = parts[place]
        parts[place] = one, ended(one, subject, outcome)
    items = [_item(gate, each, told) for each, told in parts]
    answer = answers.encode_batch(visit, items)
    trace = but(
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


def ended(visit: Visit, trace: Trace, outcome: Told | Exception) -> Told:
    """Whatever broke over one person is about that person alone."""
    if not isinstance(outcome, Exception):
        return outcome
    frames = "".join(traceback.format_tb(outcome.__traceback__))
    logger.error("unexpected %s in %s\n%s", type(outcome).__name__, visit.operation, frames)
    return Told(trace, fault=Fault())


def _no_number(index: int, insz: Insz | None) -> InszInvalid:
    rule = "is not a valid national number"
    if insz is not None:
        rule = "is a test number, which production does not take"
    return InszInvalid([Issue(IssueType.INVALID_STRUCTURE, rule, name=f"vragen[{index}].insz")])
