"""Dossier versions: one row each, one column for each KBI block."""

from datetime import datetime
from typing import Any

from sqlmodel import Field, Index, SQLModel

from app.models.columns import Json, Moment


class DossierVersion(SQLModel, table=True):
    """A dossier as the source gave it; the one fetched last is the current one."""

    __tablename__ = "dossier_version"
    __table_args__ = (Index(None, "insz", "id"),)

    id: int | None = Field(default=None, primary_key=True)
    insz: str = Field(max_length=11)
    learned_at: datetime = Field(sa_type=Moment)  # when this content was first stored
    fetched_at: datetime = Field(sa_type=Moment)  # opgehaaldOp: an identical answer refreshes it
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


class SourceFault(SQLModel, table=True):
    """The source failed for this person; no advice until a good answer comes."""

    __tablename__ = "source_fault"

    insz: str = Field(primary_key=True, max_length=11)
    code: str = Field(max_length=10)
    marked_at: datetime = Field(sa_type=Moment)
