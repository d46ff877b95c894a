"""The export bundle: records with all that an outsider needs to verify them. Written and read here.

The format, and what verifying proves, stand in docs/log-format.md.
"""

import base64
import hashlib
import io
import json
import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, Protocol, TypeGuard

from app.tlog import tiles, tree
from app.tlog.note import Checkpoint, NoteInvalid, Vkey, open_checkpoint, open_checkpoint_signed
from app.tlog.proof import MAX_PROOF, encode_proof, parse_proof
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

_SMALL = 64 * 1024  # bytes of README, vkey and checkpoint
_ENTRY = 512  # bytes that a manifest may take for each file that it names
_LINE = tiles.MAX_ENTRY + 1  # bytes of a record with its newline
_SPOOL = 8 * 1024 * 1024  # bytes of records that a selection keeps in memory
_CHUNK = 64 * 1024
_INDEX_LINE = 32

_FIXED = {README, VKEY, CHECKPOINT, RECORDS, INDEX}
_PLACES = ("firstIndex", "lastIndex")
_NUMBER = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags of a zip member: encrypted, strongly, or its name is
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# All that zipfile and zlib raise on files that were made to hurt them.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    RuntimeError,
    OverflowError,
    MemoryError,
    struct.error,
)

_READ_ME = """\
# Export uit het toegangslogboek

Dit pakket bewijst zelf dat zijn records in het logboek staan en ongewijzigd zijn. U hebt daarvoor
de dienst niet nodig, alleen Python en het pakket `cryptography`, met de map `app` van
Protocolpoort:

    python -m app.tlog verify PAKKET.zip --vkey SLEUTEL

SLEUTEL is de openbare sleutel van het logboek. In dit pakket (bestand `vkey`) staat:

    {vkey}

Wie het pakket namaakt, kan ook die sleutel namaken. Vergelijk hem dus met een sleutel die u langs
een andere weg hebt, bijvoorbeeld van https://{origin}/vkey. Hebt u een ouder checkpoint bewaard,
geef het dan mee met `--older BESTAND`: zo blijkt ook dat het logboek sindsdien niet herschreven is.

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


@dataclass(frozen=True)
class Verdict:
    """What verifying a bundle found; `intact` only when every check was made and held.

    When not intact, `what` is the reason in Dutch, `index` the first index at fault where one can
    be named, and the other fields hold what was known by then.
    """

    intact: bool = False
    what: str = ""
    index: int | None = None
    kind: str = ""
    count: int = 0
    first: int | None = None
    last: int | None = None
    checkpoint: Checkpoint | None = None
    vkey: Vkey | None = None
    key_is_from_bundle: bool = False
    compared_with_older: bool = False


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
    ValueError for no records, a record that is no line, a range beyond the checkpoint, or
    another tile; NoteInvalid for a checkpoint that these keys did not sign. What stands in the
    file by then is no bundle.
    """
    signed = _signed(checkpoint, vkeys)
    with _Writer(file, _heading(RANGE, signed, about), checkpoint, vkeys) as writer:
        count = 0
        with writer.open(RECORDS) as lines:
            for record in records:
                lines.write(_line_of(record))
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
            records.write(_line_of(record))
            indexes.write(b"%d\n" % index)
            writer.put(_proof_name(index), encode_proof(index, hashes, checkpoint).encode())
            count += 1
        writer.copy(RECORDS, records)
        writer.copy(INDEX, indexes)
        return writer.finish({"count": count})


def verify(
    path: Path,
    vkeys: Sequence[Vkey] | None = None,
    older: str | None = None,
    manifest: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """Verify a bundle, a zip or the folder it was unpacked in, in constant memory for a range.

    `vkeys` are the keys of the log that the caller knows; without them the bundle's own are used,
    and the verdict says so. `older` is a signed note that was kept from earlier: the tree must
    extend it. `manifest` is the digest (`sha256:...`) that the manifest must have. `progress` is
    told how many records were verified so far. Never raises for what is in the bundle, nor for a
    path that cannot be read.
    """
    check = _Check(vkeys, older, manifest, progress)
    try:
        with _opened(path) as source:
            check.run(source)
    except _Broken as broken:
        return replace(check.verdict, what=broken.what, index=broken.index)
    except _UNREADABLE as error:
        return replace(check.verdict, what=f"het pakket is niet leesbaar ({type(error).__name__})")
    return replace(check.verdict, intact=True)


def told(verdict: Verdict) -> list[str]:
    """The verdict as lines for a reader, in Dutch; without control characters."""
    if not verdict.intact:
        place = [] if verdict.index is None else [f"Eerste foute index: {verdict.index}"]
        return [f"NIET IN ORDE: {verdict.what}", *place]
    lines = [f"In orde: {_span(verdict)}."]
    if verdict.kind == RANGE:
        lines.append("Het bereik is volledig: tussen de eerste en de laatste ontbreekt niets.")
    if verdict.kind == SELECTION:
        lines.append("Elk record staat in het logboek; of de selectie volledig is, blijkt niet.")
    if verdict.checkpoint:
        lines.append(f"Checkpoint: een boom van {verdict.checkpoint.size} records.")
    if verdict.vkey:
        lines.append(f"Ondertekend met {_shown(verdict.vkey.text)}")
    if verdict.vkey and verdict.key_is_from_bundle:
        lines.append(
            "LET OP: die sleutel komt uit het pakket zelf. Vergelijk deze sleutel met "
            f"https://{_shown(verdict.vkey.name)}/vkey of met een die u eerder kreeg."
        )
    if verdict.compared_with_older:
        lines.append("De boom bouwt voort op het oudere checkpoint.")
    else:
        lines.append("Niet vergeleken met een ouder checkpoint.")
    return lines


def _heading(kind: str, signed: Checkpoint, about: Mapping[str, str]) -> dict[str, Any]:
    """What the manifest says before the records are known."""
    return {
        "about": dict(about),
        "format": FORMAT,
        "kind": kind,
        "origin": signed.origin,
        "rootHash": _base64(signed.root),
        "treeSize": signed.size,
    }


def _read_me(heading: Mapping[str, Any], vkeys: Sequence[Vkey]) -> str:
    return _READ_ME.format(
        vkey=vkeys[0].text,
        origin=heading["origin"],
        size=heading["treeSize"],
        proofs=_PROOFS[heading["kind"]],
    )


class _Broken(Exception):
    """A check did not hold."""

    def __init__(self, what: str, index: int | None = None) -> None:
        super().__init__(what)
        self.what, self.index = what, index


class _Writer:
    """The zip as it grows, with the digest of each file."""

    def __init__(
        self,
        file: IO[bytes],
        heading: Mapping[str, Any],
        checkpoint: str,
        vkeys: Sequence[Vkey],
    ) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self._files: dict[str, str] = {}
        self._heading = heading
        self.put(README, _read_me(heading, vkeys).encode())
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
        self._files[name] = _digest(data)
        self._zip.writestr(_member(name), data)

    def copy(self, name: str, source: IO[bytes]) -> None:
        """A member with all that was written to `source`."""
        source.seek(0)
        with self.open(name) as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)

    def finish(self, members: Mapping[str, Any]) -> str:
        """Write the manifest, and return its digest."""
        data = _canonical({**self._heading, **members, "files": self._files})
        self._zip.writestr(_member(MANIFEST), data)
        return _digest(data)


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


class _Source(Protocol):
    """The files of a bundle, by name."""

    def names(self) -> list[str]:
        """Every name, as often as it stands there."""

    def open(self, name: str) -> IO[bytes]:
        """A file to read; the name is one of `names`."""


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def names(self) -> list[str]:
        for member in self._archive.infolist():
            if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
                raise _Broken(f"{_shown(member.filename)} is versleuteld of anders ingepakt")
        return [member.filename for member in self._archive.infolist()]

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        return list(_walk(self._path))

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")


class _Digesting(io.RawIOBase):
    """Reads a file, and hashes what is read in the same pass."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()

    @property
    def digest(self) -> str:
        """Of all that was read so far."""
        return f"sha256:{self._hash.hexdigest()}"


@dataclass(frozen=True)
class _Manifest:
    """A manifest of which the form was checked."""

    kind: str
    origin: str
    size: int
    root: str
    count: int
    first: int
    last: int
    files: dict[str, str] = field(repr=False)


class _Lines:
    """A file that is read line by line, to its end, and then compared with its digest."""

    def __init__(self, source: _Source, name: str, digest: str, limit: int) -> None:
        self._name, self._digest, self._limit = name, digest, limit
        self._raw = _Digesting(source.open(name))
        self._file = io.BufferedReader(self._raw, _CHUNK)

    def take(self, count: int) -> list[bytes]:
        """The next lines with their newlines; the last are empty when the file ends before."""
        limit, readline = self._limit, self._file.readline
        return [readline(limit) for _ in range(count)]

    def end(self) -> None:
        """Raises unless the file ends here and its bytes are those of the manifest."""
        if self._file.read(1):
            raise _Broken(f"{self._name} heeft meer regels dan het manifest zegt")
        if self._raw.digest != self._digest:
            raise _Broken(f"{self._name} heeft een andere hash dan in het manifest")

    def close(self) -> None:
        self._file.close()


class _Tree:
    """The tiles of a bundle, of which every hash is chained up to the signed root."""

    def __init__(self, source: _Source, files: Mapping[str, str], checkpoint: Checkpoint) -> None:
        self._source, self._files, self._size = source, files, checkpoint.size
        # At each level the tile that was read last: records come in order, and so do the tiles.
        self._held: dict[int, tuple[Tile, bytes]] = {}
        # Every partial tile is on the edge, and the root covers every hash in one.
        self._partial = {
            tile: self._read(tile)
            for tile in tiles.edge_tiles(checkpoint.size)
            if tile.width < tiles.WIDTH
        }
        read = tiles.reader(lambda _: self._partial, checkpoint.size)
        if tree.root(read(tree.edge_nodes(checkpoint.size))) != checkpoint.root:
            raise _Broken("de hashes in tile/ leiden niet naar de wortel van het checkpoint")

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile that the bundle holds."""
        if tile in self._partial:
            return self._partial[tile]
        held, data = self._held.get(tile.level, (None, b""))
        if held == tile:
            return data
        data = self._read(tile)
        above = tree.Node(8 * (tile.level + 1), tile.index)
        parent = self.tile(tiles.tile_of(above, self._size))
        if tiles.hash_in(parent, above) != tiles.root_of(data):
            raise _Broken(f"{tile.path} hoort niet in de boom van het checkpoint")
        self._held[tile.level] = tile, data
        return data

    def _read(self, tile: Tile) -> bytes:
        data = _small(self._source, tile.path, self._files, tiles.WIDTH * tree.HASH_BYTES)
        if len(data) != tile.width * tree.HASH_BYTES:
            raise _Broken(f"{tile.path} heeft een verkeerde lengte")
        return data


class _Check:
    """One verification; `verdict` holds what is known so far."""

    def __init__(
        self,
        vkeys: Sequence[Vkey] | None,
        older: str | None,
        manifest: str | None,
        progress: Callable[[int], None],
    ) -> None:
        self._known: Sequence[Vkey] = vkeys or []
        self._older, self._manifest = older, manifest
        self._progress = progress
        self.verdict = Verdict(key_is_from_bundle=vkeys is None)

    def run(self, source: _Source) -> None:
        """Make every check; raises _Broken for the first that does not hold."""
        manifest = _read_manifest(source, self._manifest)
        self.verdict = replace(self.verdict, kind=manifest.kind)
        _small(source, README, manifest.files, _SMALL)
        own = _small(source, VKEY, manifest.files, _SMALL)
        note = _small(source, CHECKPOINT, manifest.files, _SMALL)
        checkpoint = self._open(note, own, manifest)
        if manifest.kind == RANGE:
            nodes = self._check_range(source, manifest, checkpoint)
        else:
            nodes = self._check_selection(source, manifest, checkpoint, note)
        if self._older is not None:
            self._compare(self._older, checkpoint, nodes)

    def _open(self, note: bytes, own: bytes, manifest: _Manifest) -> Checkpoint:
        try:
            if self.verdict.key_is_from_bundle:
                self._known = _parse_vkeys(own)
            checkpoint, vkey = open_checkpoint_signed(note, self._known, manifest.origin)
        except (NoteInvalid, UnicodeError) as error:
            raise _Broken(f"het checkpoint of de sleutel klopt niet ({error})") from None
        if (checkpoint.size, _base64(checkpoint.root)) != (manifest.size, manifest.root):
            raise _Broken("het manifest noemt een andere boom dan het checkpoint")
        self.verdict = replace(self.verdict, checkpoint=checkpoint, vkey=vkey)
        return checkpoint

    def _check_range(
        self, source: _Source, manifest: _Manifest, checkpoint: Checkpoint
    ) -> tree.Reader:
        first, end, size = manifest.first, manifest.last + 1, checkpoint.size
        if not 0 <= first < end <= size or manifest.count != end - first:
            raise _Broken("het bereik in het manifest kan niet")
        _check_tile_names(manifest, size)

        known = _Tree(source, manifest.files, checkpoint)
        with (
            closing(_Lines(source, RECORDS, manifest.files[RECORDS], _LINE)) as records,
            closing(_Lines(source, INDEX, manifest.files[INDEX], _INDEX_LINE)) as indexes,
        ):
            for tile in tiles_of_range(first, end, size):
                data = known.tile(tile)
                held = range(max(first, tile.leaves.start), min(end, tile.leaves.stop))
                if tile.level or not held:
                    continue
                at = (held.start - tile.leaves.start) * tree.HASH_BYTES
                hashes = data[at : at + len(held) * tree.HASH_BYTES]
                _check_indexes(indexes.take(len(held)), held)
                _check_records(records.take(len(held)), held, hashes)
                self._count(held.start, held.stop - 1, len(held))
            records.end()
            indexes.end()

        return tiles.reader(
            lambda wanted: {
                tile: known.tile(tile) for tile in wanted if tile.path in manifest.files
            },
            size,
        )

    def _check_selection(
        self, source: _Source, manifest: _Manifest, checkpoint: Checkpoint, note: bytes
    ) -> tree.Reader:
        # With as many proofs as records, and a proof of its own for each, none is left over.
        if len(manifest.files) != len(_FIXED) + manifest.count:
            raise _Broken("het pakket heeft niet precies een bewijs per record")

        least = 0
        with (
            closing(_Lines(source, RECORDS, manifest.files[RECORDS], _LINE)) as records,
            closing(_Lines(source, INDEX, manifest.files[INDEX], _INDEX_LINE)) as indexes,
        ):
            for _ in range(manifest.count):
                index = _index_in(*indexes.take(1))
                if not least <= index < checkpoint.size:
                    raise _Broken("index.txt is niet oplopend, of gaat voorbij de boom", index)
                least = index + 1
                hashes = _read_proof(source, index, manifest.files, note)
                leaf = _leaf_of(*records.take(1))
                if not tree.verify_inclusion(leaf, index, checkpoint.size, hashes, checkpoint.root):
                    raise _Broken("het record staat zo niet in het logboek", index)
                self._count(index, index, 1)
            records.end()
            indexes.end()
        return tiles.reader(lambda _: {}, checkpoint.size)

    def _count(self, first: int, last: int, more: int) -> None:
        known = self.verdict
        start = first if known.first is None else known.first
        self.verdict = replace(known, count=known.count + more, first=start, last=last)
        self._progress(self.verdict.count)

    def _compare(self, older: str, checkpoint: Checkpoint, read: tree.Reader) -> None:
        try:
            before = open_checkpoint(older, self._known, checkpoint.origin)
        except NoteInvalid as error:
            raise _Broken(f"het oudere checkpoint klopt niet ({error})") from None
        if before.size > checkpoint.size:
            raise _Broken(
                f"het oudere checkpoint telt {before.size} records en dat van het pakket "
                f"{checkpoint.size}: het pakket is van daarvoor, of het logboek is ingekort"
            )
        try:
            proof = tree.consistency_proof(before.size, checkpoint.size, read)
        except ValueError:
            raise _Broken(
                "het pakket klopt op zichzelf, maar het bevat de hashes niet om het met het "
                "oudere checkpoint te vergelijken: vraag een export vanaf index 0, of vergelijk "
                "met `protocolpoort log watch`"
            ) from None
        if not tree.verify_consistency(
            before.size, before.root, checkpoint.size, checkpoint.root, proof
        ):
            raise _Broken(
                "het logboek is herschreven: de boom van het pakket bouwt niet voort op het "
                "oudere checkpoint"
            )
        self.verdict = replace(self.verdict, compared_with_older=True)


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    if path.is_dir():
        yield _Folder(path)
        return
    with zipfile.ZipFile(path) as archive:
        yield _Zip(archive)


def _walk(folder: Path) -> Iterator[str]:
    waiting = [""]
    while waiting:
        within = waiting.pop()
        with os.scandir(folder / within) as entries:
            for entry in entries:
                name = within + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    yield name
                else:
                    raise _Broken(f"{_shown(name)} is geen gewoon bestand")


def _read_manifest(source: _Source, known: str | None) -> _Manifest:
    names = source.names()
    if len(set(names)) != len(names):
        raise _Broken("een naam staat twee keer in het pakket")
    if MANIFEST not in names:
        raise _Broken("manifest.json ontbreekt")
    data = _bytes(source, MANIFEST, _SMALL + _ENTRY * len(names))
    if known is not None and _digest(data) != known:
        raise _Broken("het manifest is niet dat van deze export: zijn hash is een andere")
    try:
        manifest = _parse_manifest(data)
    except (ValueError, RecursionError):
        raise _Broken("manifest.json heeft niet de vorm die het moet hebben") from None
    named = manifest.files.keys() | {MANIFEST}
    for name in sorted(named.symmetric_difference(names)):
        state = "ontbreekt" if name in named else "staat niet in het manifest"
        raise _Broken(f"{_shown(name)} {state}")
    return manifest


def _parse_manifest(data: bytes) -> _Manifest:
    """Raises ValueError or RecursionError for anything but a manifest in its one spelling."""
    found = json.loads(data)
    # One spelling only: no member twice, and nothing that another reader would see otherwise.
    if not isinstance(found, dict) or _canonical(found) != data:
        raise ValueError("not canonical JSON of an object")
    kind, files = found.get("kind"), found.get("files")
    if found.get("format") != FORMAT or kind not in (RANGE, SELECTION):
        raise ValueError("another format")
    numbers = ("count", "treeSize", *(_PLACES if kind == RANGE else ()))
    if found.keys() != {"about", "files", "format", "kind", "origin", "rootHash", *numbers}:
        raise ValueError("a member too many or too few")
    if not all(type(found[name]) is int and found[name] >= 0 for name in numbers):
        raise ValueError("a number is not a number")
    if not all(isinstance(found[name], str) for name in ("origin", "rootHash")):
        raise ValueError("a text is not a text")
    if not _is_texts(found["about"]) or not _is_texts(files) or not files.keys() >= _FIXED:
        raise ValueError("a table is not one of texts")
    return _Manifest(
        kind=kind,
        origin=found["origin"],
        size=found["treeSize"],
        root=found["rootHash"],
        count=found["count"],
        first=found.get("firstIndex", 0),
        last=found.get("lastIndex", 0),
        files=files,
    )


def _is_texts(value: Any) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _parse_vkeys(data: bytes) -> list[Vkey]:
    return [Vkey.parse(line) for line in data.decode().removesuffix("\n").split("\n")]


def _check_tile_names(manifest: _Manifest, size: int) -> None:
    """The files are the fixed ones and the tiles of the range, neither more nor less."""
    count = len(_FIXED)
    for tile in tiles_of_range(manifest.first, manifest.last + 1, size):
        # Stops at the first that is missing: a size alone cannot make this long.
        if tile.path not in manifest.files:
            raise _Broken(f"{tile.path} ontbreekt")
        count += 1
    if len(manifest.files) != count:
        raise _Broken("het pakket heeft bestanden die niet bij het bereik horen")


def _check_indexes(lines: Sequence[bytes], held: range) -> None:
    for index, line in zip(held, lines, strict=True):
        if line != b"%d\n" % index:
            raise _Broken("index.txt noemt een andere index", index)


def _check_records(lines: Sequence[bytes], held: range, hashes: bytes) -> None:
    """Every record has the hash at its place in the tile."""
    places = range(0, len(hashes), tree.HASH_BYTES)
    for index, line, at in zip(held, lines, places, strict=True):
        if _leaf_of(line) != hashes[at : at + tree.HASH_BYTES]:
            what = "het record is niet dat van het logboek" if line else "het record ontbreekt"
            raise _Broken(what, index)


def _leaf_of(line: bytes) -> bytes:
    """The leaf hash of a record, without its newline; nothing when that is not there."""
    return tree.leaf_hash(line[:-1]) if line.endswith(b"\n") else b""


def _index_in(line: bytes) -> int:
    if not _NUMBER.fullmatch(line):
        raise _Broken("index.txt heeft een regel die geen index is, of te weinig regels")
    return int(line)


def _read_proof(
    source: _Source, index: int, files: Mapping[str, str], note: bytes
) -> Sequence[bytes]:
    """The path of a record, out of a proof that is for this index and this checkpoint."""
    name = _proof_name(index)
    if name not in files:
        raise _Broken(f"{name} ontbreekt", index)
    try:
        proof = parse_proof(_small(source, name, files, MAX_PROOF).decode())
    except ValueError:
        raise _Broken(f"{name} is geen bewijs", index) from None
    if proof.index != index or proof.checkpoint.encode() != note or proof.extra is not None:
        raise _Broken(f"{name} is een bewijs voor iets anders", index)
    return proof.hashes


def _small(source: _Source, name: str, files: Mapping[str, str], limit: int) -> bytes:
    """A file as a whole, with the digest that the manifest gives."""
    data = _bytes(source, name, limit)
    if _digest(data) != files[name]:
        raise _Broken(f"{name} heeft een andere hash dan in het manifest")
    return data


def _bytes(source: _Source, name: str, limit: int) -> bytes:
    # A few bytes of zip can unpack to gigabytes: no more is read than such a file may have.
    with source.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise _Broken(f"{name} is te groot")
    return data


def _signed(checkpoint: str, vkeys: Sequence[Vkey]) -> Checkpoint:
    return open_checkpoint(checkpoint, vkeys, vkeys[0].name if vkeys else "")


def _write_tiles(
    writer: _Writer, given: Iterable[tuple[Tile, bytes]], wanted: Iterable[Tile]
) -> None:
    for tile, pair in zip_longest(wanted, given):
        if pair is None or pair[0] != tile or len(pair[1]) != tile.width * tree.HASH_BYTES:
            raise ValueError("a range has exactly the tiles of tiles_of_range, in that order")
        writer.put(tile.path, pair[1])


def _line_of(record: bytes) -> bytes:
    if len(record) > tiles.MAX_ENTRY or b"\n" in record:
        raise ValueError("a record is one line of at most 65,535 bytes")
    return record + b"\n"


def _proof_name(index: int) -> str:
    return f"proofs/{index}.tlog-proof"


def _member(name: str) -> zipfile.ZipInfo:
    """The same bytes for the same bundle: no clock, no system, no rights of whoever writes."""
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = 3
    member.external_attr = (stat.S_IFREG | 0o644) << 16
    return member


def _canonical(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _shown(text: str) -> str:
    """Text of a bundle, safe on a terminal: what is not plain ASCII is escaped, the rest cut."""
    return ascii(text[:200])[1:-1]


def _span(verdict: Verdict) -> str:
    records = "1 record" if verdict.count == 1 else f"{verdict.count} records"
    if verdict.first is None:
        return records
    return f"{records}, index {verdict.first} tot en met {verdict.last}"
