"""The keys under which the access log hides persons: one a UTC month, outside the database.

Destroying the key of a month unlinks its records from the persons and leaves the proof whole.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from app.secret_files import write_once

KEY_BYTES = 32


class MonthKeyMissing(Exception):
    """There is no key for a month in which a record must be written."""


class MonthKey:
    """The root key of one month; what is derived from it never leaves this object."""

    def __init__(self, root: bytes) -> None:
        if len(root) != KEY_BYTES:
            raise ValueError(f"a month key has {KEY_BYTES} bytes")
        self._root = root
        self._siv = AESSIV(HKDFExpand(SHA512(), 64, b"protocolpoort aes-siv").derive(root))

    def hide(self, kind: str, value: str) -> str:
        """Encrypt deterministically, so that equal values can be searched within a month.

        `kind` (subject, user, fact) keeps equal values of different kinds apart.
        """
        cipher = self._siv.encrypt(value.encode(), [kind.encode()])
        return base64.urlsafe_b64encode(cipher).decode().rstrip("=")

    def digest(self, label: str, content: bytes) -> str:
        """Commit to content that may be guessable: salt = HMAC(month key, label).

        The label of an answer is its event id; what must stay hidden when the salt of the answer
        is revealed needs a label of its own.
        """
        salt = hmac.digest(self._root, label.encode(), "sha256")
        return "sha256:" + hashlib.sha256(salt + content).hexdigest()


class MonthKeys:
    """The folder with one file `YYYY-MM.key` (hex, mode 0600) a month."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = lru_cache(maxsize=None)(_read_key)

    def at(self, moment: datetime) -> MonthKey:
        """The key of the UTC month of `moment`; raises MonthKeyMissing."""
        return self._read(self._path(moment))

    def has(self, moment: datetime) -> bool:
        """True when the month of `moment` has its key."""
        return self._path(moment).exists()

    def kept(self) -> Iterator[MonthKey]:
        """Every key that still exists, oldest month first."""
        for path in sorted(self._folder.glob("????-??.key")):
            yield _read_key(path)

    def create(self, now: datetime, months: int) -> list[str]:
        """Make the missing keys of this month and the following; return their months."""
        made = []
        for moment in _months(now, months):
            path = self._path(moment)
            if not path.exists() and write_once(path, _new_key()):
                made.append(path.stem)
        return made

    def _path(self, moment: datetime) -> Path:
        return self._folder / f"{moment.astimezone(UTC):%Y-%m}.key"


def ready_ahead(keys: MonthKeys, now: datetime) -> bool:
    """False when next month begins within 7 days and has no key yet."""
    return keys.has(now + timedelta(days=7))


def _months(now: datetime, count: int) -> Iterator[datetime]:
    first = now.astimezone(UTC).replace(day=1)
    for _ in range(count):
        yield first
        first = (first + timedelta(days=32)).replace(day=1)


def _read_key(path: Path) -> MonthKey:
    try:
        return MonthKey(bytes.fromhex(path.read_text()))
    except FileNotFoundError:
        raise MonthKeyMissing(
            f"no month key {path.name}: run `protocolpoort keys create`"
        ) from None
    except ValueError:
        raise MonthKeyMissing(f"{path.name} is not a month key") from None


def _new_key() -> bytes:
    return f"{secrets.token_bytes(KEY_BYTES).hex()}\n".encode()
