"""The same bytes for everybody: what the framework and the server take without any work."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Response

Message = MutableMapping[str, Any]

ANSWER = json.dumps({"id": "0" * 36, "dossier": {"veld": "x" * 700}}).encode()

route = FastAPI(openapi_url=None)


@route.get("/health")
@route.post("/inburgering/v1/dossiers/query")
async def answer() -> Response:
    """A constant through a route."""
    return Response(ANSWER, media_type="application/json")


async def bare(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """A constant without a framework."""
    if scope["type"] != "http":
        return
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})
