"""`/toegangen`: the access log, for who must know who saw what."""

from fastapi import APIRouter, Request, Response

from app import inspection
from app.deps import ANY_METHOD, attend
from app.doors import Arrival, Door, NoBody
from app.gate import Gate
from app.inspection import AUDIT, AUDIT_OWN
from app.wire import AccessQuery

router = APIRouter()

QUERY = Door(
    operation="queryToegangen",
    method="POST",
    route="/toegangen/query",
    body=AccessQuery,
    scopes=(AUDIT, AUDIT_OWN),
    personal=True,
)
GET = Door[NoBody](
    operation="getToegang",
    method="GET",
    route="/toegangen/{toegangId}",
    scopes=(AUDIT, AUDIT_OWN),
    personal=True,
)


@router.api_route(QUERY.route, operation_id=QUERY.operation, methods=ANY_METHOD)
async def query_toegangen(request: Request) -> Response:
    """Search the access log."""
    return await attend(request, QUERY, _query)


@router.api_route(GET.route, operation_id=GET.operation, methods=ANY_METHOD)
async def get_toegang(request: Request) -> Response:
    """One record of the access log."""
    return await attend(request, GET, _get)


async def _query(gate: Gate, arrival: Arrival[AccessQuery]) -> bytes:
    scopes = arrival.caller.scopes
    return await inspection.query_access(gate, arrival.visit, scopes, arrival.body)


async def _get(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    scopes, event_id = arrival.caller.scopes, arrival.path["toegangId"].lower()
    return await inspection.read_access(gate, arrival.visit, scopes, event_id)
