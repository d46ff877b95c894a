"""`/health`: up, degraded or down, from the point of view of a caller."""

import orjson
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from app.deps import Desk, refuse_unknown
from app.month_keys import ready_ahead

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
        await gate.database.read(_probe)
    except SQLAlchemyError:
        return "DOWN"
    if not gate.log.keys.has(now):
        return "DOWN"
    if gate.log.failed or not ready_ahead(gate.log.keys, now):
        return "DEGRADED"
    return "UP"


def _probe(session: Session) -> None:
    session.execute(text("SELECT size FROM log_head"))
