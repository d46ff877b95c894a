"""`/dossiers`: a person's dossier, the permitted fields only."""

from fastapi import APIRouter

from app.deps import entrance
from app.doors import BATCH_LIMIT, Arrival, Door
from app.gate import Gate
from app.lookup import look_up, look_up_batch
from app.wire import DossierBatch, DossierQuestion

router = APIRouter()

QUERY = Door(
    operation="queryDossier",
    route="/dossiers/query",
    body=DossierQuestion,
    scopes=("inb_dossier_v1_G",),
)
BATCH = Door(
    operation="queryDossierBatch",
    route="/dossiers/queryBatch",
    body=DossierBatch,
    scopes=("inb_dossier_v1_G",),
    limit=BATCH_LIMIT,
)


@entrance(router, QUERY)
async def query_dossier(gate: Gate, arrival: Arrival[DossierQuestion]) -> bytes:
    """One person's dossier (GeefDossierKBI)."""
    return await look_up(gate, arrival.visit, arrival.body, arrival.now)


@entrance(router, BATCH)
async def query_dossier_batch(gate: Gate, arrival: Arrival[DossierBatch]) -> bytes:
    """The dossiers of 1 to 100 persons."""
    return await look_up_batch(gate, arrival.visit, arrival.body, arrival.now)
