"""What the source answered, and when we learned it: both are kept, for ever and unchanged."""

from datetime import datetime
from typing import Any

from sqlmodel import CheckConstraint, Field, Index, SQLModel, UniqueConstraint

from app.models.columns import Json, Moment


class DossierVersion(SQLModel, table=True):
    """One content that the dossier of a number had; a column for each KBI block."""

    __tablename__ = "dossier_version"
    __table_args__ = (UniqueConstraint("insz", "digest"),)

    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(max_length=11)
    digest: str = Field(max_length=71)
    personalia: dict[str, Any] | None = Field(default=None, sa_type=Json)
    doelgroep: dict[str, Any] | None = Field(default=None, sa_type=Json)
    behaalde_attesten: list[Any] | None = Field(default=None, sa_type=Json)
    contracten: list[Any] | None = Field(default=None, sa_type=Json)
    uitstellen_van_ondertekening: list[Any] | None = Field(default=None, sa_type=Json)
    aanmelding: dict[str, Any] | None = Field(default=None, sa_type=Json)
    uitstellen_van_aanmelding: list[Any] | None = Field(default=None, sa_type=Json)
    trajecten: list[Any] | None = Field(default=None, sa_type=Json)
    vormings_activiteiten: dict[str, Any] | None = Field(default=None, sa_type=Json)
    afgelegde_testen: list[Any] | None = Field(default=None, sa_type=Json)
    adviezen: dict[str, Any] | None = Field(default=None, sa_type=Json)
    perspectieven: dict[str, Any] | None = Field(default=None, sa_type=Json)
    toeleidingen_diploma_gelijkschakeling: list[Any] | None = Field(default=None, sa_type=Json)
    toeleidingen_partner: list[Any] | None = Field(default=None, sa_type=Json)
    inbreuken: list[Any] | None = Field(default=None, sa_type=Json)
    talenkennis: dict[str, Any] | None = Field(default=None, sa_type=Json)
    wachtlijst: list[Any] | None = Field(default=None, sa_type=Json)
    voorkeuren_klant: dict[str, Any] | None = Field(default=None, sa_type=Json)
    gesprekken: list[Any] | None = Field(default=None, sa_type=Json)
    wooncode: dict[str, Any] | None = Field(default=None, sa_type=Json)


class SourceAnswer(SQLModel, table=True):
    """One answer of the source about a number: a dossier, or the code of an exception.

    Valid from `fetched_at`, known to us from `learned_at`. The one fetched last counts.
    """

    __tablename__ = "source_answer"
    __table_args__ = (
        Index(None, "insz", "fetched_at"),
        CheckConstraint("(version IS NULL) <> (code IS NULL)", name="one_of_both"),
    )

    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(max_length=11)
    fetched_at: datetime = Field(sa_type=Moment)  # opgehaaldOp
    learned_at: datetime = Field(sa_type=Moment)
    version: int | None = Field(default=None, foreign_key="dossier_version.id", index=True)
    code: str | None = Field(default=None, max_length=10)  # MAGDA


class CompleteDelivery(SQLModel, table=True):
    """The operator declared a delivery complete: who is not in it has no dossier."""

    __tablename__ = "complete_delivery"

    id: int | None = Field(default=None, primary_key=True)
    fetched_at: datetime = Field(sa_type=Moment)  # of its oldest answer
    learned_at: datetime = Field(sa_type=Moment)
