"""Tiles and entry bundles of C2SP tlog-tiles: where a hash stands, and its path."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from app.tlog.tree import HASH_BYTES, Node, Reader, node_hash

WIDTH = 256  # hashes in a full tile: a subtree of height 8
HEIGHT = 8
MAX_ENTRY = 0xFFFF  # bytes of a record, by its length prefix

# Six groups are enough for every tree of fewer than 2^63 leaves, and fit in 64 bits themselves.
_PLACE = r"((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
_TILE_PATH = re.compile(r"tile/([0-9]|[1-5][0-9]|6[0-3])/" + _PLACE)
_ENTRIES_PATH = re.compile("tile/entries/" + _PLACE)


class Tile(NamedTuple):
    """`width` consecutive hashes of complete subtrees of 256**level leaves."""

    level: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which no tile needs
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where a log serves it, below the prefix of the log: `tile/0/x001/x234/067.p/5`."""
        return f"tile/{self.level}/{_place(self.index, self.width)}"

    @property
    def leaves(self) -> range:
        """The indexes of the leaves below it."""
        span = WIDTH**self.level
        first = self.index * WIDTH * span
        return range(first, first + self.width * span)


def parse_path(text: str) -> Tile | None:
    """The tile with this path; None for anything but the one spelling of a path."""
    match = _TILE_PATH.fullmatch(text)
    if match is None:
        return None
    tile = Tile(int(match[1]), _index(match[2]), int(match[3] or WIDTH))
    return tile if tile.path == text else None  # no group of zeroes in front


def entries_path(index: int, width: int = WIDTH) -> str:
    """Where a log serves the records of the `index`th level 0 tile: `tile/entries/000.p/5`."""
    return f"tile/entries/{_place(index, width)}"


def parse_entries_path(text: str) -> tuple[int, int] | None:
    """Index and width of an entry bundle; None for anything but the one spelling of a path."""
    match = _ENTRIES_PATH.fullmatch(text)
    if match is None:
        return None
    index, width = _index(match[1]), int(match[2] or WIDTH)
    return (index, width) if entries_path(index, width) == text else None


def tile_of(node: Node, size: int) -> Tile:
    """The tile that holds a node, with the width that it has in a tree of `size`.

    Raises ValueError for a node whose leaves are not all in the tree.
    """
    if node.level < 0 or not 0 < (node.index + 1) << node.level <= size:
        raise ValueError(f"{node} is not complete in a tree of {size}")
    level, height = divmod(node.level, HEIGHT)
    return _tile(level, (node.index << height) // WIDTH, size)


def hash_in(tile_hashes: bytes, node: Node) -> bytes:
    """The hash of a node out of the tile that holds it.

    Raises ValueError when the tile is too narrow to hold it.
    """
    height = node.level % HEIGHT
    first = (node.index << height) % WIDTH * HASH_BYTES
    below = tile_hashes[first : first + (HASH_BYTES << height)]
    if len(below) != HASH_BYTES << height:
        raise ValueError(f"the tile does not hold {node}")
    return _subtree(below)


def root_of(hashes: bytes) -> bytes:
    """The root of a full tile: the hash that stands for it in the tile above.

    Raises ValueError for a tile of another width.
    """
    if len(hashes) != WIDTH * HASH_BYTES:
        raise ValueError("a full tile has 256 hashes")
    return _subtree(hashes)


def reader(fetch: Callable[[Sequence[Tile]], Mapping[Tile, bytes]], size: int) -> Reader:
    """Read the nodes of a tree of `size` through its tiles, each once and all in one fetch.

    The reader raises ValueError for a tile that is missing or has another width.
    """

    def read(nodes: Sequence[Node]) -> list[bytes]:
        places = [tile_of(node, size) for node in nodes]
        wanted = list(dict.fromkeys(places))
        tiles = fetch(wanted) if wanted else {}
        for tile in wanted:
            if len(tiles.get(tile, b"")) != tile.width * HASH_BYTES:
                raise ValueError(f"{tile.path} does not have {tile.width} hashes")
        return [hash_in(tiles[place], node) for place, node in zip(places, nodes, strict=True)]

    return read


def edge_tiles(size: int) -> list[Tile]:
    """The rightmost tile of every level of a tree of `size`, level 0 first.

    They hold every node of the edge. All partial tiles are among them, and so is the highest:
    the root is computed from those, and each full tile has its root in the tile above.
    """
    return [_tile(level, last, size) for level, last in _levels(size)]


def tiles_of_range(first: int, end: int, size: int) -> Iterator[Tile]:
    """Every tile that a verifier of the records `first` to `end` (exclusive) needs.

    The level 0 tiles that hold them, the tiles above those, and `edge_tiles`; each once, by
    level and then by index. Raises ValueError unless 0 <= first < end <= size.
    """
    if not 0 <= first < end <= size:
        raise ValueError(f"no range of records: {first} to {end} of {size}")
    return _tiles_of_range(first, end, size)


def encode_entries(records: Iterable[bytes]) -> bytes:
    """An entry bundle: each record after its length as a big-endian uint16.

    Raises ValueError for a record of more than 65,535 bytes.
    """
    parts = []
    for record in records:
        if len(record) > MAX_ENTRY:
            raise ValueError(f"a record of {len(record)} bytes has no place in an entry bundle")
        parts += [len(record).to_bytes(2, "big"), record]
    return b"".join(parts)


def _tiles_of_range(first: int, end: int, size: int) -> Iterator[Tile]:
    for level, last in _levels(size):
        span = HEIGHT * (level + 1)
        low, high = first >> span, (end - 1) >> span
        # A subtree that is not complete yet has no place in a tile above it.
        for index in range(low, min(high, last) + 1):
            yield _tile(level, index, size)
        if not low <= last <= high:
            yield _tile(level, last, size)


def _levels(size: int) -> Iterator[tuple[int, int]]:
    """Each level of a tree of `size` with the index of its rightmost tile."""
    level, hashes = 0, size
    while hashes > 0:
        yield level, (hashes - 1) // WIDTH
        level, hashes = level + 1, hashes // WIDTH


def _tile(level: int, index: int, size: int) -> Tile:
    hashes = size >> HEIGHT * level
    return Tile(level, index, min(WIDTH, hashes - index * WIDTH))


def _subtree(hashes: bytes) -> bytes:
    row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]


def _place(index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    partial = f".p/{width}" if width != WIDTH else ""
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:]) + partial


def _index(place: str) -> int:
    return int(place.replace("x", "").replace("/", ""))
