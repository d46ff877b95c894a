"""`/meldingen`: what a receiver reports of data and incidents, and what it is told."""

from fastapi import APIRouter, Request, Response

from app import problems, reporting
from app.deps import ANY_METHOD, attend
from app.doors import JSON, Arrival, Door, NoBody
from app.errors import Answered
from app.gate import Gate
from app.reports import DataReport, IncidentReport

READ, REPORT = "inb_melding_v1_G", "inb_melding_v1_B"

router = APIRouter()

LIST = Door[NoBody](
    operation="listMeldingen",
    method="GET",
    route="/meldingen",
    scopes=(READ,),
    personal=True,
    paged=True,
    sealed=True,
)
DATA = Door(
    operation="createMeldingGegevenskwaliteit",
    method="POST",
    route="/meldingen/gegevenskwaliteit",
    body=DataReport,
    scopes=(REPORT,),
    personal=True,
)
INCIDENT = Door(
    operation="createMeldingIncident",
    method="POST",
    route="/meldingen/incidenten",
    body=IncidentReport,
    scopes=(REPORT,),
    personal=True,
)


@router.api_route(LIST.route, operation_id=LIST.operation, methods=ANY_METHOD)
async def list_meldingen(request: Request) -> Response:
    """What the own organisation reported, and what it is told."""
    return await attend(request, LIST, _list)


@router.api_route(DATA.route, operation_id=DATA.operation, methods=ANY_METHOD)
async def create_melding_gegevenskwaliteit(request: Request) -> Response:
    """A value that is wrong, or an advice that is contested."""
    return await attend(request, DATA, _data)


@router.api_route(INCIDENT.route, operation_id=INCIDENT.operation, methods=ANY_METHOD)
async def create_melding_incident(request: Request) -> Response:
    """Data that were reached without right, or an attempt."""
    return await attend(request, INCIDENT, _incident)


async def _list(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    return await reporting.list_reports(gate, arrival.visit, arrival.cursor, arrival.now)


async def _data(gate: Gate, arrival: Arrival[DataReport]) -> Response:
    return _made(await reporting.report_data(gate, arrival.visit, arrival.body, arrival.now))


async def _incident(gate: Gate, arrival: Arrival[IncidentReport]) -> Response:
    return _made(await reporting.report_incident(gate, arrival.visit, arrival.body, arrival.now))


def _made(answer: bytes) -> Response:
    return Response(answer, problems.status_of(Answered.MADE), media_type=JSON)
