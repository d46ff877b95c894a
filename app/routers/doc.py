"""`/` and `/doc`: what this service is, and its contract."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from functools import cache

import orjson
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from app import reference

router = APIRouter()


@cache
def _headers() -> Mapping[str, str]:
    """No script, no frame, no other origin: the page can load nothing but its own style."""
    fingerprint = b64encode(hashlib.sha256(reference.style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{fingerprint}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


@router.get("/")
def home() -> Response:
    """What this service is (HTML)."""
    return HTMLResponse(reference.home_page(), headers=dict(_headers()))


@router.get("/doc")
def doc() -> Response:
    """The contract as a page that needs no network (HTML)."""
    return HTMLResponse(reference.reference_page(), headers=dict(_headers()))


@router.get("/doc/openapi.yaml")
def openapi_yaml() -> Response:
    """The contract as it was written."""
    return Response(reference.contract_text(), media_type="application/yaml")


@router.get("/doc/openapi.json")
def openapi_json() -> Response:
    """The contract as JSON."""
    return Response(orjson.dumps(reference.contract()), media_type="application/json")
