"""The tables of the naive service."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, MetaData, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, Index, SQLModel


class Base(SQLModel, registry=registry()):
    """Tables of our own: other tables in one process may have the same names."""

    metadata = MetaData()


class Person(Base, table=True):
    insz: str = Field(primary_key=True, max_length=11)
    cancelled_on: date | None = None
    contact: dict[str, Any] | None = Field(default=None, sa_type=JSON)


class ReplacedNumber(Base, table=True):
    __tablename__ = "replaced_number"

    old: str = Field(primary_key=True, max_length=11)
    current: str = Field(foreign_key="person.insz", index=True, max_length=11)


class Residence(Base, table=True):
    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(foreign_key="person.insz", index=True, max_length=11)
    nis: str = Field(max_length=5)
    first: date
    last: date | None = None


class Membership(Base, table=True):
    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(foreign_key="person.insz", index=True, max_length=11)
    organisation: str = Field(max_length=100)
    first: date
    last: date | None = None


class Dossier(Base, table=True):
    """One answer of the source: a dossier, or the code of an exception. The newest counts."""

    __table_args__ = (Index("ix_dossier_insz_fetched_at", "insz", "fetched_at"),)

    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(max_length=11)
    fetched_at: datetime = Field(sa_type=DateTime)  # UTC
    content: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    code: str | None = Field(default=None, max_length=10)


class CompleteDelivery(Base, table=True):
    __tablename__ = "complete_delivery"

    id: int | None = Field(default=None, primary_key=True)
    fetched_at: datetime = Field(sa_type=DateTime)


class Grant(Base, table=True):
    """What a protocol opens to one organisation for one purpose."""

    __tablename__ = "protocol_grant"
    __table_args__ = (UniqueConstraint("organisation", "purpose"),)

    id: int | None = Field(default=None, primary_key=True)
    protocol: str
    version: str
    hash: str
    organisation: str
    purpose: str
    on_behalf_of: str | None = None
    operations: list[str] = Field(sa_type=JSON)
    fields: list[str] = Field(sa_type=JSON)
    population: str  # resident, member or any
    places: list[str] = Field(sa_type=JSON)
    valid_from: date | None = None
    valid_to: date | None = None
    ground_from: date | None = None
    ground_to: date | None = None
    function_profiles: list[str] | None = Field(default=None, sa_type=JSON)
    advice_profile: str | None = None
    lists: dict[str, str] = Field(sa_type=JSON)
    keep_years: int | None = None


class AccessRecord(Base, table=True):
    """What happened, and the columns that auditors search."""

    __tablename__ = "access_record"
    __table_args__ = (
        Index("ix_access_record_organisation_id", "organisation", "id"),
        Index("ix_access_record_subject_id", "subject", "id"),
        Index("ix_access_record_user_token_id", "user_token", "id"),
        Index("ix_access_record_reference_id", "reference", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    event_id: str = Field(unique=True, max_length=36)
    recorded_at: datetime = Field(sa_type=DateTime, index=True)
    outcome: str = Field(max_length=10)
    organisation: str = Field(max_length=255)
    protocol: str | None = Field(default=None, max_length=100)
    purpose: str | None = Field(default=None, max_length=100)
    function_profile: str | None = Field(default=None, max_length=100)
    reason_code: str | None = Field(default=None, max_length=20)
    reference: str | None = Field(default=None, max_length=36)
    subject: str | None = Field(default=None, max_length=100)  # AES-SIV
    user_token: str | None = Field(default=None, max_length=400)  # AES-SIV
    record: dict[str, Any] = Field(sa_type=JSON)
    detail: dict[str, Any] | None = Field(default=None, sa_type=JSON)  # of an advice
