"""`/deelnemers`: the persons of a municipality's own project."""

from fastapi import APIRouter, Request, Response

from app.deps import ANY_METHOD, attend
from app.doors import Arrival, Door
from app.gate import Gate
from app.participants import list_participants
from app.wire import ParticipantsQuestion

router = APIRouter()

QUERY = Door(
    operation="queryDeelnemers",
    method="POST",
    route="/deelnemers/query",
    body=ParticipantsQuestion,
    scopes=("inb_deelnemers_v1_G",),
    personal=True,
)


@router.api_route(QUERY.route, operation_id=QUERY.operation, methods=ANY_METHOD)
async def query_deelnemers(request: Request) -> Response:
    """The persons who take part in a project, or who consented to it."""
    return await attend(request, QUERY, _query)


async def _query(gate: Gate, arrival: Arrival[ParticipantsQuestion]) -> bytes:
    return await list_participants(gate, arrival.visit, arrival.body, arrival.now)
