"""Following a log: every new checkpoint must extend the one that was kept."""

from collections.abc import Callable, Sequence

from app.tlog import tiles, tree
from app.tlog.note import Checkpoint, Vkey, open_checkpoint
from app.tlog.tiles import Tile
from app.tlog.tree import Node


class Unproven(Exception):
    """The log did not show that its tree extends the one that was kept; the text says why."""


class Rewritten(Unproven):
    """The log signed a tree that contradicts the one that was kept."""


def advance(
    old: str | None, new: str, vkeys: Sequence[Vkey], origin: str, fetch: Callable[[str], bytes]
) -> Checkpoint:
    """The checkpoint in `new`, proven to extend the one in `old`; both are signed notes.

    Without an old one, nothing but the signature holds. `fetch` gets the bytes under a path of
    the log (`tile/0/000.p/5`) and raises LookupError for what is not there; nothing it gives is
    trusted. Raises NoteInvalid for a note that no key of the log signed, `Rewritten`, and
    `Unproven` when the log does not give the hashes.
    """
    after = open_checkpoint(new, vkeys, origin)
    if old is None:
        return after
    before = open_checkpoint(old, vkeys, origin)
    if after.size < before.size:
        raise Rewritten(f"the tree shrank from {before.size} to {after.size} records")
    if after.size == before.size:
        if after.root != before.root:
            raise Rewritten(f"two trees of {after.size} records have different roots")
        return after

    hashes = _read(before.size, after.size, fetch)
    edge = [hashes[node] for node in tree.edge_nodes(after.size)]
    proof = tree.consistency_proof(
        before.size, after.size, lambda nodes: [hashes[node] for node in nodes]
    )
    if tree.root(edge) != after.root:
        raise Unproven(f"the tiles of the log are not those of its tree of {after.size} records")
    if not tree.verify_consistency(before.size, before.root, after.size, after.root, proof):
        raise Rewritten(
            f"nothing shows that the tree of {after.size} records begins with that of {before.size}"
        )
    return after


def _read(before: int, after: int, fetch: Callable[[str], bytes]) -> dict[Node, bytes]:
    """The edge of the new tree and what the proof needs, each tile of the log fetched once."""
    nodes = [*tree.edge_nodes(after), *tree.consistency_nodes(before, after)]
    try:
        read = tiles.reader(lambda wanted: {tile: _tile(tile, fetch) for tile in wanted}, after)
        return dict(zip(nodes, read(nodes), strict=True))
    except ValueError as error:
        raise Unproven(str(error)) from None


def _tile(tile: Tile, fetch: Callable[[str], bytes]) -> bytes:
    """A tile, out of the full one where the log no longer has the partial one."""
    for path in dict.fromkeys([tile.path, tile._replace(width=tiles.WIDTH).path]):
        try:
            return fetch(path)[: tile.width * tree.HASH_BYTES]
        except LookupError:
            continue
    raise Unproven(f"the log does not serve {tile.path}")
