"""The exchange with VDAB: its rounds, the numbers that one sent, and the files that it made."""

from datetime import date, datetime

from sqlmodel import CheckConstraint, Field, SQLModel, UniqueConstraint

from app.models.columns import Moment


class ExchangeRound(SQLModel, table=True):
    """One round, from its export to its release; at most one is open."""

    __tablename__ = "exchange_round"
    __table_args__ = (
        UniqueConstraint("open"),
        CheckConstraint("open IS NULL OR open = 1", name="open_or_not"),
        # The id is in the names of files: one that is gone is not given out again.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    began_on: date
    state: str = Field(max_length=20)
    open: int | None = None  # 1, or NULL, of which there may be many
    folder: str = Field(max_length=32)  # the mark in the folder that has its files
    delivery_id: str = Field(max_length=36)  # the record of the file, once it stands
    persons: int = 0  # whose number was sent
    answer_digest: str | None = Field(default=None, unique=True, max_length=71)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)


class SentNumber(SQLModel, table=True):
    """A number that was sent in a round that is open: gone when the round ends."""

    __tablename__ = "sent_number"

    round: int = Field(primary_key=True, foreign_key="exchange_round.id")
    insz: str = Field(primary_key=True, max_length=11)


class ExchangeFile(SQLModel, table=True):
    """A file of a round, for one organisation; `digest` is of the encrypted bytes."""

    __tablename__ = "exchange_file"

    name: str = Field(primary_key=True, max_length=100)
    round: int = Field(foreign_key="exchange_round.id", index=True)
    organisation: str = Field(max_length=255)
    digest: str = Field(max_length=71)
    key_fingerprint: str = Field(max_length=71)  # of the key that opens it
    event_id: str = Field(max_length=36)  # of the record of its delivery
    keep_until: date | None = None  # None: until the round ends
    sent_at: datetime | None = Field(default=None, sa_type=Moment)
    removed_at: datetime | None = Field(default=None, sa_type=Moment)
