"""The lists beside the documents, each with its own hash: they change without a new version.

Pure. Every list says when it last changed (`gewijzigdOp`): art. 4 and 6 of the protocols ask that
function profiles and processors are kept current.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from app.notation import (
    Day,
    Finding,
    Id,
    Kbo,
    Nis,
    OpenDay,
    Organisation,
    Remarked,
    Text,
    backward,
    unique,
)
from app.policy import Period


@dataclass(frozen=True)
class Delegate:
    """A body that acts on behalf of a receiver, and on which days."""

    organisation: str
    valid: Period


class _DelegateEntry(Remarked):
    organisation: Organisation = Field(alias="organisatie")
    first: Day = Field(alias="van")
    last: OpenDay = Field(default=None, alias="tot")

    def findings(self) -> Iterator[Finding]:
        yield from backward(self.first, self.last, "tot", "van")


class DelegateList(Remarked):
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


# What a caller can send in `X-Functieprofiel`.
HeaderText = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]{0,98}[!-~])?$")]


class ProfileList(Remarked):
    """The function profiles that one organisation admits: kept outside the hashed document."""

    kind: Literal["functieprofielen"] = Field(alias="lijst")
    protocol: Id = Field(alias="protocol")
    organisation: Organisation = Field(alias="organisatie")
    changed: Day = Field(alias="gewijzigdOp")
    profiles: tuple[HeaderText, ...] = Field(alias="profielen")

    def findings(self) -> Iterator[Finding]:
        """A profile stands on the list once."""
        yield from unique((("profielen", at), text) for at, text in enumerate(self.profiles))


class _ProcessorEntry(Remarked):
    name: Text = Field(alias="naam")
    kbo: Kbo | None = Field(default=None, alias="kbo")
    agreed: OpenDay = Field(alias="overeenkomstOp")  # of the processing agreement, GDPR art. 28
    task: Text | None = Field(default=None, alias="taak")


class ProcessorList(Remarked):
    """The processors of one organisation (art. 6): kept for the other parties, opens nothing."""

    kind: Literal["verwerkers"] = Field(alias="lijst")
    protocol: Id = Field(alias="protocol")
    organisation: Organisation = Field(alias="organisatie")
    changed: Day = Field(alias="gewijzigdOp")
    entries: tuple[_ProcessorEntry, ...] = Field(alias="verwerkers")


class _RecipientEntry(Remarked):
    name: Text = Field(alias="naam")
    organisation: Organisation | None = Field(default=None, alias="organisatie")
    reason: Text = Field(alias="verantwoording")


class RecipientList(Remarked):
    """To whom one organisation passes the data on (art. 4): kept as evidence, opens nothing."""

    kind: Literal["ontvangers"] = Field(alias="lijst")
    protocol: Id = Field(alias="protocol")
    organisation: Organisation = Field(alias="organisatie")
    changed: Day = Field(alias="gewijzigdOp")
    entries: tuple[_RecipientEntry, ...] = Field(alias="ontvangers")


class Succession(Remarked):
    """From `since` on, a municipality goes on in another one, whole or in part."""

    old: Nis = Field(alias="oud")
    new: Nis = Field(alias="nieuw")
    since: Day = Field(alias="vanaf")
    kind: Literal["samenvoeging", "splitsing"] = Field(alias="soort")

    def findings(self) -> Iterator[Finding]:
        """A municipality that keeps its code needs no line."""
        if self.old == self.new:
            yield ("nieuw",), "is the same code as oud"


class SuccessionList(Remarked):
    """Which municipality goes on in which: one list for the whole register."""

    kind: Literal["opvolgingen"] = Field(alias="lijst")
    changed: Day = Field(alias="gewijzigdOp")
    entries: tuple[Succession, ...] = Field(alias="opvolgingen")

    def findings(self) -> Iterator[Finding]:
        """What was merged is gone: it cannot go on in two places."""
        merged = [e.old for e in self.entries if e.kind == "samenvoeging"]
        split = {e.old for e in self.entries if e.kind == "splitsing"}
        for at, entry in enumerate(self.entries):
            if entry.kind == "samenvoeging" and (merged.count(entry.old) > 1 or entry.old in split):
                yield ("opvolgingen", at, "oud"), "goes on in two places: that is a splitsing"

    def absorbed(self, nis: str, today: date) -> frozenset[str]:
        """Every municipality that is whole within `nis` today, also through another one.

        After a split nobody can tell from the old code where a person lives: none is reached.
        """
        found: set[str] = set()
        wanted = {nis}
        while wanted:
            new = {
                entry.old
                for entry in self.entries
                if entry.new in wanted and entry.kind == "samenvoeging" and entry.since <= today
            }
            wanted = new - found - {nis}
            found |= wanted
        return frozenset(found)


# A list of one organisation under one protocol; the other two are of a protocol, and of all.
OrganisationList = ProfileList | ProcessorList | RecipientList
RegisterList = DelegateList | OrganisationList | SuccessionList
LISTS: Mapping[Any, type[RegisterList]] = {
    "gemachtigden": DelegateList,
    "functieprofielen": ProfileList,
    "verwerkers": ProcessorList,
    "ontvangers": RecipientList,
    "opvolgingen": SuccessionList,
}
