"""`/log`: the log for its clients, in the formats of C2SP; what is personal is for auditors."""

from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter, Depends, Request, Response
from sqlmodel import Session

from app import checkpoints, log_keys, log_tree, proving
from app.audit_view import AUDIT
from app.deps import ANY_METHOD, Desk, attend, refuse_parameters
from app.doors import Arrival, Door, NoBody
from app.errors import LogUnavailable, PathUnknown
from app.gate import Gate
from app.log_keys import LogRewritten
from app.tlog import tiles
from app.tlog.tiles import Tile

T = TypeVar("T")


def _refuse_spelling(request: Request) -> None:
    """A resource has one address: `%2F` makes no slash."""
    if b"%" in request.scope.get("raw_path", b""):
        raise PathUnknown


router = APIRouter(prefix="/log", dependencies=[Depends(_refuse_spelling)])
PUBLIC = [Depends(refuse_parameters)]

OCTETS = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
ANEW = {"Cache-Control": "no-cache"}

ENTRIES = Door[NoBody](
    operation="getLogEntries",
    route="/log/tile/entries/{N}",
    scopes=(AUDIT,),
    produces=OCTETS,
)


@router.get("/checkpoint", dependencies=PUBLIC)
async def get_checkpoint(request: Request) -> Response:
    """The newest signed checkpoint."""
    told = await _read(request, checkpoints.published)
    if not told.note:
        raise PathUnknown
    return Response(told.note, media_type=TEXT, headers=ANEW)


@router.get("/vkey", dependencies=PUBLIC)
async def get_vkey(request: Request) -> Response:
    """The public keys of the log, one a line, current first."""
    keys = await _read(request, log_keys.vkeys)
    return Response("".join(f"{key.text}\n" for key in keys), media_type=TEXT, headers=ANEW)


@router.api_route("/tile/entries/{place:path}", operation_id=ENTRIES.operation, methods=ANY_METHOD)
async def get_entries(request: Request, place: str) -> Response:
    """An entry bundle, for auditors."""
    found = tiles.parse_entries_path(f"tile/entries/{place}")
    if found is None:
        raise PathUnknown
    index, width = found

    async def read(gate: Gate, arrival: Arrival[NoBody]) -> bytes:
        return await proving.read_entries(gate, arrival.visit, index, width, arrival.now)

    return await attend(request, ENTRIES, read)


@router.get("/tile/{place:path}", dependencies=PUBLIC)
async def get_tile(request: Request, place: str) -> Response:
    """A tile of the tree as a checkpoint has it; it never changes."""
    tile = tiles.parse_path(f"tile/{place}")
    if tile is None:
        raise PathUnknown
    hashes = await _read(request, _covered, tile)
    if hashes is None:
        raise PathUnknown
    return Response(hashes, media_type=OCTETS, headers=FOR_EVER)


def _covered(session: Session, tile: Tile) -> bytes | None:
    """The hashes of a tile, when a checkpoint covers all of it."""
    if tile.leaves.stop > checkpoints.published(session).size:
        return None
    return log_tree.read_tiles(session, [tile])[tile]


async def _read(request: Request, work: Callable[..., T], *arguments: object) -> T:
    desk: Desk = request.app.state.desk
    try:
        return await desk.gate.database.read(work, *arguments)
    except LogRewritten:
        raise LogUnavailable from None
