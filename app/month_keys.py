"""The keys under which the access log hides persons: one a UTC month, outside the database.

Destroying the key of a month unlinks its records from the persons and leaves the proof whole.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from app.moments import read_moment
from app.secret_files import shred, write_once

KEY_BYTES = 32
EPOCH = 1970 * 12  # months; no record is older
KEY, GONE = ".key", ".gone"  # a key, and one that is being destroyed


class MonthKeyMissing(Exception):
    """There is no key for a month in which a record must be written."""


class MonthKey:
    """The root key of one month: neither it nor the key derived from it leaves this object."""

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

    def reveal(self, kind: str, hidden: str) -> str:
        """What `hide` encrypted. Raises ValueError for what this key did not hide as `kind`."""
        try:
            cipher = base64.urlsafe_b64decode(hidden + "=" * (-len(hidden) % 4))
            return self._siv.decrypt(cipher, [kind.encode()]).decode()
        except InvalidTag:
            raise ValueError(f"no {kind} of this month") from None

    def digest(self, label: str, content: bytes) -> str:
        """Commit to content that may be guessable, with the salt of its label.

        The label of an answer is its event id; what must stay hidden when the salt of the answer
        is revealed needs a label of its own.
        """
        return "sha256:" + hashlib.sha256(self.salt(label) + content).hexdigest()

    def salt(self, label: str) -> bytes:
        """HMAC(month key, label): with it whoever holds the content can check its digest."""
        return hmac.digest(self._root, label.encode(), "sha256")


class MonthKeys:
    """The folder with one file `YYYY-MM.key` (hex, mode 0600) a month."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Only the newest: a process does not hold on to a month that it no longer writes in.
        self._read = lru_cache(maxsize=1)(_read_key)

    def at(self, moment: datetime) -> MonthKey:
        """The key of the UTC month of `moment`; raises MonthKeyMissing."""
        if not self.has(moment):
            self._read.cache_clear()  # nothing is hidden under a key that nobody can find again
        return self._read(self._path(moment))

    def has(self, moment: datetime) -> bool:
        """True when the month of `moment` has its key."""
        return self._path(moment).exists()

    def stored(self, moment: datetime) -> MonthKey:
        """The key of the month of `moment` as its file has it now; raises MonthKeyMissing.

        Unlike `at` it keeps nothing: a key that was destroyed is not remembered.
        """
        return _read_key(self._path(moment))

    def left(self, moment: datetime) -> MonthKey | None:
        """The key of the month of `moment` as its file has it now; None when it is destroyed.

        Raises MonthKeyMissing for one that is there and cannot be read: nobody may think that its
        term has ended.
        """
        try:
            return self.stored(moment)
        except MonthKeyMissing:
            if self.has(moment):
                raise
            return None

    def hidden(
        self,
        kind: str,
        values: Collection[str],
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[str, ...]:
        """What these can stand as in the log: each under every key of `kept`."""
        return tuple(key.hide(kind, value) for key in self.kept(since, until) for value in values)

    def kept(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[MonthKey]:
        """Every key that still exists, or those of the months of a period, oldest month first."""
        first = self._path(since).name if since else ""
        last = self._path(until).name if until else "9999-99.key"
        for path in sorted(self._folder.glob("????-??.key")):
            if not first <= path.name <= last:
                continue
            try:
                yield _read_key(path)
            except MonthKeyMissing:
                if path.exists():
                    raise  # it cannot be read: who searches must not think that nothing is there

    def create(self, now: datetime, months: int) -> list[str]:
        """Make the missing keys of this month and the following; return their months."""
        made = []
        for moment in _months(now, months):
            path = self._path(moment)
            if not path.exists() and write_once(path, _new_key()):
                made.append(path.stem)
        return made

    def ended(self, before: datetime) -> list[str]:
        """The months before that of a moment of which anything is left, as `2016-10`."""
        left = {
            path.stem for suffix in (KEY, GONE) for path in self._folder.glob(f"????-??{suffix}")
        }
        return sorted(month for month in left if month < self._path(before).stem)

    def destroy(self, month: str) -> None:
        """Make the key of a month unreadable for ever; nothing when it is gone.

        Copies, backups and what a disk keeps of older blocks are not reached.
        """
        path = self._folder / f"{month}{KEY}"
        gone = path.with_suffix(GONE)
        shred(gone)  # one that was cut off
        with suppress(FileNotFoundError):
            os.replace(path, gone)  # at once: nobody may read a key that is half overwritten
        shred(gone)

    def _path(self, moment: datetime) -> Path:
        # Not `%Y`, which writes the year 500 as `500`.
        return self._folder / f"{moment.astimezone(UTC).isoformat()[:7]}{KEY}"


class Opener:
    """Tells whom records are about, month after month: of the keys only the newest is kept."""

    def __init__(self, keys: MonthKeys) -> None:
        self._keys = keys
        self._month = ""
        self._key: MonthKey | None = None

    def subject(self, record: Mapping[str, Any]) -> str | None:
        """Whom a record is about; None when the key of its month is destroyed.

        Raises MonthKeyMissing for a key that cannot be read, or is that of another month.
        """
        month = record["recordedAt"][:7]
        if month != self._month:
            self._key = self._keys.left(read_moment(record["recordedAt"]))
            self._month = month
        try:
            return self._key.reveal("subject", record["subject"]) if self._key else None
        except ValueError:
            raise MonthKeyMissing(f"{month}.key does not open the records of its month") from None


def kept_since(now: datetime, months: int) -> datetime:
    """The first moment of the oldest UTC month that is kept.

    A month has ended when so many months went by after its last moment.
    """
    today = now.astimezone(UTC)
    count = max(today.year * 12 + today.month - 1 - months, EPOCH)
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)


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
