"""`/meldingen`: what a receiver reports of data and incidents, and what it is told."""

from fastapi import APIRouter, Response

from app import problems, reporting
from app.deps import entrance
from app.doors import JSON, Arrival, Door, NoBody
from app.errors import Answered
from app.gate import Gate
from app.reports import DataReport, IncidentReport

READ, REPORT = "inb_melding_v1_G", "inb_melding_v1_B"

router = APIRouter()

LIST = Door[NoBody](
    operation="listMeldingen",
    route="/meldingen",
    scopes=(READ,),
    paged=True,
    sealed=True,
)
DATA = Door(
    operation="createMeldingGegevenskwaliteit",
    route="/meldingen/gegevenskwaliteit",
    body=DataReport,
    scopes=(REPORT,),
)
INCIDENT = Door(
    operation="createMeldingIncident",
    route="/meldingen/incidenten",
    body=IncidentReport,
    scopes=(REPORT,),
)


@entrance(router, LIST)
async def list_meldingen(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    """What the own organisation reported, and what it is told."""
    return await reporting.list_reports(gate, arrival.visit, arrival.cursor, arrival.now)


@entrance(router, DATA)
async def create_melding_gegevenskwaliteit(gate: Gate, arrival: Arrival[DataReport]) -> Response:
    """A value that is wrong, or an advice that is contested."""
    return _made(await reporting.report_data(gate, arrival.visit, arrival.body, arrival.now))


@entrance(router, INCIDENT)
async def create_melding_incident(gate: Gate, arrival: Arrival[IncidentReport]) -> Response:
    """Data that were reached without right, or an attempt."""
    return _made(await reporting.report_incident(gate, arrival.visit, arrival.body, arrival.now))


def _made(answer: bytes) -> Response:
    return Response(answer, problems.status_of(Answered.MADE), media_type=JSON)
