"""`/` and `/doc`: what this service is, and its contract."""

import orjson
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from app import document_schema, pages, reference

router = APIRouter()


@router.get("/")
def home() -> Response:
    """What this service is (HTML)."""
    return HTMLResponse(reference.home_page(), headers=dict(pages.headers()))


@router.get("/doc")
def doc() -> Response:
    """The contract as a page that needs no network (HTML)."""
    return HTMLResponse(reference.reference_page(), headers=dict(pages.headers()))


@router.get("/doc/openapi.yaml")
def openapi_yaml() -> Response:
    """The contract as it was written."""
    return Response(reference.contract_text(), media_type="application/yaml")


@router.get("/doc/openapi.json")
def openapi_json() -> Response:
    """The contract as JSON."""
    return Response(orjson.dumps(reference.contract()), media_type="application/json")


@router.get("/doc/protocolpoort-protocol-1.schema.json")
def protocol_schema() -> Response:
    """The format of a protocol document and of the lists beside it, as JSON Schema."""
    return Response(document_schema.as_text(), media_type="application/schema+json")
