"""The use cases `queryAdvies` and `queryAdviesBatch`: is the obligation met on that date?"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

from sqlmodel import Session

from app import access_log, answers, batching, judging, policy, population
from app.errors import AccessRefused, NoAdvice, Reason
from app.gate import Gate, Told
from app.insz import Insz
from app.judging import Case
from app.moments import brussels_date, to_millisecond
from app.obligation import Profile
from app.policy import Granted, Operation
from app.record import Trace
from app.visit import Visit
from app.wire import AdviceBatch, AdviceQuestion


async def advise(gate: Gate, visit: Visit, question: AdviceQuestion, now: datetime) -> bytes:
    """Give OK, or NOK with a reason, and leave a record whatever the answer.

    Raises AccessRefused, DateOutOfRange or NoAdvice, all after their record is durable.
    """
    trace = Trace(as_of=question.toetsdatum, subject=question.insz.digits)
    asked = _asked(Operation.QUERY_ADVIES, visit, question)
    granted, trace = await gate.open(visit, asked, trace, now)
    tell = _teller(gate, granted, question.toetsdatum, now)
    told = await gate.database.read(tell, visit, trace, question.insz)
    return await gate.finish(visit, told)


async def advise_batch(gate: Gate, visit: Visit, question: AdviceBatch, now: datetime) -> bytes:
    """The same for each person of a batch; what refuses the whole of it is raised."""
    asked = _asked(Operation.QUERY_ADVIES_BATCH, visit, question)
    granted, trace = await gate.open(visit, asked, Trace(as_of=question.toetsdatum), now)
    tell = _teller(gate, granted, question.toetsdatum, now)
    return await batching.answer_all(gate, visit, trace, question.vragen, tell, now)


def _asked(
    operation: Operation, visit: Visit, question: AdviceQuestion | AdviceBatch
) -> policy.Question:
    return policy.Question(
        operation,
        question.doeleinde,
        function_profile=visit.function_profile,
        test_date=question.toetsdatum,
    )


def _teller(gate: Gate, granted: Granted, on: date, now: datetime) -> batching.Tell:
    return partial(_tell, granted=granted, on=on, maximum_age=gate.settings.max_data_age, now=now)


def _tell(
    session: Session,
    visit: Visit,
    trace: Trace,
    insz: Insz,
    *,
    granted: Granted,
    on: date,
    maximum_age: timedelta,
    now: datetime,
) -> Told:
    """Judge by what is known now, and record from when that is: newer facts mean judging anew."""
    # First: what is learned between this and the reading of the facts is noticed at the record.
    known_at = access_log.known_at(session)
    trace = replace(trace, known_at=known_at)
    admitted = population.admit(session, granted.clause.population, insz, brussels_date(now), now)
    if isinstance(admitted, Reason):
        return Told(trace, fault=AccessRefused(admitted))
    case = Case(
        on,
        # A document that opens an advice without a profile is refused when it is loaded.
        Profile(str(granted.clause.advice_profile)),
        asked_at=to_millisecond(max(now, known_at)),
        maximum_age=maximum_age,
    )
    judged = judging.judge(session, admitted.numbers, case)
    trace = replace(
        trace,
        subject_basis=granted.clause.population.kind.value,
        subject_fact=admitted.fact,
        rule_set=case.rule_set,
        detail=judged.explanation,
    )
    if judged.advice.outcome is None:
        return Told(trace, fault=NoAdvice())
    answer = answers.encode_advice(
        visit,
        granted.clause.purpose,
        judged.advice,
        on=on,
        asked_at=case.asked_at,
        data_from=judged.data_from,
        rule_set=case.rule_set,
    )
    return Told(trace, answer)
