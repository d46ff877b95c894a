"""The use cases `queryDossier` and `queryDossierBatch`: the permitted fields of a dossier."""

from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlmodel import Session

from app import answers, batching, derived, dossiers, fields, policy, population
from app.errors import AccessRefused, DossierUnknown, Reason
from app.gate import Gate, Told
from app.insz import Insz
from app.moments import brussels_date
from app.policy import Granted, Operation
from app.record import Trace
from app.register import Register
from app.visit import Visit
from app.wire import DossierBatch, DossierQuestion


async def look_up(gate: Gate, visit: Visit, question: DossierQuestion, now: datetime) -> bytes:
    """Disclose what the protocol grants, and leave a record whatever the answer.

    Raises AccessRefused or DossierUnknown, both after their record is durable.
    """
    trace = Trace(requested=fields.expand(question.fields or ()), subject=question.insz.digits)
    asked = _asked(Operation.QUERY_DOSSIER, visit, question)
    granted, trace = await gate.open(visit, asked, trace, now)
    tell = partial(_tell, register=gate.register, granted=granted, now=now)
    told = await gate.database.read(tell, visit, trace, question.insz)
    return await gate.finish(visit, told)


async def look_up_batch(gate: Gate, visit: Visit, question: DossierBatch, now: datetime) -> bytes:
    """The same for each person of a batch; what refuses the whole of it is raised."""
    trace = Trace(requested=fields.expand(question.fields or ()))
    asked = _asked(Operation.QUERY_DOSSIER_BATCH, visit, question)
    granted, trace = await gate.open(visit, asked, trace, now)
    tell = partial(_tell, register=gate.register, granted=granted, now=now)
    return await batching.answer_all(gate, visit, trace, question.vragen, tell, now)


def _asked(
    operation: Operation, visit: Visit, question: DossierQuestion | DossierBatch
) -> policy.Question:
    return policy.Question(operation, question.doeleinde, question.fields, visit.function_profile)


def _tell(
    session: Session,
    visit: Visit,
    trace: Trace,
    insz: Insz,
    *,
    register: Register,
    granted: Granted,
    now: datetime,
) -> Told:
    """Read the blocks that the grant needs and keep the granted leaves of them."""
    today, clause = brussels_date(now), granted.clause
    admitted = population.admit(session, clause.population, insz, today, now)
    if isinstance(admitted, Reason):
        return Told(trace, fault=AccessRefused(admitted))
    trace = replace(
        trace,
        requested=granted.fields,
        subject_basis=clause.population.kind.value,
        subject_fact=admitted.fact,
    )
    dossier = dossiers.read(session, admitted.numbers, fields.blocks(granted.fields))
    if dossier is None:
        return Told(trace, fault=DossierUnknown())
    contact = None
    if fields.needs_contact(granted.fields):
        contact = population.contact_of(session, admitted.numbers[0])
    complete = derived.complete(granted.fields, dossier.blocks, contact, today)
    document = fields.project(complete, granted.fields)
    answer = answers.encode_dossier(
        visit,
        clause,
        document,
        fetched_at=dossier.fetched_at,
        now=now,
        keep_until=register.keep_until(clause, today),
        replaced=insz.digits != admitted.numbers[0],
    )
    return Told(replace(trace, delivered=fields.present(document, granted.fields)), answer)
