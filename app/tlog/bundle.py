"""The export bundle, records with all that an outsider needs to verify them: format and writer.

The format, and what verifying proves, stand in docs/log-format.md; `verifier` reads it.
"""

import base64
import hashlib
import json
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import IO, Any

from app.tlog import tiles, tree
from app.tlog.note import Checkpoint, Vkey, open_checkpoint
from app.tlog.proof import encode_proof
from app.tlog.tiles import Tile, tiles_of_range

FORMAT = "protocolpoort-log-bundle@v1"
RANGE = "range"
SELECTION = "selection"

README = "README.md"
VKEY = "vkey"
CHECKPOINT = "checkpoint"
RECORDS = "records.jsonl"
INDEX = "index.txt"
MANIFEST = "manifest.json"

_SPOOL = 8 * 1024 * 1024  # bytes of records that a selection keeps in memory
_CHUNK = 64 * 1024

READ_ME = """\
# Export uit het toegangslogboek

Dit pakket bewijst zelf dat zijn records in het logboek staan en ongewijzigd zijn. U hebt daarvoor
de dienst niet nodig, alleen Python en het pakket `cryptography`, met de map `app` van
Protocolpoort:

    python -m app.tlog verify PAKKET.zip --vkey SLEUTEL

SLEUTEL is de openbare sleutel van het logboek. In dit pakket (bestand `vkey`) staat:

    {vkey}

Wie het pakket namaakt, kan ook die sleutel namaken. Vergelijk hem dus met een sleutel die u van
elders hebt, of op het adres van het logboek dat u al kent; niet op een adres uit dit pakket. Hebt u
een ouder checkpoint bewaard, geef het dan mee met `--older BESTAND`: zo blijkt ook dat het logboek
sindsdien niet herschreven is.

- `records.jsonl`: een record per regel; `index.txt`: zijn index in het logboek
- `checkpoint`: de ondertekende toestand van het logboek, {size} records
- {proofs}
- `manifest.json`: wat er in het pakket zit, met de hash van elk bestand

Het formaat staat beschreven in `docs/log-format.md`.
"""
_PROOFS = {
    RANGE: "`tile/`: de hashes van de boom. Een record dat in het bereik ontbreekt, valt op",
    SELECTION: "`proofs/`: een bewijs per record. Of de selectie volledig is, blijkt er niet uit",
}


def write_range(
    file: IO[bytes],
    first: int,
    records: Iterable[bytes],
    checkpoint: str,
    vkeys: Sequence[Vkey],
    tiles: Iterable[tuple[Tile, bytes]],
    about: Mapping[str, str],
) -> str:
    """Write the records from index `first` on, in constant memory; return the manifest's digest.

    `vkeys` are the keys of the log, current first; `checkpoint` is a signed note of it. `tiles`
    is read after the records, and must be those of `tiles_of_range`, in that order. Raises
    ValueError for a file that cannot seek, no records, a record that is no line, a range beyond
    the checkpoint, or another tile; NoteInvalid for a checkpoint that these keys did not sign.
    What stands in the file by then is no bundle.
    """
    signed = _signed(checkpoint, vkeys)
    with _Writer(file, _heading(RANGE, signed, about), checkpoint, vkeys) as writer:
        count = 0
        with writer.open(RECORDS) as lines:
            for record in records:
                lines.write(_line(record))
                count += 1
        end = first + count
        with writer.open(INDEX) as lines:
            for index in range(first, end):
                lines.write(b"%d\n" % index)
        _write_tiles(writer, tiles, tiles_of_range(first, end, signed.size))
        return writer.finish({"count": count, "firstIndex": first, "lastIndex": end - 1})


def write_selection(
    file: IO[bytes],
    rows: Iterable[tuple[int, bytes, Sequence[bytes]]],
    checkpoint: str,
    vkeys: Sequence[Vkey],
    about: Mapping[str, str],
) -> str:
    """Write records with their index and inclusion proof; return the manifest's digest.

    The rows come by increasing index, and may be none. Records pass through a temporary file; a
    member of the zip for each proof takes some memory. Raises as `write_range`.
    """
    signed = _signed(checkpoint, vkeys)
    with (
        _Writer(file, _heading(SELECTION, signed, about), checkpoint, vkeys) as writer,
        tempfile.SpooledTemporaryFile(_SPOOL) as records,
        tempfile.SpooledTemporaryFile(_SPOOL) as indexes,
    ):
        count, least = 0, 0
        for index, record, hashes in rows:
            if not least <= index < signed.size:
                raise ValueError(f"index {index} is out of order, or beyond the checkpoint")
            least = index + 1
            records.write(_line(record))
            indexes.write(b"%d\n" % index)
            writer.put(proof_name(index), encode_proof(index, hashes, checkpoint).encode())
            count += 1
        writer.copy(RECORDS, records)
        writer.copy(INDEX, indexes)
        return writer.finish({"count": count})


def proof_name(index: int) -> str:
    """The name of the proof of a record in a selection."""
    return f"proofs/{index}.tlog-proof"


def read_me(kind: str, size: int, vkeys: Sequence[Vkey]) -> str:
    """What README.md says, to the byte: another wording is another format."""
    return READ_ME.format(vkey=vkeys[0].text, size=size, proofs=_PROOFS[kind])


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one spelling of a manifest."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest(data: bytes) -> str:
    """As a manifest tells it: `sha256:` and the hash in hex."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def base64_of(data: bytes) -> str:
    """As a manifest tells the root."""
    return base64.b64encode(data).decode()


def _heading(kind: str, signed: Checkpoint, about: Mapping[str, str]) -> dict[str, Any]:
    """What the manifest says before the records are known."""
    return {
        "about": dict(about),
        "format": FORMAT,
        "kind": kind,
        "origin": signed.origin,
        "rootHash": base64_of(signed.root),
        "treeSize": signed.size,
    }


class _Writer:
    """The zip as it grows, with the digest of each file."""

    def __init__(
        self,
        file: IO[bytes],
        heading: Mapping[str, Any],
        checkpoint: str,
        vkeys: Sequence[Vkey],
    ) -> None:
        if not file.seekable():  # the sizes of a member would stand behind it
            raise ValueError("a bundle is written to a file that can seek")
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self._files: dict[str, str] = {}
        self._heading = heading
        self.put(README, read_me(heading["kind"], heading["treeSize"], vkeys).encode())
        self.put(VKEY, "".join(f"{vkey.text}\n" for vkey in vkeys).encode())
        self.put(CHECKPOINT, checkpoint.encode())

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def open(self, name: str) -> "_Member":
        """A member to write to; only one may be open."""
        # A member may grow beyond 2 GiB, which must be said before it begins.
        return _Member(self._zip.open(_member(name), "w", force_zip64=True), name, self._files)

    def put(self, name: str, data: bytes) -> None:
        """A member that is small."""
        self._files[name] = digest(data)
        self._zip.writestr(_member(name), data)

    def copy(self, name: str, source: IO[bytes]) -> None:
        """A member with all that was written to `source`."""
        source.seek(0)
        with self.open(name) as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)

    def finish(self, members: Mapping[str, Any]) -> str:
        """Write the manifest, and return its digest."""
        data = canonical({**self._heading, **members, "files": self._files})
        self._zip.writestr(_member(MANIFEST), data)
        return digest(data)


class _Member:
    """One member that is being written, and its digest."""

    def __init__(self, file: IO[bytes], name: str, files: dict[str, str]) -> None:
        self._file, self._name, self._files = file, name, files
        self._hash = hashlib.sha256()

    def __enter__(self) -> "_Member":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._files[self._name] = f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)


def _signed(checkpoint: str, vkeys: Sequence[Vkey]) -> Checkpoint:
    return open_checkpoint(checkpoint, vkeys, vkeys[0].name if vkeys else "")


def _write_tiles(
    writer: _Writer, given: Iterable[tuple[Tile, bytes]], wanted: Iterable[Tile]
) -> None:
    for tile, pair in zip_longest(wanted, given):
        if pair is None or pair[0] != tile or len(pair[1]) != tile.width * tree.HASH_BYTES:
            raise ValueError("a range has exactly the tiles of tiles_of_range, in that order")
        writer.put(tile.path, pair[1])


def _line(record: bytes) -> bytes:
    if len(record) > tiles.MAX_ENTRY or b"\n" in record:
        raise ValueError("a record is one line of at most 65,535 bytes")
    return record + b"\n"


def _member(name: str) -> zipfile.ZipInfo:
    """The same bytes for the same bundle: no clock, no system, no rights of whoever writes."""
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = 3
    member.external_attr = (stat.S_IFREG | 0o644) << 16
    return member
