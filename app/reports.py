"""The bodies of what a receiver reports: wrong data, a contested advice, an incident."""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from app.notice_rules import IncidentKind, Kind
from app.wire import Day, Guid, Instant, KnownField, Name, Referred, plain

# Signs without a shape, which could turn round what an official reads, and other ends of lines.
UNSEEN = frozenset({"Cf", "Zl", "Zp"})


def _legible(value: str) -> str:
    if not value.strip() or any(unicodedata.category(sign) in UNSEEN for sign in value):
        raise PydanticCustomError("rule", "must be text on one line that can be read")
    return value


Story = Annotated[
    str, Field(min_length=1, max_length=1000), AfterValidator(plain), AfterValidator(_legible)
]


class DataReport(Referred):
    """`createMeldingGegevenskwaliteit`: a value that is wrong, or an advice that is contested."""

    toegangId: Guid  # noqa: N815 - the name on the wire
    soort: Literal[tuple(kind.value for kind in Kind)]  # type: ignore[valid-type]
    veld: KnownField | None = None
    toelichting: Story
    vastgesteldOp: Day  # noqa: N815 - the name on the wire


class IncidentReport(Referred):
    """`createMeldingIncident`: data were reached without right, or somebody tried."""

    doeleinde: Name | None = None
    protocol: Name | None = None
    soort: Literal[tuple(kind.value for kind in IncidentKind)]  # type: ignore[valid-type]
    vastgesteldOp: Instant  # noqa: N815 - the name on the wire
    omschrijving: Story
    client: Name | None = None
    van: Instant | None = None
    tot: Instant | None = None

    @model_validator(mode="after")
    def _one_agreement(self) -> "IncidentReport":
        """A purpose or a protocol says under which agreement the data were had."""
        if (self.doeleinde is None) == (self.protocol is None):
            raise PydanticCustomError("rule", "must hold either doeleinde or protocol")
        return self
