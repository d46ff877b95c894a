"""`/toegangen`: the access log, for who must know who saw what."""

from fastapi import APIRouter

from app import inspection, proving, unveiling
from app.audit_view import AUDIT, AUDIT_OWN
from app.deps import entrance
from app.doors import Arrival, Door, NoBody
from app.gate import Gate
from app.wire import AccessQuery, ExportQuery, Occasion

REVEAL = "inb_onthulling_v1_G"

router = APIRouter()

QUERY = Door(
    operation="queryToegangen",
    route="/toegangen/query",
    body=AccessQuery,
    scopes=(AUDIT, AUDIT_OWN),
)
EXPORT = Door(
    operation="exportToegangen",
    route="/toegangen/export",
    body=ExportQuery,
    scopes=(AUDIT,),
    produces="application/zip",
)
GET = Door[NoBody](
    operation="getToegang",
    route="/toegangen/{toegangId}",
    scopes=(AUDIT, AUDIT_OWN),
)
PROOF = Door[NoBody](
    operation="getToegangBewijs",
    route="/toegangen/{toegangId}/bewijs",
    scopes=(AUDIT, AUDIT_OWN),
    produces="text/plain",
)
UNVEIL = Door(
    operation="onthulToegang",
    route="/toegangen/{toegangId}/onthulling",
    body=Occasion,
    scopes=(REVEAL,),
)


@entrance(router, QUERY)
async def query_toegangen(gate: Gate, arrival: Arrival[AccessQuery]) -> bytes:
    """Search the access log."""
    scopes = arrival.caller.scopes
    return await inspection.query_access(gate, arrival.visit, scopes, arrival.body)


@entrance(router, EXPORT)
async def export_toegangen(gate: Gate, arrival: Arrival[ExportQuery]) -> bytes:
    """Records of the access log in a bundle that proves itself."""
    return await proving.export_access(gate, arrival.visit, arrival.body)


@entrance(router, GET)
async def get_toegang(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    """One record of the access log."""
    scopes, event_id = arrival.caller.scopes, arrival.path["toegangId"].lower()
    return await inspection.read_access(gate, arrival.visit, scopes, event_id)


@entrance(router, PROOF)
async def get_toegang_bewijs(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    """The proof that one record stands in the access log."""
    scopes, event_id = arrival.caller.scopes, arrival.path["toegangId"].lower()
    return await proving.prove_access(gate, arrival.visit, scopes, event_id)


@entrance(router, UNVEIL)
async def onthul_toegang(gate: Gate, arrival: Arrival[Occasion]) -> bytes:
    """Who one record is about, and who asked."""
    event_id, reason = arrival.path["toegangId"].lower(), arrival.body.aanleiding
    return await unveiling.unveil_access(gate, arrival.visit, event_id, reason)
