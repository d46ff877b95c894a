"""The tree over the access log as it is stored: tiles, the nodes of proofs, entry bundles.

Full tiles are rows of their own and stay for ever. What is not full yet is read from the records
and from the tiles below (docs/log-format.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import tuple_
from sqlmodel import Session, col, func, select

from app import driver
from app.driver import Source
from app.models.access import AccessRecord, LogHead, LogTile
from app.tlog import tiles, tree
from app.tlog.tiles import WIDTH, Tile
from app.tlog.tree import HASH_BYTES

READ_AT_ONCE = 1000  # records


@dataclass(frozen=True)
class Head:
    """The tree as it stands: its size, the first kept record, and its root."""

    size: int
    minimum: int
    root: bytes


def hashes_in(packed: bytes) -> list[bytes]:
    """The hashes that stand one after another."""
    return [bytes(packed[at : at + HASH_BYTES]) for at in range(0, len(packed), HASH_BYTES)]


def head(session: Session) -> Head:
    """The tree of every record that is committed."""
    row = session.exec(select(LogHead.size, LogHead.minimum, LogHead.edge)).one()
    return Head(row[0], row[1], tree.root(hashes_in(row[2])))


def edge(session: Session, size: int) -> list[bytes]:
    """The hashes of the complete subtrees of a tree of `size`; raises LookupError for a gap."""
    return list(reader(session, size)(tree.edge_nodes(size))) if size else []


def stored(session: Session, level: int, index: int) -> tuple[bytes | None, bytes, bytes | None]:
    """A full tile as it is stored, its root, and what stands below it where that is kept."""
    row = session.exec(
        select(LogTile.hashes, LogTile.root).where(
            LogTile.level == level, LogTile.tile_index == index
        )
    ).first()
    if row is None:
        return None, b"", None
    minimum = session.exec(select(LogHead.minimum)).one()
    if level == 0 and index * WIDTH < minimum:
        return bytes(row[0]), bytes(row[1]), bytes(row[0])
    try:
        return bytes(row[0]), bytes(row[1]), _below(session, Tile(level, index))
    except LookupError:
        return bytes(row[0]), bytes(row[1]), None


def close_tiles(source: Source, before: int, size: int) -> None:
    """Store the tiles that the records from `before` to `size` complete, lowest level first."""
    level, capacity = 0, WIDTH
    while size // capacity > before // capacity:
        rows = [
            {
                "level": level,
                "tile_index": index,
                "hashes": (hashes := _below(source, Tile(level, index))),
                "root": tiles.root_of(hashes),
            }
            for index in range(before // capacity, size // capacity)
        ]
        driver.of(source).insert("log_tile", rows)
        level, capacity = level + 1, capacity * WIDTH


_LEAVES = """
    SELECT leaf_hash FROM access_record
    WHERE log_index >= :first AND log_index < :end ORDER BY log_index
"""
_ROOTS = """
    SELECT root FROM log_tile WHERE level = :level
    AND tile_index >= :first AND tile_index < :end ORDER BY tile_index
"""


def _below(source: Source, tile: Tile) -> bytes:
    """The hashes of a tile from what is below it; raises LookupError when that is not whole."""
    first, channel = tile.index * WIDTH, driver.of(source)
    end = first + tile.width
    if tile.level == 0:
        found = channel.rows(_LEAVES, first=first, end=end)
    else:
        found = channel.rows(_ROOTS, level=tile.level - 1, first=first, end=end)
    if len(found) != tile.width:
        raise LookupError(f"{tile.path} is not whole")
    return b"".join(hashed for [hashed] in found)


def read_tiles(session: Session, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
    """The hashes of tiles of a tree that is not larger than the log.

    Raises LookupError for a tile whose hashes are not all there.
    """
    key = tuple_(col(LogTile.level), col(LogTile.tile_index))
    rows = session.exec(
        select(LogTile.level, LogTile.tile_index, LogTile.hashes).where(
            key.in_([(tile.level, tile.index) for tile in wanted])
        )
    ).all()
    full = {(level, index): bytes(hashes) for level, index, hashes in rows}
    return {
        tile: full[tile.level, tile.index][: tile.width * HASH_BYTES]
        if (tile.level, tile.index) in full
        else _below(session, tile)
        for tile in wanted
    }


def are_stored(session: Session, first: int, end: int) -> bool:
    """Whether each tile over the records from `first` to `end` stands in a row of its own."""
    place = col(LogTile.tile_index)
    within = (place >= first // WIDTH, place < end // WIDTH)
    found = session.exec(select(func.count()).where(LogTile.level == 0, *within)).one()
    return found == end // WIDTH - first // WIDTH


def reader(session: Session, size: int) -> tree.Reader:
    """Reads nodes of the tree of `size` for the proofs of `tlog.tree`."""
    return tiles.reader(lambda wanted: read_tiles(session, wanted), size)


def holds(session: Session, index: int, record: bytes) -> bool:
    """Whether these bytes are the record at an index of the tree, as its head has it."""
    now = head(session)
    path = tree.inclusion_proof(index, now.size, reader(session, now.size))
    return tree.verify_inclusion(tree.leaf_hash(record), index, now.size, path, now.root)


def records(session: Session, first: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Records and their indexes in the order of the log, read a part at a time.

    Raises LookupError when one of them is not there.
    """
    place = col(AccessRecord.log_index)
    while first < end:
        rows = session.exec(
            select(place, AccessRecord.record)
            .where(place >= first, place < min(first + READ_AT_ONCE, end))
            .order_by(place)
        ).all()
        if [index for index, _ in rows] != list(range(first, min(first + READ_AT_ONCE, end))):
            raise LookupError(f"records from {first} on are not all there")
        for index, record in rows:
            yield index, bytes(record)
        first += READ_AT_ONCE


def chosen(session: Session, indexes: Sequence[int]) -> Mapping[int, bytes]:
    """The records at these indexes; raises LookupError when one of them is not there."""
    place = col(AccessRecord.log_index)
    rows = session.exec(select(place, AccessRecord.record).where(place.in_(indexes))).all()
    if len(rows) != len(set(indexes)):
        raise LookupError("a record is not there")
    return {index: bytes(record) for index, record in rows}
