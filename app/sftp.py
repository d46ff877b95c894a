"""The client of an SFTP server: one key, one pinned host, files that are there whole or not.

No agent, no password, no configuration of this account. Every name is one that we chose: nothing
that the server lists becomes a path.
"""

import asyncio
import errno
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

import asyncssh
from asyncssh import SFTPClient, SFTPClientFile
from asyncssh.constants import (
    FILEXFER_TYPE_REGULAR,
    FXF_CREAT,
    FXF_READ,
    FXF_TRUNC,
    FXF_WRITE,
)

PIECE = 256 * 1024  # bytes that are sent or asked for at a time
PATIENCE = 30  # seconds for a connection, and for an answer
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,80}(\.[a-z0-9]{1,8}){1,4}")
PART = ".part"
# A full disk is not the fault of the connection.
_OF_THIS_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES})

T = TypeVar("T")
Advance = Callable[[int, int], None]  # bytes that are there, of so many


class TransferFailed(Exception):
    """Nothing was delivered or fetched; the text says why.

    What was transferred stays beside, as a part: the next time goes on from there.
    """


@dataclass(frozen=True)
class Server:
    """Where the server is, and what proves both sides."""

    host: str
    port: int
    user: str
    folder: str
    key_file: Path
    known_hosts: Path


def server_at(address: str, key_file: Path, known_hosts: Path) -> Server:
    """The server of an address like `sftp://user@host:22/folder`. Raises ValueError."""
    found = urlsplit(address)
    if found.scheme != "sftp" or not found.hostname or not found.username or found.password:
        raise ValueError("must be an address like sftp://user@host:22/folder, without password")
    folder = found.path.rstrip("/") or "."
    return Server(found.hostname, found.port or 22, found.username, folder, key_file, known_hosts)


def upload(server: Server, file: Path, advance: Advance) -> None:
    """Put a file on the server under its name, whole: what is there of it already is kept.

    Nothing is done when it stands there. Raises TransferFailed.
    """
    _run(server, lambda client: _upload(client, server.folder, file, advance))


def download(server: Server, name: str, target: Path, limit: int, advance: Advance) -> None:
    """Fetch a file of at most so many bytes to `target`, going on where a part of it stands.

    Raises TransferFailed.
    """
    _run(server, lambda client: _download(client, server.folder, name, target, limit, advance))


async def _upload(client: SFTPClient, folder: str, file: Path, advance: Advance) -> None:
    place = _place(folder, file.name)
    size = file.stat().st_size
    with file.open("rb") as content:
        if (there := await _size(client, place)) is not None:
            if there != size or await _same(client, place, content, size) != size:
                raise TransferFailed(f"another file stands on the server as {file.name}")
            return
        part = place + PART
        begun = await _size(client, part) or 0
        begun = await _same(client, part, content, begun) if 0 < begun <= size else 0
        # Opened for writing without truncation: what is the same stays.
        how = FXF_WRITE | FXF_CREAT | (0 if begun else FXF_TRUNC)
        async with client.open(part, how, encoding=None) as remote:
            content.seek(begun)
            while piece := content.read(PIECE):
                await remote.write(piece, begun)
                begun += len(piece)
                advance(begun, size)
        if await _size(client, part) != size:
            raise TransferFailed("the server does not hold the whole file: send it again")
        await client.rename(part, place)


async def _same(client: SFTPClient, place: str, content: BinaryIO, length: int) -> int:
    """`length` when the server has the same so far, by digest; else 0."""
    ours, theirs = hashlib.sha256(), hashlib.sha256()
    content.seek(0)
    async with client.open(place, FXF_READ, encoding=None) as remote:
        for offset in range(0, length, PIECE):
            count = min(PIECE, length - offset)
            ours.update(content.read(count))
            theirs.update(await _read(remote, count, offset))
    return length if ours.digest() == theirs.digest() else 0


async def _download(
    client: SFTPClient, folder: str, name: str, target: Path, limit: int, advance: Advance
) -> None:
    place = _place(folder, name)
    size = await _size(client, place)
    if size is None:
        raise TransferFailed(f"{name} is not on the server (yet)")
    if size > limit:
        raise TransferFailed(f"{name} is larger than the {limit} bytes that are taken")
    part = target.with_name(target.name + PART)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "ab") as local:
        if local.tell() > size:
            local.seek(local.truncate(0))
        async with client.open(place, FXF_READ, encoding=None) as remote:
            while (begun := local.tell()) < size:
                piece = await _read(remote, min(PIECE, size - begun), begun)
                if not piece:
                    raise TransferFailed(f"{name} became shorter while it was fetched")
                local.write(piece)
                advance(local.tell(), size)
        local.flush()
        os.fsync(local.fileno())
    os.replace(part, target)


async def _read(remote: SFTPClientFile, count: int, offset: int) -> bytes:
    piece: Any = await remote.read(count, offset)  # bytes: it was opened without an encoding
    return bytes(piece)


async def _size(client: SFTPClient, place: str) -> int | None:
    """How many bytes stand there; None where there is no plain file."""
    try:
        found = await client.lstat(place)
    except asyncssh.SFTPNoSuchFile:
        return None
    if found.type != FILEXFER_TYPE_REGULAR or found.size is None:
        raise TransferFailed("what stands on the server under that name is no plain file")
    return found.size


def _place(folder: str, name: str) -> str:
    """A path on the server; raises ValueError for a name that is not one of ours."""
    if not NAME.fullmatch(name):
        raise ValueError("no name of an exchange file")
    return f"{folder}/{name}"


@asynccontextmanager
async def _connected(server: Server) -> AsyncIterator[SFTPClient]:
    async with (
        asyncssh.connect(
            server.host,
            server.port,
            username=server.user,
            client_keys=[str(server.key_file)],
            known_hosts=str(server.known_hosts),
            agent_path=None,
            password=None,
            preferred_auth="publickey",
            config=None,
            x509_trusted_certs=None,
            connect_timeout=PATIENCE,
            login_timeout=PATIENCE,
            keepalive_interval=PATIENCE // 2,
            keepalive_count_max=2,
        ) as connection,
        connection.start_sftp_client() as client,
    ):
        yield client


def _run(server: Server, work: Callable[[SFTPClient], Coroutine[Any, Any, T]]) -> T:
    """One connection for one file; what can go wrong is told in words."""
    for needed in (server.key_file, server.known_hosts):
        if not needed.is_file():
            raise TransferFailed(f"{needed} is not there")

    async def connect() -> T:
        async with _connected(server) as client:
            return await work(client)

    try:
        return asyncio.run(connect())
    except asyncssh.HostKeyNotVerifiable:
        raise TransferFailed(
            f"the host key of {server.host} is not the one in {server.known_hosts}: nothing was "
            "sent. Ask who runs the server, by another way, before you change that file"
        ) from None
    except asyncssh.KeyImportError:
        raise TransferFailed(f"{server.key_file} holds no private key without passphrase") from None
    except asyncssh.PermissionDenied:
        raise TransferFailed(f"{server.host} does not let {server.user} in with this key") from None
    except asyncssh.SFTPError as error:
        raise TransferFailed(f"the server refuses: {type(error).__name__}") from None
    except (asyncssh.Error, OSError) as error:
        if isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE:
            raise
        raise TransferFailed(
            f"the connection to {server.host} failed ({type(error).__name__}): try again, it goes "
            "on from where it was"
        ) from None
