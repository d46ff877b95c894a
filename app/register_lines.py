"""One line of `register import`: the facts of one person, read and checked (operations.md)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app import wire
from app.insz import Insz
from app.wire import Day, Instant, Name, Person, Strict

Nis = Annotated[str, Field(pattern=r"^[0-9]{5}$")]

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Stay:
    """Registered in a municipality (`place` is its NIS), or member of a care fund."""

    place: str
    first: date
    last: date | None


@dataclass(frozen=True)
class Part:
    """Takes part in a project of a municipality."""

    project: str
    municipality: str
    first: date
    last: date | None


@dataclass(frozen=True)
class Given:
    """A consent to a project of a municipality."""

    project: str
    municipality: str
    given_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True)
class PersonFacts:
    """What a line says; None leaves what is there, a list replaces that list of the person."""

    insz: Insz
    residences: Sequence[Stay] | None
    memberships: Sequence[Stay] | None
    participations: Sequence[Part] | None
    consents: Sequence[Given] | None
    previous: Sequence[Insz] | None
    says_cancelled: bool  # the line speaks of the cancellation, if only to lift it
    cancelled_on: date | None
    contact: Mapping[str, Any] | None
    profile: Mapping[str, Any] | None


class _Days(Strict):
    van: Day
    tot: Day | None = None

    @model_validator(mode="after")
    def _forward(self) -> "_Days":
        if self.tot is not None and self.tot < self.van:
            raise PydanticCustomError("rule", "`tot` lies before `van`")
        return self


class _Residence(_Days):
    nis: Nis


class _Membership(_Days):
    organisatie: Name


class _Participation(_Days):
    project: Name
    gemeente: Nis


class _Consent(Strict):
    project: Name
    gemeente: Nis
    gegeven: Instant
    ingetrokken: Instant | None = None


class _Address(Strict):
    straat: str | None = None
    huisnummer: str | None = None
    bus: str | None = None
    postcode: str | None = None
    gemeente: str | None = None
    land: str | None = None


class _Contact(Strict):
    voornaam: str | None = None
    achternaam: str | None = None
    adres: _Address | None = None
    telefoon: str | None = None
    email: str | None = None


class _Profile(Strict):
    scholingsniveau: str | None = None
    oudsteNationaliteit: str | None = None  # noqa: N815 - the name in the file
    verblijfsstatus: str | None = None
    ocmwLeefloon: bool | None = None  # noqa: N815 - the name in the file
    kbiRegio: str | None = None  # noqa: N815 - the name in the file
    taalleervermogen: str | None = None


class _Line(Strict):
    insz: Person
    woonplaatsen: list[_Residence] | None = None
    lidmaatschappen: list[_Membership] | None = None
    deelnames: list[_Participation] | None = None
    toestemmingen: list[_Consent] | None = None
    vorigeInsz: list[Person] | None = None  # noqa: N815 - the name in the file
    geannuleerdOp: Day | None = None  # noqa: N815 - the name in the file
    contact: _Contact | None = None
    profiel: _Profile | None = None

    @model_validator(mode="after")
    def _not_its_own_predecessor(self) -> "_Line":
        if self.insz in (self.vorigeInsz or ()):
            raise PydanticCustomError("rule", "`vorigeInsz` holds the number itself")
        return self


def read_line(line: str) -> PersonFacts:
    """Read one line; raises InputInvalid with the place and the rule of every fault."""
    read = wire.parse(line.encode("utf-8", "surrogatepass"), _Line)
    return PersonFacts(
        insz=read.insz,
        residences=_each(read.woonplaatsen, lambda item: Stay(item.nis, item.van, item.tot)),
        memberships=_each(
            read.lidmaatschappen, lambda item: Stay(item.organisatie, item.van, item.tot)
        ),
        participations=_each(
            read.deelnames,
            lambda item: Part(item.project, item.gemeente, item.van, item.tot),
        ),
        consents=_each(
            read.toestemmingen,
            lambda item: Given(item.project, item.gemeente, item.gegeven, item.ingetrokken),
        ),
        previous=read.vorigeInsz,
        says_cancelled="geannuleerdOp" in read.model_fields_set,
        cancelled_on=read.geannuleerdOp,
        contact=_plain(read.contact),
        profile=_plain(read.profiel),
    )


def _each(items: Sequence[Item] | None, make: Callable[[Item], Made]) -> list[Made] | None:
    return None if items is None else [make(item) for item in items]


def _plain(model: Strict | None) -> dict[str, Any] | None:
    return None if model is None else model.model_dump(exclude_none=True)
