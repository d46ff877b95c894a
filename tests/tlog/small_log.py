"""A log of a few hundred records, hashed by the naive tree, and bundles that were tampered with."""

import base64
import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import naive_tree

from app.tlog import bundle, tiles
from app.tlog.note import Checkpoint, Signer
from app.tlog.tiles import Tile, tiles_of_range
from app.tlog.tree import Node

ORIGIN = "log.example/toegang"
SIGNER = Signer(ORIGIN, bytes(range(32)))
SIZE = 600
Files = dict[str, bytes]


def record(index: int) -> bytes:
    """A record in canonical JSON."""
    return b'{"eventId":"%06d","type":"access"}' % index


class Log:
    """Records, their tree by the RFC's own recursion, and what a service would publish."""

    def __init__(self, records: Sequence[bytes], signer: Signer = SIGNER) -> None:
        self.records, self.signer = list(records), signer
        self._root = cache(lambda first, end: naive_tree.root(self.records[first:end]))

    def hash(self, node: Node) -> bytes:
        """The hash of a complete subtree."""
        first = node.index << node.level
        return self._root(first, first + (1 << node.level))

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        """A reader of the tree."""
        return [self.hash(node) for node in nodes]

    def tile(self, tile: Tile) -> bytes:
        """The bytes of a tile."""
        first = tile.index * tiles.WIDTH
        places = range(first, first + tile.width)
        return b"".join(self.hash(Node(8 * tile.level, place)) for place in places)

    def fetch(self, path: str) -> bytes:
        """A tile by its path; LookupError for what a log of this size does not have."""
        tile = tiles.parse_path(path)
        if tile is None or tile.leaves.stop > len(self.records):
            raise LookupError(path)
        return self.tile(tile)

    def checkpoint(self, size: int | None = None, origin: str | None = None) -> str:
        """The signed checkpoint of the first `size` records."""
        count = len(self.records) if size is None else size
        root = naive_tree.root(self.records[:count])
        return self.signer.sign(Checkpoint(origin or self.signer.vkey.name, count, root).text)

    def range(self, first: int, end: int, size: int | None = None) -> bytes:
        """A range bundle of the records `first` to `end` (exclusive)."""
        count = len(self.records) if size is None else size
        file = io.BytesIO()
        bundle.write_range(
            file,
            first,
            self.records[first:end],
            self.checkpoint(count),
            [self.signer.vkey],
            ((tile, self.tile(tile)) for tile in tiles_of_range(first, end, count)),
            {"query": "2026-01"},
        )
        return file.getvalue()

    def selection(self, *indexes: int) -> bytes:
        """A selection bundle of these records."""
        file = io.BytesIO()
        bundle.write_selection(
            file,
            [
                (index, self.records[index], naive_tree.inclusion(index, self.records))
                for index in indexes
            ],
            self.checkpoint(),
            [self.signer.vkey],
            {"query": "organisation"},
        )
        return file.getvalue()


@cache
def log() -> Log:
    """The log that most tests look at."""
    return Log([record(index) for index in range(SIZE)])


def unpack(data: bytes) -> Files:
    """The files of a bundle by name, in their order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(files: Mapping[str, bytes], *more: tuple[str, bytes]) -> bytes:
    """A zip of these files; `more` may repeat a name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that stands there twice
        for name, data in [*files.items(), *more]:
            archive.writestr(name, data)
    return file.getvalue()


def seal(files: Files, **members: object) -> None:
    """Make the manifest agree with the files, as who tampers with them would."""
    manifest = json.loads(files.pop(bundle.MANIFEST))
    digests = {name: "sha256:" + hashlib.sha256(data).hexdigest() for name, data in files.items()}
    manifest = {**manifest, "files": digests, **members}
    files[bundle.MANIFEST] = canonical(manifest)


def tampered(data: bytes, change: Callable[[Files], object], **members: object) -> bytes:
    """The bundle after a change by somebody who makes the manifest agree with it."""
    files = unpack(data)
    change(files)
    seal(files, **members)
    return pack(files)


def canonical(value: object) -> bytes:
    """JSON with sorted keys and without spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def base64_of(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode()
