"""How uvicorn serves us: the options of every server, and the bound on the head of a request."""

from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 256 * 1024  # bytes: a token of any plausible size reaches the check that refuses it


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 in which a head does not grow without end: the parser keeps all that it is sent."""

    in_head = False
    head = 0  # bytes that came while it was not complete

    def data_received(self, data: bytes) -> None:
        """Take what came, or answer 400 and close."""
        if self.in_head:
            self.head += len(data)
            if self.head > HEAD_LIMIT:
                self.send_400_response("Request head too large.")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A head begins."""
        self.in_head, self.head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self.in_head = False
        super().on_headers_complete()


# Our log is the access log, so a URL never stands in a file.
SERVER: Mapping[str, Any] = {
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,  # who asks is in the token, not in an address
    "http": "app.serving:BoundedProtocol",
    "loop": "uvloop",
    "timeout_graceful_shutdown": 30,  # a file that somebody reads slowly is gone on with later
}
