"""`/deelnemers`: the persons of a municipality's own project."""

from fastapi import APIRouter

from app.deps import entrance
from app.doors import Arrival, Door
from app.gate import Gate
from app.participants import list_participants
from app.wire import ParticipantsQuestion

router = APIRouter()

QUERY = Door(
    operation="queryDeelnemers",
    route="/deelnemers/query",
    body=ParticipantsQuestion,
    scopes=("inb_deelnemers_v1_G",),
)


@entrance(router, QUERY)
async def query_deelnemers(gate: Gate, arrival: Arrival[ParticipantsQuestion]) -> bytes:
    """The persons who take part in a project, or who consented to it."""
    return await list_participants(gate, arrival.visit, arrival.body, arrival.now)
