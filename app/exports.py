"""Bundles of records that prove themselves, out of the stored log (docs/log-format.md)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import IO

from sqlmodel import Session

from app import log_tree
from app.checkpoints import Published
from app.tlog import bundle, tiles, tree
from app.tlog.tiles import Tile
from app.tlog.tree import Node

PART = 256  # records, or tiles, that are looked up together


def write_range(
    session: Session,
    file: IO[bytes],
    span: range,
    told: Published,
    about: Mapping[str, str],
    progress: Callable[[int], None] = lambda _: None,
) -> str:
    """Write the records of `span` with the tiles that prove them; the digest of the manifest.

    Raises LookupError when one of them is not there: a range is whole or it is not given.
    """
    wanted = tiles.tiles_of_range(span.start, span.stop, told.size)
    return bundle.write_range(
        file,
        span.start,
        _counted(log_tree.records(session, span.start, span.stop), progress),
        told.note,
        told.vkeys,
        _tiles(session, wanted),
        about,
    )


def write_selection(
    session: Session,
    file: IO[bytes],
    indexes: Sequence[int],
    told: Published,
    about: Mapping[str, str],
) -> str:
    """Write the records at `indexes` (increasing), each with its proof; the manifest's digest.

    Raises LookupError when one of them is not there.
    """
    rows = _proven(session, indexes, told.size)
    return bundle.write_selection(file, rows, told.note, told.vkeys, about)


def _counted(
    records: Iterator[tuple[int, bytes]], progress: Callable[[int], None]
) -> Iterator[bytes]:
    for index, record in records:
        yield record
        progress(index)


def _tiles(session: Session, wanted: Iterator[Tile]) -> Iterator[tuple[Tile, bytes]]:
    while part := list(islice(wanted, PART)):
        yield from log_tree.read_tiles(session, part).items()


def _proven(
    session: Session, indexes: Sequence[int], size: int
) -> Iterator[tuple[int, bytes, Sequence[bytes]]]:
    """Index, record and inclusion proof; the hashes of a whole part are read in one statement."""
    for start in range(0, len(indexes), PART):
        part = indexes[start : start + PART]
        # Each node once: neighbours share most of their path.
        nodes = list(
            dict.fromkeys(node for index in part for node in tree.inclusion_nodes(index, size))
        )
        known = dict(zip(nodes, log_tree.reader(session, size)(nodes), strict=True))

        def read(wanted: Sequence[Node], known: Mapping[Node, bytes] = known) -> list[bytes]:
            return [known[node] for node in wanted]

        records = log_tree.chosen(session, part)
        for index in part:
            yield index, records[index], tree.inclusion_proof(index, size, read)
