"""Files that are delivered: to which keys, which lists were asked, and their parts."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, text
from sqlmodel import Field, Index, SQLModel

from app.models.columns import Json, Moment

_LIVE, _DONE = text("state = 'gevraagd'"), text("state = 'klaar'")


class RecipientKey(SQLModel, table=True):
    """To which key files for an organisation are sealed; one that ended stays, for the log."""

    __tablename__ = "recipient_key"
    __table_args__ = (
        Index(
            "uq_recipient_key_organisation",
            "organisation",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    organisation: str = Field(max_length=255)
    recipient: str = Field(max_length=100)  # age1...
    since: datetime = Field(sa_type=Moment)
    ended_at: datetime | None = Field(default=None, sa_type=Moment)


class Listing(SQLModel, table=True):
    """A list that was asked: one at a time for each who may, and one for each asked year."""

    __table_args__ = (
        Index(
            "uq_listing_live",
            "protocol",
            "purpose",
            "organisation",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index(
            "uq_listing_year",
            "protocol",
            "purpose",
            "organisation",
            "year",
            unique=True,
            sqlite_where=_DONE,
            postgresql_where=_DONE,
        ),
    )

    id: str = Field(primary_key=True, max_length=36)  # of its delivery in the log too
    protocol: str = Field(max_length=100)
    purpose: str = Field(max_length=100)
    organisation: str = Field(max_length=255)
    client: str = Field(max_length=255)
    year: int  # the premium year of a list of premiums
    form: str = Field(max_length=10)
    state: str = Field(max_length=10)  # gevraagd, klaar, mislukt
    reason: str | None = Field(default=None, max_length=30)  # why it failed
    asked_at: datetime = Field(sa_type=Moment)
    visit: dict[str, Any] | None = Field(default=None, sa_type=Json)  # until it is ended
    recipient: str = Field(max_length=100)
    own_key: bool  # that is of a key which was made for this list alone
    # Of a key that was made for this list alone: hidden under the key of the month in which it was
    # asked, until it is handed out.
    identity: str | None = Field(default=None, max_length=200)
    key_client: str | None = Field(default=None, max_length=255)  # who took that key
    file_client: str | None = Field(default=None, max_length=255)  # who first took the file
    # Who makes it now, until when, and for the how manieth time.
    worker: str | None = Field(default=None, max_length=36)
    leased_until: datetime | None = Field(default=None, sa_type=Moment)
    attempts: int = 0
    # How far it is: the file is whole; and of so many persons the records stand.
    sealed_at: datetime | None = Field(default=None, sa_type=Moment)
    recorded: int = 0
    persons: int = 0
    left_out: int = 0  # persons without an advice
    size: int = Field(default=0, sa_type=BigInteger)
    digest: str | None = Field(default=None, max_length=71)  # of the file as it is sealed
    ended_at: datetime | None = Field(default=None, sa_type=Moment)
    expires_at: datetime | None = Field(default=None, sa_type=Moment)


class ListingPerson(SQLModel, table=True):
    """Who stands on a list that is being made; gone when it is delivered."""

    __tablename__ = "listing_person"

    listing: str = Field(primary_key=True, foreign_key="listing.id", max_length=36)
    place: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    insz: str = Field(max_length=11)
    fact: str = Field(max_length=200)
    line: bytes  # what stands on the list of her
    detail: dict[str, Any] | None = Field(default=None, sa_type=Json)


class ListingPart(SQLModel, table=True):
    """A piece of the sealed file of a list."""

    __tablename__ = "listing_part"

    listing: str = Field(primary_key=True, foreign_key="listing.id", max_length=36)
    first: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    content: bytes
