"""The use case `queryAdvies`: does this person meet the integration obligation on that date?"""

from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from app import answers, dossiers, obligation, policy, population
from app.errors import AccessRefused, DateOutOfRange, Issue, IssueType, NoAdvice, Reason
from app.gate import Gate
from app.moments import brussels_date
from app.obligation import Advice, Facts, Profile
from app.policy import Operation, Refused
from app.population import Admitted
from app.record import Agreement, Allowance, Trace
from app.visit import Visit
from app.wire import AdviceQuestion


async def advise(gate: Gate, visit: Visit, question: AdviceQuestion, now: datetime) -> bytes:
    """Give OK, or NOK with a reason, and leave a record whatever the answer.

    Raises AccessRefused, DateOutOfRange or NoAdvice, all after their record is durable.
    """
    today = brussels_date(now)
    asked = policy.Question(
        Operation.QUERY_ADVIES,
        question.doeleinde,
        function_profile=visit.function_profile,
        test_date=question.toetsdatum,
    )
    clause, decision = await gate.decide(visit, asked, today)
    trace = Trace(
        agreement=Agreement.of(clause),
        purpose=gate.register.known_purpose(question.doeleinde),
        as_of=question.toetsdatum,
        subject=question.insz.digits,
        allowance=Allowance.of(clause, asked.operation, today),
    )
    if isinstance(decision, Refused):
        await gate.refuse(visit, trace, _refusal(decision))

    admission = await gate.database.read(
        population.admit, decision.clause.population, question.insz, today, now
    )
    if isinstance(admission, Reason):
        await gate.refuse(visit, trace, AccessRefused(admission))

    # A document that opens an advice without a profile is refused when it is loaded.
    profile = Profile(str(decision.clause.advice_profile))
    facts = await gate.database.read(_read, admission, profile)
    advice = obligation.advise(facts, question.toetsdatum, profile)
    trace = replace(
        trace,
        subject_basis=decision.clause.population.kind.value,
        subject_fact=admission.fact,
        rule_set=answers.rule_set(profile),
        detail=_detail(advice, profile),
    )
    if advice.outcome is None:
        await gate.refuse(visit, trace, NoAdvice())

    answer = answers.encode_advice(visit, question, advice, profile, now)
    await gate.record(visit, replace(trace, answer=answer))
    # The record is durable here; nothing has left yet.
    return answer


def _read(session: Session, admitted: Admitted, profile: Profile) -> Facts:
    """Read what this profile judges by, and nothing else: no breaches for the first two."""
    numbers = admitted.numbers
    found = dossiers.read_all(session, numbers, obligation.blocks_needed(profile))
    return obligation.read_facts(
        [dossier.blocks for dossier in found],
        dossiers.target_groups(session, numbers),
        fault=dossiers.has_fault(session, numbers),
    )


def _refusal(refused: Refused) -> AccessRefused | DateOutOfRange:
    """A date outside the legal ground is a fault of the question, all else a refusal."""
    if refused.reason is not Reason.INVALID_DATE:
        return AccessRefused(refused.reason, on=refused.on)
    first = f" and not before {refused.on}" if refused.on else ""
    rule = f"must be a date of today or earlier{first}"
    return DateOutOfRange([Issue(IssueType.OUT_OF_RANGE, rule, name="toetsdatum")])


def _detail(advice: Advice, profile: Profile) -> dict[str, str]:
    """For the auditor alone: the internal code can tell something about health."""
    return {
        "code": advice.code,
        "profiel": profile.value,
        "situatie": advice.rule.situation,
        "rechtsgrond": advice.rule.legal_ground,
        "zekerheid": advice.rule.certainty,
        # A postponement always carries an expiry date: one without is doubtful data.
        **({"opmerking": "uitstel of opschorting zonder einddatum"} if advice.open_ended else {}),
    }
