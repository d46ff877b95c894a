"""`/dossiers`: a person's dossier, the permitted fields only."""

from fastapi import APIRouter, Request, Response

from app.deps import ANY_METHOD, attend
from app.doors import Arrival, Door
from app.gate import Gate
from app.lookup import look_up
from app.wire import DossierQuestion

router = APIRouter()

QUERY = Door(
    operation="queryDossier",
    method="POST",
    route="/dossiers/query",
    body=DossierQuestion,
    scopes=("inb_dossier_v1_G",),
    personal=True,
)


@router.api_route(QUERY.route, operation_id=QUERY.operation, methods=ANY_METHOD)
async def query_dossier(request: Request) -> Response:
    """One person's dossier (GeefDossierKBI)."""
    return await attend(request, QUERY, _query)


async def _query(gate: Gate, arrival: Arrival[DossierQuestion]) -> bytes:
    return await look_up(gate, arrival.visit, arrival.body, arrival.now)
