"""The use case `doctor`: what is wrong with the set-up of this machine, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from json import JSONDecodeError

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from app import access_log, checkpoints, dossiers, log_keys, log_tree, protocols, roles
from app.database import Database, is_current
from app.moments import brussels_date
from app.month_keys import MonthKeys, kept_since, ready_ahead
from app.notation import DocumentInvalid
from app.policy import Clause
from app.record import CLOCK_TOLERANCE
from app.register import Edition, State
from app.register_lists import DelegateList, RegisterList, SuccessionList
from app.settings import Settings
from app.tokens import IssuersInvalid, read_issuers
from app.webhooks import WebhooksInvalid, read_webhooks

# Art. 6 asks a yearly review of the security plan; a list that nobody looked at for longer is no
# longer known to be current (art. 4).
STALE = timedelta(days=365)
SOON = timedelta(days=90)


class Level(StrEnum):
    """How bad it is: an error refuses or stops something, a warning will."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what helps."""

    level: Level
    what: str
    remedy: str


def examine(settings: Settings, now: datetime) -> list[Finding]:
    """Everything that is found wrong at this moment; an empty list is a healthy set-up."""
    return [
        *_issuers(settings),
        *_webhooks(settings),
        *_keys(settings, now),
        *_database(settings, now),
    ]


def _issuers(settings: Settings) -> Iterator[Finding]:
    if settings.issuers is None:
        if settings.production:
            yield _error("no issuer of tokens is named", "set PROTOCOLPOORT_ISSUERS")
        return
    try:
        read_issuers(settings.issuers.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, IssuersInvalid):
        yield _error(
            "PROTOCOLPOORT_ISSUERS cannot be used", "compare the file with docs/issuers.md"
        )


def _webhooks(settings: Settings) -> Iterator[Finding]:
    if settings.webhooks is None:
        return
    try:
        text = settings.webhooks.read_text(encoding="utf-8")
        read_webhooks(text, production=settings.production)
    except (OSError, UnicodeDecodeError, WebhooksInvalid):
        yield _error(
            "PROTOCOLPOORT_WEBHOOKS cannot be used: nobody is told of news",
            "run `protocolpoort notice deliver`, which says what is wrong with the file",
        )


def _keys(settings: Settings, now: datetime) -> Iterator[Finding]:
    remedy = "run `protocolpoort keys create`"
    if settings.month_keys is None:
        yield _error("no folder of month keys is named", "set PROTOCOLPOORT_MONTH_KEYS")
        return
    keys = MonthKeys(settings.month_keys)
    if not keys.has(now):
        yield _error("this month has no key: the service does not start", remedy)
    elif not ready_ahead(keys, now):
        yield _warning("next month has no key and begins within 7 days", remedy)


def _database(settings: Settings, now: datetime) -> Iterator[Finding]:
    database = Database(settings.database_url)
    try:
        if not is_current(database):
            yield _error("the database is not up to date", "run `protocolpoort db upgrade`")
            return
        with database.reading() as session:
            yield from _clock(session, now)
            yield from _log(session, settings, now)
            yield from _role(session)
            yield from _delivery(session, settings, now)
            yield from _register(session, brussels_date(now), production=settings.production)
    except (DocumentInvalid, JSONDecodeError):
        yield _error(
            "the register holds a document that this version of the service cannot read",
            "go back to the version that loaded it, or restore the database",
        )
    except SQLAlchemyError as error:
        yield _error(
            f"the database does not answer as it should: {type(error).__name__}",
            "look at PROTOCOLPOORT_DATABASE_URL and at the database server",
        )
    finally:
        database.dispose()


def _clock(session: Session, now: datetime) -> Iterator[Finding]:
    newest = access_log.newest_moment(session)
    if newest and now < newest - CLOCK_TOLERANCE:
        yield _error(
            "the clock stands before the newest record of the log: nothing is answered",
            "set the clock right, or run `protocolpoort clock accept` when the record is wrong",
        )


def _delivery(session: Session, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Without a fresh complete delivery nobody knows who has no dossier: no advice on them."""
    delivered = dossiers.last_delivery(session)
    if delivered is None or now - delivered > settings.max_data_age:
        what = f"is from {brussels_date(delivered)}" if delivered else "was never declared"
        yield _warning(
            f"a complete delivery {what}: who has no dossier gets no advice",
            "run `protocolpoort kbi import --volledig` on a complete delivery",
        )


def _role(session: Session) -> Iterator[Finding]:
    if roles.may_rewrite(session):
        yield _warning(
            "the role of PROTOCOLPOORT_DATABASE_URL may change the records of the log",
            "run the service under a role of its own: `protocolpoort db grant ROLE`",
        )


def _log(session: Session, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Its key, what it vouches for, and what should have gone."""
    origin, key_file = settings.log_origin, settings.log_key_file
    if origin is None or key_file is None:
        yield _error(
            "the address or the key of the log is not named: the service does not start",
            "set PROTOCOLPOORT_LOG_ORIGIN and PROTOCOLPOORT_LOG_KEY_FILE",
        )
        return
    try:
        known = log_keys.vkeys(session)
        if not known:
            yield _error("the log has no key", "run `protocolpoort log create-key`")
            return
        checkpoints.verified(session, origin)
        if what := checkpoints.unannounced(session, log_tree.head(session).minimum):
            raise log_keys.LogRewritten(what)
        if log_keys.read_file(key_file, origin).vkey != known[0]:
            yield _error(
                "the key of PROTOCOLPOORT_LOG_KEY_FILE is not the one that signs this log",
                "put the newest key of this log there",
            )
    except log_keys.LogRewritten as how:
        yield _error(
            f"the log does not hold: {how}",
            "restore the newest backup of the database, and keep this one for the auditors",
        )
    except log_keys.KeyUnfit as unfit:
        yield _error(str(unfit), "restore the key, or look at PROTOCOLPOORT_LOG_KEY_FILE")
    if settings.month_keys is None:
        return
    since = kept_since(now, settings.log_retention_months)
    if ended := MonthKeys(settings.month_keys).ended(since):
        yield _warning(
            f"the term of {ended[0]} has ended, and its key is there",
            "run `protocolpoort log prune`",
        )


def _register(session: Session, today: date, *, production: bool) -> Iterator[Finding]:
    register = protocols.read_register(session)
    editions = register.editions(today)
    if not editions:
        yield _error("there is no protocol in force", "run `protocolpoort protocol load`")
    for document, _ in protocols.drafts(session):
        missing = f"; missing: {', '.join(document.missing)}" if document.missing else ""
        yield _warning(
            f"{document.id} {document.version} is a draft{missing}",
            "complete it, then run `protocolpoort protocol activate`",
        )
    coming = {edition.document.id for edition in editions if edition.state is State.COMING}
    for edition in editions:
        yield from _edition(edition, today, succeeded=edition.document.id in coming)
    running = {(e.document.id, e.document.version) for e in editions if e.state is State.IN_FORCE}
    found = {
        finding: None
        for clause in register.on(today)
        if (clause.protocol, clause.version) in running
        for finding in _clause(clause, today, production=production)
    }
    yield from found
    lists = protocols.lists(session)
    if not any(isinstance(one, SuccessionList) for one in lists):
        yield _warning(
            "no list says which municipality goes on in which",
            "load a list `opvolgingen`; protocols/gemeenten.yaml is one",
        )
    for one in lists:
        yield from _list(one, today)


def _edition(edition: Edition, today: date, *, succeeded: bool) -> Iterator[Finding]:
    name = f"{edition.document.id} {edition.document.version}"
    last = edition.period.last
    if edition.state is State.SUSPENDED:
        yield _warning(
            f"{name} is suspended since {edition.suspended_since}",
            "run `protocolpoort protocol resume` or `protocol end`",
        )
    if edition.state is State.IN_FORCE and not succeeded and last and last - today <= SOON:
        yield _warning(f"{name} ends on {last}", "conclude a new version in time")


def _clause(clause: Clause, today: date, *, production: bool) -> Iterator[Finding]:
    level = Level.ERROR if production else Level.WARNING
    where = f"{clause.protocol}, {clause.organisation}"
    if clause.demands_profile and clause.profiles is None:
        yield Finding(
            level,
            f"{where}: the demanded list of function profiles is missing; production refuses",
            "load a list `functieprofielen` of this organisation",
        )
    ground = clause.legal_ground.last
    if ground and ground < today:
        yield _warning(
            f"{clause.protocol}, {clause.purpose}: the legal ground ended on {ground}",
            "run `protocolpoort protocol end` when nothing of the protocol is left",
        )
    if not clause.legal_ground_settled:
        yield Finding(
            level,
            f"{clause.protocol}, {clause.purpose}: an end is not settled; production refuses",
            "run `protocolpoort protocol set` with rechtsgrondTot or samenwerkingVan",
        )
    terms = clause.listing
    if terms and not terms.settled:
        yield Finding(
            level,
            f"{clause.protocol}, {clause.purpose}: from when lists are files is not settled; "
            "production refuses them",
            "run `protocolpoort protocol set` with bestandenVan",
        )
    if terms and terms.last and terms.last < today:
        yield _warning(
            f"{clause.protocol}, {clause.purpose}: no lists are given since {terms.last}",
            "let the receiver ask them of a web service",
        )


def _list(one: RegisterList, today: date) -> Iterator[Finding]:
    name = one.kind if isinstance(one, SuccessionList) else f"{one.protocol}, {one.kind}"
    if not isinstance(one, SuccessionList | DelegateList):
        name += f" of {one.organisation}"
    if one.changed > today:
        yield _warning(f"{name}: gewijzigdOp lies in the future", "correct the date of the list")
    elif today - one.changed > STALE:
        yield _warning(
            f"{name}: last changed on {one.changed}, more than a year ago",
            "have it looked at, and load it again with the date of that",
        )


def _error(what: str, remedy: str) -> Finding:
    return Finding(Level.ERROR, what, remedy)


def _warning(what: str, remedy: str) -> Finding:
    return Finding(Level.WARNING, what, remedy)
