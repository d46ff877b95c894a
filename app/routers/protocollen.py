"""`/protocollen`: the register, for everybody, as a page or as data."""

import re
from collections.abc import Sequence

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import TypeAdapter

from app import pages, publication
from app.deps import Desk, refuse_parameters
from app.errors import InputInvalid, Issue, IssueType, NotAcceptable, PathUnknown
from app.moments import brussels_date
from app.notation import Version
from app.register import Edition

VARY = {"Vary": "Accept"}
_VERSION: TypeAdapter[str] = TypeAdapter(Version)

router = APIRouter()


@router.get("/protocollen")
async def list_protocollen(request: Request) -> Response:
    """Every version of every protocol that is no draft."""
    refuse_parameters(request)
    as_page = _prefers_page(request.headers.getlist("accept"))
    editions = await _editions(request)
    if as_page:
        return _page(publication.list_page(editions))
    return _json(publication.listing(editions))


@router.get("/protocollen/{protocolId}")
async def get_protocol(request: Request) -> Response:
    """One version of one protocol: `versie`, else the one that rules, else the newest."""
    asked = _version(request)
    as_page = _prefers_page(request.headers.getlist("accept"))
    id_ = request.path_params["protocolId"]
    versions = [one for one in await _editions(request) if one.document.id == id_]
    found = [one for one in versions if asked in (None, one.document.version)]
    if not found:
        raise PathUnknown
    edition = publication.ruling(found)
    if as_page:
        return _page(publication.protocol_page(edition, versions))
    return _json(publication.entry(edition, versions))


async def _editions(request: Request) -> list[Edition]:
    desk: Desk = request.app.state.desk
    await desk.gate.refresh_register()
    return desk.gate.register.editions(brussels_date(desk.gate.clock()))


def _version(request: Request) -> str | None:
    """The asked version; raises InputInvalid for another parameter, and repeats nothing of it."""
    if request.query_params.keys() - {"versie"}:
        refuse_parameters(request)
    values = request.query_params.getlist("versie")
    if not values:
        return None
    try:
        [value] = values
        return _VERSION.validate_python(value)
    except ValueError:  # more than one, or not of the form of a version
        rule = "must be one version, as 1 or 2.0"
        issue = Issue(IssueType.SCHEMA_VIOLATION, rule, "query", "versie")
        raise InputInvalid([issue]) from None


def _prefers_page(accept: Sequence[str]) -> bool:
    """Whether HTML weighs more than JSON (RFC 9110); raises NotAcceptable when neither will do."""
    page, data = (_weight(accept, kind) for kind in ("text/html", "application/json"))
    if not page and not data:
        raise NotAcceptable
    return page > data


def _weight(accept: Sequence[str], kind: str) -> float:
    """The weight of the most specific range that fits; absent accepts all."""
    weights = {}
    for item in ",".join(accept or ["*/*"]).lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        found = [re.fullmatch(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", one) for one in parameters]
        weights[name] = min((float(one[1]) for one in found if one), default=1.0)
    ranges = (kind, kind.split("/")[0] + "/*", "*/*")
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _page(content: str) -> Response:
    return HTMLResponse(content, headers={**pages.headers(), **VARY})


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json", headers=VARY)
