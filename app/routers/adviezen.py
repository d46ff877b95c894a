"""`/adviezen`: does a person meet the integration obligation on a date?"""

from fastapi import APIRouter, Request, Response

from app.advising import advise
from app.deps import ANY_METHOD, attend
from app.doors import Arrival, Door
from app.gate import Gate
from app.wire import AdviceQuestion

router = APIRouter()

QUERY = Door(
    operation="queryAdvies",
    method="POST",
    route="/adviezen/query",
    body=AdviceQuestion,
    scopes=("inb_advies_v1_G",),
    personal=True,
)


@router.api_route(QUERY.route, operation_id=QUERY.operation, methods=ANY_METHOD)
async def query_advies(request: Request) -> Response:
    """OK, or NOK with a reason (Automatisch advies)."""
    return await attend(request, QUERY, _query)


async def _query(gate: Gate, arrival: Arrival[AdviceQuestion]) -> bytes:
    return await advise(gate, arrival.visit, arrival.body, arrival.now)
