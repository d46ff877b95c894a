"""What the agency asks itself: an advice by its own staff, and one of the log once more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlmodel import Session

from app import access_log, administration, judging, log_search, log_tree, population, protocols
from app.administration import Office
from app.canonical import canonical_json
from app.errors import NoAdvice, Outcome
from app.insz import Insz
from app.judging import Case
from app.log_search import Kept
from app.moments import brussels_date, read_moment, to_millisecond
from app.month_keys import MonthKeyMissing
from app.obligation import CURRENT, RULE_SETS, Profile, RuleSet
from app.policy import Clause
from app.record import RecordType, Trace
from app.register import Register


class AdviceRefused(Exception):
    """There is nothing to advise on, or to repeat; the text says why and holds no person."""


@dataclass(frozen=True)
class Asked:
    """A question of the agency's own staff; `known_at` None is now."""

    insz: Insz
    purpose: str
    on: date
    profile: Profile | None = None  # None: the one of the protocol
    known_at: datetime | None = None
    rules: RuleSet = CURRENT


def advise(
    office: Office, asked: Asked, maximum_age: timedelta, now: datetime
) -> Mapping[str, Any]:
    """Advise with the explanation, and record it like any other advice.

    Nothing is shared, so no protocol is asked: its purpose gives the profile and the first date.
    Raises AdviceRefused before anything of a person is read.
    """
    with office.database.writing() as session:
        # What is learned after this is learned after the record.
        access_log.lock(session)
        register = protocols.read_register(session)
        clause = _clause(register, asked, brussels_date(now))
        newest = to_millisecond(max(now, access_log.known_at(session)))
        if asked.known_at and asked.known_at > newest:
            raise AdviceRefused("what will be known later nobody knows")
        case = Case(
            asked.on,
            asked.profile or Profile(str(clause.advice_profile)),
            asked_at=to_millisecond(asked.known_at or newest),
            maximum_age=maximum_age,
            rules=asked.rules,
        )
        numbers = population.numbers_of(session, asked.insz, case.asked_at)
        judged = judging.judge_person(session, numbers, case)
        given = judged.advice.outcome is not None
        trace = Trace(
            outcome=Outcome.ALLOWED if given else NoAdvice.outcome,
            reason=None if given else NoAdvice.reason,
            purpose=clause.purpose,
            as_of=asked.on,
            rule_set=case.rule_set,
            subject=asked.insz.digits,
            answer=canonical_json(judged.explanation),
            detail=judged.explanation,
        )
        provider = register.provider(clause)
        administration.record(session, office, "advise", trace, now, provider)
    return judged.explanation


def _clause(register: Register, asked: Asked, today: date) -> Clause:
    """A clause that opens an advice for the purpose; where they differ the profile must be said."""
    found = [
        clause
        for clause in register.on(today)
        if clause.purpose == asked.purpose and clause.advice_profile
    ]
    if not found:
        raise AdviceRefused("no protocol opens an advice for this purpose")
    if asked.profile is None and len({clause.advice_profile for clause in found}) > 1:
        raise AdviceRefused("the protocols differ in their profile: say which one")
    first = min(clause.legal_ground.first or date.min for clause in found)
    if not first <= asked.on <= today:
        raise AdviceRefused(f"the date must lie between {first} and today")
    return found[0]


@dataclass(frozen=True)
class Repeated:
    """An advice of the log and the same one given again."""

    then: Mapping[str, Any]
    again: Mapping[str, Any]

    @property
    def same(self) -> bool:
        """Whether the rules say the same of the same facts, in every word."""
        return dict(self.then) == dict(self.again)


def repeat(
    office: Office, event_id: str, maximum_age: timedelta, now: datetime, reason: str | None
) -> Repeated:
    """Give an advice of the log again, as known then and by the rules of then; recorded.

    Raises AdviceRefused for what is no advice, or cannot be known any more.
    """
    with office.database.writing() as session:
        kept = log_search.find(session, event_id)
        if kept is None or kept.detail is None or "ruleSet" not in kept.record:
            raise AdviceRefused("the log holds no advice with this id")
        insz = _subject(session, office, kept)
        case = _case_of(kept, maximum_age)
        if access_log.is_set_back(session, kept.index, case.asked_at):
            raise AdviceRefused("the clock was set back since: what was known then nobody can tell")
        numbers = population.numbers_of(session, insz, case.asked_at)
        again = judging.judge_person(session, numbers, case).explanation
        trace = Trace(
            type=RecordType.LOG_READ,
            parent=event_id,
            reason_reference=reason,
            as_of=case.on,
            rule_set=case.rule_set,
            subject=insz.digits,
            counts={"records": 1},
            answer=canonical_json(again),
        )
        administration.record(session, office, "logRepeat", trace, now)
    return Repeated(kept.detail, again)


def _subject(session: Session, office: Office, kept: Kept) -> Insz:
    """The person of a record that stands in the tree, with the explanation that was recorded."""
    record = kept.record
    if not log_tree.holds(session, kept.index, canonical_json(record)):
        raise AdviceRefused("its record is not the one that was written: run `log check`")
    try:
        key = office.keys.stored(read_moment(record["recordedAt"]))
    except MonthKeyMissing:
        raise AdviceRefused("the key of its month is gone: whose it was nobody knows") from None
    digest = key.digest(f"{record['eventId']}/detail", canonical_json(dict(kept.detail or {})))
    if digest != record["detailDigest"]:
        raise AdviceRefused("its explanation is not the one that was recorded: run `log check`")
    return Insz(key.reveal("subject", record["subject"]))


def _case_of(kept: Kept, maximum_age: timedelta) -> Case:
    """What was asked then. Before rule set 1.1 the age of data was not weighed, nor written."""
    told, rule_set = kept.detail or {}, kept.record["ruleSet"]
    rules = RULE_SETS.get(rule_set["versie"])
    if rules is None:
        raise AdviceRefused("its rule set is of a newer version of this service")
    days = told.get("maximumleeftijd")
    return Case(
        date.fromisoformat(kept.record["asOf"]),
        Profile(rule_set["profiel"]),
        asked_at=read_moment(told.get("geraadpleegdOp", kept.record["recordedAt"])),
        maximum_age=timedelta(days=days) if days else maximum_age,
        rules=rules,
    )
