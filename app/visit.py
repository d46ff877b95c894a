"""One visit to the gate: who came, when, through which door. Pure."""

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Visit:
    """What is known of a request before its answer: who, when, through which door."""

    operation: str
    route: str  # the template, never the raw URL
    started_at: datetime
    correlation_id: str
    event_id: str
    trace_id: str
    span_id: str
    organisation: str | None = None
    client: str | None = None
    credential: str | None = None
    system: str | None = None
    user: str | None = None
    function_profile: str | None = None
    reference: str | None = None
    parameters: tuple[str, ...] = ()


def new_event_id(now: datetime) -> str:
    """A UUIDv7 (RFC 9562): ordered in time, unguessable in its other 74 bits."""
    return _uuid7(now, secrets.token_bytes(10))


def event_id_of(secret: bytes, moment: datetime) -> str:
    """The one id that follows from these, in the form of the others; `secret` has 10 or more."""
    return _uuid7(moment, secret[:10])


def _uuid7(moment: datetime, rest: bytes) -> str:
    bits = int(moment.timestamp() * 1000) << 80 | int.from_bytes(rest)
    version, variant = 0xF << 76, 0b11 << 62
    return str(uuid.UUID(int=bits & ~version & ~variant | 7 << 76 | 0b10 << 62))
