"""`/protocollen`: the register, for everybody."""

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app import agreement
from app.agreement import OPERATOR, Document
from app.deps import Desk, refuse_unknown
from app.errors import PathUnknown
from app.wire import BASE

router = APIRouter(dependencies=[Depends(refuse_unknown)])


@router.get("/protocollen")
async def list_protocollen(request: Request) -> Response:
    """Every protocol that is or was in force."""
    desk: Desk = request.app.state.desk
    await desk.gate.refresh_register()
    items = [_item(document) for document in desk.gate.register.documents]
    return _json({"items": items})


@router.get("/protocollen/{protocolId}")
async def get_protocol(request: Request) -> Response:
    """The newest version of one protocol: the document that decides, and its hash."""
    desk: Desk = request.app.state.desk
    await desk.gate.refresh_register()
    document = desk.gate.register.document(request.path_params["protocolId"])
    if document is None:
        raise PathUnknown
    return _json({**_item(document), "document": agreement.as_data(document)})


def _item(document: Document) -> dict[str, object]:
    item = {
        "id": document.id,
        "versie": document.version,
        "titel": document.title,
        "hash": agreement.document_hash(document),
        "geldigVan": document.first,
        "geldigTot": None if document.last == OPERATOR else document.last,
        "href": f"{BASE}/protocollen/{document.id}",
    }
    return {name: value for name, value in item.items() if value is not None}


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
