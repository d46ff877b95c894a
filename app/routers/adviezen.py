"""`/adviezen`: does a person meet the integration obligation on a date?"""

from fastapi import APIRouter

from app.advising import advise, advise_batch
from app.deps import entrance
from app.doors import BATCH_LIMIT, Arrival, Door
from app.gate import Gate
from app.wire import AdviceBatch, AdviceQuestion

router = APIRouter()

QUERY = Door(
    operation="queryAdvies",
    route="/adviezen/query",
    body=AdviceQuestion,
    scopes=("inb_advies_v1_G",),
)
BATCH = Door(
    operation="queryAdviesBatch",
    route="/adviezen/queryBatch",
    body=AdviceBatch,
    scopes=("inb_advies_v1_G",),
    limit=BATCH_LIMIT,
)


@entrance(router, QUERY)
async def query_advies(gate: Gate, arrival: Arrival[AdviceQuestion]) -> bytes:
    """OK, or NOK with a reason (Automatisch advies)."""
    return await advise(gate, arrival.visit, arrival.body, arrival.now)


@entrance(router, BATCH)
async def query_advies_batch(gate: Gate, arrival: Arrival[AdviceBatch]) -> bytes:
    """The same of 1 to 100 persons."""
    return await advise_batch(gate, arrival.visit, arrival.body, arrival.now)
