"""Verifies export bundles that may be hostile, without the service. The writer is `bundle`.

What each step proves stands in docs/log-format.md.
"""

import hashlib
import io
import json
import os
import re
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Protocol, TypeGuard

from app.tlog import bundle, plain_zip, tiles, tree
from app.tlog.bundle import CHECKPOINT, INDEX, MANIFEST, README, RECORDS, VKEY
from app.tlog.note import Checkpoint, NoteInvalid, Vkey, open_checkpoint, open_checkpoint_signed
from app.tlog.proof import MAX_PROOF, parse_proof, verify_proof
from app.tlog.tiles import Tile, tiles_of_range

_ANSWER = 1024 * 1024  # bytes of the answer of getToegang: a record, and an explanation
_SMALL = 64 * 1024  # bytes of README, vkey and checkpoint, and of a manifest beside its files
_NAMED = 77  # bytes that a manifest takes for a file, beside its name: "":"sha256:<64 digits>",
_OBJECTS = 3  # in a manifest: itself, `about` and `files`
_OTHERS = _SMALL // 6  # members of a manifest beside its files: "":"", each at least
_LINE = tiles.MAX_ENTRY + 1  # bytes of a record with its newline
_CHUNK = 64 * 1024
_INDEX_LINE = 32

_FIXED = {README, VKEY, CHECKPOINT, RECORDS, INDEX}
_PLACES = ("firstIndex", "lastIndex")
_NUMBER = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_PROOF = re.compile(r"proofs/(0|[1-9][0-9]{0,18})\.tlog-proof")
# A text, or a mark outside texts. The text is possessive, and needs no end: for any bytes this
# takes time in proportion, and no memory.
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|([\[{:])', re.DOTALL)

# All that reading, unpacking and parsing raise on files that were made to hurt them.
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    zlib.error,
)


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
    names_other_keys: bool = False  # keys that the caller did not give
    manifest_is_known: bool = False
    compared_with_older: bool = False


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
    except plain_zip.NotPlain as error:
        what = f"het pakket heeft niet de vorm die de dienst maakt ({error})"
        return replace(check.verdict, what=what)
    except _UNREADABLE as error:
        return replace(check.verdict, what=f"het pakket is niet leesbaar ({type(error).__name__})")
    return replace(check.verdict, intact=True)


def prove(file: Path, record: Path, vkeys: Sequence[Vkey]) -> tuple[str, bool]:
    """Whether a `.tlog-proof` is one of the record in the other file, and that in Dutch."""
    try:
        with file.open("rb") as text, record.open("rb") as shown:
            content = text.read(MAX_PROOF * 4).decode()
            index, checkpoint = verify_proof(content, shown.read(_ANSWER), vkeys)
    except (OSError, ValueError) as error:
        return f"NIET IN ORDE: {_shown(str(error))}", False
    return (
        f"In orde: het record staat op index {index}, in een boom van {checkpoint.size} records "
        f"van {_shown(checkpoint.origin)}.",
        True,
    )


def told(verdict: Verdict) -> list[str]:
    """The verdict as lines for a reader, in Dutch; without control characters."""
    if not verdict.intact:
        place = [] if verdict.index is None else [f"Eerste foute index: {verdict.index}"]
        return [f"NIET IN ORDE: {verdict.what}", *place]
    lines = [f"In orde: {_span(verdict)}."]
    if verdict.kind == bundle.RANGE:
        lines.append("Het bereik is volledig: tussen de eerste en de laatste ontbreekt niets.")
    if verdict.kind == bundle.SELECTION:
        lines.append("Elk record staat in het logboek; of de selectie volledig is, blijkt niet.")
    if verdict.checkpoint:
        lines.append(f"Checkpoint: een boom van {verdict.checkpoint.size} records.")
    if verdict.vkey:
        lines.append(f"Ondertekend met {_shown(verdict.vkey.text)}")
    if verdict.vkey and verdict.key_is_from_bundle:
        lines.append(
            "LET OP: die sleutel komt uit het pakket zelf. Vergelijk hem met een sleutel die u van "
            "elders hebt, of op het adres van het logboek dat u al kent; niet op een adres uit het "
            "pakket."
        )
    if verdict.names_other_keys:
        lines.append(
            "LET OP: het pakket noemt ook een sleutel die u niet opgaf. Niets toont dat die van "
            "het logboek is."
        )
    if not verdict.manifest_is_known:
        lines.append("Wat het manifest over zichzelf zegt (about) is niet nagekeken.")
    if verdict.compared_with_older:
        lines.append("De boom bouwt voort op het oudere checkpoint.")
    else:
        lines.append("Niet vergeleken met een ouder checkpoint.")
    return lines


class _Broken(Exception):
    """A check did not hold."""

    def __init__(self, what: str, index: int | None = None) -> None:
        super().__init__(what)
        self.what, self.index = what, index


class _Source(Protocol):
    """The files of a bundle, by name."""

    def names(self) -> Iterable[str]:
        """Every name, as often as it stands there; all are taken before a file is read."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file, in parts that are not empty; the name is one of `names`."""


class _Zip:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._members: dict[str, plain_zip.Member] = {}

    def names(self) -> Iterator[str]:
        for member in plain_zip.members(self._file):
            self._members[member.name] = member
            yield member.name

    def chunks(self, name: str) -> Iterator[bytes]:
        return plain_zip.chunks(self._file, self._members[name])


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> Iterator[str]:
        return _walk(self._path)

    def chunks(self, name: str) -> Iterator[bytes]:
        with (self._path / name).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


class _Digesting(io.RawIOBase):
    """Parts of a file as a file, hashed in the same pass."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._chunks, b"")
            self._hash.update(self._rest)
        data, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

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

    def __init__(self, source: _Source, name: str, files: Mapping[str, str], limit: int) -> None:
        self._name, self._digest, self._limit = name, files[name], limit
        self._raw = _Digesting(source.chunks(name))
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
        self.verdict = replace(
            self.verdict, kind=manifest.kind, manifest_is_known=self._manifest is not None
        )
        read_me = _small(source, README, manifest.files, _SMALL)
        own = _small(source, VKEY, manifest.files, _SMALL)
        note = _small(source, CHECKPOINT, manifest.files, _SMALL)
        checkpoint = self._open(note, own, read_me, manifest)
        if manifest.kind == bundle.RANGE:
            nodes = self._check_range(source, manifest, checkpoint)
        else:
            nodes = self._check_selection(source, manifest, checkpoint, note)
        if self._older is not None:
            self._compare(self._older, checkpoint, nodes)

    def _open(self, note: bytes, own: bytes, read_me: bytes, manifest: _Manifest) -> Checkpoint:
        try:
            named = _parse_vkeys(own)
            if self.verdict.key_is_from_bundle:
                self._known = named
            checkpoint, vkey = open_checkpoint_signed(note, self._known, manifest.origin)
        except (NoteInvalid, UnicodeError) as error:
            raise _Broken(f"het checkpoint of de sleutel klopt niet ({error})") from None
        if (checkpoint.size, bundle.base64_of(checkpoint.root)) != (manifest.size, manifest.root):
            raise _Broken("het manifest noemt een andere boom dan het checkpoint")
        # Who reads these two without a verifier must not be told another key, or another way.
        if vkey not in named:
            raise _Broken("het bestand vkey noemt niet de sleutel van het checkpoint")
        if read_me != bundle.read_me(manifest.kind, manifest.size, named).encode():
            raise _Broken("README.md is niet de tekst die de dienst schrijft")
        others = not set(named) <= set(self._known)
        self.verdict = replace(
            self.verdict, checkpoint=checkpoint, vkey=vkey, names_other_keys=others
        )
        return checkpoint

    def _check_range(
        self, source: _Source, manifest: _Manifest, checkpoint: Checkpoint
    ) -> tree.Reader:
        first, end, size = manifest.first, manifest.last + 1, checkpoint.size
        if not 0 <= first < end <= size or manifest.count != end - first:
            raise _Broken("het bereik in het manifest kan niet")
        _check_tile_names(manifest, size)

        known = _Tree(source, manifest.files, checkpoint)
        records = _Lines(source, RECORDS, manifest.files, _LINE)
        indexes = _Lines(source, INDEX, manifest.files, _INDEX_LINE)
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
        records = _Lines(source, RECORDS, manifest.files, _LINE)
        indexes = _Lines(source, INDEX, manifest.files, _INDEX_LINE)
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
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        yield _Folder(path)
    elif stat.S_ISREG(mode):
        with path.open("rb", buffering=0) as file:
            yield _Zip(file)
    else:
        # A pipe would be waited for, and a device read for ever.
        raise _Broken("het pakket is geen gewoon bestand en geen map")


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
    names: set[str] = set()
    room = _SMALL
    for name in source.names():
        if not _is_name(name):
            raise _Broken(f"{_shown(name)} hoort niet in een pakket")
        if name in names:
            raise _Broken("een naam staat twee keer in het pakket")
        names.add(name)
        room += len(name) + _NAMED
    if MANIFEST not in names:
        raise _Broken("manifest.json ontbreekt")
    data = _bytes(source, MANIFEST, room)
    if known is not None and bundle.digest(data) != known:
        raise _Broken("het manifest is niet dat van deze export: zijn hash is een andere")
    try:
        manifest = _parse_manifest(data, len(names))
    except ValueError:
        raise _Broken("manifest.json heeft niet de vorm die het moet hebben") from None
    named = manifest.files.keys() | {MANIFEST}
    for name in sorted(named ^ names):
        state = "ontbreekt" if name in named else "staat niet in het manifest"
        raise _Broken(f"{_shown(name)} {state}")
    return manifest


def _is_name(name: str) -> bool:
    """Whether a bundle may hold a file of this name."""
    return (
        name in _FIXED
        or name == MANIFEST
        or _PROOF.fullmatch(name) is not None
        or tiles.parse_path(name) is not None
    )


def _parse_manifest(data: bytes, names: int) -> _Manifest:
    """Raises ValueError for anything but a manifest in its one spelling."""
    # Before anything is built: a few bytes of lists, or of members, take many times their size.
    marks = Counter(match[1] for match in _MARK.finditer(data))
    if marks[b"["] or marks[b"{"] != _OBJECTS or marks[b":"] > names + _OTHERS:
        raise ValueError("more lists, objects or members than a manifest has")
    found = json.loads(data)
    # One spelling only: no member twice, and nothing that another reader would see otherwise.
    if not isinstance(found, dict) or bundle.canonical(found) != data:
        raise ValueError("not canonical JSON of an object")
    kind, files = found.get("kind"), found.get("files")
    if found.get("format") != bundle.FORMAT or kind not in (bundle.RANGE, bundle.SELECTION):
        raise ValueError("another format")
    numbers = ("count", "treeSize", *(_PLACES if kind == bundle.RANGE else ()))
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
    name = bundle.proof_name(index)
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
    if bundle.digest(data) != files[name]:
        raise _Broken(f"{name} heeft een andere hash dan in het manifest")
    return data


def _bytes(source: _Source, name: str, limit: int) -> bytes:
    # A few bytes of zip can unpack to gigabytes: no more is read than such a file may have.
    data = bytearray()
    for chunk in source.chunks(name):
        data += chunk
        if len(data) > limit:
            raise _Broken(f"{name} is te groot")
    return bytes(data)


def _shown(text: str) -> str:
    """Text of a bundle, safe on a terminal: what is not plain ASCII is escaped, the rest cut."""
    return ascii(text[:200])[1:-1]


def _span(verdict: Verdict) -> str:
    records = "1 record" if verdict.count == 1 else f"{verdict.count} records"
    if verdict.first is None:
        return records
    return f"{records}, index {verdict.first} tot en met {verdict.last}"
