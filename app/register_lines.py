"""One line of `register import`: the facts of one person, read and checked (operations.md)."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from app import wire
from app.wire import Day, Instant, Name, Person, Strict

Nis = Annotated[str, Field(pattern=r"^[0-9]{5}$")]


class _Days(Strict):
    first: Day = Field(alias="van")
    last: Day | None = Field(default=None, alias="tot")

    @model_validator(mode="after")
    def _forward(self) -> "_Days":
        if self.last is not None and self.last < self.first:
            raise PydanticCustomError("rule", "`tot` lies before `van`")
        return self


class _Residence(_Days):
    nis: Nis


class _Membership(_Days):
    organisation: Name = Field(alias="organisatie")


class _Participation(_Days):
    project: Name
    municipality: Nis = Field(alias="gemeente")


class _Consent(Strict):
    project: Name
    municipality: Nis = Field(alias="gemeente")
    given_at: Instant = Field(alias="gegeven")
    withdrawn_at: Instant | None = Field(default=None, alias="ingetrokken")


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


class PersonFacts(Strict):
    """What a line says, by the names of the columns.

    None leaves what is there, a list replaces that list of the person.
    """

    insz: Person
    residences: list[_Residence] | None = Field(default=None, alias="woonplaatsen")
    memberships: list[_Membership] | None = Field(default=None, alias="lidmaatschappen")
    participations: list[_Participation] | None = Field(default=None, alias="deelnames")
    consents: list[_Consent] | None = Field(default=None, alias="toestemmingen")
    previous: list[Person] | None = Field(default=None, alias="vorigeInsz")
    cancelled_on: Day | None = Field(default=None, alias="geannuleerdOp")
    contact: _Contact | None = None
    profile: _Profile | None = Field(default=None, alias="profiel")

    @property
    def says_cancelled(self) -> bool:
        """Whether the line speaks of the cancellation, if only to lift it."""
        return "cancelled_on" in self.model_fields_set

    @model_validator(mode="after")
    def _not_its_own_predecessor(self) -> "PersonFacts":
        if self.insz in (self.previous or ()):
            raise PydanticCustomError("rule", "`vorigeInsz` holds the number itself")
        return self


def read_line(line: str) -> PersonFacts:
    """Read one line; raises InputInvalid with the place and the rule of every fault."""
    return wire.parse(line.encode("utf-8", "surrogatepass"), PersonFacts)
