"""The bodies of the wire contract: strict, Dutch names, nothing unknown."""

import json
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

from app import fields
from app.canonical import DuplicateName, strict_json
from app.errors import InputInvalid, InszInvalid, Issue, IssueType, Outcome, Reason
from app.insz import Insz, NotAnInsz, contains_insz
from app.moments import read_day

Body = TypeVar("Body", bound=BaseModel)
T = TypeVar("T")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
BASE = "/inburgering/v1"
NO_FILTERS = {"van", "tot", "aanleiding"}
GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def _insz(value: object) -> Insz:
    if not isinstance(value, str):
        raise PydanticCustomError("rule", "must be a string")
    try:
        return Insz(value)
    except NotAnInsz:
        raise PydanticCustomError("insz", "is not a valid national number") from None


def _insz_if_valid(value: object) -> Insz | None:
    """None for a text that is no number; another type breaks the contract."""
    try:
        return _insz(value)
    except PydanticCustomError as fault:
        if fault.type == "insz":
            return None
        raise


def _date(value: object) -> date:
    day = read_day(value) if isinstance(value, str) else None
    if day is None:
        raise PydanticCustomError("rule", "must be a date that exists, as 2026-01-31")
    return day


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise PydanticCustomError("rule", "must be an RFC 3339 moment with a zone")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # the first and last day have no UTC in every zone
        raise PydanticCustomError("rule", "must be a moment that exists") from None


def plain(value: str) -> str:
    """Text that may stand in the log: printable, and no national number."""
    if _CONTROL.search(value):
        raise PydanticCustomError("rule", "must be text on one line, without control characters")
    if contains_insz(value):
        raise PydanticCustomError("rule", "must not hold a national number")
    return value


def _known_fields(values: list[str]) -> list[str]:
    for position, value in enumerate(values):
        if not fields.is_known(value):
            raise PydanticCustomError("field", "unknown", {"position": position})
        if value in values[:position]:
            raise PydanticCustomError("field", "repeated", {"position": position})
    return values


class Strict(BaseModel):
    """A body that holds what it declares and nothing else."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True
    )


class _Question(Strict):
    @field_validator("*", mode="before")
    @classmethod
    def _no_null(cls, value: object) -> object:
        """A property without value is left out (BelGIF, jsn-null)."""
        if value is None:
            raise PydanticCustomError("rule", "must not be null")
        return value


Person = Annotated[Insz, BeforeValidator(_insz)]
Day = Annotated[date, BeforeValidator(_date)]
Instant = Annotated[datetime, BeforeValidator(_moment)]
Reference = Annotated[str, Field(min_length=1, max_length=36), AfterValidator(plain)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(plain)]
Note = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(plain)]
Guid = Annotated[str, Field(pattern=GUID)]
Cursor = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
HiddenCursor = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
LogIndex = Annotated[int, Field(ge=0, lt=2**53)]
FieldId = Annotated[str, Field(min_length=1, max_length=200)]
Fields = Annotated[list[FieldId], Field(min_length=1), AfterValidator(_known_fields)] | None
KnownField = Annotated[FieldId, AfterValidator(lambda value: _known_fields([value])[0])]


_NOTE: TypeAdapter[str] = TypeAdapter(Note)
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


class PersonQuestion(_Question):
    """What every question about one person holds; `referte` is the caller's own."""

    insz: Person
    doeleinde: Name
    referte: Reference


class AdviceQuestion(PersonQuestion):
    """`queryAdvies`."""

    toetsdatum: Day


class _OfFields(_Question):
    velden: Fields = None

    @property
    def fields(self) -> tuple[str, ...] | None:
        """The asked catalogue ids; None asks everything that the protocol grants."""
        return tuple(self.velden) if self.velden else None


class DossierQuestion(_OfFields, PersonQuestion):
    """`queryDossier`."""


class PurposeQuestion(_Question):
    """What every question about several persons holds."""

    doeleinde: Name
    referte: Reference


class ParticipantsQuestion(_OfFields, PurposeQuestion):
    """`queryDeelnemers`: a page of the persons of the caller's own project."""

    pageSize: Annotated[int, Field(ge=1, le=100)] = 50  # noqa: N815 - the name on the wire
    cursor: HiddenCursor | None = None


class ListQuestion(PurposeQuestion):
    """`createLijst`: the year is a premium year where the list is about the premium."""

    jaar: Annotated[int, Field(ge=1900, le=9999)]
    vorm: Literal["csv", "jsonl"] = "csv"


class Referred(_Question):
    """What is asked by its address, or reported; `referte` is the caller's own."""

    referte: Reference


class KeyQuestion(Referred):
    """`overhandigSleutel`."""


class AboutPerson(_Question):
    """One question of a batch; a wrong number is the fault of this question alone."""

    insz: Annotated[Insz | None, BeforeValidator(_insz_if_valid)]
    referte: Reference


Persons = Annotated[list[AboutPerson], Field(min_length=1, max_length=100)]


class Batch(PurposeQuestion):
    """What every batch holds."""

    vragen: Persons


class DossierBatch(_OfFields, Batch):
    """`queryDossierBatch`."""


class AdviceBatch(Batch):
    """`queryAdviesBatch`."""

    toetsdatum: Day


class AccessFilters(_Question):
    """What an auditor looks for in the log, and why."""

    organisatie: Name | None = None
    protocol: Name | None = None
    doeleinde: Name | None = None
    functieprofiel: Name | None = None
    insz: Person | None = None
    gebruiker: Name | None = None
    veld: KnownField | None = None
    uitkomst: Literal[tuple(outcome.value for outcome in Outcome)] | None = None  # type: ignore[valid-type]
    reden: Literal[tuple(reason.value for reason in Reason)] | None = None  # type: ignore[valid-type]
    referte: Reference | None = None
    toegangId: Guid | None = None  # noqa: N815 - the name on the wire
    van: Instant | None = None
    tot: Instant | None = None
    aanleiding: Note

    @property
    def filters(self) -> set[str]:
        """The filters in use other than the period."""
        return self.model_fields_set & AccessFilters.model_fields.keys() - NO_FILTERS


class AccessQuery(AccessFilters):
    """`queryToegangen`: a page of what is found."""

    pageSize: Annotated[int, Field(ge=1, le=400)] = 50  # noqa: N815 - the name on the wire
    cursor: Cursor | None = None


class ExportQuery(AccessFilters):
    """`exportToegangen`: what the filters find, or a range of indexes, its last one included."""

    vanIndex: LogIndex | None = None  # noqa: N815 - the name on the wire
    totIndex: LogIndex | None = None  # noqa: N815 - the name on the wire

    @property
    def span(self) -> range | None:
        """The indexes of a range; None for a selection."""
        if self.vanIndex is None or self.totIndex is None:
            return None
        return range(self.vanIndex, self.totIndex + 1)


class Occasion(_Question):
    """`onthulToegang`: why a person is made known."""

    aanleiding: Note


def read_note(text: str) -> str:
    """A reason that will stand in the log; raises InputInvalid with the rule that it breaks."""
    return _read(_NOTE, text)


def read_instant(text: str) -> datetime:
    """A moment in UTC; raises InputInvalid with the rule that the text breaks."""
    return _read(_INSTANT, text)


def _read(form: TypeAdapter[T], text: str) -> T:
    try:
        return form.validate_python(text)
    except ValidationError as error:
        [fault] = error.errors(include_url=False, include_input=False)
        raise InputInvalid([_issue(fault)]) from None


def parse(content: bytes, body: type[Body]) -> Body:
    """Read a body; raises InputInvalid or InszInvalid with every fault, and no value of it."""
    try:
        return body.model_validate(read_json(content))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=True, include_input=False)
        if all(fault["type"] == "insz" for fault in faults):
            raise InszInvalid([_issue(fault) for fault in faults]) from None
        raise InputInvalid([_issue(fault) for fault in faults]) from None


def read_json(content: bytes) -> Any:
    """Strict JSON: UTF-8, no duplicate keys, no NaN, bounded depth."""
    try:
        value = strict_json(content.decode("utf-8"))
        # A lone surrogate is JSON and no text: it could be neither recorded nor answered.
        if b"\\u" in content:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except DuplicateName:
        raise InputInvalid(
            [Issue(IssueType.SCHEMA_VIOLATION, "a property stands twice in one object")]
        ) from None
    except (ValueError, RecursionError):
        raise InputInvalid(
            [Issue(IssueType.SCHEMA_VIOLATION, "the body is not valid JSON")]
        ) from None
    return value


def _issue(fault: Any) -> Issue:
    """One pydantic error as an issue; the name of an unknown property is never repeated."""
    kind, place = fault["type"], [*fault["loc"]]
    match kind:
        case "extra_forbidden":
            return Issue(
                IssueType.UNKNOWN_INPUT, "unknown property", name=_path(place[:-1]) or None
            )
        case "insz":
            return Issue(IssueType.INVALID_STRUCTURE, fault["msg"], name=_path(place))
        case "field":
            position = fault["ctx"]["position"]
            name = _path([*place, position]) if place != ["veld"] else "veld"
            rule = "a field id" if fault["msg"] == "unknown" else "each field once"
            return Issue(IssueType.INVALID_INPUT, f"must be {rule} of the catalogue", name=name)
        case _:
            return Issue(IssueType.SCHEMA_VIOLATION, _rule(fault), name=_path(place) or None)


def _rule(fault: Any) -> str:
    """What was expected, in words that hold nothing of the input."""
    context = fault.get("ctx", {})
    rules = {
        "missing": "is required",
        "string_type": "must be a string",
        "int_type": "must be a whole number",
        "list_type": "must be a list",
        "model_type": "must be a JSON object",
        "literal_error": "must be one of the listed values",
        "string_too_short": f"needs at least {context.get('min_length')} character",
        "string_too_long": f"takes at most {context.get('max_length')} characters",
        "too_short": f"needs at least {context.get('min_length')} item",
        "too_long": f"takes at most {context.get('max_length')} items",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than": f"must be less than {context.get('lt')}",
        "less_than_equal": f"must be at most {context.get('le')}",
        "string_pattern_mismatch": "has a wrong form",
        "rule": fault["msg"],
    }
    return str(rules.get(fault["type"], "does not fit the contract"))


def _path(place: list[str | int]) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
