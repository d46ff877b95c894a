"""The protocol document: what a signed protocol says, and which of its parts fit together. Pure."""

from collections.abc import Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import Field

from app import fields
from app.notation import (
    OPERATOR,
    Address,
    Code,
    Count,
    Day,
    End,
    Fault,
    FieldId,
    Finding,
    Id,
    Kbo,
    Mailbox,
    Nis,
    OpenDay,
    Organisation,
    Part,
    PartialDay,
    Place,
    Remarked,
    Text,
    Version,
    backward,
    goes_with,
    unique,
)
from app.obligation import Profile
from app.policy import Operation, PopulationKind, QuotaPeriod

ADVICE = frozenset({Operation.QUERY_ADVIES, Operation.QUERY_ADVIES_BATCH})
DOSSIER_KINDS = frozenset(PopulationKind) - {PopulationKind.ANY}
USABLE_KINDS: Mapping[Operation, frozenset[PopulationKind]] = {
    # A dossier always needs a fact that ties the person to the caller.
    Operation.QUERY_DOSSIER: DOSSIER_KINDS,
    Operation.QUERY_DOSSIER_BATCH: DOSSIER_KINDS,
    Operation.QUERY_ADVIES: frozenset(PopulationKind),
    Operation.QUERY_ADVIES_BATCH: frozenset(PopulationKind),
    Operation.CREATE_LIJST: frozenset(
        {PopulationKind.RESIDENT, PopulationKind.MEMBER, PopulationKind.ANY}
    ),
    # Participants are found by project, not by national number.
    Operation.QUERY_DEELNEMERS: frozenset({PopulationKind.PARTICIPANT, PopulationKind.CONSENT}),
    Operation.EXCHANGE_VDAB: frozenset({PopulationKind.ANY}),
}
# What tells one population of a kind from another.
POPULATION_KEYS: Mapping[PopulationKind, frozenset[str]] = {
    PopulationKind.RESIDENT: frozenset({"nis"}),
    PopulationKind.MEMBER: frozenset(),
    PopulationKind.PARTICIPANT: frozenset({"nis", "project"}),
    PopulationKind.CONSENT: frozenset({"nis", "project"}),
    PopulationKind.ANY: frozenset(),
}


class Status(StrEnum):
    """Whether the authors mean the document to come into force."""

    FULL = "volledig"
    CONCEPT = "concept"
    ENDED = "beeindigd"  # the authors know that its last day has passed; it is kept for the record


class Role(StrEnum):
    """What a party does with the data."""

    PROVIDER = "verstrekker"
    RECEIVER = "ontvanger"


class Audience(StrEnum):
    """For whom an access is: the receivers themselves, or who acts on behalf of one."""

    RECEIVER = "ontvanger"
    DELEGATES = "gemachtigden"


class Content(Remarked):
    """One of the 13 demanded contents: what the text says, or why it says nothing."""

    text: Text | None = Field(default=None, alias="tekst")
    not_in_text: Text | None = Field(default=None, alias="nietInTekst")

    def findings(self) -> Iterator[Finding]:
        """Exactly one of the two."""
        if (self.text is None) == (self.not_in_text is None):
            yield (), "must hold either tekst or nietInTekst"


class Contents(Part):
    """The 13 contents that the decree demands; one that is absent keeps the document a draft."""

    controllers: Content | None = Field(default=None, alias="verwerkingsverantwoordelijken")
    purposes: Content | None = Field(default=None, alias="doeleinden")
    data: Content | None = Field(default=None, alias="gegevens")
    recipients: Content | None = Field(default=None, alias="ontvangers")
    legal_grounds: Content | None = Field(default=None, alias="rechtsgronden")
    security: Content | None = Field(default=None, alias="beveiliging")
    periodicity: Content | None = Field(default=None, alias="periodiciteit")
    duration: Content | None = Field(default=None, alias="duur")
    sanctions: Content | None = Field(default=None, alias="sancties")
    original_purposes: Content | None = Field(default=None, alias="oorspronkelijkeDoeleinden")
    compatibility: Content | None = Field(default=None, alias="verenigbaarheid")
    data_quality: Content | None = Field(default=None, alias="gegevenskwaliteit")
    special_measures: Content | None = Field(default=None, alias="bijzondereMaatregelen")


CONTENTS: tuple[str, ...] = tuple(str(f.alias) for f in Contents.model_fields.values())


class Signature(Remarked):
    """Where and when the protocol was made up."""

    on: OpenDay = Field(alias="op")
    place: Text | None = Field(default=None, alias="plaats")


class Term(Remarked):
    """A duration whose start stands outside the text: the operator sets that start."""

    years: Count = Field(alias="jaren")
    since: Literal["samenwerkingVan"] = Field(alias="vanaf")
    text: Text = Field(alias="tekst")


class Advice(Remarked):
    """The advice of a party's data protection officer on the draft."""

    on: PartialDay = Field(alias="datum")


class Officer(Remarked):
    """How to reach a data protection officer; never a personal name or mailbox."""

    address: Text | None = Field(default=None, alias="adres")
    mailbox: Mailbox | None = Field(default=None, alias="mailbox")


class Publication(Remarked):
    """Where a party publishes the protocol; most texts give no address."""

    text: Text = Field(alias="tekst")
    address: Address | None = Field(default=None, alias="adres")


class Party(Remarked):
    """A body that signed."""

    roles: tuple[Role, ...] = Field(alias="rollen", min_length=1)
    name: Text = Field(alias="naam")
    kind: Text | None = Field(default=None, alias="soort")
    organisations: tuple[Organisation, ...] = Field(alias="organisaties", min_length=1)
    kbo: Kbo | None = Field(default=None, alias="kbo")
    nis: Nis | None = Field(default=None, alias="nis")
    seat: Text = Field(alias="zetel")
    representation: Text | None = Field(default=None, alias="vertegenwoordiging")
    advice: Advice = Field(alias="adviesFunctionaris")
    officer: Officer = Field(alias="functionaris")
    publication: Publication = Field(alias="bekendmaking")

    def findings(self) -> Iterator[Finding]:
        """A typing error in an identifier would open the protocol to another body."""
        for at, identifier in enumerate(self.organisations):
            if identifier.isdigit() and identifier != self.kbo:
                yield ("organisaties", at), "is another number than kbo"
            if identifier.startswith("nis:") and identifier != f"nis:{self.nis}":
                yield ("organisaties", at), "is another code than nis"


class LegalGround(Remarked):
    """The ground of one purpose and its days; `operator` where the text cannot tell the end."""

    text: Text = Field(alias="tekst")
    first: OpenDay = Field(alias="van")
    last: End = Field(alias="tot")
    limit: tuple[FieldId, ...] | None = Field(default=None, alias="begrenzing", min_length=1)

    def findings(self) -> Iterator[Finding]:
        """The end may be the first day, not before it."""
        yield from backward(self.first, self.last, "tot", "van")


class Grant(Remarked):
    """One field or group, and why it is needed."""

    field: FieldId = Field(alias="veld")
    reason: Text = Field(alias="verantwoording")
    special: Text | None = Field(default=None, alias="bijzondereCategorie")

    def findings(self) -> Iterator[Finding]:
        """What falls under articles 9 and 10 of the regulation is granted in so many words."""
        yield from goes_with(
            not fields.SPECIAL.isdisjoint(fields.leaves(self.field)),
            self.special is not None,
            "bijzondereCategorie",
            "a field of articles 9 and 10 of the regulation",
        )


class Datum(Remarked):
    """One datum that goes in or out of an advice."""

    name: Text = Field(alias="gegeven")
    direction: Literal["in", "uit"] = Field(alias="richting")
    reason: Text = Field(alias="verantwoording")


class AdviceTerms(Remarked):
    """With which profile of the rule set an advice is given, and with which data."""

    profile: Profile = Field(alias="profiel")
    data: tuple[Datum, ...] = Field(alias="gegevens", min_length=1)


class Step(Remarked):
    """One step of an exchange of files."""

    sender: Text = Field(alias="van")
    receiver: Text = Field(alias="aan")
    text: Text = Field(alias="tekst")


class ExchangeDatum(Remarked):
    """One datum of the pseudonymised result; `code` names its column."""

    code: Code = Field(alias="code")
    name: Text = Field(alias="gegeven")
    source: Literal["kbi", "vdab"] = Field(alias="bron")
    reason: Text = Field(alias="verantwoording")


class Exchange(Remarked):
    """An exchange of files: its steps, and the data that are never joined to the number."""

    steps: tuple[Step, ...] = Field(alias="stappen", min_length=1)
    data: tuple[ExchangeDatum, ...] = Field(alias="gegevens", min_length=1)

    def findings(self) -> Iterator[Finding]:
        """A column has one meaning."""
        yield from unique((("gegevens", at, "code"), d.code) for at, d in enumerate(self.data))


class Files(Remarked):
    """How long a list is sent as a file: `jaren` from a day that only the operator knows."""

    years: Count = Field(alias="jaren")
    since: Literal["bestandenVan", "lijstdienstSinds"] = Field(alias="vanaf")
    text: Text = Field(alias="tekst")


class ListTerms(Remarked):
    """Who stands on a list, and how long it is sent as a file."""

    who: Literal["dossier", "nok"] = Field(alias="wie")
    profile: Profile | None = Field(default=None, alias="profiel")
    text: Text = Field(alias="tekst")
    files: Files | None = Field(default=None, alias="bestand")

    def findings(self) -> Iterator[Finding]:
        """Who does not meet the obligation is told by a profile of the rule set."""
        yield from goes_with(self.who == "nok", self.profile is not None, "profiel", "wie: nok")


class Quota(Remarked):
    """How often an operation may be used."""

    operation: Operation = Field(alias="operatie")
    maximum: int = Field(alias="aantal", gt=0, le=1_000_000_000)
    per: QuotaPeriod = Field(alias="per")
    text: Text = Field(alias="tekst")


class Persons(Remarked):
    """Whom the access is about: what the text says, and the fact that is checked."""

    kind: PopulationKind = Field(alias="soort")
    text: Text = Field(alias="tekst")
    nis: Nis | None = Field(default=None, alias="nis")
    project: Id | None = Field(default=None, alias="project")

    def findings(self) -> Iterator[Finding]:
        """Each kind has its own keys, and no others."""
        for key, value in (("nis", self.nis), ("project", self.project)):
            needed = key in POPULATION_KEYS[self.kind]
            if needed and value is None:
                yield (key,), f"is required for the population kind {self.kind}"
            if not needed and value is not None:
                yield (key,), f"means nothing for the population kind {self.kind}"


class Access(Remarked):
    """What a purpose opens, for whom, about whom."""

    audience: Audience = Field(alias="voor")
    organisations: tuple[Organisation, ...] = Field(default=(), alias="organisaties")
    on_behalf_of: Organisation | None = Field(default=None, alias="namens")
    operations: tuple[Operation, ...] = Field(alias="operaties", min_length=1)
    persons: Persons = Field(alias="populatie")
    grants: tuple[Grant, ...] = Field(default=(), alias="velden")
    function_profiles: Literal["geeist", "nietGeeist"] = Field(alias="functieprofielen")
    advice: AdviceTerms | None = Field(default=None, alias="advies")
    exchange: Exchange | None = Field(default=None, alias="uitwisseling")
    listing: ListTerms | None = Field(default=None, alias="lijst")
    periodicity: Text | None = Field(default=None, alias="periodiciteit")
    quota: tuple[Quota, ...] = Field(default=(), alias="quota")

    def findings(self) -> Iterator[Finding]:
        """The parts of an access must fit together."""
        for_receivers = self.audience is Audience.RECEIVER
        yield from goes_with(for_receivers, bool(self.organisations), "organisaties", "ontvanger")
        yield from goes_with(
            not for_receivers, self.on_behalf_of is not None, "namens", "gemachtigden"
        )
        operations = set(self.operations)
        yield from goes_with(
            bool(operations & ADVICE), self.advice is not None, "advies", "an advice operation"
        )
        yield from goes_with(
            bool(operations - ADVICE), bool(self.grants), "velden", "an operation that gives data"
        )
        yield from goes_with(
            Operation.EXCHANGE_VDAB in operations,
            self.exchange is not None,
            "uitwisseling",
            "exchangeVdab",
        )
        lists = Operation.CREATE_LIJST in operations
        if self.listing and not lists:
            yield ("lijst",), "means nothing without createLijst"
        if lists and not self.listing and self.persons.kind is PopulationKind.ANY:
            # Else it would be a list of everybody who has a dossier.
            yield ("lijst",), f"is required for a list of the population kind {self.persons.kind}"
        for at, operation in enumerate(self.operations):
            if self.persons.kind not in USABLE_KINDS[operation]:
                kind = self.persons.kind
                yield ("operaties", at), f"cannot use the population kind {kind}"
        for at, quota in enumerate(self.quota):
            if quota.operation not in operations:
                yield ("quota", at, "operatie"), "is not among operaties"
            batch = BATCHES.get(quota.operation)
            if batch in operations and batch not in {other.operation for other in self.quota}:
                yield ("quota", at, "operatie"), f"is not counted by {batch}, which needs its own"
        yield from unique((("operaties", at), op) for at, op in enumerate(self.operations))
        yield from unique((("velden", at, "veld"), g.field) for at, g in enumerate(self.grants))
        yield from unique(
            (("quota", at, "operatie"), q.operation) for at, q in enumerate(self.quota)
        )


# A quota on the single request alone would be evaded by asking the same in a batch.
BATCHES: Mapping[Operation, Operation] = {
    Operation.QUERY_DOSSIER: Operation.QUERY_DOSSIER_BATCH,
    Operation.QUERY_ADVIES: Operation.QUERY_ADVIES_BATCH,
}

# In words: from when, or until when, a receiver keeps the data.
KEPT_FROM: Mapping[str, str] = {
    "mededeling": "vanaf de mededeling",
    "eindeZorgbudget": "na het einde van het zorgbudget",
    "eindeSamenwerking": "na het einde van de samenwerking",
    "overlijden": "tot het overlijden",
}


class Retention(Remarked):
    """How long the receiver keeps the data: `jaren` counted from the event in `vanaf`."""

    text: Text = Field(alias="tekst")
    years: Count | None = Field(default=None, alias="jaren")
    since: Literal["mededeling", "eindeZorgbudget", "eindeSamenwerking", "overlijden"] | None = (
        Field(default=None, alias="vanaf")
    )
    maximum: bool = Field(default=False, alias="maximum")


class Purpose(Remarked):
    """One purpose: its ground, its accesses, its retention."""

    code: Code = Field(alias="code")
    description: Text = Field(alias="omschrijving")
    legal_ground: LegalGround = Field(alias="rechtsgrond")
    accesses: tuple[Access, ...] = Field(alias="toegang", min_length=1)
    retention: Retention = Field(alias="bewaring")

    def findings(self) -> Iterator[Finding]:
        """A caller finds at most one access for a purpose."""
        yield from unique(
            (("toegang", at, "organisaties", nth), organisation)
            for at, access in enumerate(self.accesses)
            for nth, organisation in enumerate(access.organisations)
        )
        # One list of delegates serves the whole purpose, whoever they act for.
        yield from unique(
            (("toegang", at, "voor"), access.audience)
            for at, access in enumerate(self.accesses)
            if access.audience is Audience.DELEGATES
        )
        # What the decree behind the ground allows bounds every grant (art. 20, for a municipality).
        if self.legal_ground.limit is not None:
            allowed = frozenset[str]().union(*map(fields.leaves, self.legal_ground.limit))
            for at, access in enumerate(self.accesses):
                for nth, grant in enumerate(access.grants):
                    if not fields.leaves(grant.field) <= allowed:
                        place: Place = ("toegang", at, "velden", nth, "veld")
                        yield place, "lies outside rechtsgrond.begrenzing"


class Incident(Remarked):
    """The term within which a receiver reports an incident; None where the text gives none."""

    hours: Count | None = Field(alias="uren")
    attempts: bool = Field(alias="pogingen")
    text: Text = Field(alias="tekst")
    contact: Text | None = Field(default=None, alias="contactpunt")


class Contact(Remarked):
    """Where a party takes reports of wrong data."""

    party: Text = Field(alias="partij")
    address: Text | None = Field(default=None, alias="adres")


class DataError(Remarked):
    """What happens with a report of wrong data, and when the term starts."""

    weeks: Count | None = Field(alias="weken")
    since: Literal["vaststelling", "ontvangst"] | None = Field(alias="vanaf")
    mutual: bool = Field(alias="wederzijds")
    text: Text = Field(alias="tekst")
    contacts: tuple[Contact, ...] = Field(default=(), alias="contactpunten")


class Processor(Remarked):
    """A processor of a party."""

    name: Text = Field(alias="naam")
    kbo: Kbo | None = Field(default=None, alias="kbo")
    agreed: OpenDay = Field(alias="overeenkomstOp")


class Processors(Remarked):
    """The duties towards processors, and those that are named."""

    text: Text = Field(alias="tekst")
    named: tuple[Processor, ...] = Field(alias="lijst")


class Provision(Remarked):
    """An arrangement that has no key of its own."""

    article: Text = Field(alias="artikel")
    text: Text = Field(alias="tekst")


class Document(Part):
    """One version of one protocol; everything in it is hashed."""

    format: Literal["protocolpoort-protocol/1"] = Field(alias="formaat")
    id: Id = Field(alias="id")
    version: Version = Field(alias="versie")
    status: Status = Field(default=Status.FULL, alias="status")
    title: Text = Field(alias="titel")
    context: Text = Field(alias="kader")
    dated: OpenDay = Field(alias="documentdatum")
    signed: Signature = Field(alias="ondertekening")
    first: Day = Field(alias="geldigVan")
    last: End = Field(alias="geldigTot")
    term: Term | None = Field(default=None, alias="termijn")
    notice_months: Count | None = Field(alias="opzegtermijnMaanden")
    parties: tuple[Party, ...] = Field(alias="partijen", min_length=2)
    contents: Contents = Field(default=Contents(), alias="inhoud")
    purposes: tuple[Purpose, ...] = Field(alias="doeleinden", min_length=1)
    incident: Incident = Field(alias="incident")
    data_error: DataError = Field(alias="gegevensfout")
    processors: Processors = Field(alias="verwerkers")
    provisions: tuple[Provision, ...] = Field(default=(), alias="bepalingen")
    remarks: tuple[Text, ...] = Field(default=(), alias="opmerkingen")

    @property
    def missing(self) -> tuple[str, ...]:
        """The Dutch names of the demanded contents that are absent."""
        held = {Contents.model_fields[name].alias for name, value in self.contents if value}
        return tuple(name for name in CONTENTS if name not in held)

    @property
    def provider(self) -> str:
        """The identifier of the first body that provides the data."""
        return next(
            party.organisations[0] for party in self.parties if Role.PROVIDER in party.roles
        )

    @property
    def draft(self) -> bool:
        """True when the document cannot come into force: incomplete, or marked `concept`."""
        return self.status is Status.CONCEPT or bool(self.missing)

    def findings(self) -> Iterator[Finding]:
        """Periods, and references from one part to another."""
        yield from backward(self.first, self.last, "geldigTot", "geldigVan")
        if self.status is Status.ENDED and not isinstance(self.last, date):
            yield ("status",), "beeindigd needs a date in geldigTot"
        yield from goes_with(
            self.last == OPERATOR, self.term is not None, "termijn", "geldigTot: operator"
        )
        yield from unique(
            (("doeleinden", at, "code"), purpose.code) for at, purpose in enumerate(self.purposes)
        )
        if not any(Role.PROVIDER in party.roles for party in self.parties):
            yield ("partijen",), "must hold a party with the role verstrekker"
        yield from unique(
            (("partijen", at, "organisaties", nth), organisation)
            for at, party in enumerate(self.parties)
            for nth, organisation in enumerate(party.organisations)
        )
        receivers = {
            organisation
            for party in self.parties
            if Role.RECEIVER in party.roles
            for organisation in party.organisations
        }
        acting = (a.on_behalf_of for purpose in self.purposes for a in purpose.accesses)
        principal = next((body for body in acting if body), None)
        for at, purpose in enumerate(self.purposes):
            for inner, access in enumerate(purpose.accesses):
                place: Place = ("doeleinden", at, "toegang", inner)
                for nth, organisation in enumerate(access.organisations):
                    if organisation not in receivers:
                        yield (*place, "organisaties", nth), "belongs to no party that receives"
                if access.on_behalf_of and access.on_behalf_of not in receivers:
                    yield (*place, "namens"), "belongs to no party that receives"
                # One list of delegates serves the whole protocol.
                if access.on_behalf_of and access.on_behalf_of != principal:
                    yield (*place, "namens"), "is another body than elsewhere in the document"


def overdue(document: Document, today: date) -> list[Fault]:
    """A typing error in a year would load a protocol that opens nothing: its end lies behind us."""
    if document.status is Status.ENDED or not isinstance(document.last, date):
        return []
    if document.last >= today:
        return []
    return [Fault("geldigTot", "has passed: a protocol that is over says `status: beeindigd`")]


def warnings(document: Document, today: date) -> list[Fault]:
    """What does not stop a protocol but should be known before it comes into force.

    The data protection officer of every party advises on the draft, so before the protocol is
    made up or begins (recitals F to K).
    """
    made_up = min(document.first, document.signed.on or document.first)
    found = []
    last = document.last
    if document.status is Status.ENDED and isinstance(last, date) and last >= today:
        found.append(Fault("geldigTot", "lies ahead, although `status` says beeindigd"))
    for at, party in enumerate(document.parties):
        place, advised = f"partijen[{at}].adviesFunctionaris.datum", party.advice.on
        if not isinstance(advised, date):
            found.append(Fault(place, "is no full date: the order of advice and draft is unknown"))
        elif advised > made_up:
            found.append(Fault(place, "lies after the protocol was made up or began"))
    return found
