"""`/mijnToegang`: what may I ask?"""

from fastapi import APIRouter

from app import inspection
from app.deps import entrance
from app.doors import Arrival, Door, NoBody
from app.gate import Gate

router = APIRouter()

GET = Door[NoBody](
    operation="getMijnToegang", route="/mijnToegang", personal=False, days=("datum",)
)


@entrance(router, GET)
async def get_mijn_toegang(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    """What the protocols open for the caller, today or on `datum`."""
    return await inspection.my_access(gate, arrival.visit, arrival.query.get("datum"), arrival.now)
