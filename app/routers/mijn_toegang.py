"""`/mijnToegang`: what may I ask?"""

from fastapi import APIRouter, Request, Response

from app import inspection
from app.deps import ANY_METHOD, attend
from app.doors import Arrival, Door, NoBody
from app.gate import Gate

router = APIRouter()

GET = Door[NoBody](operation="getMijnToegang", method="GET", route="/mijnToegang", days=("datum",))


@router.api_route(GET.route, operation_id=GET.operation, methods=ANY_METHOD)
async def get_mijn_toegang(request: Request) -> Response:
    """What the protocols open for the caller, today or on `datum`."""
    return await attend(request, GET, _get)


async def _get(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    return await inspection.my_access(gate, arrival.visit, arrival.query.get("datum"), arrival.now)
