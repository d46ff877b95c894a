"""The use case `queryDossier`: the permitted fields of one person's dossier."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlmodel import Session

from app import answers, derived, dossiers, fields, policy, population
from app.errors import AccessRefused, DossierUnknown, Reason
from app.gate import Gate
from app.moments import brussels_date
from app.policy import Granted, Operation, Refused
from app.population import Admitted
from app.record import Agreement, Allowance, Trace
from app.visit import Visit
from app.wire import DossierQuestion


@dataclass(frozen=True)
class Found:
    """The granted leaves of a dossier, and the moment its source data were fetched."""

    document: dict[str, Any]
    fetched_at: datetime


async def look_up(gate: Gate, visit: Visit, question: DossierQuestion, now: datetime) -> bytes:
    """Disclose what the protocol grants, and leave a record whatever the answer.

    Raises AccessRefused or DossierUnknown, both after their record is durable.
    """
    today = brussels_date(now)
    asked = policy.Question(
        Operation.QUERY_DOSSIER, question.doeleinde, question.fields, visit.function_profile
    )
    clause, decision = await gate.decide(visit, asked, today)
    trace = Trace(
        agreement=Agreement.of(clause),
        purpose=gate.register.known_purpose(question.doeleinde),
        requested=fields.expand(question.fields or ()),
        subject=question.insz.digits,
        allowance=Allowance.of(clause, asked.operation, today),
    )
    if isinstance(decision, Refused):
        await gate.refuse(
            visit, trace, AccessRefused(decision.reason, decision.fields, decision.on)
        )

    admission = await gate.database.read(
        population.admit, decision.clause.population, question.insz, today, now
    )
    if isinstance(admission, Reason):
        await gate.refuse(visit, trace, AccessRefused(admission))

    trace = replace(
        trace,
        requested=decision.fields,
        subject_basis=decision.clause.population.kind.value,
        subject_fact=admission.fact,
    )
    found = await gate.database.read(_read, decision, admission, today)
    if found is None:
        await gate.refuse(visit, trace, DossierUnknown())

    answer = answers.encode_dossier(
        visit,
        question,
        decision.clause,
        found.document,
        fetched_at=found.fetched_at,
        now=now,
        keep_until=gate.register.keep_until(decision.clause, today),
        replaced=question.insz.digits != admission.numbers[0],
    )
    delivered = fields.present(found.document, decision.fields)
    await gate.record(visit, replace(trace, delivered=delivered, answer=answer))
    # The record is durable here; nothing has left yet.
    return answer


def _read(session: Session, granted: Granted, admitted: Admitted, today: date) -> Found | None:
    """Read the blocks that the grant needs and keep the granted leaves of them."""
    dossier = dossiers.read(session, admitted.numbers, fields.blocks(granted.fields))
    if dossier is None:
        return None
    contact = None
    if fields.needs_contact(granted.fields):
        contact = population.contact_of(session, admitted.numbers[0])
    document = derived.complete(granted.fields, dossier.blocks, contact, today)
    return Found(fields.project(document, granted.fields), dossier.fetched_at)
