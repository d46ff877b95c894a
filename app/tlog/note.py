"""Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint, with Ed25519 keys."""

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from app.tlog.tree import HASH_BYTES

MAX_NOTE = 64 * 1024  # bytes
MAX_SIGNATURES = 100
MAX_SIZE = 2**63  # of a tree: what every client can count

_ED25519 = b"\x01"
_KEY_BYTES = 32
_ID_BYTES = 4
_SIGNATURE = "\N{EM DASH} "
_SECRET = "PRIVATE+KEY+"  # noqa: S105 - the fixed beginning of every secret key, not a secret
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteInvalid(Exception):
    """A note, a key or a checkpoint that may not be believed; the text says why."""


@dataclass(frozen=True)
class Vkey:
    """A key that verifies notes: its name, its id and the 32 bytes of the Ed25519 key."""

    name: str
    key_id: bytes
    public: bytes

    @property
    def text(self) -> str:
        """`<name>+<id in hex>+<base64 of 0x01 and the key>`."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "Vkey":
        """Read the text of a key. Raises NoteInvalid, also when the id is not that of the key."""
        name, key_id, public = _key_parts(text)
        if _key_id(name, public) != key_id:
            raise NoteInvalid("the id in a vkey is not that of its name and key")
        return cls(name, key_id, public)


class Signer:
    """A key that signs notes under its name; its seed does not leave it but through `secret`."""

    def __init__(self, name: str, seed: bytes) -> None:
        """Raises NoteInvalid for a name that no key may have, or a seed of other than 32 bytes."""
        if not _is_key_name(name):
            raise NoteInvalid("a key name is not empty and has no space, plus or control character")
        if len(seed) != _KEY_BYTES:
            raise NoteInvalid(f"a seed has {_KEY_BYTES} bytes")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self.vkey = Vkey(name, _key_id(name, public), public)

    @classmethod
    def generate(cls, name: str) -> "Signer":
        """A new random key."""
        return cls(name, secrets.token_bytes(_KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """Read what `secret` gives. Raises NoteInvalid, never with a part of the text."""
        if not text.startswith(_SECRET):
            raise NoteInvalid("a secret key begins with PRIVATE+KEY+")
        name, key_id, seed = _key_parts(text.removeprefix(_SECRET))
        signer = cls(name, seed)
        if signer.vkey.key_id != key_id:
            raise NoteInvalid("the id in a secret key is not that of its name and key")
        return signer

    @property
    def secret(self) -> str:
        """The key as Go's note package writes it: `PRIVATE+KEY+<name>+<id>+<0x01 and seed>`."""
        vkey = self.vkey
        return f"{_SECRET}{vkey.name}+{vkey.key_id.hex()}+{_base64(_ED25519 + self._seed)}"

    def sign(self, text: str) -> str:
        """The signed note: the text, an empty line and the signature.

        Raises NoteInvalid for a text that does not end in a newline or has control characters.
        """
        if not text.endswith("\n") or _has_control(text):
            raise NoteInvalid("the text of a note is lines that end in a newline, without controls")
        signature = self.vkey.key_id + self._key.sign(text.encode())
        return f"{text}\n{_SIGNATURE}{self.vkey.name} {_base64(signature)}\n"

    def __repr__(self) -> str:
        return f"Signer({self.vkey.text})"


@dataclass(frozen=True)
class Checkpoint:
    """What a log signs: its origin, the size of its tree, the root, and lines we do not read."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text of its note."""
        lines = [self.origin, str(self.size), _base64(self.root), *self.extensions]
        return "".join(f"{line}\n" for line in lines)


def open_note(note: bytes | str, vkeys: Sequence[Vkey]) -> str:
    """The text of a note that at least one of the keys signed.

    Signatures of other keys are ignored. Raises NoteInvalid for a note without a signature of
    these keys, with a bad one, of another form, or beyond 64 KiB or 100 signatures.
    """
    text, _ = open_signed(note, vkeys)
    return text


def open_signed(note: bytes | str, vkeys: Sequence[Vkey]) -> tuple[str, list[Vkey]]:
    """As `open_note`, with the keys that signed, in the order of their signatures."""
    text, signatures = _split(note)
    known = {(vkey.name, vkey.key_id): vkey for vkey in vkeys}
    signed = []
    for name, signature in signatures:
        vkey = known.get((name, signature[:_ID_BYTES]))
        if vkey is None:
            continue
        if not _has_signed(vkey, text, signature[_ID_BYTES:]):
            raise NoteInvalid("a signature of a known key is wrong")
        signed.append(vkey)
    if not signed:
        raise NoteInvalid("no known key signed the note")
    return text, signed


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a note as a checkpoint; who signed it is for `open_checkpoint`.

    Raises NoteInvalid for another form than C2SP tlog-checkpoint's.
    """
    lines = text.split("\n")
    # The last line ends in a newline too, so that nothing follows it here.
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise NoteInvalid("a checkpoint is at least three lines, none of them empty")
    origin, size, root, *extensions = lines
    if not _DECIMAL.fullmatch(size) or int(size) >= MAX_SIZE:
        raise NoteInvalid("the second line of a checkpoint is the size of the tree")
    return Checkpoint(origin, int(size), _hash(root), tuple(extensions))


def open_checkpoint(note: bytes | str, vkeys: Sequence[Vkey], origin: str) -> Checkpoint:
    """The checkpoint in a note that a key of the log `origin` signed.

    Of the keys, only those that bear the name of the origin count: a log's key name is its
    origin, and the key of one log does not vouch for another. Raises NoteInvalid.
    """
    checkpoint, _ = open_checkpoint_signed(note, vkeys, origin)
    return checkpoint


def open_checkpoint_signed(
    note: bytes | str, vkeys: Sequence[Vkey], origin: str
) -> tuple[Checkpoint, Vkey]:
    """As `open_checkpoint`, with the first key that signed."""
    text, [signer, *_] = open_signed(note, [vkey for vkey in vkeys if vkey.name == origin])
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != origin:
        raise NoteInvalid("the checkpoint is of another log")
    return checkpoint, signer


def decode_base64(text: str) -> bytes:
    """Read the one standard base64 spelling of bytes (RFC 4648, 4); raises ValueError."""
    data = base64.b64decode(text, validate=True)
    # Python lets stray bits in the last character pass: two spellings for the same bytes.
    if _base64(data) != text:
        raise ValueError("not the canonical base64 of its bytes")
    return data


def _split(note: bytes | str) -> tuple[str, list[tuple[str, bytes]]]:
    """Text, and name and bytes of each signature."""
    try:
        data = note if isinstance(note, bytes) else note.encode()
        whole = data.decode()
    except UnicodeError:
        raise NoteInvalid("a note is text in UTF-8") from None
    if len(data) > MAX_NOTE or _has_control(whole):
        raise NoteInvalid("a note is at most 64 KiB of text without control characters")
    text, empty, tail = whole.rpartition("\n\n")
    lines = tail.split("\n")
    if not empty or lines.pop() or not lines:
        raise NoteInvalid("a note ends in an empty line and lines with signatures")
    if len(lines) > MAX_SIGNATURES:
        raise NoteInvalid(f"a note has at most {MAX_SIGNATURES} signatures")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_SIGNATURE).partition(" ")
    if not line.startswith(_SIGNATURE) or not _is_key_name(name):
        raise NoteInvalid("a signature is a dash, the name of a key, and base64")
    try:
        signature = decode_base64(encoded)
    except ValueError:
        raise NoteInvalid("a signature is not in base64") from None
    if len(signature) <= _ID_BYTES:
        raise NoteInvalid("a signature is too short")
    return name, signature


def _has_signed(vkey: Vkey, text: str, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(vkey.public).verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True


def _key_parts(text: str) -> tuple[str, bytes, bytes]:
    """Name, id and 32 bytes of a key as text; base64 may hold a plus, a name and an id do not."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not _is_key_name(parts[0]):
        raise NoteInvalid("a key is its name, its id and base64, joined by plus signs")
    name, key_id, encoded = parts
    if not re.fullmatch(r"[0-9a-f]{8}", key_id):
        raise NoteInvalid("the id of a key is 8 hex digits")
    try:
        key = decode_base64(encoded)
    except ValueError:
        raise NoteInvalid("a key is not in base64") from None
    if len(key) != 1 + _KEY_BYTES or key[:1] != _ED25519:
        raise NoteInvalid("a key is of Ed25519: a byte 1 and 32 bytes")
    return name, bytes.fromhex(key_id), key[1:]


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_ID_BYTES]


def _is_key_name(name: str) -> bool:
    return (
        name != ""
        and "+" not in name
        and not any(each.isspace() or "\ud800" <= each <= "\udfff" for each in name)
        and not _has_control(name)
    )


def _has_control(text: str) -> bool:
    return any(each < " " and each != "\n" for each in text)


def _hash(text: str) -> bytes:
    try:
        found = decode_base64(text)
    except ValueError:
        raise NoteInvalid("a root is not in base64") from None
    if len(found) != HASH_BYTES:
        raise NoteInvalid("a root has 32 bytes")
    return found


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
