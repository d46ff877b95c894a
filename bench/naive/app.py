"""What a good team usually writes for the same contract with the same packages.

FastAPI with plain `def` routes, a SQLModel session for each request, the token verified on each
request, `response_model`, and one commit for each request before its answer. The checks of a
question and what its record says are ours; the pure rules are imported. Left out is what the load
never asks for: the tree over the records, quotas, and records of malformed questions.
"""

import hashlib
import json
import os
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from jose import JWTError, jwk, jwt  # type: ignore[import-untyped]
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import event
from sqlmodel import Session, col, create_engine, func, or_, select

from app import derived, fields, policy
from app.canonical import canonical_json
from app.explanation import explain
from app.facts import read_facts
from app.insz import Insz, contains_insz
from app.moments import brussels_date, rfc3339, to_millisecond
from app.month_keys import MonthKeys
from app.obligation import CURRENT, REASONS, RULE_SET_ID, Advice, Profile, Source, advise
from app.policy import Clause, Granted, Operation, Period, Population, PopulationKind, Question
from bench.naive.models import (
    AccessRecord,
    CompleteDelivery,
    Dossier,
    Grant,
    Membership,
    Person,
    ReplacedNumber,
    Residence,
)

BASE = "/inburgering/v1"
MAXIMUM_AGE = timedelta(days=35)
NO_DOSSIER = "30001"
SCOPES = {
    Operation.QUERY_DOSSIER: "inb_dossier_v1_G",
    Operation.QUERY_DOSSIER_BATCH: "inb_dossier_v1_G",
    Operation.QUERY_ADVIES: "inb_advies_v1_G",
    Operation.QUERY_ADVIES_BATCH: "inb_advies_v1_G",
}
OUTCOMES = {200: "allowed", 403: "denied", 404: "notFound", 409: "noAdvice"}


# -- set-up


@dataclass(frozen=True)
class Settings:
    """What the operator sets."""

    database_url: str
    issuer: str
    audience: str
    jwks: Path
    month_keys: Path

    @classmethod
    def read(cls) -> "Settings":
        """From the environment."""
        value = {
            name: os.getenv(f"NAIVE_{name}", "")
            for name in ("DATABASE_URL", "ISSUER", "AUDIENCE", "JWKS", "MONTH_KEYS")
        }
        return cls(
            value["DATABASE_URL"],
            value["ISSUER"],
            value["AUDIENCE"],
            Path(value["JWKS"]),
            Path(value["MONTH_KEYS"]),
        )


@dataclass(frozen=True)
class State:
    """What lives as long as the process."""

    settings: Settings
    engine: Any
    keys: Mapping[str, Any]  # of the issuer, by kid
    month_keys: MonthKeys
    grants: Mapping[tuple[str, str], tuple[Clause, int | None]]
    clock: Callable[[], datetime]


def read_clock() -> datetime:
    """The moment it is."""
    return datetime.now(UTC)  # noqa: TID251 - a service of its own


def make_engine(url: str) -> Any:
    """An engine with a pool as large as ours."""
    if url.startswith("sqlite"):
        engine = create_engine(
            url, pool_size=40, max_overflow=10, connect_args={"check_same_thread": False}
        )

        @event.listens_for(engine, "connect")
        def configure(connection: Any, _record: Any) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
                connection.execute(f"PRAGMA {pragma}")

        return engine
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(url, pool_size=20, max_overflow=20)


def create_app(clock: Callable[[], datetime] = read_clock) -> FastAPI:
    """The service as its environment says."""
    settings = Settings.read()
    engine = make_engine(settings.database_url)
    with Session(engine) as session:
        grants = {
            (grant.organisation, grant.purpose): (clause_of(grant), grant.keep_years)
            for grant in session.exec(select(Grant))
        }
    keys = {
        item["kid"]: jwk.construct(item, "RS256")
        for item in json.loads(settings.jwks.read_text())["keys"]
    }
    app = FastAPI(title="Naive")
    app.state.service = State(settings, engine, keys, MonthKeys(settings.month_keys), grants, clock)
    app.include_router(router)
    return app


def clause_of(grant: Grant) -> Clause:
    """The grant as the rules read it."""
    kind = PopulationKind(grant.population)
    return Clause(
        protocol=grant.protocol,
        version=grant.version,
        hash=grant.hash,
        organisation=grant.organisation,
        purpose=grant.purpose,
        operations=frozenset(map(Operation, grant.operations)),
        fields=frozenset(grant.fields),
        population=Population(
            kind,
            nis=next(iter(grant.places), None),
            absorbed=frozenset(grant.places),
            organisation=grant.organisation if kind is PopulationKind.MEMBER else None,
        ),
        valid=Period(grant.valid_from, grant.valid_to),
        on_behalf_of=grant.on_behalf_of,
        legal_ground=Period(grant.ground_from, grant.ground_to),
        demands_profile=grant.function_profiles is not None,
        profiles=frozenset(grant.function_profiles or ()),
        advice_profile=grant.advice_profile,
        lists=tuple(sorted(grant.lists.items())),
    )


# -- bodies


def valid_insz(value: str) -> str:
    """Refuse what is no national number."""
    return Insz(value).digits


def plain(value: str) -> str:
    """Refuse what may not stand in the log."""
    if not value.isprintable() or contains_insz(value):
        raise ValueError("must be printable and hold no national number")
    return value


def known_fields(values: list[str]) -> list[str]:
    """Refuse what is not in the catalogue."""
    if not all(fields.is_known(value) for value in values):
        raise ValueError("unknown field")
    return values


Number = Annotated[str, AfterValidator(valid_insz)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(plain)]
Reference = Annotated[str, Field(min_length=1, max_length=36), AfterValidator(plain)]
Fields = Annotated[list[str], Field(min_length=1), AfterValidator(known_fields)]


class Body(BaseModel):
    """A body that holds what it declares and nothing else."""

    model_config = ConfigDict(extra="forbid")


class AboutPerson(Body):
    insz: Number
    referte: Reference


class DossierQuestion(AboutPerson):
    doeleinde: Name
    velden: Fields | None = None


class AdviceQuestion(AboutPerson):
    doeleinde: Name
    toetsdatum: date


class Batch(Body):
    doeleinde: Name
    referte: Reference
    vragen: Annotated[list[AboutPerson], Field(min_length=1, max_length=100)]


class DossierBatch(Batch):
    velden: Fields | None = None


class AdviceBatch(Batch):
    toetsdatum: date


class Protocol(BaseModel):
    id: str
    versie: str
    hash: str
    href: str


class DossierAnswer(BaseModel):
    id: str
    referte: str
    opgevraagdOp: str  # noqa: N815 - names of the contract
    gegevensVan: str  # noqa: N815
    bewarenTot: date | None = None  # noqa: N815
    protocol: Protocol
    doeleinde: str
    dossier: dict[str, Any]
    meldingen: list[dict[str, str]]


class AdviceReason(BaseModel):
    code: str
    omschrijving: str


class AdviceAnswer(BaseModel):
    id: str
    referte: str
    advice: str
    type: str = "sync"
    correlationId: str  # noqa: N815
    toetsdatum: date
    geraadpleegdOp: str  # noqa: N815
    gegevensVan: str | None = None  # noqa: N815
    doeleinde: str
    regelset: dict[str, str]
    redenen: list[AdviceReason] | None = None


class Problem(BaseModel):
    title: str
    status: int


class Item(BaseModel):
    index: int
    referte: str
    status: int
    probleem: Problem | None = None


class DossierItem(Item):
    antwoord: DossierAnswer | None = None


class AdviceItem(Item):
    antwoord: AdviceAnswer | None = None


class DossierAnswers(BaseModel):
    id: str
    items: list[DossierItem]


class AdviceAnswers(BaseModel):
    id: str
    items: list[AdviceItem]


Answers = TypeVar("Answers", DossierAnswers, AdviceAnswers)


# -- dependencies


async def get_state(request: Request) -> State:
    """What lives as long as the process."""
    state: State = request.app.state.service
    return state


StateDep = Annotated[State, Depends(get_state)]


def get_session(state: StateDep) -> Iterator[Session]:
    """A session for one request."""
    with Session(state.engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


class Caller(BaseModel):
    """Whose request this is."""

    organisation: str
    client: str
    scopes: list[str]
    credential: str


def current_caller(
    state: StateDep, bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
) -> Caller:
    """Verify the token."""
    token = bearer.credentials
    try:
        claims = jwt.decode(
            token,
            state.keys[jwt.get_unverified_header(token)["kid"]],
            algorithms=["RS256"],
            audience=state.settings.audience,
            issuer=state.settings.issuer,
        )
        return Caller(
            organisation=claims["vo_orgcode"],
            client=claims["client_id"],
            scopes=claims["scope"].split(),
            credential="sha256:" + hashlib.sha256(claims["jti"].encode()).hexdigest(),
        )
    except (JWTError, KeyError, ValueError):
        raise HTTPException(401, "Invalid Access Token") from None


CallerDep = Annotated[Caller, Depends(current_caller)]
Printable = Header(min_length=1, max_length=100, pattern=r"^[ -~]+$")


@dataclass
class Visit:
    """What is known of a request before its answer."""

    route: str
    caller: Caller
    user: str
    function_profile: str | None
    system: str | None
    correlation_id: str
    started_at: datetime
    trace_id: str
    span_id: str


async def current_visit(
    request: Request,
    state: StateDep,
    caller: CallerDep,
    x_magda_enduser_id: Annotated[str, Printable],
    x_functieprofiel: Annotated[str | None, Printable] = None,
    x_magda_sender_id: Annotated[str | None, Printable] = None,
    x_correlation_id: Annotated[uuid.UUID | None, Header()] = None,
    accept: Annotated[str, Header()] = "*/*",
    content_type: Annotated[str, Header()] = "application/json",
) -> Visit:
    """Check the headers of a request."""
    if not any(kind in accept for kind in ("*/*", "application/*", "application/json")):
        raise HTTPException(406, "Not Acceptable")
    if content_type.split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Unsupported Media Type")
    if request.query_params:
        raise HTTPException(400, "Bad Request")
    if any(map(contains_insz, filter(None, (x_magda_enduser_id, x_functieprofiel)))):
        raise HTTPException(400, "Bad Request")
    if x_magda_sender_id not in (None, caller.organisation):
        raise HTTPException(403, "Sender does not agree with the token")
    return Visit(
        route=request.url.path.removeprefix(BASE),
        caller=caller,
        user=x_magda_enduser_id,
        function_profile=x_functieprofiel,
        system=x_magda_sender_id,
        correlation_id=str(x_correlation_id or uuid.uuid4()),
        started_at=state.clock(),
        trace_id=secrets.token_hex(16),
        span_id=secrets.token_hex(8),
    )


VisitDep = Annotated[Visit, Depends(current_visit)]


# -- the record


class Refused(Exception):
    """A question about a person that is refused, and why."""

    def __init__(self, status: int, reason: str, title: str) -> None:
        self.status, self.reason, self.title = status, reason, title


def add_record(
    session: Session,
    state: State,
    visit: Visit,
    operation: Operation,
    clause: Clause | None,
    event_id: str,
    *,
    status: int = 200,
    reason: str | None = None,
    answer: bytes | None = None,
    insz: str | None = None,
    detail: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Add the record of an answer or a refusal; the commit is the caller's."""
    now = state.clock()
    key = state.month_keys.at(now)
    if "subjectFact" in more:
        more["subjectFact"] = key.hide("fact", more["subjectFact"])
    if detail:
        more["detailDigest"] = key.digest(f"{event_id}/detail", canonical_json(detail))
    record = {
        "v": 1,
        "type": "access",
        "eventId": event_id,
        "startedAt": rfc3339(visit.started_at),
        "recordedAt": rfc3339(now),
        "traceId": visit.trace_id,
        "spanId": visit.span_id,
        "correlationId": visit.correlation_id,
        "organisation": visit.caller.organisation,
        "client": visit.caller.client,
        "credential": visit.caller.credential,
        "system": visit.system,
        "user": key.hide("user", visit.user),
        "functionProfile": visit.function_profile,
        "operation": operation.value,
        "route": visit.route,
        "outcome": OUTCOMES[status],
        "status": status,
        "reasonCode": reason,
        "responseDigest": key.digest(event_id, answer) if answer else None,
        "subject": key.hide("subject", insz) if insz else None,
        "catalogueHash": fields.CATALOGUE_HASH,
        "serviceVersion": "1.0.0",
        "node": "naive",
        **more,
    }
    if clause:
        record |= {
            "onBehalfOf": clause.on_behalf_of,
            "protocol": clause.protocol,
            "protocolVersion": clause.version,
            "protocolHash": clause.hash,
            "listHashes": dict(clause.lists),
            "purpose": clause.purpose,
        }
    record = {name: value for name, value in record.items() if value not in (None, "", [], {})}
    session.add(
        AccessRecord(
            event_id=event_id,
            recorded_at=now.replace(tzinfo=None),
            outcome=record["outcome"],
            organisation=visit.caller.organisation,
            protocol=record.get("protocol"),
            purpose=record.get("purpose"),
            function_profile=visit.function_profile,
            reason_code=reason,
            reference=record.get("reference"),
            subject=record.get("subject"),
            user_token=record["user"],
            record=record,
            detail=dict(detail) if detail else None,
        )
    )


# -- who may be spoken of, and what is known


def admit(
    session: Session, clause: Clause, insz: str, today: date
) -> tuple[Person, list[str], str]:
    """The person, all numbers of that person, and what proved it. Raises Refused."""
    person = session.get(Person, insz)
    if person is None and (replaced := session.get(ReplacedNumber, insz)):
        person = session.get(Person, replaced.current)
    if person is None:
        raise Refused(403, "unknownPerson", "No registration of this person")
    if person.cancelled_on is not None:
        raise Refused(403, "cancelled", "No registration of this person")
    older = session.exec(
        select(ReplacedNumber.old)
        .where(ReplacedNumber.current == person.insz)
        .order_by(ReplacedNumber.old)
    ).all()
    return person, [person.insz, *older], proof(session, clause.population, person.insz, today)


def proof(session: Session, population: Population, insz: str, today: date) -> str:
    """The fact that places the person in the population. Raises Refused."""
    found: tuple[str, date] | None
    if population.kind is PopulationKind.ANY:
        return "any"
    if population.kind is PopulationKind.RESIDENT:
        found = session.exec(
            select(col(Residence.nis), col(Residence.first))
            .where(Residence.insz == insz, col(Residence.nis).in_(population.places))
            .where(Residence.first <= today)
            .where(or_(col(Residence.last).is_(None), col(Residence.last) >= today))
            .order_by(col(Residence.first).desc())
        ).first()
    else:
        found = session.exec(
            select(col(Membership.organisation), col(Membership.first))
            .where(Membership.insz == insz, Membership.organisation == population.organisation)
            .where(Membership.first <= today)
            .where(or_(col(Membership.last).is_(None), col(Membership.last) >= today))
            .order_by(col(Membership.first).desc())
        ).first()
    if found is None:
        raise Refused(403, "population", "No registration of this person")
    return f"{population.kind} {found[0]} since {found[1]}"


def answers_about(session: Session, numbers: Sequence[str]) -> list[Dossier]:
    """Every answer of the source, oldest first, those of the current number last."""
    found = session.exec(
        select(Dossier)
        .where(col(Dossier.insz).in_(numbers))
        .order_by(col(Dossier.insz) == numbers[0], col(Dossier.fetched_at), col(Dossier.id))
    )
    return list(found)


# -- the answers


@dataclass(frozen=True)
class Asked:
    """All of a question but the person."""

    state: State
    session: Session
    visit: Visit
    operation: Operation
    clause: Clause
    granted: Granted
    now: datetime
    today: date
    keep_years: int | None


def open_gate(
    state: State,
    session: Session,
    visit: Visit,
    question: Question,
    referte: str,
    insz: str | None = None,
) -> Asked:
    """All that does not depend on the person; a refusal is recorded, and raised."""
    operation = question.operation
    if SCOPES[operation] not in visit.caller.scopes:
        raise HTTPException(403, "Missing Scope")
    now = state.clock()
    today = brussels_date(now)
    clause, keep_years = state.grants.get(
        (visit.caller.organisation, question.purpose), (None, None)
    )
    decision = policy.decide(clause, question, today, production=False)
    if isinstance(decision, Granted):
        granted = decision.clause
        return Asked(state, session, visit, operation, granted, decision, now, today, keep_years)
    reason, event_id = decision.reason.value, str(uuid.uuid4())
    more: dict[str, Any] = {"status": 403, "reason": reason, "insz": insz, "reference": referte}
    add_record(session, state, visit, operation, clause, event_id, **more)
    session.commit()
    raise HTTPException(403, reason)


def tell_dossier(asked: Asked, insz: str, referte: str, **more: Any) -> DossierAnswer:
    """The granted fields of one person, with the record. Raises Refused, recorded too."""
    event_id = str(uuid.uuid4())
    more = {**more, "reference": referte}
    try:
        person, numbers, fact = admit(asked.session, asked.clause, insz, asked.today)
        more |= {"subjectBasis": asked.clause.population.kind.value, "subjectFact": fact}
        more["requestedFields"] = sorted(asked.granted.fields)
        told = [each for each in answers_about(asked.session, numbers) if each.content is not None]
        if not told:
            raise Refused(404, "notFound", "Resource Not Found")
        blocks = told[-1].content or {}
        needed = fields.blocks(asked.granted.fields)
        kept = {name: value for name, value in blocks.items() if name in needed}
        complete = derived.complete(asked.granted.fields, kept, person.contact, asked.today)
        document, delivered = fields.project(complete, asked.granted.fields)
        clause = asked.clause
        years = asked.keep_years
        answer = DossierAnswer(
            id=event_id,
            referte=referte,
            opgevraagdOp=rfc3339(asked.now),
            gegevensVan=rfc3339(told[-1].fetched_at.replace(tzinfo=UTC)),
            bewarenTot=after(asked.today, years) if years else None,
            protocol=Protocol(
                id=clause.protocol,
                versie=clause.version,
                hash=clause.hash,
                href=f"{BASE}/protocollen/{clause.protocol}?versie={clause.version}",
            ),
            doeleinde=clause.purpose,
            dossier=document,
            meldingen=[{"identificatie": "30004"}] if insz != person.insz else [],
        )
    except Refused as refused:
        _record(asked, event_id, insz, status=refused.status, reason=refused.reason, **more)
        raise
    _record(asked, event_id, insz, answer=encoded(answer), deliveredFields=delivered, **more)
    return answer


def tell_advice(asked: Asked, insz: str, referte: str, on: date, **more: Any) -> AdviceAnswer:
    """OK, or NOK with a reason, with the record. Raises Refused, recorded too."""
    event_id = str(uuid.uuid4())
    more = {**more, "reference": referte, "asOf": on.isoformat()}
    detail = None
    try:
        _, numbers, fact = admit(asked.session, asked.clause, insz, asked.today)
        more |= {"subjectBasis": asked.clause.population.kind.value, "subjectFact": fact}
        profile = Profile(str(asked.clause.advice_profile))
        more["ruleSet"] = {"id": RULE_SET_ID, "versie": CURRENT.version, "profiel": profile.value}
        asked_at = to_millisecond(asked.now)
        advice, detail, delivered_at = judge(asked.session, numbers, on, profile, asked_at)
        if advice.outcome is None:
            raise Refused(409, "noAdvice", "No advice possible")
        reason = advice.wire_reason
        answer = AdviceAnswer(
            id=event_id,
            referte=referte,
            advice=advice.outcome.value,
            correlationId=asked.visit.correlation_id,
            toetsdatum=on,
            geraadpleegdOp=rfc3339(asked_at),
            gegevensVan=rfc3339(delivered_at) if delivered_at else None,
            doeleinde=asked.clause.purpose,
            regelset=more["ruleSet"],
            redenen=[AdviceReason(code=reason, omschrijving=REASONS[reason])] if reason else None,
        )
    except Refused as refused:
        status, told = refused.status, refused.reason
        _record(asked, event_id, insz, status=status, reason=told, detail=detail, **more)
        raise
    _record(asked, event_id, insz, answer=encoded(answer), detail=detail, **more)
    return answer


def judge(
    session: Session, numbers: Sequence[str], on: date, profile: Profile, asked_at: datetime
) -> tuple[Advice, Mapping[str, Any], datetime | None]:
    """The advice, why, and from when the last complete delivery is."""
    told = answers_about(session, numbers)
    newest = {each.insz: each for each in told if each.content is not None}
    dossiers = [newest[insz].content or {} for insz in numbers if insz in newest]
    contents = [each.content for each in told if each.content]
    groups = [content["doelgroep"] for content in contents if "doelgroep" in content]
    newest_delivery: datetime | None = session.exec(
        select(func.max(CompleteDelivery.fetched_at))
    ).one()
    delivered_at = newest_delivery.replace(tzinfo=UTC) if newest_delivery else None
    facts = read_facts(dossiers, groups)
    last = told[-1] if told else None
    counts = newest.get(numbers[0]) or next(iter(newest.values()), None)
    source = Source(
        asked_at=asked_at,
        maximum_age=MAXIMUM_AGE,
        fault=last.code if last and last.code and (newest or last.code != NO_DOSSIER) else None,
        dossier_at=counts.fetched_at.replace(tzinfo=UTC) if counts else None,
        absence_at=delivered_at,
    )
    advice = advise(facts, on, profile, source)
    return advice, explain(facts, on, profile, advice, source), delivered_at


def after(day: date, years: int) -> date:
    """The same day so many years later; 29 February counts as 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def encoded(answer: BaseModel) -> bytes:
    """The bytes that the digest in the record is of."""
    return answer.model_dump_json(exclude_none=True).encode()


def _record(asked: Asked, event_id: str, insz: str | None, **more: Any) -> None:
    state, session, visit = asked.state, asked.session, asked.visit
    add_record(session, state, visit, asked.operation, asked.clause, event_id, insz=insz, **more)


def answer_all(
    asked: Asked, question: Batch, made: type[Answers], tell: Callable[..., Any]
) -> Answers:
    """Tell of each person of a batch, with one commit for all records."""
    event_id = str(uuid.uuid4())
    items: list[dict[str, Any]] = []
    for index, each in enumerate(question.vragen):
        item = {"index": index, "referte": each.referte, "status": 200}
        try:
            item["antwoord"] = tell(asked, each.insz, each.referte, parentId=event_id)
        except Refused as refused:
            problem = Problem(title=refused.title, status=refused.status)
            item |= {"status": refused.status, "probleem": problem}
        items.append(item)
    answer = made.model_validate({"id": event_id, "items": items})
    counts = {"persons": len(items), "answered": sum("antwoord" in each for each in items)}
    more = {"reference": question.referte, "counts": counts}
    _record(asked, event_id, None, answer=encoded(answer), **more)
    asked.session.commit()
    return answer


# -- routes

router = APIRouter()


@router.get("/health")
def health() -> dict[str, str]:
    """Whether the service answers."""
    return {"status": "UP"}


@router.post(
    BASE + "/dossiers/query", response_model=DossierAnswer, response_model_exclude_none=True
)
def query_dossier(
    question: DossierQuestion, visit: VisitDep, state: StateDep, session: SessionDep
) -> DossierAnswer:
    """One person's dossier."""
    profile, velden = visit.function_profile, question.velden
    wanted = tuple(velden) if velden else None
    about = Question(Operation.QUERY_DOSSIER, question.doeleinde, wanted, profile)
    asked = open_gate(state, session, visit, about, question.referte, question.insz)
    try:
        return tell_dossier(asked, question.insz, question.referte)
    except Refused as refused:
        raise HTTPException(refused.status, refused.title) from None
    finally:
        session.commit()


@router.post(
    BASE + "/dossiers/queryBatch",
    response_model=DossierAnswers,
    response_model_exclude_none=True,
)
def query_dossier_batch(
    question: DossierBatch, visit: VisitDep, state: StateDep, session: SessionDep
) -> DossierAnswers:
    """The dossiers of 1 to 100 persons."""
    profile, velden = visit.function_profile, question.velden
    wanted = tuple(velden) if velden else None
    about = Question(Operation.QUERY_DOSSIER_BATCH, question.doeleinde, wanted, profile)
    asked = open_gate(state, session, visit, about, question.referte)
    return answer_all(asked, question, DossierAnswers, tell_dossier)


@router.post(
    BASE + "/adviezen/query", response_model=AdviceAnswer, response_model_exclude_none=True
)
def query_advice(
    question: AdviceQuestion, visit: VisitDep, state: StateDep, session: SessionDep
) -> AdviceAnswer:
    """Does a person meet the integration obligation on a date?"""
    profile, on = visit.function_profile, question.toetsdatum
    about = Question(Operation.QUERY_ADVIES, question.doeleinde, None, profile, on)
    asked = open_gate(state, session, visit, about, question.referte, question.insz)
    try:
        return tell_advice(asked, question.insz, question.referte, on)
    except Refused as refused:
        raise HTTPException(refused.status, refused.title) from None
    finally:
        session.commit()


@router.post(
    BASE + "/adviezen/queryBatch", response_model=AdviceAnswers, response_model_exclude_none=True
)
def query_advice_batch(
    question: AdviceBatch, visit: VisitDep, state: StateDep, session: SessionDep
) -> AdviceAnswers:
    """The same of 1 to 100 persons."""
    profile, on = visit.function_profile, question.toetsdatum
    about = Question(Operation.QUERY_ADVIES_BATCH, question.doeleinde, None, profile, on)
    asked = open_gate(state, session, visit, about, question.referte)
    return answer_all(asked, question, AdviceAnswers, partial(tell_advice, on=on))
