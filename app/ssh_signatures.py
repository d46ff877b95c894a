"""A detached signature of OpenSSH (`ssh-keygen -Y sign`): whose key made it over this file.

The format is PROTOCOL.sshsig of OpenSSH. What it says is signed of is no matter of its own: the
key counts when it is one of those that are known, and the namespace when it is the asked one.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from pathlib import Path

import asyncssh
from asyncssh.packet import PacketDecodeError, SSHPacket, String
from asyncssh.public_key import decode_ssh_public_key

MAGIC = b"SSHSIG"
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
SIGNATURE_LIMIT = 16 * 1024  # bytes of a signature file
KEYS_LIMIT = 64 * 1024
HASHES = ("sha256", "sha512")
WEAK = (b"ssh-rsa", b"ssh-dss")  # SHA-1: PROTOCOL.sshsig forbids it too


class SignatureInvalid(Exception):
    """The file does not come from who it should; the text says why."""


class KeysUnfit(Exception):
    """The list of known keys cannot be used; the text says why."""


def read_keys(text: str) -> dict[bytes, str]:
    """Public keys as OpenSSH writes them, one a line, with what a record names each by: the SHA-256
    that `ssh-keygen -l` shows, in hex as every digest of a record. Raises KeysUnfit."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    found = {}
    for line in lines:
        try:
            key = asyncssh.import_public_key(line)
        except (asyncssh.KeyImportError, ValueError):
            raise KeysUnfit("a line holds no public key of OpenSSH") from None
        found[key.public_data] = f"sha256:{hashlib.sha256(key.public_data).hexdigest()}"
    if not found:
        raise KeysUnfit("no public key of OpenSSH is in it")
    return found


def signer_of(file: Path, signature: str, namespace: str, known: Iterable[bytes]) -> bytes:
    """The key, one of the known ones, that signed a file for a namespace.

    Raises SignatureInvalid.
    """
    key, named, algorithm, sealed = _parse(signature)
    if named != namespace.encode():
        raise SignatureInvalid(f"its signature is not one for {namespace}")
    if key not in known:
        raise SignatureInvalid("it is signed by a key that is not known here")
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, algorithm).digest()
    signed = MAGIC + b"".join(map(String, (named, b"", algorithm.encode(), digest)))
    try:
        holds = decode_ssh_public_key(key).verify(signed, sealed)
    except (asyncssh.KeyImportError, PacketDecodeError, ValueError):
        holds = False
    if not holds:
        raise SignatureInvalid("its signature does not hold: it was made over something else")
    return key


def _parse(text: str) -> tuple[bytes, bytes, str, bytes]:
    """The key, the namespace, the hash and the signature in it."""
    lines = text.strip().splitlines()
    try:
        if len(lines) < 3 or (lines[0], lines[-1]) != (BEGIN, END):
            raise ValueError
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
        packet = SSHPacket(blob)
        if packet.get_bytes(len(MAGIC)) != MAGIC or packet.get_uint32() != 1:
            raise ValueError
        key, namespace, _, algorithm, sealed = (packet.get_string() for _ in range(5))
        packet.check_end()
        kind = SSHPacket(sealed).get_string()
    except (binascii.Error, PacketDecodeError, ValueError):
        raise SignatureInvalid("its signature is none of OpenSSH") from None
    if algorithm.decode("ascii", "replace") not in HASHES or kind in WEAK:
        raise SignatureInvalid("its signature uses an algorithm that does not count any more")
    return key, namespace, algorithm.decode("ascii"), sealed
