"""The text form of one inclusion proof: C2SP tlog-proof."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.tlog.note import MAX_NOTE, MAX_SIZE, decode_base64
from app.tlog.tree import HASH_BYTES

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 64
MAX_EXTRA = 64 * 1024  # characters, as base64
MAX_PROOF = MAX_NOTE + MAX_EXTRA + 4096  # characters; the hashes take less than the last

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


class ProofInvalid(ValueError):
    """Text that is not a proof; it says why."""


@dataclass(frozen=True)
class Proof:
    """Index, path from the leaf's sibling up, and the checkpoint as it was signed.

    Nothing here is verified, and `extra` never can be.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None


def encode_proof(index: int, hashes: Sequence[bytes], checkpoint_note: str) -> str:
    """The text of a proof (C2SP tlog-proof), without extra data."""
    lines = [HEADER, f"index {index}", *(base64.b64encode(each).decode() for each in hashes)]
    return "\n".join(lines) + "\n\n" + checkpoint_note


def parse_proof(text: str) -> Proof:
    """Read a proof strictly. Raises ProofInvalid; the checkpoint stays as it is, unopened."""
    head, empty, checkpoint = text[: MAX_PROOF + 1].partition("\n\n")
    if len(text) > MAX_PROOF or not empty or not checkpoint:
        raise ProofInvalid("a proof is lines, an empty line and a checkpoint")
    header, *lines = head.split("\n")
    if header != HEADER:
        raise ProofInvalid(f"a proof begins with {HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _decoded(lines.pop(0).removeprefix("extra "))
    match = _INDEX.fullmatch(lines[0]) if lines else None
    if match is None or int(match[1]) >= MAX_SIZE:
        raise ProofInvalid("a proof names the index of its record")
    if len(lines) > 1 + MAX_HASHES:
        raise ProofInvalid(f"a proof has at most {MAX_HASHES} hashes")
    hashes = tuple(_decoded(line) for line in lines[1:])
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofInvalid("a hash has 32 bytes")
    return Proof(int(match[1]), hashes, checkpoint, extra)


def _decoded(text: str) -> bytes:
    try:
        return decode_base64(text)
    except ValueError:
        raise ProofInvalid("a line of a proof is not in base64") from None
