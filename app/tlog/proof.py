"""The text form of one inclusion proof: C2SP tlog-proof."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.tlog.note import (
    MAX_NOTE,
    MAX_SIZE,
    Checkpoint,
    NoteInvalid,
    Vkey,
    decode_base64,
    open_checkpoint,
)
from app.tlog.tree import HASH_BYTES, leaf_hash, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 64
MAX_EXTRA = 64 * 1024  # characters, as base64
BESIDE = {"index", "href", "explanation"}  # what getToegang adds to a record
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


def verify_proof(text: str, record: bytes, vkeys: Sequence[Vkey]) -> tuple[int, Checkpoint]:
    """The index at which the record stands, and the checkpoint that says so.

    `record` are its canonical bytes, or the answer of getToegang that shows it. Raises ProofInvalid
    when it does not stand there, and for a checkpoint that none of these keys signed.
    """
    proof = parse_proof(text)
    try:
        checkpoint = open_checkpoint(proof.checkpoint, vkeys, vkeys[0].name)
    except NoteInvalid as invalid:
        raise ProofInvalid(f"the checkpoint does not hold: {invalid}") from None
    leaf = leaf_hash(_record_in(record))
    if not verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root):
        raise ProofInvalid("the record is not the one at this index of the log")
    return proof.index, checkpoint


def _record_in(data: bytes) -> bytes:
    """The bytes of a record; an answer of getToegang says where it stands, and more, beside it."""
    try:
        shown = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(shown, dict) or not BESIDE & shown.keys():
        return data.removesuffix(b"\n")
    record = {name: value for name, value in shown.items() if name not in BESIDE}
    # Strings, integers, lists and objects with ASCII names: these are the bytes of RFC 8785.
    plain = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return plain.encode("utf-8", errors="replace")


def _decoded(text: str) -> bytes:
    try:
        return decode_base64(text)
    except ValueError:
        raise ProofInvalid("a line of a proof is not in base64") from None
