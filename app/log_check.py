"""The use case `log check`: the log in the database held against itself, record by record.

An export shows that records stand in the tree. It does not show that the columns by which
auditors search, or the explanations beside the records, still say what the records say.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import orjson
from sqlmodel import Session

from app import checkpoints, log_keys, log_search, log_tree
from app.canonical import canonical_json
from app.checkpoints import Published
from app.errors import LogUnavailable
from app.log_keys import LogRewritten
from app.log_search import Row
from app.log_tree import Head
from app.moments import read_moment
from app.month_keys import MonthKeyMissing, MonthKeys
from app.record import columns_of
from app.tlog import tiles, tree
from app.tlog.note import Checkpoint, NoteInvalid
from app.tlog.tiles import WIDTH


def check(
    session: Session,
    keys: MonthKeys,
    origin: str,
    older: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[str]:
    """Everything that is wrong, in the order of the log, each as a line with its index.

    `older` are signed checkpoints that were kept elsewhere. Of records below the minimum index
    only the hashes are left; those are checked.
    """
    try:
        told = checkpoints.published(session)  # first: what is read after it can only have grown
    except LogRewritten as how:
        yield str(how)
        return
    head = log_tree.head(session)
    if what := checkpoints.unannounced(session, head.minimum):
        yield what
    if not told.note:
        yield "there is no checkpoint: nothing vouches for this log"
    marks = yield from _opened(told, origin, older)
    try:
        edge = log_tree.edge(session, head.minimum)
        yield from _marked(session, marks, head.minimum)
    except (LookupError, ValueError) as missing:
        yield f"the hashes of the pruned records are not all there: {missing}"
        return
    size = yield from _records(session, head, marks, edge, keys, progress)
    if size < head.size:
        yield f"{size}: the record is missing"
        return
    if tree.root(edge) != head.root:
        yield f"the head of the log does not agree with its {size} records"
    for mark, what in marks:
        if mark.size > size:
            yield f"{what} covers {mark.size} records, {size} are there"
    yield from _tiles(session, size)
    for event_id in log_search.beyond(session, size):
        yield f"{event_id} stands outside the log"


def _opened(
    told: Published, origin: str, older: Sequence[str]
) -> Generator[str, None, list[tuple[Checkpoint, str]]]:
    """The checkpoints that the tree must agree with, each with its name."""
    marks: list[tuple[Checkpoint, str]] = []
    newest = [(told.note, "the checkpoint")] if told.note else []
    for text, what in (*newest, *((text, "the older checkpoint") for text in older)):
        try:
            marks.append((log_keys.open_signed(text, told.keys, origin), what))
        except NoteInvalid as invalid:
            yield f"{what} does not hold: {invalid}"
    if any(what == "the checkpoint" and mark.size != told.size for mark, what in marks):
        yield "the checkpoint is of another size than stands beside it"
    return marks


def _records(
    session: Session,
    head: Head,
    marks: Sequence[tuple[Checkpoint, str]],
    edge: list[bytes],
    keys: MonthKeys,
    progress: Callable[[int], None],
) -> Generator[str, None, int]:
    """Every kept record in its order, growing the edge; the index of the first that is missing."""
    size, turns = head.minimum, dict[str, int]()
    while size < head.size:
        try:
            rows = log_search.rows(session, size, min(size + WIDTH, head.size))
        except (AttributeError, TypeError, ValueError):  # SQLite keeps anything in any column
            yield f"{size}: from here on a row cannot be read"
            return size
        for row in rows:
            if row.index != size:
                return size
            yield from _row(row, keys, turns)
            tree.grow(edge, size, tree.leaf_hash(row.record))
            size += 1
            yield from _signed(marks, size, edge)
        if not rows:
            return size
        progress(size)
    return size


def _row(row: Row, keys: MonthKeys, turns: dict[str, int]) -> Iterator[str]:
    """The columns of a record, and what stands beside it, against its bytes.

    `turns` holds the newest ordinal of each quota: they only rise, and not beyond its maximum.
    """
    try:
        record = orjson.loads(row.record)
        expected = columns_of(record)
    except (LogUnavailable, LookupError, AttributeError, TypeError, ValueError):
        yield f"{row.index}: the record is none"
        return
    for name, value in expected.items():
        if row.columns[name] != value:
            yield f"{row.index}: the column {name} does not say what the record says"
    yield from _detail(row, record, keys)
    yield from _turn(row.index, record, turns)


def _turn(index: int, record: Mapping[str, Any], turns: dict[str, int]) -> Iterator[str]:
    quota, ordinal, most = (record.get(f"quota{name}") for name in ("Id", "Ordinal", "Maximum"))
    if quota is None:
        return
    if not (isinstance(quota, str) and isinstance(ordinal, int) and isinstance(most, int)):
        yield f"{index}: the turn of a quota is none"
        return
    if not turns.get(quota, 0) < ordinal <= most:
        yield f"{index}: the turn {ordinal} of a quota was taken before, or is one too many"
    turns[quota] = max(turns.get(quota, 0), ordinal)


def _detail(row: Row, record: Mapping[str, Any], keys: MonthKeys) -> Iterator[str]:
    digest = record.get("detailDigest")
    if (digest is None) != (row.detail is None):
        yield f"{row.index}: the explanation beside the record is missing, or too much"
        return
    if row.detail is None:
        return
    try:
        key = keys.stored(read_moment(record["recordedAt"]))
    except MonthKeyMissing:
        return  # destroyed: nobody can tell any more
    if key.digest(f"{record['eventId']}/detail", canonical_json(row.detail)) != digest:
        yield f"{row.index}: the explanation beside the record is not the one that was given"


def _marked(
    session: Session, marks: Sequence[tuple[Checkpoint, str]], minimum: int
) -> Iterator[str]:
    """The checkpoints of before the first kept record, against the tiles that are left."""
    for mark, what in marks:
        if mark.size <= minimum and tree.root(log_tree.edge(session, mark.size)) != mark.root:
            yield f"{what} is not of this tree"


def _signed(
    marks: Sequence[tuple[Checkpoint, str]], size: int, edge: Sequence[bytes]
) -> Iterator[str]:
    for mark, what in marks:
        if mark.size == size and tree.root(edge) != mark.root:
            yield f"{size - 1}: up to here the tree is not that of {what}"


def _tiles(session: Session, size: int) -> Iterator[str]:
    """The stored tiles: all that are full, each the hashes of what is below it."""
    level = 0
    while full := size // WIDTH ** (level + 1):
        for index in range(full):
            stored, root, below = log_tree.stored(session, level, index)
            if stored is None or stored != below or not _is_root(root, stored):
                place = _first_other(index, stored, below) if level == 0 else ""
                yield f"{place}tile {level}/{index} is not what stands below it"
        level += 1


def _is_root(root: bytes, hashes: bytes) -> bool:
    return len(hashes) == WIDTH * tree.HASH_BYTES and tiles.root_of(hashes) == root


def _first_other(index: int, stored: bytes | None, below: bytes | None) -> str:
    """The index of the first record of which a tile has another hash, where there is one."""
    if stored is None or below is None:
        return ""
    pairs = zip(log_tree.hashes_in(stored), log_tree.hashes_in(below), strict=False)
    found = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
    return "" if found is None else f"{index * WIDTH + found}: "
