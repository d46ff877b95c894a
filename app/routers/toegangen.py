"""`/toegangen`: the access log, for who must know who saw what."""

from fastapi import APIRouter, Request, Response

from app import inspection, proving, unveiling
from app.audit_view import AUDIT, AUDIT_OWN
from app.deps import ANY_METHOD, attend
from app.doors import Arrival, Door, NoBody
from app.gate import Gate
from app.wire import AccessQuery, ExportQuery, Occasion

REVEAL = "inb_onthulling_v1_G"

router = APIRouter()

QUERY = Door(
    operation="queryToegangen",
    method="POST",
    route="/toegangen/query",
    body=AccessQuery,
    scopes=(AUDIT, AUDIT_OWN),
    personal=True,
)
EXPORT = Door(
    operation="exportToegangen",
    method="POST",
    route="/toegangen/export",
    body=ExportQuery,
    scopes=(AUDIT,),
    personal=True,
    produces="application/zip",
)
GET = Door[NoBody](
    operation="getToegang",
    method="GET",
    route="/toegangen/{toegangId}",
    scopes=(AUDIT, AUDIT_OWN),
    personal=True,
)
PROOF = Door[NoBody](
    operation="getToegangBewijs",
    method="GET",
    route="/toegangen/{toegangId}/bewijs",
    scopes=(AUDIT, AUDIT_OWN),
    personal=True,
    produces="text/plain",
)
UNVEIL = Door(
    operation="onthulToegang",
    method="POST",
    route="/toegangen/{toegangId}/onthulling",
    body=Occasion,
    scopes=(REVEAL,),
    personal=True,
)


@router.api_route(QUERY.route, operation_id=QUERY.operation, methods=ANY_METHOD)
async def query_toegangen(request: Request) -> Response:
    """Search the access log."""
    return await attend(request, QUERY, _query)


@router.api_route(EXPORT.route, operation_id=EXPORT.operation, methods=ANY_METHOD)
async def export_toegangen(request: Request) -> Response:
    """Records of the access log in a bundle that proves itself."""
    return await attend(request, EXPORT, _export)


@router.api_route(GET.route, operation_id=GET.operation, methods=ANY_METHOD)
async def get_toegang(request: Request) -> Response:
    """One record of the access log."""
    return await attend(request, GET, _get)


@router.api_route(PROOF.route, operation_id=PROOF.operation, methods=ANY_METHOD)
async def get_toegang_bewijs(request: Request) -> Response:
    """The proof that one record stands in the access log."""
    return await attend(request, PROOF, _prove)


@router.api_route(UNVEIL.route, operation_id=UNVEIL.operation, methods=ANY_METHOD)
async def onthul_toegang(request: Request) -> Response:
    """Who one record is about, and who asked."""
    return await attend(request, UNVEIL, _unveil)


async def _query(gate: Gate, arrival: Arrival[AccessQuery]) -> bytes:
    scopes = arrival.caller.scopes
    return await inspection.query_access(gate, arrival.visit, scopes, arrival.body)


async def _export(gate: Gate, arrival: Arrival[ExportQuery]) -> bytes:
    return await proving.export_access(gate, arrival.visit, arrival.body)


async def _get(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    scopes, event_id = arrival.caller.scopes, arrival.path["toegangId"].lower()
    return await inspection.read_access(gate, arrival.visit, scopes, event_id)


async def _prove(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    scopes, event_id = arrival.caller.scopes, arrival.path["toegangId"].lower()
    return await proving.prove_access(gate, arrival.visit, scopes, event_id)


async def _unveil(gate: Gate, arrival: Arrival[Occasion]) -> bytes:
    event_id, reason = arrival.path["toegangId"].lower(), arrival.body.aanleiding
    return await unveiling.unveil_access(gate, arrival.visit, event_id, reason)
