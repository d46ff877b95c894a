"""The use cases `queryDossier` and `queryDossierBatch`: the permitted fields of a dossier."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from app import answers, batching, derived, dossiers, fields, policy, population
from app.dossiers import Dossier
from app.driver import Channel
from app.errors import AccessRefused, DossierUnknown, Reason
from app.gate import Gate, Told
from app.insz import Insz
from app.moments import brussels_date
from app.policy import Granted, Operation
from app.population import Admitted, Wanted
from app.reader import attempt
from app.record import Trace
from app.register import Register
from app.values import but
from app.visit import Visit
from app.wire import DossierBatch, DossierQuestion

Contact = Mapping[str, Any]


class Asked(NamedTuple):
    """A question about one person that the protocol grants, if she is within reach."""

    visit: Visit
    trace: Trace
    insz: Insz
    granted: Granted
    register: Register
    now: datetime


async def look_up(gate: Gate, visit: Visit, question: DossierQuestion, now: datetime) -> bytes:
    """Disclose what the protocol grants, and leave a record whatever the answer.

    Raises AccessRefused or DossierUnknown, both after their record is durable.
    """
    trace = Trace(requested=fields.expand(question.fields or ()), subject=question.insz.digits)
    asked = _asked(Operation.QUERY_DOSSIER, visit, question)
    granted, trace = await gate.open(visit, asked, trace, now)
    told = await gate.tell(
        tell_all, Asked(visit, trace, question.insz, granted, gate.register, now)
    )
    return await gate.finish(visit, told)


async def look_up_batch(gate: Gate, visit: Visit, question: DossierBatch, now: datetime) -> bytes:
    """The same for each person of a batch; what refuses the whole of it is raised."""
    trace = Trace(requested=fields.expand(question.fields or ()))
    asked = _asked(Operation.QUERY_DOSSIER_BATCH, visit, question)
    granted, trace = await gate.open(visit, asked, trace, now)
    register = gate.register

    def about(visit: Visit, trace: Trace, insz: Insz) -> Asked:
        return Asked(visit, trace, insz, granted, register, now)

    return await batching.answer_all(gate, visit, trace, question.vragen, about, tell_all, now)


def _asked(
    operation: Operation, visit: Visit, question: DossierQuestion | DossierBatch
) -> policy.Question:
    return policy.Question(operation, question.doeleinde, question.fields, visit.function_profile)


def tell_all(channel: Channel, asked: Sequence[Asked]) -> list[Told | Exception]:
    """Read the blocks that the grants need and keep the granted leaves of them.

    The statements are as many for one person as for hundred.
    """
    days = [brussels_date(each.now) for each in asked]
    admitted = population.admit_all(
        channel,
        [
            Wanted(each.insz, each.granted.clause.population, today, each.now)
            for each, today in zip(asked, days, strict=True)
        ],
    )
    found = dossiers_of(channel, asked, admitted)
    contacts = contacts_of(channel, asked, admitted)
    return [
        attempt(_told, each, today, one, found.get(place), contacts.get(place))
        for place, (each, today, one) in enumerate(zip(asked, days, admitted, strict=True))
    ]


def dossiers_of(
    channel: Channel, asked: Sequence[Asked], admitted: Sequence[Admitted | Reason]
) -> dict[int, Dossier | None]:
    """The dossier of each admitted person, by its place; no block that nobody granted is read."""
    places = defaultdict(list)
    for place, (each, one) in enumerate(zip(asked, admitted, strict=True)):
        if isinstance(one, Admitted):
            places[fields.blocks(each.granted.fields)].append((place, one.numbers))
    return {
        place: dossier
        for blocks, group in places.items()
        for (place, _), dossier in zip(
            group,
            dossiers.read_each(channel, [numbers for _, numbers in group], blocks),
            strict=True,
        )
    }


def contacts_of(
    channel: Channel, asked: Sequence[Asked], admitted: Sequence[Admitted | Reason]
) -> dict[int, Contact]:
    """The contact details, by place, of those of whom a field of them is granted."""
    numbers = {
        place: one.numbers[0]
        for place, (each, one) in enumerate(zip(asked, admitted, strict=True))
        if isinstance(one, Admitted) and fields.needs_contact(each.granted.fields)
    }
    found = population.contacts_of(channel, [*numbers.values()]) if numbers else {}
    return {place: found[number] for place, number in numbers.items() if number in found}


def _told(
    asked: Asked,
    today: date,
    admitted: Admitted | Reason,
    dossier: Dossier | None,
    contact: Contact | None,
) -> Told:
    granted, clause = asked.granted, asked.granted.clause
    if isinstance(admitted, Reason):
        return Told(asked.trace, fault=AccessRefused(admitted))
    trace = but(
        asked.trace,
        requested=granted.fields,
        subject_basis=clause.population.kind.value,
        subject_fact=admitted.fact,
    )
    if dossier is None:
        return Told(trace, fault=DossierUnknown())
    complete = derived.complete(granted.fields, dossier.blocks, contact, today)
    document, delivered = fields.project(complete, granted.fields)
    answer = answers.encode_dossier(
        asked.visit,
        clause,
        document,
        fetched_at=dossier.fetched_at,
        now=asked.now,
        keep_until=asked.register.keep_until(clause, today),
        replaced=asked.insz.digits != admitted.numbers[0],
    )
    return Told(but(trace, delivered=delivered), answer)
