"""`/adviezen`: does a person meet the integration obligation on a date?"""

from fastapi import APIRouter, Request, Response

from app.advising import advise, advise_batch
from app.deps import ANY_METHOD, attend
from app.doors import BATCH_LIMIT, Arrival, Door
from app.gate import Gate
from app.wire import AdviceBatch, AdviceQuestion

router = APIRouter()

QUERY = Door(
    operation="queryAdvies",
    method="POST",
    route="/adviezen/query",
    body=AdviceQuestion,
    scopes=("inb_advies_v1_G",),
    personal=True,
)
BATCH = Door(
    operation="queryAdviesBatch",
    method="POST",
    route="/adviezen/queryBatch",
    body=AdviceBatch,
    scopes=("inb_advies_v1_G",),
    personal=True,
    limit=BATCH_LIMIT,
)


@router.api_route(QUERY.route, operation_id=QUERY.operation, methods=ANY_METHOD)
async def query_advies(request: Request) -> Response:
    """OK, or NOK with a reason (Automatisch advies)."""
    return await attend(request, QUERY, _query)


@router.api_route(BATCH.route, operation_id=BATCH.operation, methods=ANY_METHOD)
async def query_advies_batch(request: Request) -> Response:
    """The same of 1 to 100 persons."""
    return await attend(request, BATCH, _query_batch)


STRAIGHT = {QUERY.route: query_advies, BATCH.route: query_advies_batch}


async def _query(gate: Gate, arrival: Arrival[AdviceQuestion]) -> bytes:
    return await advise(gate, arrival.visit, arrival.body, arrival.now)


async def _query_batch(gate: Gate, arrival: Arrival[AdviceBatch]) -> bytes:
    return await advise_batch(gate, arrival.visit, arrival.body, arrival.now)
