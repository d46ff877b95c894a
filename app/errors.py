"""What can go wrong for a caller, named after what happened; `problems` gives each its status."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Reason(StrEnum):
    """The closed list of reason codes in the access log (api.md, Errors)."""

    UNAUTHENTICATED = "unauthenticated"
    RATE_LIMIT = "rateLimit"
    INVALID_REQUEST = "invalidRequest"
    INVALID_INSZ = "invalidInsz"
    INVALID_DATE = "invalidDate"
    SCOPE = "scope"
    SENDER = "sender"
    NO_PROTOCOL = "noProtocol"
    NOT_YET_VALID = "notYetValid"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    LEGAL_GROUND_ENDED = "legalGroundEnded"
    OPERATION = "operation"
    FUNCTION_PROFILE = "functionProfile"
    FIELD = "field"
    QUOTA = "quota"
    POPULATION = "population"
    CANCELLED = "cancelled"
    UNKNOWN_PERSON = "unknownPerson"
    NOT_FOUND = "notFound"
    NO_ADVICE = "noAdvice"
    CONFLICT = "conflict"
    CHANNEL = "channel"
    SOURCE = "source"
    ERROR = "error"


class Outcome(StrEnum):
    """How a request ended, in the access log."""

    ALLOWED = "allowed"
    DENIED = "denied"
    INVALID = "invalid"
    NOT_FOUND = "notFound"
    NO_ADVICE = "noAdvice"
    ERROR = "error"


class Answered(StrEnum):
    """How an answer is given; `problems` knows the status code of each."""

    WHOLE = "whole"
    MADE = "made"  # something that stays
    ACCEPTED = "accepted"  # it will be done
    ELSEWHERE = "elsewhere"  # it stands at another address
    PART = "part"  # so many bytes of it, as asked


class IssueType(StrEnum):
    """Kinds of input fault (BelGIF REST guide, input validation issues)."""

    SCHEMA_VIOLATION = "urn:problem-type:belgif:input-validation:schemaViolation"
    UNKNOWN_INPUT = "urn:problem-type:belgif:input-validation:unknownInput"
    INVALID_INPUT = "urn:problem-type:belgif:input-validation:invalidInput"
    INVALID_STRUCTURE = "urn:problem-type:belgif-ext:input-validation:invalidStructure"
    OUT_OF_RANGE = "urn:problem-type:belgif-ext:input-validation:outOfRange"
    INVALID_PERIOD = "urn:problem-type:belgif-ext:input-validation:invalidPeriod"


@dataclass(frozen=True)
class Issue:
    """One fault of the input: its place and its rule, never its value."""

    type: IssueType
    detail: str
    location: str = "body"  # body, header, path or query
    name: str | None = None  # `velden[2]`, `X-Functieprofiel`; None for the whole


class Fault(Exception):
    """Something a caller is told; `reason` is what the access log says of it."""

    reason: Reason = Reason.ERROR
    outcome: Outcome = Outcome.ERROR


class Invalid(Fault):
    """The request breaks the contract."""

    reason = Reason.INVALID_REQUEST
    outcome = Outcome.INVALID


class Denied(Fault):
    """The request may be good; not of this caller, or not now."""

    outcome = Outcome.DENIED


class NotFound(Fault):
    """There is nothing to give, or nothing that this caller may know of."""

    reason = Reason.NOT_FOUND
    outcome = Outcome.NOT_FOUND


class PathUnknown(Invalid):
    """No resource at this path; never recorded."""


class BodyTooLarge(Invalid):
    """The body is larger than the operation takes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit


class MethodNotAllowed(Invalid):
    """The resource exists, this method on it does not."""

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed


class NotAcceptable(Invalid):
    """The caller accepts no media type that the operation produces."""


class MediaTypeUnsupported(Invalid):
    """The body is of a media type that the operation does not take."""


class Unauthenticated(Denied):
    """No usable token."""

    reason = Reason.UNAUTHENTICATED


class TokenMissing(Unauthenticated):
    """There is no bearer token."""


class TokenInvalid(Unauthenticated):
    """The bearer token does not hold; `why` is for the operator and never holds token text."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class TokenExpired(TokenInvalid):
    """The bearer token held until it expired."""


class KeysUnavailable(Fault):
    """The keys of a token's issuer cannot be had: our fault, so no token is judged by it."""


class RateLimited(Denied):
    """Too many requests of one client in a minute."""

    reason = Reason.RATE_LIMIT

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after  # seconds


class InputInvalid(Invalid):
    """The request breaks the contract; one issue for each fault that was found."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(", ".join(f"{issue.location} {issue.name}" for issue in issues))
        self.issues = tuple(issues)


class InszInvalid(InputInvalid):
    """A national number with a wrong form or checksum (MAGDA 20002)."""

    reason = Reason.INVALID_INSZ


class DateOutOfRange(InputInvalid):
    """A test date in the future, or before the legal ground of the purpose (MAGDA 20006)."""

    reason = Reason.INVALID_DATE


class ScopeMissing(Denied):
    """The token lacks every scope that would open the operation."""

    reason = Reason.SCOPE

    def __init__(self, required: Sequence[str]) -> None:
        self.required = tuple(required)


class TokenKindWrong(Denied):
    """A citizen at a door for organisations, or an organisation at a door for citizens."""

    reason = Reason.SCOPE


class SenderMismatch(Denied):
    """`X-Magda-Sender-ID` names another organisation than the token."""

    reason = Reason.SENDER


class AccessRefused(Denied):
    """The protocol, or the person's place outside it, refuses the request as a whole."""

    def __init__(self, reason: Reason, fields: Sequence[str] = (), on: date | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.fields = tuple(fields)  # the exact ids outside the grant, sorted
        self.on = on  # where the refusal is about time: first or last valid day, or the next turn


class DossierUnknown(NotFound):
    """The person is in the population; there is no dossier (MAGDA 30001)."""


class RecordUnknown(NotFound):
    """No access record with this id that the caller may see."""


class RecordsPruned(NotFound):
    """The records, or the key of their month, are gone: their term has ended."""


class ListBusy(Denied):
    """Another list of the same kind is being made for this organisation."""

    reason = Reason.CONFLICT


class KeyGone(Denied):
    """There is no key of this list to hand out: it was, or the list is sealed to another key."""

    reason = Reason.CONFLICT


class ChannelSame(Denied):
    """The file and its key go over two channels: who has the one does not get the other."""

    reason = Reason.CHANNEL


class RangeOutside(Invalid):
    """The file has no such bytes."""

    def __init__(self, size: int) -> None:
        self.size = size


class CheckpointLate(Fault):
    """No signed checkpoint covers the record yet: the next one will."""


class NoAdvice(Fault):
    """The rules give no advice: undetermined, ambiguous or faulty data. Never a NOK."""

    reason = Reason.NO_ADVICE
    outcome = Outcome.NO_ADVICE


class LogUnavailable(Fault):
    """The access record cannot be written, so nothing may leave."""


class DatabaseSilent(Fault):
    """The database gave no answer to a question in time; whether the log takes records is another
    matter."""


class ClockBehind(LogUnavailable):
    """The clock stands before the newest record: whatever it says of today is not to be trusted."""


class DecisionOvertaken(Exception):
    """What decided is no longer so when the record is due: decide again. Never leaves the gate."""


class RegisterChanged(DecisionOvertaken):
    """The register moved between decision and record."""


class FactsChanged(DecisionOvertaken):
    """An import was committed between decision and record."""


class TimePassed(DecisionOvertaken):
    """Midnight in Brussels lies between decision and record, or the clock was set back."""


class QuotaTaken(DecisionOvertaken):
    """Another answer took the last turn of the quota between decision and record."""
