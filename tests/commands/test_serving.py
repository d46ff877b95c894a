"""The bound on the head of a request, against a real server."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.demo import listen
from app.serving import HEAD_LIMIT, SERVER


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The application behind the server: it answers whatever it is asked."""
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Where the server listens."""
    listener = listen(0)
    server = uvicorn.Server(uvicorn.Config(hello, log_level="error", lifespan="off", **SERVER))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join()
    listener.close()


def told(connection: socket.socket) -> bytes:
    """All that is answered until it is closed, or until nothing comes."""
    connection.settimeout(5)
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
            if found.endswith(b"ok"):
                break
    except ConnectionResetError:
        pass  # closed with bytes of ours unread
    return found


def test_a_head_of_less_than_the_limit_is_answered(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        head = b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * (HEAD_LIMIT - 70_000) + b"\r\n\r\n"
        for _ in range(2):  # also the next one on the same connection
            connection.sendall(head)
            assert told(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("start", [b"A: ", b"A: b\r\nB: "], ids=["one header", "a later header"])
def test_a_head_without_end_is_refused(address: tuple[str, int], start: bytes) -> None:
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + start)
        sent = 0
        try:
            while sent < 20 * HEAD_LIMIT:
                connection.sendall(b"a" * 32_768)
                sent += 32_768
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = told(connection)

    assert sent < 20 * HEAD_LIMIT
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


def test_a_body_is_no_part_of_the_head(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        body = b"a" * (4 * HEAD_LIMIT)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)

        assert told(connection).startswith(b"HTTP/1.1 200")
