"""One visit to the gate: who came, when, through which door. Pure."""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO


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
    return _uuid7(now, draw(10))


_drawn = BytesIO()


def draw(count: int) -> bytes:
    """Random bytes that nobody had: asking the system for a few costs as much as for many."""
    global _drawn
    found = _drawn.read(count)
    if len(found) < count:
        drawn = BytesIO(secrets.token_bytes(100 * count))
        found, _drawn = drawn.read(count), drawn
    return found


def _forget() -> None:
    """A process that was forked off draws for itself."""
    global _drawn
    _drawn = BytesIO()


os.register_at_fork(after_in_child=_forget)


def event_id_of(secret: bytes, moment: datetime) -> str:
    """The one id that follows from these, in the form of the others; `secret` has 10 or more."""
    return _uuid7(moment, secret[:10])


def guid(secret: bytes) -> str:
    """A UUIDv4 (RFC 9562) of 16 random bytes."""
    return _written(secret.hex(), "4")


def _uuid7(moment: datetime, rest: bytes) -> str:
    return _written(f"{int(moment.timestamp() * 1000):012x}{rest.hex()}", "7")


def _written(digits: str, version: str) -> str:
    """32 digits as a UUID: where the version and the variant stand, theirs go."""
    variant = "89ab"[int(digits[16], 16) & 3]
    return (
        f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}"
        f"-{digits[20:]}"
    )
