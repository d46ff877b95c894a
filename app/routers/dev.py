"""`/dev/token`: the token endpoint of the demo issuer; it exists in demo mode only."""

import base64
import binascii
from urllib.parse import parse_qs, unquote_plus

import orjson
from fastapi import APIRouter, Request, Response

from app.deps import Desk, read_content
from app.tokens import DEMO_TTL, DemoIssuer

router = APIRouter()

DEMO_SECRET = "demo"  # noqa: S105 - what the demo is opened with, published in the README


@router.post("/dev/token")
async def issue_token(request: Request) -> Response:
    """OAuth 2.0 client credentials (RFC 6749, 4.4); `client_id` is a demo organisation."""
    content = await read_content(request)
    try:
        form = parse_qs((content or b"").decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        return _json({"error": "invalid_request"}, 400)
    client, secret = _credentials(request, form)
    if form.get("grant_type") != ["client_credentials"]:
        return _json({"error": "unsupported_grant_type"}, 400)
    if not client or secret != DEMO_SECRET:
        return _json({"error": "invalid_client"}, 401)
    desk: Desk = request.app.state.desk
    issuer: DemoIssuer = request.app.state.demo_issuer
    scopes = form.get("scope", [""])[0].split()
    token = issuer.issue(client, client, scopes, desk.gate.clock())
    return _json(
        {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(DEMO_TTL.total_seconds()),
            "scope": " ".join(scopes),
        },
        200,
    )


def _credentials(request: Request, form: dict[str, list[str]]) -> tuple[str, str]:
    """HTTP Basic or the form, as RFC 6749, 2.3.1 has them."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return unquote_plus(client), unquote_plus(secret)
    return form.get("client_id", [""])[0], form.get("client_secret", [""])[0]


def _json(body: dict[str, object], status: int) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(body), status, headers, media_type="application/json")
