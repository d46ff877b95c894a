"""The register of protocols: whole documents with their hash, and what stands outside them."""

from datetime import date, datetime
from typing import Any

from sqlmodel import CheckConstraint, Field, SQLModel, UniqueConstraint

from app.models.columns import Json, Moment


class SharingProtocol(SQLModel, table=True):
    """One version of one protocol document."""

    __tablename__ = "sharing_protocol"
    __table_args__ = (UniqueConstraint("protocol", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    protocol: str = Field(max_length=100)
    version: str = Field(max_length=20)
    hash: str = Field(max_length=71)
    document: dict[str, Any] = Field(sa_type=Json)
    loaded_at: datetime = Field(sa_type=Moment)
    suspended_since: date | None = None
    suspension_reason: str | None = Field(default=None, max_length=500)
    in_force_at: datetime | None = Field(default=None, sa_type=Moment)  # None: a draft
    ended_on: date | None = None  # last valid day after a notice or a sanction


class RegisterList(SQLModel, table=True):
    """A list beside the documents, with its own hash."""

    __tablename__ = "register_list"

    kind: str = Field(primary_key=True, max_length=30)
    protocol: str = Field(primary_key=True, max_length=100)  # "" for the whole register
    organisation: str = Field(primary_key=True, max_length=100)  # "" for the whole protocol
    hash: str = Field(max_length=71)
    document: dict[str, Any] = Field(sa_type=Json)


class ProtocolSetting(SQLModel, table=True):
    """What the operator settled for a protocol, outside the hashed document."""

    __tablename__ = "protocol_setting"

    protocol: str = Field(primary_key=True, max_length=100)
    purpose: str = Field(primary_key=True, max_length=100)  # "" for the whole protocol
    name: str = Field(primary_key=True, max_length=50)
    value: str = Field(max_length=50)


class RegisterState(SQLModel, table=True):
    """One row: its version moves with every change of the register, its moment with imports."""

    __tablename__ = "register_state"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: int = Field(primary_key=True)
    version: int
    known_at: datetime = Field(sa_type=Moment)  # when the newest facts about persons were learned
