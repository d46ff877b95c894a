"""The register for everybody: each version of a protocol as data, and as a page that stands alone.

An edition comes with all editions of its protocol, in the order of the register.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from app import documents, fields, pages
from app.agreement import (
    KEPT_FROM,
    Access,
    Grant,
    Party,
    Persons,
    Purpose,
    Quota,
    Retention,
    Role,
)
from app.canonical import canonical_json
from app.notation import OPERATOR
from app.obligation import Profile
from app.policy import Operation, Period, PopulationKind
from app.register import Edition, State
from app.wire import BASE

NO_END = "geen"
RULING = frozenset({State.IN_FORCE, State.SUSPENDED})
MONTHS = (
    *("januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus"),
    *("september", "oktober", "november", "december"),
)
STATES: Mapping[State, str] = {
    State.COMING: "toekomstig",
    State.IN_FORCE: "van kracht",
    State.SUSPENDED: "geschorst",
    State.ENDED: "beëindigd",
    State.SUPERSEDED: "vervangen",
}
OPERATIONS: Mapping[Operation, str] = {
    Operation.QUERY_DOSSIER: "het dossier van één persoon opvragen",
    Operation.QUERY_DOSSIER_BATCH: "de dossiers van meer personen tegelijk opvragen",
    Operation.QUERY_ADVIES: "een advies (OK of NOK) over één persoon vragen",
    Operation.QUERY_ADVIES_BATCH: "een advies (OK of NOK) over meer personen tegelijk vragen",
    Operation.CREATE_LIJST: "een lijst van personen laten maken",
    Operation.QUERY_DEELNEMERS: "de deelnemers aan een project opvragen",
    Operation.EXCHANGE_VDAB: "bestanden uitwisselen met VDAB",
}
POPULATIONS: Mapping[PopulationKind, str] = {
    PopulationKind.RESIDENT: "de persoon woont in de gemeente met NIS-code {nis}",
    PopulationKind.MEMBER: "de persoon is lid van de zorgkas die vraagt",
    PopulationKind.PARTICIPANT: "de persoon neemt deel aan het project {project} van de gemeente "
    "met NIS-code {nis}",
    PopulationKind.CONSENT: "de persoon gaf toestemming voor het project {project} van de gemeente "
    "met NIS-code {nis}",
    PopulationKind.ANY: "niets: de dienst kent geen feit waaraan dit te toetsen is",
}
PROFILES: Mapping[Profile, str] = {
    Profile.STRICT: "enkel een attest, een gelijkgestelde beslissing, een vrijstelling of geen "
    "plicht volstaat",
    Profile.WITH_POSTPONEMENT: "ook een lopend uitstel of een lopende opschorting volstaat",
    Profile.IN_ORDER: "ook een lopende wettelijke termijn of een lopend contract zonder open "
    "inbreuk volstaat",
}


def ruling(versions: Sequence[Edition]) -> Edition:
    """Of the versions of one protocol the one that rules today, else the newest."""
    in_force = [edition for edition in versions if edition.state in RULING]
    return [*versions, *in_force][-1]


def listing(editions: Sequence[Edition]) -> dict[str, Any]:
    """The register as data; dates are dates."""
    return {"items": [_summary(edition) for edition in editions]}


def entry(edition: Edition, versions: Sequence[Edition]) -> dict[str, Any]:
    """One version as data: the document that is hashed, and what stands outside it."""
    outside = {
        "geschorstSinds": edition.suspended_since,
        "beeindigdOp": edition.ended_on,
        "samenwerkingVan": edition.cooperation_since,
        **edition.files_since,
        "rechtsgrondTot": {
            code: end or NO_END for code, end in sorted(edition.legal_ground_ends.items())
        },
    }
    return {
        **_summary(edition),
        **{name: value for name, value in outside.items() if value},
        "versies": [_version(version) for version in versions],
        "document": documents.as_data(edition.document),
    }


def _summary(edition: Edition) -> dict[str, Any]:
    return {
        "id": edition.document.id,
        "titel": edition.document.title,
        **_version(edition),
    }


def _version(edition: Edition) -> dict[str, Any]:
    days = {"geldigVan": edition.period.first, "geldigTot": edition.period.last}
    return {
        "versie": edition.document.version,
        "hash": edition.hash,
        **{name: value for name, value in days.items() if value},
        "toestand": edition.state.value,
        "href": address(edition),
    }


def address(edition: Edition) -> str:
    """Where this version stands, whatever comes after it."""
    return f"{BASE}/protocollen/{edition.document.id}?versie={edition.document.version}"


def list_page(editions: Sequence[Edition]) -> str:
    """The register as a page."""
    rows = [
        (edition, standing(edition, versions))
        for versions in _by_protocol(editions)
        for edition in versions
    ]
    return pages.render(
        "protocollen.html", rows=rows, address=address, interval=interval, receivers=_receivers
    )


def protocol_page(edition: Edition, versions: Sequence[Edition]) -> str:
    """One version as a page: everything that its document says, and how it stands today."""
    document = edition.document
    file = canonical_json(documents.as_data(document))
    return pages.render(
        "protocol.html",
        edition=edition,
        document=document,
        standing=standing(edition, versions),
        newer=None if edition is ruling(versions) else ruling(versions),
        versions=[(version, standing(version, versions)) for version in versions],
        contents=[
            (_heading(str(part.alias)), getattr(document.contents, name))
            for name, part in type(document.contents).model_fields.items()
        ],
        # In the page itself: the bytes that were hashed need no network and no script.
        file="data:application/json;base64," + b64encode(file).decode(),
        file_name=f"{document.id}-{document.version}.json",
        address=address,
        audience=lambda access: _audience(access, document.parties),
        advised=_partial,
        day=day,
        ground=lambda purpose: _ground(purpose, edition),
        interval=interval,
        kbo=_kbo,
        leaves=_leaves,
        operations=OPERATIONS,
        population=_population,
        profiles=PROFILES,
        quota=_quota,
        retention=_retention,
        states=STATES,
        validity=_validity(edition),
    )


def day(value: date) -> str:
    """`2 juni 2021`."""
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def interval(days: Period) -> str:
    """A period in words, both days included."""
    first, last = days.first, days.last
    if first and last and last < first:
        return "geen enkele dag"
    if first and last:
        return f"van {day(first)} tot en met {day(last)}"
    if first:
        return f"vanaf {day(first)}, zonder einddatum"
    return f"tot en met {day(last)}" if last else "zonder begin- of einddatum"


def standing(edition: Edition, versions: Sequence[Edition]) -> str:
    """How a version stands today, in one sentence."""
    first, last = edition.document.first, edition.period.last
    match edition.state:
        case State.COMING if edition.suspended_since:
            return f"Van kracht vanaf {day(first)}, nu geschorst."
        case State.COMING:
            return f"Van kracht vanaf {day(first)}."
        case _ if last and last < first:
            return "Nooit van kracht geweest."
        case State.IN_FORCE:
            return f"Van kracht sinds {day(first)}."
        case State.SUSPENDED if edition.suspended_since:
            since = day(edition.suspended_since)
            return f"Geschorst sinds {since}: zolang dat duurt, opent dit protocol niets."
        case State.SUPERSEDED if last:
            return _replaced(last, versions[versions.index(edition) + 1])
    return f"Beëindigd op {day(last)}, de laatste geldige dag." if last else STATES[edition.state]


def _replaced(last: date, successor: Edition) -> str:
    """A version may have ended by itself before the next one began."""
    version, taken = successor.document.version, last + timedelta(days=1)
    if taken < successor.document.first:
        begins = day(successor.document.first)
        return f"Beëindigd op {day(last)}; vervangen door versie {version} op {begins}."
    return f"Vervangen door versie {version} op {day(taken)}."


def _by_protocol(editions: Sequence[Edition]) -> Iterator[list[Edition]]:
    for _, versions in groupby(editions, key=lambda edition: edition.document.id):
        yield list(versions)


def _receivers(edition: Edition) -> str:
    parties = edition.document.parties
    return ", ".join(party.name for party in parties if Role.RECEIVER in party.roles)


def _heading(alias: str) -> str:
    """`oorspronkelijkeDoeleinden` as words."""
    return re.sub("[A-Z]", lambda found: f" {found[0].lower()}", alias).capitalize()


def _kbo(number: str) -> str:
    return f"{number[:4]}.{number[4:7]}.{number[7:]}"


def _partial(value: date | str | None) -> str:
    """The date of an advice as far as the text gives it."""
    if value is None:
        return "de tekst geeft geen datum"
    if isinstance(value, date):
        return day(value)
    if re.fullmatch("[0-9]{2}-[0-9]{2}", value):
        return f"{int(value[3:])} {MONTHS[int(value[:2]) - 1]}, zonder jaar in de tekst"
    year, _, month = value.partition("-")
    return f"{MONTHS[int(month) - 1]} {year}" if month else year


def _validity(edition: Edition) -> str:
    """What the text itself says; a term begins where the operator settles it."""
    document = edition.document
    if document.last != OPERATOR:
        last = document.last if isinstance(document.last, date) else None
        return interval(Period(document.first, last))
    since = edition.cooperation_since
    begun = day(since) if since else "nog niet vastgelegd door de beheerder"
    years = document.term.years if document.term else 0
    return (
        f"vanaf {day(document.first)}, tot {years} jaar na het begin van de samenwerking ({begun})"
    )


def _ground(purpose: Purpose, edition: Edition) -> list[str]:
    """The days of the legal ground: what the text says, and what the operator settled."""
    first, last = purpose.legal_ground.first, purpose.legal_ground.last
    ends, code = edition.legal_ground_ends, purpose.code
    if last == OPERATOR:
        begins = f"vanaf {day(first)}" if first else "zonder begindatum"
        said = [f"{begins}; het einde legt de beheerder vast"]
    else:
        said = [interval(Period(first, last if isinstance(last, date) else None))]
    if code not in ends:
        return [*said, "het einde is nog niet vastgelegd"] if last == OPERATOR else said
    end = ends[code]
    return [*said, f"vastgelegd: tot en met {day(end)}" if end else "vastgelegd: geen einddatum"]


def _audience(access: Access, parties: Sequence[Party]) -> str:
    """Who may ask, by name."""
    names = {one: party.name for party in parties for one in party.organisations}
    if access.on_behalf_of:
        return f"wie gemachtigd is om te handelen namens {names[access.on_behalf_of]}"
    return ", ".join(dict.fromkeys(names[one] for one in access.organisations))


def _population(persons: Persons) -> str:
    """Which fact the service checks."""
    return POPULATIONS[persons.kind].format(nis=persons.nis, project=persons.project)


def _leaves(grant: Grant) -> tuple[str, ...]:
    """What a group stands for; nothing for a field that is no group."""
    found = fields.expand([grant.field])
    return () if found == (grant.field,) else found


def _quota(quota: Quota) -> str:
    return f"hoogstens {quota.maximum} keer per {quota.per.value}"


def _retention(retention: Retention) -> str | None:
    """The term in words; None where the text gives none that counts."""
    if retention.since is None:
        return None
    start = KEPT_FROM[retention.since]
    bound = "hoogstens " if retention.maximum else ""
    return f"{bound}{retention.years} jaar {start}" if retention.years else start
