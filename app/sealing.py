"""Encrypted files: age (age-encryption.org/v1) to one X25519 recipient, streamed both ways."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, NamedTuple

import pyrage
from pyrage import x25519

PART = 256 * 1024  # bytes that are handed on together


class SealBroken(Exception):
    """This is no file for this key: not one of age, for another key, cut off, or altered."""


class RecipientUnfit(Exception):
    """This is no X25519 recipient of age; the text never repeats what was given."""


class Identity(NamedTuple):
    """A pair of keys: `secret` opens what was sealed to `recipient`."""

    secret: str
    recipient: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Identity(recipient={self.recipient!r})"


def seal(plain: Iterable[bytes], recipient: str, sink: Callable[[bytes], object]) -> None:
    """Hand the encrypted file to `sink`, piece by piece; what either raises is raised here."""
    source, target = _Source(plain), _Sink(sink)
    key = x25519.Recipient.from_str(recipient)
    try:
        pyrage.encrypt_io(source, target, [key])
        target.flush_all()
    except BaseException as error:  # noqa: BLE001 - raised again, as what it is
        raise _reason(error, source, target, "this file cannot be sealed") from None


def unseal(sealed: IO[bytes], secret: str, sink: Callable[[bytes], object]) -> None:
    """Hand what was sealed to `sink`, piece by piece. Raises SealBroken, at the end at the latest.

    What was handed over before that is not to be used: each piece is authentic, the whole is not.
    """
    source, target = _Source(iter(lambda: sealed.read(PART), b"")), _Sink(sink)
    try:
        identity = x25519.Identity.from_str(secret)
        pyrage.decrypt_io(source, target, [identity])
        target.flush_all()
    except pyrage.IdentityError:
        raise SealBroken("the key that should open this file is no identity of age") from None
    except BaseException as error:  # noqa: BLE001 - raised again, as what it is
        raise _reason(error, source, target, "this is no whole file of age for this key") from None


def _reason(error: BaseException, source: "_Source", target: "_Sink", what: str) -> BaseException:
    """What failed: the one end, the other end, or age itself, a panic of which has no class."""
    age = isinstance(error, pyrage.EncryptError | pyrage.DecryptError | OSError)
    if age or type(error).__name__ == "PanicException":
        return source.failed or target.failed or SealBroken(what)
    return error


def new_identity() -> Identity:
    """A fresh pair of keys."""
    made = x25519.Identity.generate()
    return Identity(str(made), str(made.to_public()))


def read_recipient(text: str) -> str:
    """The recipient in the text of a file: the first line that is no comment; or RecipientUnfit."""
    lines = [line.strip() for line in text.splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    if len(named) != 1:
        raise RecipientUnfit("a file with a recipient holds one line that begins with age1")
    try:
        return str(x25519.Recipient.from_str(named[0]))
    except pyrage.RecipientError:
        raise RecipientUnfit(
            "this is no X25519 recipient of age, as `age-keygen -y` gives"
        ) from None


def fingerprint(recipient: str) -> str:
    """What a record names a recipient by."""
    return "sha256:" + hashlib.sha256(recipient.encode()).hexdigest()


class _Source:
    """Bytes that come as they are asked for, as a file; it is remembered how that failed."""

    def __init__(self, plain: Iterable[bytes]) -> None:
        self._plain: Iterator[bytes] = iter(plain)
        self._left = memoryview(b"")
        self.failed: BaseException | None = None

    def read(self, most: int) -> bytes:
        """At least one byte; none at the end."""
        try:
            while not self._left:
                self._left = memoryview(next(self._plain))
        except StopIteration:
            return b""
        except BaseException as error:
            self.failed = error
            raise
        found, self._left = bytes(self._left[:most]), self._left[most:]
        return found


class _Sink:
    """Hands on what is written in larger pieces."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self._held = bytearray()
        self.failed: BaseException | None = None

    def write(self, piece: bytes) -> int:
        """Keep it until there is enough."""
        self._held += piece
        if len(self._held) >= PART:
            self.flush_all()
        return len(piece)

    def flush(self) -> None:
        """What is held stays held: age flushes more often than it pays to hand on."""

    def flush_all(self) -> None:
        """Hand on what is held."""
        held, self._held = bytes(self._held), bytearray()
        try:
            if held:
                self._sink(held)
        except BaseException as error:
            self.failed = error
            raise
