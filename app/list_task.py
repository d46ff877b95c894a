"""A list that was asked, and how far it is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.policy import Clause
from app.visit import Visit


class State(StrEnum):
    """How far a list is, as it is stored."""

    ASKED = "gevraagd"
    DONE = "klaar"
    FAILED = "mislukt"


@dataclass(frozen=True)
class Owner:
    """Whose lists are counted together."""

    protocol: str
    purpose: str
    names: tuple[str, ...]  # the identifiers of the party

    @classmethod
    def of(cls, clause: Clause) -> "Owner":
        """The owner of the lists that a clause opens."""
        return cls(clause.protocol, clause.purpose, clause.names)


@dataclass(frozen=True)
class Task:
    """A list that was asked, as it stands."""

    id: str  # of its delivery in the log too
    protocol: str
    purpose: str
    organisation: str
    client: str
    year: int  # the premium year where it is about the premium
    form: str
    recipient: str
    own_key: bool  # that recipient is of a key that was made for this list alone
    asked_at: datetime
    visit: Visit  # of who asked; only while it is made
    identity: str | None = None  # that key, hidden, until it is handed out
    state: str = State.ASKED.value
    reason: str | None = None  # why it failed
    key_client: str | None = None  # who took that key
    key_taken_at: datetime | None = None
    file_clients: Sequence[str] = ()  # who took the file
    attempts: int = 0
    sealed_at: datetime | None = None  # the file is whole
    basis: str | None = None  # what decided when it was sealed
    fields: Sequence[str] | None = None  # that it holds
    recorded: int = 0  # of so many persons the record stands
    persons: int = 0
    left_out: int = 0  # persons without an advice
    size: int = 0
    digest: str | None = None  # of the sealed file
    ended_at: datetime | None = None
    expires_at: datetime | None = None
