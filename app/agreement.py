"""The protocol document: its format, its checks and its hash. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from app import canonical, fields, plain_yaml
from app.moments import read_day
from app.obligation import Profile
from app.plain_yaml import Unreadable
from app.policy import Operation, Period, PopulationKind

OPERATOR = "operator"

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


@dataclass(frozen=True)
class Fault:
    """One thing wrong: where (`doeleinden[0].toegang[1].velden[2].veld`) and which rule."""

    place: str
    rule: str


class DocumentInvalid(Exception):
    """The text is no protocol document and no list; `faults` holds everything found, in order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(f"{fault.place}: {fault.rule}" for fault in faults))
        self.faults = tuple(faults)


Place = tuple[str | int, ...]
Finding = tuple[Place, str]  # a place and the rule that it breaks


def _rule(text: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{rule}", {"rule": text})


def _raise(findings: Sequence[Finding]) -> None:
    """Inside a validator: let pydantic report each finding under its own place."""
    details = [InitErrorDetails(type=_rule(rule), loc=loc, input=None) for loc, rule in findings]
    if details:
        raise ValidationError.from_exception_data("document", details)


def _day(value: Any) -> date:
    day = read_day(value) if isinstance(value, str) else None
    if day is None:
        raise _rule("must be a date that exists, written as 2021-10-01")
    return day


def _open_day(value: Any) -> date | None:
    return None if value is None else _day(value)


def _end(value: Any) -> date | str | None:
    return OPERATOR if value == OPERATOR else _open_day(value)


def _partial_day(value: Any) -> date | str | None:
    # The texts hold `6 september` without a year: kept as month and day.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}(-[0-9]{2})?|[0-9]{2}-[0-9]{2}", value):
        return value
    return _open_day(value)


def _written(value: date | str | None) -> str | None:
    return value.isoformat() if isinstance(value, date) else value


def _kbo(value: str) -> str:
    # Mod 97: the last two digits follow from the first eight.
    if int(value[8:]) != 97 - int(value[:8]) % 97:
        raise _rule("is no enterprise number: the check digits do not hold")
    return value


def _field(value: str) -> str:
    if not fields.is_known(value):
        raise _rule("is no field or group of the catalogue")
    return value


_WRITTEN = PlainSerializer(_written, return_type=str | None)
Day = Annotated[date, PlainValidator(_day), _WRITTEN]
OpenDay = Annotated[date | None, PlainValidator(_open_day), _WRITTEN]
End = Annotated[date | str | None, PlainValidator(_end), _WRITTEN]
PartialDay = Annotated[date | str | None, PlainValidator(_partial_day), _WRITTEN]
Text = Annotated[str, StringConstraints(pattern=r"\S")]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,59}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][A-Za-z0-9]{0,59}$")]
Nis = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]
Kbo = Annotated[str, StringConstraints(pattern=r"^[0-9]{10}$"), AfterValidator(_kbo)]
Organisation = Annotated[
    str, StringConstraints(pattern=r"^([0-9]{10}|nis:[0-9]{5}|[a-z][a-z0-9-]{0,59})$")
]
Mailbox = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+@[a-z0-9.-]+$")]
Address = Annotated[str, StringConstraints(pattern=r"^https://\S+$")]
Count = Annotated[int, Field(gt=0, le=1000)]
FieldId = Annotated[str, AfterValidator(_field)]


class Status(StrEnum):
    """Whether the authors mean the document to come into force."""

    FULL = "volledig"
    CONCEPT = "concept"


class Role(StrEnum):
    """What a party does with the data."""

    PROVIDER = "verstrekker"
    RECEIVER = "ontvanger"


class Audience(StrEnum):
    """For whom an access is: the receivers themselves, or who acts on behalf of one."""

    RECEIVER = "ontvanger"
    DELEGATES = "gemachtigden"


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _check(self) -> "_Part":
        _raise(list(self.findings()))
        return self

    def findings(self) -> Iterator[Finding]:
        """What pydantic cannot see in one value: the places and the rules they break."""
        yield from ()


class _Remarked(_Part):
    remark: Text | None = Field(default=None, alias="opmerking")


class Content(_Remarked):
    """One of the 13 demanded contents: what the text says, or why it says nothing."""

    text: Text | None = Field(default=None, alias="tekst")
    not_in_text: Text | None = Field(default=None, alias="nietInTekst")

    def findings(self) -> Iterator[Finding]:
        """Exactly one of the two."""
        if (self.text is None) == (self.not_in_text is None):
            yield (), "must hold either tekst or nietInTekst"


class Contents(_Part):
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


class Signature(_Remarked):
    """Where and when the protocol was made up."""

    on: OpenDay = Field(alias="op")
    place: Text | None = Field(default=None, alias="plaats")


class Term(_Remarked):
    """A duration whose start stands outside the text: the operator sets that start."""

    years: Count = Field(alias="jaren")
    since: Literal["samenwerkingVan"] = Field(alias="vanaf")
    text: Text = Field(alias="tekst")


class Advice(_Remarked):
    """The advice of a party's data protection officer on the draft."""

    on: PartialDay = Field(alias="datum")


class Officer(_Remarked):
    """How to reach a data protection officer; never a personal name or mailbox."""

    address: Text | None = Field(default=None, alias="adres")
    mailbox: Mailbox | None = Field(default=None, alias="mailbox")


class Publication(_Remarked):
    """Where a party publishes the protocol; most texts give no address."""

    text: Text = Field(alias="tekst")
    address: Address | None = Field(default=None, alias="adres")


class Party(_Remarked):
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


class LegalGround(_Remarked):
    """The ground of one purpose and its days; `operator` where the text cannot tell the end."""

    text: Text = Field(alias="tekst")
    first: OpenDay = Field(alias="van")
    last: End = Field(alias="tot")

    def findings(self) -> Iterator[Finding]:
        """The end may be the first day, not before it."""
        yield from _backward(self.first, self.last, "tot", "van")


class Grant(_Remarked):
    """One field or group, and why it is needed."""

    field: FieldId = Field(alias="veld")
    reason: Text = Field(alias="verantwoording")


class Datum(_Remarked):
    """One datum that goes in or out of an advice."""

    name: Text = Field(alias="gegeven")
    direction: Literal["in", "uit"] = Field(alias="richting")
    reason: Text = Field(alias="verantwoording")


class AdviceTerms(_Remarked):
    """With which profile of the rule set an advice is given, and with which data."""

    profile: Profile = Field(alias="profiel")
    data: tuple[Datum, ...] = Field(alias="gegevens", min_length=1)


class Step(_Remarked):
    """One step of an exchange of files."""

    sender: Text = Field(alias="van")
    receiver: Text = Field(alias="aan")
    text: Text = Field(alias="tekst")


class ExchangeDatum(_Remarked):
    """One datum of the pseudonymised result; `code` names its column."""

    code: Code = Field(alias="code")
    name: Text = Field(alias="gegeven")
    source: Literal["kbi", "vdab"] = Field(alias="bron")
    reason: Text = Field(alias="verantwoording")


class Exchange(_Remarked):
    """An exchange of files: its steps, and the data that are never joined to the number."""

    steps: tuple[Step, ...] = Field(alias="stappen", min_length=1)
    data: tuple[ExchangeDatum, ...] = Field(alias="gegevens", min_length=1)

    def findings(self) -> Iterator[Finding]:
        """A column has one meaning."""
        yield from _unique((("gegevens", at, "code"), d.code) for at, d in enumerate(self.data))


class Quota(_Remarked):
    """How often an operation may be used."""

    operation: Operation = Field(alias="operatie")
    maximum: Count = Field(alias="aantal")
    per: Literal["kalenderjaar", "halfjaar"] = Field(alias="per")
    text: Text = Field(alias="tekst")


class Persons(_Remarked):
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


class Access(_Remarked):
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
    periodicity: Text | None = Field(default=None, alias="periodiciteit")
    quota: tuple[Quota, ...] = Field(default=(), alias="quota")

    def findings(self) -> Iterator[Finding]:
        """The parts of an access must fit together."""
        for_receivers = self.audience is Audience.RECEIVER
        yield from _goes_with(for_receivers, bool(self.organisations), "organisaties", "ontvanger")
        yield from _goes_with(
            not for_receivers, self.on_behalf_of is not None, "namens", "gemachtigden"
        )
        operations = set(self.operations)
        yield from _goes_with(
            bool(operations & ADVICE), self.advice is not None, "advies", "an advice operation"
        )
        yield from _goes_with(
            bool(operations - ADVICE), bool(self.grants), "velden", "an operation that gives data"
        )
        yield from _goes_with(
            Operation.EXCHANGE_VDAB in operations,
            self.exchange is not None,
            "uitwisseling",
            "exchangeVdab",
        )
        for at, operation in enumerate(self.operations):
            if self.persons.kind not in USABLE_KINDS[operation]:
                kind = self.persons.kind
                yield ("operaties", at), f"cannot use the population kind {kind}"
        for at, quota in enumerate(self.quota):
            if quota.operation not in operations:
                yield ("quota", at, "operatie"), "is not among operaties"
        yield from _unique((("operaties", at), op) for at, op in enumerate(self.operations))
        yield from _unique((("velden", at, "veld"), g.field) for at, g in enumerate(self.grants))


class Retention(_Remarked):
    """How long the receiver keeps the data: `jaren` counted from the event in `vanaf`."""

    text: Text = Field(alias="tekst")
    years: Count | None = Field(default=None, alias="jaren")
    since: Literal["mededeling", "eindeZorgbudget", "eindeSamenwerking", "overlijden"] | None = (
        Field(default=None, alias="vanaf")
    )
    maximum: bool = Field(default=False, alias="maximum")


class Purpose(_Remarked):
    """One purpose: its ground, its accesses, its retention."""

    code: Code = Field(alias="code")
    description: Text = Field(alias="omschrijving")
    legal_ground: LegalGround = Field(alias="rechtsgrond")
    accesses: tuple[Access, ...] = Field(alias="toegang", min_length=1)
    retention: Retention = Field(alias="bewaring")

    def findings(self) -> Iterator[Finding]:
        """A caller finds at most one access for a purpose."""
        yield from _unique(
            (("toegang", at, "organisaties", nth), organisation)
            for at, access in enumerate(self.accesses)
            for nth, organisation in enumerate(access.organisations)
        )
        # One list of delegates serves the whole purpose, whoever they act for.
        yield from _unique(
            (("toegang", at, "voor"), access.audience)
            for at, access in enumerate(self.accesses)
            if access.audience is Audience.DELEGATES
        )


class Incident(_Remarked):
    """The term within which a receiver reports an incident; None where the text gives none."""

    hours: Count | None = Field(alias="uren")
    attempts: bool = Field(alias="pogingen")
    text: Text = Field(alias="tekst")
    contact: Text | None = Field(default=None, alias="contactpunt")


class Contact(_Remarked):
    """Where a party takes reports of wrong data."""

    party: Text = Field(alias="partij")
    address: Text | None = Field(default=None, alias="adres")


class DataError(_Remarked):
    """What happens with a report of wrong data, and when the term starts."""

    weeks: Count | None = Field(alias="weken")
    since: Literal["vaststelling", "ontvangst"] | None = Field(alias="vanaf")
    mutual: bool = Field(alias="wederzijds")
    text: Text = Field(alias="tekst")
    contacts: tuple[Contact, ...] = Field(default=(), alias="contactpunten")


class Processor(_Remarked):
    """A processor of a party."""

    name: Text = Field(alias="naam")
    kbo: Kbo | None = Field(default=None, alias="kbo")
    agreed: OpenDay = Field(alias="overeenkomstOp")


class Processors(_Remarked):
    """The duties towards processors, and those that are named."""

    text: Text = Field(alias="tekst")
    named: tuple[Processor, ...] = Field(alias="lijst")


class Provision(_Remarked):
    """An arrangement that has no key of its own."""

    article: Text = Field(alias="artikel")
    text: Text = Field(alias="tekst")


class Document(_Part):
    """One version of one protocol; everything in it is hashed."""

    format: Literal["protocolpoort-protocol/1"] = Field(alias="formaat")
    id: Id = Field(alias="id")
    version: Text = Field(alias="versie")
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
    def complete(self) -> bool:
        """True when no demanded content is missing; an incomplete document stays a draft."""
        return not self.missing

    @property
    def draft(self) -> bool:
        """True when the document cannot come into force: incomplete, or marked `concept`."""
        return self.status is Status.CONCEPT or not self.complete

    def findings(self) -> Iterator[Finding]:
        """Periods, and references from one part to another."""
        yield from _backward(self.first, self.last, "geldigTot", "geldigVan")
        yield from _goes_with(
            self.last == OPERATOR, self.term is not None, "termijn", "geldigTot: operator"
        )
        yield from _unique(
            (("doeleinden", at, "code"), purpose.code) for at, purpose in enumerate(self.purposes)
        )
        if not any(Role.PROVIDER in party.roles for party in self.parties):
            yield ("partijen",), "must hold a party with the role verstrekker"
        yield from _unique(
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
        for at, purpose in enumerate(self.purposes):
            for inner, access in enumerate(purpose.accesses):
                place: Place = ("doeleinden", at, "toegang", inner)
                for nth, organisation in enumerate(access.organisations):
                    if organisation not in receivers:
                        yield (*place, "organisaties", nth), "belongs to no party that receives"
                if access.on_behalf_of and access.on_behalf_of not in receivers:
                    yield (*place, "namens"), "belongs to no party that receives"


@dataclass(frozen=True)
class Delegate:
    """A body that acts on behalf of a receiver, and on which days."""

    organisation: str
    valid: Period


class _DelegateEntry(_Remarked):
    organisation: Organisation = Field(alias="organisatie")
    first: Day = Field(alias="van")
    last: OpenDay = Field(default=None, alias="tot")

    def findings(self) -> Iterator[Finding]:
        yield from _backward(self.first, self.last, "tot", "van")


class DelegateList(_Remarked):
    """Who acts on behalf of a receiver: kept outside the hashed document."""

    kind: Literal["gemachtigden"] = Field(alias="lijst")
    protocol: Id = Field(alias="protocol")
    changed: Day = Field(alias="gewijzigdOp")
    entries: tuple[_DelegateEntry, ...] = Field(alias="gemachtigden")

    @property
    def delegates(self) -> tuple[Delegate, ...]:
        """The entries as values, in the order of the file."""
        return tuple(
            Delegate(entry.organisation, Period(entry.first, entry.last)) for entry in self.entries
        )

    def findings(self) -> Iterator[Finding]:
        """A body stands on the list once on any day."""
        numbered = sorted(
            enumerate(self.entries), key=lambda item: (item[1].organisation, item[1].first)
        )
        for (_, one), (at, next_) in pairwise(numbered):
            if one.organisation == next_.organisation and (one.last or date.max) >= next_.first:
                yield ("gemachtigden", at, "van"), "overlaps another period of this organisation"


class ProfileList(_Remarked):
    """The function profiles that one organisation admits: kept outside the hashed document."""

    kind: Literal["functieprofielen"] = Field(alias="lijst")
    protocol: Id = Field(alias="protocol")
    organisation: Organisation = Field(alias="organisatie")
    changed: Day = Field(alias="gewijzigdOp")
    profiles: tuple[Text, ...] = Field(alias="profielen")

    def findings(self) -> Iterator[Finding]:
        """A profile stands on the list once."""
        yield from _unique((("profielen", at), text) for at, text in enumerate(self.profiles))


RegisterList = DelegateList | ProfileList
LISTS: Mapping[Any, type[DelegateList] | type[ProfileList]] = {
    "gemachtigden": DelegateList,
    "functieprofielen": ProfileList,
}


def parse(text: str) -> Document | RegisterList:
    """Read one YAML 1.2 text: a protocol document, or a list when it has the key `lijst`.

    Raises `DocumentInvalid` with every fault that was found. A fault in the YAML itself is
    reported alone, by line; a rule that joins several parts (a document's, a purpose's) is
    checked once those parts hold.
    """
    try:
        data = plain_yaml.read(text)
    except Unreadable as found:
        raise DocumentInvalid([Fault(found.place, found.rule)]) from None
    return from_data(data)


def from_data(data: Any) -> Document | RegisterList:
    """As `parse`, from plain data with dates as ISO strings (the stored JSON of `as_data`)."""
    if not isinstance(data, dict):
        raise DocumentInvalid([Fault("document", "must be a mapping of keys to values")])
    model: type[Document | DelegateList | ProfileList] = Document
    if "lijst" in data:
        kind = data["lijst"]
        if not isinstance(kind, str) or kind not in LISTS:
            raise DocumentInvalid([Fault("lijst", "must be gemachtigden or functieprofielen")])
        model = LISTS[kind]
    try:
        # Through JSON, strictness means: text is text, a list a list, a number a number.
        return model.model_validate_json(json.dumps(data))
    except TypeError:
        raise DocumentInvalid([Fault("document", "every key must be text")]) from None
    except ValidationError as error:
        raise DocumentInvalid(
            [Fault(_place(found["loc"]), found["msg"]) for found in error.errors()]
        ) from None
    except ValueError:  # a number of more digits than Python writes out
        raise DocumentInvalid([Fault("document", "holds a number out of reach")]) from None


def as_data(document: Document | RegisterList) -> dict[str, Any]:
    """The document as it was written: Dutch keys, dates as ISO strings, no default filled in."""
    return document.model_dump(mode="json", by_alias=True, exclude_unset=True)


def document_hash(document: Document) -> str:
    """`sha256:` and hex over the canonical JSON of `as_data`: layout and comments do not count.

    Anybody can recompute it from the file: YAML to JSON, RFC 8785, SHA-256.
    """
    return canonical.digest(as_data(document))


def _backward(
    first: date | None, last: date | str | None, end: str, begin: str
) -> Iterator[Finding]:
    if first and isinstance(last, date) and last < first:
        yield (end,), f"lies before {begin}"


def _goes_with(condition: bool, present: bool, key: str, what: str) -> Iterator[Finding]:
    """`key` stands there when the condition holds, and only then."""
    if condition and not present:
        yield (key,), f"is required with {what}"
    if present and not condition:
        yield (key,), f"means nothing without {what}"


def _unique(values: Iterable[tuple[Place, str]]) -> Iterator[Finding]:
    """The second time a value stands there, by its place; `values` are places and values."""
    seen: set[str] = set()
    for place, value in values:
        if value in seen:
            yield place, "stands twice"
        seen.add(value)


def _place(loc: Place) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc]
    return "".join(parts).removeprefix(".") or "document"
