"""`/mijnRaadplegingen`: who looked at me?"""

from fastapi import APIRouter

from app import own_view
from app.deps import entrance
from app.doors import Arrival, Door, NoBody
from app.gate import Gate
from app.tokens import Citizen

router = APIRouter()

LIST = Door[NoBody](
    operation="listMijnRaadplegingen",
    route="/mijnRaadplegingen",
    personal=False,
    paged=True,
    citizen=True,
)


@entrance(router, LIST)
async def list_mijn_raadplegingen(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
    """The consultations of the person of the token: by whom, when, what for."""
    assert isinstance(arrival.caller, Citizen)  # noqa: S101 - what the door demands
    insz = arrival.caller.insz
    cursor = int(arrival.cursor) if arrival.cursor else None
    return await own_view.my_consultations(gate, arrival.visit, insz, cursor)
