"""The register of persons: the facts that place somebody within a population."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlmodel import Field, Index, SQLModel

from app.models.columns import Json, Moment


class Person(SQLModel, table=True):
    """A national number that is or was in use, and how to reach its holder."""

    insz: str = Field(primary_key=True, max_length=11)
    cancelled_on: date | None = None
    contact: dict[str, Any] | None = Field(default=None, sa_type=Json)
    profile: dict[str, Any] | None = Field(default=None, sa_type=Json)


class ReplacedNumber(SQLModel, table=True):
    """An older number of a person (`vorigeInsz`), while the register says so."""

    __tablename__ = "replaced_number"
    __table_args__ = (
        Index(
            "uq_replaced_number_old",
            "old",
            unique=True,
            sqlite_where=text("dropped_at IS NULL"),
            postgresql_where=text("dropped_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    old: str = Field(index=True, max_length=11)
    current: str = Field(foreign_key="person.insz", ondelete="CASCADE", index=True, max_length=11)
    learned_at: datetime = Field(sa_type=Moment)
    dropped_at: datetime | None = Field(default=None, sa_type=Moment)


class Residence(SQLModel, table=True):
    """Registered in a municipality, both days included."""

    __table_args__ = (Index(None, "nis", "insz"),)

    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(foreign_key="person.insz", ondelete="CASCADE", index=True, max_length=11)
    nis: str = Field(max_length=5)
    first: date
    last: date | None = None


class Membership(SQLModel, table=True):
    """Member of a care fund, both days included."""

    __table_args__ = (Index(None, "organisation", "insz"),)

    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(foreign_key="person.insz", ondelete="CASCADE", index=True, max_length=11)
    organisation: str = Field(max_length=100)
    first: date
    last: date | None = None


class Participation(SQLModel, table=True):
    """Takes part in a project of a municipality, both days included."""

    # An id is never given out again: who reads page by page goes on from one.
    __table_args__ = (Index(None, "project", "municipality"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(foreign_key="person.insz", ondelete="CASCADE", index=True, max_length=11)
    project: str = Field(max_length=100)
    municipality: str = Field(max_length=5)
    first: date
    last: date | None = None


class Consent(SQLModel, table=True):
    """Consented to a project of a municipality, until the moment of withdrawal."""

    # An id is never given out again: who reads page by page goes on from one.
    __table_args__ = (Index(None, "project", "municipality"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(foreign_key="person.insz", ondelete="CASCADE", index=True, max_length=11)
    project: str = Field(max_length=100)
    municipality: str = Field(max_length=5)
    given_at: datetime = Field(sa_type=Moment)
    withdrawn_at: datetime | None = Field(default=None, sa_type=Moment)
