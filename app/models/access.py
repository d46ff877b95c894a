"""The access log: canonical records, the columns that auditors search, and the tree head."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, LargeBinary, text
from sqlmodel import CheckConstraint, Field, Index, SQLModel

from app.models.columns import Json, Moment


class AccessRecord(SQLModel, table=True):
    """One record, in bytes that never change; the other columns only find it again."""

    __tablename__ = "access_record"
    __table_args__ = (
        Index(None, "organisation", "log_index"),
        Index(None, "subject", "log_index"),
        Index(None, "user_token", "log_index"),
        Index(None, "reference", "log_index"),
        Index(None, "recorded_at"),
    )

    log_index: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    event_id: str = Field(unique=True, max_length=36)
    record: bytes
    leaf_hash: bytes  # SHA-256(0x00 || record), RFC 6962
    recorded_at: datetime = Field(sa_type=Moment)
    type: str = Field(max_length=12)
    outcome: str | None = Field(default=None, max_length=10)
    organisation: str | None = Field(default=None, max_length=255)
    protocol: str | None = Field(default=None, max_length=100)
    purpose: str | None = Field(default=None, max_length=100)
    function_profile: str | None = Field(default=None, max_length=100)
    reason_code: str | None = Field(default=None, max_length=20)
    reference: str | None = Field(default=None, max_length=36)
    subject: str | None = Field(default=None, max_length=100)  # AES-SIV
    user_token: str | None = Field(default=None, max_length=400)  # AES-SIV
    fields: str | None = None  # asked and delivered ids, each between spaces


class AccessDetail(SQLModel, table=True):
    """The internal advice code and its explanation: can be health data, for auditors alone."""

    __tablename__ = "access_detail"

    event_id: str = Field(primary_key=True, foreign_key="access_record.event_id", max_length=36)
    detail: dict[str, Any] = Field(sa_type=Json)


class LogHead(SQLModel, table=True):
    """One row, locked by whoever appends: the size of the tree, its right edge, what is kept."""

    __tablename__ = "log_head"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    minimum: int = Field(sa_type=BigInteger)  # of the records that are kept
    newest: datetime | None = Field(default=None, sa_type=Moment)  # of all records: time only grows
    edge: bytes = Field(  # the hashes of the complete subtrees, largest first
        sa_column=Column(LargeBinary, nullable=False, server_default=text("''"))
    )


class LogEra(SQLModel, table=True):
    """Where an operator set the time back: before and after it the records are in their order."""

    __tablename__ = "log_era"

    first_index: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class LogTile(SQLModel, table=True):
    """A full tile of the tree (C2SP tlog-tiles): it stays when its records are pruned."""

    __tablename__ = "log_tile"

    level: int = Field(primary_key=True)
    tile_index: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hashes: bytes  # 256 of 32 bytes
    root: bytes  # of those: a hash of the tile above


class LogCheckpoint(SQLModel, table=True):
    """One row: the newest signed checkpoint; size 0 and no note before the first."""

    __tablename__ = "log_checkpoint"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: int = Field(primary_key=True)
    size: int = Field(sa_type=BigInteger)
    note: str
    signed_at: datetime | None = Field(default=None, sa_type=Moment)


class LogKey(SQLModel, table=True):
    """The public keys of this log, newest last; an old one stays, for what it signed."""

    __tablename__ = "log_key"

    id: int | None = Field(default=None, primary_key=True)
    vkey: str = Field(unique=True, max_length=400)
    size: int = Field(sa_type=BigInteger)  # of the tree when it took over
    endorsement: str  # of the key before it; empty for the first
    since: datetime = Field(sa_type=Moment)


class QuotaUse(SQLModel, table=True):
    """How often an operation succeeded within the time that its quota counts, from `first` on."""

    __tablename__ = "quota_use"

    protocol: str = Field(primary_key=True, max_length=100)
    purpose: str = Field(primary_key=True, max_length=100)
    organisation: str = Field(primary_key=True, max_length=255)
    operation: str = Field(primary_key=True, max_length=50)
    first: date = Field(primary_key=True)
    used: int
