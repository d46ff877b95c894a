"""`/health`: up, degraded or down, from the point of view of a caller."""

import asyncio

import orjson
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from app import access_log
from app.deps import Desk, refuse_unknown
from app.errors import DatabaseSilent
from app.month_keys import ready_ahead
from app.record import CLOCK_TOLERANCE

PATIENCE = 5  # seconds; who asks how it is waits no longer

router = APIRouter(dependencies=[Depends(refuse_unknown)])


@router.get("/health")
async def check_health(request: Request) -> Response:
    """UP or DEGRADED (200), DOWN (503); no detail of the infrastructure."""
    desk: Desk = request.app.state.desk
    status = await _status(desk)
    return Response(
        orjson.dumps({"status": status}),
        status_code=503 if status == "DOWN" else 200,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def _status(desk: Desk) -> str:
    """DOWN when no record could be written: then no answer may leave either."""
    gate, now = desk.gate, desk.gate.clock()
    try:
        async with asyncio.timeout(PATIENCE):
            newest = await gate.database.read(access_log.newest_moment)
    except (SQLAlchemyError, DatabaseSilent, TimeoutError):
        return "DOWN"
    behind = newest is not None and now < newest - CLOCK_TOLERANCE
    if behind or gate.log.rewritten or not gate.log.keys.has(now):
        return "DOWN"
    if gate.log.failed or desk.notary.failed or not ready_ahead(gate.log.keys, now):
        return "DEGRADED"
    return "UP"
