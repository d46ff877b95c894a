"""A file that is written whole and that its owner alone reads."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PIECE = 1024 * 1024  # bytes that are overwritten at a time


def write_once(path: Path, data: bytes) -> bool:
    """Put a file (0600) in place whole; False when it was there, and what was there stays.

    Of two processes the first wins. The folder is made for its owner alone when it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with _draft(path, os.link) as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def write_over(path: Path, data: bytes) -> None:
    """Put a file (0600) in place whole; who reads it sees the old one or the new one."""
    with _draft(path, os.replace) as file:
        file.write(data)


class Draft:
    """A file that is being written, and the digest of what is in it so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._sum = file, hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Add to it."""
        self._file.write(data)
        self._sum.update(data)

    @property
    def digest(self) -> str:
        """`sha256:` and the digest, as records have it."""
        return f"sha256:{self._sum.hexdigest()}"


@contextmanager
def streamed(path: Path) -> Iterator[Draft]:
    """A file (0600) written in pieces: it is in place, whole and durable, when this ends.

    After an exception, a full disk among them, what was in its place stays. The folder is made for
    its owner alone when it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _draft(path, os.replace) as file:
        yield Draft(file)


def put_in_place(draft: Path, path: Path) -> None:
    """Give a file that is written its name, durably: its bytes first, then the name."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(draft, path)
    _sync_folder(path.parent)


def digest_of(path: Path) -> str:
    """`sha256:` and the digest of a file, read in pieces."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def shred(path: Path) -> None:
    """Overwrite a file and take it away, durably; nothing when it is gone."""
    try:
        with path.open("r+b") as file:
            for begin in range(0, size := path.stat().st_size, PIECE):
                file.write(bytes(min(PIECE, size - begin)))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextmanager
def _draft(path: Path, place: Callable[[Path, Path], None]) -> Iterator[BinaryIO]:
    """A file beside `path` that gets its name, by `place`, when it is whole and durable."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        place(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """The name of a file is durable when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
