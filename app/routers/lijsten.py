"""`/lijsten`: lists of persons, made in the background and fetched as a sealed file."""

from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from app import listing, problems
from app.deps import ANY_METHOD, attend, entrance
from app.doors import JSON, Arrival, Door, NoBody
from app.errors import Answered
from app.gate import Gate
from app.wire import BASE, KeyQuestion, ListQuestion

router = APIRouter()

SCOPE, KEY_SCOPE = "inb_lijst_v1_G", "inb_lijstsleutel_v1_G"
AGE = "application/octet-stream"

CREATE = Door(
    operation="createLijst",
    route="/lijsten",
    body=ListQuestion,
    scopes=(SCOPE,),
)
GET = Door[NoBody](
    operation="getLijst", route="/lijsten/{lijstId}", scopes=(SCOPE,), personal=False
)
FILE = Door[NoBody](
    operation="getLijstBestand",
    route="/lijsten/{lijstId}/bestand",
    scopes=(SCOPE,),
    produces=AGE,
)
KEY = Door(
    operation="overhandigSleutel",
    route="/lijsten/{lijstId}/sleutel",
    body=KeyQuestion,
    scopes=(KEY_SCOPE,),
)


@entrance(router, CREATE)
async def create_lijst(gate: Gate, arrival: Arrival[ListQuestion]) -> Response:
    """Let a list be made."""
    task_id, answer = await listing.ask(gate, arrival.visit, arrival.body, arrival.now)
    headers = {"Location": f"{BASE}/lijsten/{task_id}"}
    return Response(answer, problems.status_of(Answered.ACCEPTED), headers, JSON)


@entrance(router, GET)
async def get_lijst(gate: Gate, arrival: Arrival[NoBody]) -> Response:
    """How far a list is; where its file stands when it is done."""
    list_id = arrival.path["lijstId"].lower()
    answer, how = await listing.follow(gate, arrival.visit, list_id, arrival.now)
    there = {"Location": f"{BASE}/lijsten/{list_id}/bestand"}
    headers = there if how is Answered.ELSEWHERE else {}
    return Response(answer, problems.status_of(how), headers, JSON)


@router.api_route(FILE.route, operation_id=FILE.operation, methods=ANY_METHOD)
async def get_lijst_bestand(request: Request) -> Response:
    """The sealed file of a list, or a part of it."""
    wanted, same = request.headers.get("range"), request.headers.get("if-range")
    return await attend(request, FILE, partial(_file, wanted=wanted, same=same))


async def _file(
    gate: Gate, arrival: Arrival[NoBody], *, wanted: str | None, same: str | None
) -> Response:
    list_id = arrival.path["lijstId"].lower()
    opened = await listing.open_file(gate, arrival.visit, list_id, wanted, same, arrival.now)
    task, span = opened.task, opened.span
    headers = {
        "Content-Length": str(len(span)),
        "Accept-Ranges": "bytes",
        "ETag": listing.tag(task),
        "Content-Disposition": f'attachment; filename="lijst-{task.year}.zip.age"',
    }
    if opened.how is Answered.PART:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{task.size}"
    return StreamingResponse(opened.pieces(), problems.status_of(opened.how), headers, AGE)


@entrance(router, KEY)
async def overhandig_sleutel(gate: Gate, arrival: Arrival[KeyQuestion]) -> bytes:
    """The key that was made for one list, once."""
    list_id = arrival.path["lijstId"].lower()
    return await listing.hand_over(gate, arrival.visit, list_id, arrival.now)
