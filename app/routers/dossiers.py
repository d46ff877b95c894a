"""`/dossiers`: a person's dossier, the permitted fields only."""

from fastapi import APIRouter, Request, Response

from app.deps import ANY_METHOD, attend
from app.doors import BATCH_LIMIT, Arrival, Door
from app.gate import Gate
from app.lookup import look_up, look_up_batch
from app.wire import DossierBatch, DossierQuestion

router = APIRouter()

QUERY = Door(
    operation="queryDossier",
    method="POST",
    route="/dossiers/query",
    body=DossierQuestion,
    scopes=("inb_dossier_v1_G",),
    personal=True,
)
BATCH = Door(
    operation="queryDossierBatch",
    method="POST",
    route="/dossiers/queryBatch",
    body=DossierBatch,
    scopes=("inb_dossier_v1_G",),
    personal=True,
    limit=BATCH_LIMIT,
)


@router.api_route(QUERY.route, operation_id=QUERY.operation, methods=ANY_METHOD)
async def query_dossier(request: Request) -> Response:
    """One person's dossier (GeefDossierKBI)."""
    return await attend(request, QUERY, _query)


@router.api_route(BATCH.route, operation_id=BATCH.operation, methods=ANY_METHOD)
async def query_dossier_batch(request: Request) -> Response:
    """The dossiers of 1 to 100 persons."""
    return await attend(request, BATCH, _query_batch)


STRAIGHT = {QUERY.route: query_dossier, BATCH.route: query_dossier_batch}


async def _query(gate: Gate, arrival: Arrival[DossierQuestion]) -> bytes:
    return await look_up(gate, arrival.visit, arrival.body, arrival.now)


async def _query_batch(gate: Gate, arrival: Arrival[DossierBatch]) -> bytes:
    return await look_up_batch(gate, arrival.visit, arrival.body, arrival.now)
