"""How documents of the register are written: their values, their parts, their faults. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from app import fields
from app.moments import read_day

OPERATOR = "operator"


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


def broken_rule(text: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{rule}", {"rule": text})


def _raise(findings: Sequence[Finding]) -> None:
    """Inside a validator: let pydantic report each finding under its own place."""
    details = [
        InitErrorDetails(type=broken_rule(rule), loc=loc, input=None) for loc, rule in findings
    ]
    if details:
        raise ValidationError.from_exception_data("document", details)


def _day(value: Any) -> date:
    day = read_day(value) if isinstance(value, str) else None
    if day is None:
        raise broken_rule("must be a date that exists, written as 2021-10-01")
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
        raise broken_rule("is no enterprise number: the check digits do not hold")
    return value


def _field(value: str) -> str:
    if not fields.is_known(value):
        raise broken_rule("is no field or group of the catalogue")
    return value


_WRITTEN = PlainSerializer(_written, return_type=str | None)
# What an editor can check of a day; that it exists is checked when it is read.
_ON_CALENDAR = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_DATE = {"type": "string", "format": "date", "pattern": f"^{_ON_CALENDAR}$"}
_OPEN_DATE = {**_DATE, "type": ["string", "null"]}
_PART_OF_DATE = {
    "type": ["string", "null"],
    "pattern": f"^([0-9]{{4}}(-[0-9]{{2}})?|[0-9]{{2}}-[0-9]{{2}}|{_ON_CALENDAR})$",
}
Day = Annotated[date, PlainValidator(_day), _WRITTEN, WithJsonSchema(_DATE)]
OpenDay = Annotated[date | None, PlainValidator(_open_day), _WRITTEN, WithJsonSchema(_OPEN_DATE)]
End = Annotated[
    date | str | None,
    PlainValidator(_end),
    _WRITTEN,
    WithJsonSchema({"anyOf": [{"const": OPERATOR}, _OPEN_DATE]}),
]
PartialDay = Annotated[
    date | str | None, PlainValidator(_partial_day), _WRITTEN, WithJsonSchema(_PART_OF_DATE)
]
Text = Annotated[str, StringConstraints(pattern=r"\S")]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,59}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.-]{0,19}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][A-Za-z0-9]{0,59}$")]
Nis = Annotated[str, StringConstraints(pattern=r"^[0-9]{5}$")]
Kbo = Annotated[str, StringConstraints(pattern=r"^[0-9]{10}$"), AfterValidator(_kbo)]
Organisation = Annotated[
    str, StringConstraints(pattern=r"^([0-9]{10}|nis:[0-9]{5}|[a-z][a-z0-9-]{0,59})$")
]
Mailbox = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+@[a-z0-9.-]+$")]
Address = Annotated[str, StringConstraints(pattern=r"^https://\S+$")]
Count = Annotated[int, Field(gt=0, le=1000)]
# Every leaf of the catalogue and every group: a leaf cut before a dot.
_FIELD_IDS = sorted(
    {id_ for leaf in fields.CATALOGUE for id_ in accumulate(leaf.split("."), "{}.{}".format)}
)
FIELD_SCHEMA = {"type": "string", "enum": _FIELD_IDS}
FieldId = Annotated[str, AfterValidator(_field), WithJsonSchema(FIELD_SCHEMA)]


class Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _check(self) -> "Part":
        _raise(list(self.findings()))
        return self

    def findings(self) -> Iterator[Finding]:
        """What pydantic cannot see in one value: the places and the rules they break."""
        yield from ()


class Remarked(Part):
    remark: Text | None = Field(default=None, alias="opmerking")


def backward(
    first: date | None, last: date | str | None, end: str, begin: str
) -> Iterator[Finding]:
    if first and isinstance(last, date) and last < first:
        yield (end,), f"lies before {begin}"


def goes_with(condition: bool, present: bool, key: str, what: str) -> Iterator[Finding]:
    """`key` stands there when the condition holds, and only then."""
    if condition and not present:
        yield (key,), f"is required with {what}"
    if present and not condition:
        yield (key,), f"means nothing without {what}"


def unique(values: Iterable[tuple[Place, str]]) -> Iterator[Finding]:
    """The second time a value stands there, by its place; `values` are places and values."""
    seen: set[str] = set()
    for place, value in values:
        if value in seen:
            yield place, "stands twice"
        seen.add(value)


def place_of(loc: Place) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc]
    return "".join(parts).removeprefix(".") or "document"
