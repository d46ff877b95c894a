"""What receivers and the agency report to each other, and what is told of it; no national number.

Whom a report is about stands in its record of the access log, under a month key.
"""

from datetime import date, datetime
from typing import Any

from sqlmodel import Field, Index, SQLModel, UniqueConstraint

from app.models.columns import Json, Moment


class Notice(SQLModel, table=True):
    """A value that a receiver reports as wrong, or an advice that it contests, and the answer."""

    __table_args__ = (Index(None, "organisation", "id"),)

    id: str = Field(primary_key=True, max_length=36)  # of its record
    organisation: str = Field(max_length=255)
    access_id: str = Field(max_length=36)  # the record of the access
    protocol: str = Field(max_length=100)
    version: str = Field(max_length=20)
    hash: str = Field(max_length=71)
    kind: str = Field(max_length=20)
    field: str | None = Field(default=None, max_length=200)
    explanation: str = Field(max_length=1000)
    found_on: date
    received_at: datetime = Field(sa_type=Moment)
    due_on: date | None = None
    reference: str = Field(max_length=36)
    state: str = Field(max_length=20)
    outcome: str | None = Field(default=None, max_length=20)
    answer: str | None = Field(default=None, max_length=500)
    answered_at: datetime | None = Field(default=None, sa_type=Moment)


class Incident(SQLModel, table=True):
    """Data that were reached without right, or an attempt: who reported it, and whether in time."""

    __table_args__ = (Index(None, "organisation", "id"),)

    id: str = Field(primary_key=True, max_length=36)  # of its record
    organisation: str = Field(max_length=255)  # who reported it
    by_agency: bool
    protocol: str = Field(max_length=100)
    version: str = Field(max_length=20)
    hash: str = Field(max_length=71)
    kind: str = Field(max_length=20)
    obliged: bool
    hours: int | None = None
    found_at: datetime = Field(sa_type=Moment)
    reported_at: datetime = Field(sa_type=Moment)
    due_at: datetime | None = Field(default=None, sa_type=Moment)
    in_time: bool | None = None
    description: str = Field(max_length=1000)
    client: str | None = Field(default=None, max_length=100)
    since: datetime | None = Field(default=None, sa_type=Moment)
    until: datetime | None = Field(default=None, sa_type=Moment)
    reference: str | None = Field(default=None, max_length=36)
    contacts: list[dict[str, Any]] = Field(sa_type=Json)  # as the document named them then
    state: str = Field(max_length=20)
    follow_up: str | None = Field(default=None, max_length=500)
    updated_at: datetime | None = Field(default=None, sa_type=Moment)


class Notification(SQLModel, table=True):
    """What one organisation is told, once: fetched by itself, or announced to its webhook."""

    __table_args__ = (
        # Nobody is told the same thing twice, whatever runs twice.
        UniqueConstraint("about", "organisation", "event"),
        Index(None, "organisation", "id"),
    )

    id: str = Field(primary_key=True, max_length=36)  # of its record
    about: str = Field(max_length=36)  # the notice or the incident
    event: str = Field(max_length=20)
    organisation: str = Field(max_length=255)
    access_ids: list[str] = Field(sa_type=Json)  # its own records that are concerned
    created_at: datetime = Field(sa_type=Moment)
    fetched_at: datetime | None = Field(default=None, sa_type=Moment)
    attempts: int = 0
    next_at: datetime | None = Field(default=None, sa_type=Moment)  # None: no attempt any more
    delivered_at: datetime | None = Field(default=None, sa_type=Moment)
    last_result: str | None = Field(default=None, max_length=100)
