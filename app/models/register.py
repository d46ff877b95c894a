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
    draft: bool
    loaded_at: datetime = Field(sa_type=Moment)
    suspended_since: date | None = None
    suspension_reason: str | None = Field(default=None, max_length=500)


class RegisterList(SQLModel, table=True):
    """A list outside the hashed document: delegates, or the function profiles of a body."""

    __tablename__ = "register_list"

    kind: str = Field(primary_key=True, max_length=30)
    protocol: str = Field(primary_key=True, max_length=100)
    organisation: str = Field(primary_key=True, max_length=100)  # "" for the delegates
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
    """One row: its version moves with every change of the register."""

    __tablename__ = "register_state"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: int = Field(primary_key=True)
    version: int
