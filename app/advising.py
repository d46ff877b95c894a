"""The use cases `queryAdvies` and `queryAdviesBatch`: is the obligation met on that date?"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from app import access_log, answers, batching, dossiers, judging, obligation, policy, population
from app.dossiers import Known
from app.driver import Channel
from app.errors import AccessRefused, NoAdvice, Reason
from app.gate import Gate, Told
from app.insz import Insz
from app.judging import Case
from app.moments import brussels_date, to_millisecond
from app.obligation import Profile
from app.policy import Granted, Operation
from app.population import Admitted, Wanted
from app.reader import attempt
from app.record import Trace
from app.values import but
from app.visit import Visit
from app.wire import AdviceBatch, AdviceQuestion


class Asked(NamedTuple):
    """A question about one person that the protocol grants, if she is within reach."""

    visit: Visit
    trace: Trace
    insz: Insz
    granted: Granted
    on: date
    maximum_age: timedelta
    now: datetime

    @property
    def profile(self) -> Profile:
        """A document that opens an advice without a profile is refused when it is loaded."""
        return Profile(str(self.granted.clause.advice_profile))


async def advise(gate: Gate, visit: Visit, question: AdviceQuestion, now: datetime) -> bytes:
    """Give OK, or NOK with a reason, and leave a record whatever the answer.

    Raises AccessRefused, DateOutOfRange or NoAdvice, all after their record is durable.
    """
    on, age = question.toetsdatum, gate.settings.max_data_age
    trace = Trace(as_of=on, subject=question.insz.digits)
    asked = _asked(Operation.QUERY_ADVIES, visit, question)
    granted, trace = await gate.open(visit, asked, trace, now)
    told = await gate.tell(tell_all, Asked(visit, trace, question.insz, granted, on, age, now))
    return await gate.finish(visit, told)


async def advise_batch(gate: Gate, visit: Visit, question: AdviceBatch, now: datetime) -> bytes:
    """The same for each person of a batch; what refuses the whole of it is raised."""
    on, age = question.toetsdatum, gate.settings.max_data_age
    asked = _asked(Operation.QUERY_ADVIES_BATCH, visit, question)
    granted, trace = await gate.open(visit, asked, Trace(as_of=on), now)

    def about(visit: Visit, trace: Trace, insz: Insz) -> Asked:
        return Asked(visit, trace, insz, granted, on, age, now)

    return await batching.answer_all(gate, visit, trace, question.vragen, about, tell_all, now)


def _asked(
    operation: Operation, visit: Visit, question: AdviceQuestion | AdviceBatch
) -> policy.Question:
    return policy.Question(
        operation,
        question.doeleinde,
        function_profile=visit.function_profile,
        test_date=question.toetsdatum,
    )


def tell_all(channel: Channel, asked: Sequence[Asked]) -> list[Told | Exception]:
    """Judge by what is known now, and record from when that is: newer facts mean judging anew.

    The statements are as many for one person as for hundred.
    """
    # First: what is learned between this and the reading of the facts is noticed at the record.
    known_at = access_log.known_at(channel)
    admitted = population.admit_all(
        channel,
        [
            Wanted(each.insz, each.granted.clause.population, brussels_date(each.now), each.now)
            for each in asked
        ],
    )
    found = _known(channel, asked, admitted, known_at)
    return [
        attempt(_told, each, one, found.get(place), known_at)
        for place, (each, one) in enumerate(zip(asked, admitted, strict=True))
    ]


def _known(
    channel: Channel,
    asked: Sequence[Asked],
    admitted: Sequence[Admitted | Reason],
    known_at: datetime,
) -> dict[int, Known]:
    """What is known of each admitted person, by its place; nothing that her profile ignores."""
    places = defaultdict(list)
    for place, (each, one) in enumerate(zip(asked, admitted, strict=True)):
        if isinstance(one, Admitted):
            places[obligation.blocks_needed(each.profile)].append((place, one.numbers))
    return {
        place: known
        for blocks, group in places.items()
        for (place, _), known in zip(
            group,
            dossiers.known_each(channel, [numbers for _, numbers in group], blocks, known_at),
            strict=True,
        )
    }


def _told(
    asked: Asked, admitted: Admitted | Reason, known: Known | None, known_at: datetime
) -> Told:
    trace, clause = but(asked.trace, known_at=known_at), asked.granted.clause
    if isinstance(admitted, Reason):
        return Told(trace, fault=AccessRefused(admitted))
    assert known is not None  # noqa: S101 - read of everybody who is admitted
    case = Case(
        asked.on,
        asked.profile,
        asked_at=to_millisecond(max(asked.now, known_at)),
        maximum_age=asked.maximum_age,
    )
    judged = judging.judge(known, admitted.numbers[0], case)
    trace = but(
        trace,
        subject_basis=clause.population.kind.value,
        subject_fact=admitted.fact,
        rule_set=case.rule_set,
        detail=judged.explanation,
    )
    if judged.advice.outcome is None:
        return Told(trace, fault=NoAdvice())
    answer = answers.encode_advice(
        asked.visit,
        clause.purpose,
        judged.advice,
        on=asked.on,
        asked_at=case.asked_at,
        data_from=judged.data_from,
        rule_set=case.rule_set,
    )
    return Told(trace, answer)
