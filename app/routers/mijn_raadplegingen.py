"""`/mijnRaadplegingen`: who looked at me?"""

from fastapi import APIRouter, Request, Response

from app import own_view
from app.deps import ANY_METHOD, attend
from app.doors import Arrival, Door, NoBody
from app.gate import Gate
from app.tokens import Citizen

router = APIRouter()

LIST = Door[NoBody](
    operation="listMijnRaadplegingen",
    method="GET",
    route="/mijnRaadplegingen",
    paged=True,
    citizen=True,
)


@router.api_route(LIST.route, operation_id=LIST.operation, methods=ANY_METHOD)
async def list_mijn_raadplegingen(request: Request) -> Response:
    """The consultations of the person of the token: by whom, when, what for."""
    return await attend(request, LIST, _list)


async def _list(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    assert isinstance(arrival.caller, Citizen)  # noqa: S101 - what the door demands
    insz = arrival.caller.insz
    cursor = int(arrival.cursor) if arrival.cursor else None
    return await own_view.my_consultations(gate, arrival.visit, insz, cursor)
