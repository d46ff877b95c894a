"""The log is a tree: its edge, its tiles, its checkpoint, its keys, and what auditors search by"""

import hashlib
import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from app.tlog import tiles, tree

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

READ_AT_ONCE = 10_000  # records


def upgrade() -> None:
    op.create_table(
        "log_tile",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("tile_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "tile_index", name=op.f("pk_log_tile")),
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_log_checkpoint_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_checkpoint")),
    )
    op.create_table(
        "log_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("vkey", sa.String(400), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("endorsement", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_key")),
        sa.UniqueConstraint("vkey", name=op.f("uq_log_key_vkey")),
    )
    for column in ("user_token", "reference"):
        op.create_index(
            op.f(f"ix_access_record_{column}_access_record_log_index"),
            "access_record",
            [column, "log_index"],
        )
    op.create_table(
        "log_era",
        sa.Column("first_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("first_index", name=op.f("pk_log_era")),
    )
    # Not by way of a new table: the triggers would go with the old one.
    op.add_column(
        "log_head",
        sa.Column("edge", sa.LargeBinary(), nullable=False, server_default=sa.text("''")),
    )

    op.execute("INSERT INTO log_checkpoint (id, size, note) VALUES (1, 0, '')")
    grow_over_what_is_there()
    for statement in guards(op.get_bind().dialect.name):
        op.execute(statement)


def grow_over_what_is_there() -> None:
    """Build the tree over the records of a log that had none yet.

    Raises ValueError for a record that is not what was hashed when it was written.
    """
    connection = op.get_bind()
    size = connection.execute(sa.text("SELECT size FROM log_head")).scalar_one()
    seen = 0
    edge: list[bytes] = []
    hashes: list[bytes] = []
    roots: dict[int, list[bytes]] = {}
    for index, record, leaf_hash in _records(connection):
        leaf = hashlib.sha256(b"\x00" + record).digest()
        if leaf != leaf_hash:
            raise ValueError(f"record {index} of the log is not what was written")
        if _is_set_back(record):
            connection.execute(
                sa.text("INSERT INTO log_era (first_index) VALUES (:first)"), {"first": index}
            )
        tree.grow(edge, index, leaf)
        hashes.append(leaf)
        for tile in _closed(hashes, roots, index):
            connection.execute(
                sa.text(
                    "INSERT INTO log_tile (level, tile_index, hashes, root)"
                    " VALUES (:level, :tile_index, :hashes, :root)"
                ),
                tile,
            )
        seen = index + 1
    if seen != size:
        raise ValueError("the log does not hold as many records as its head says")
    connection.execute(sa.text("UPDATE log_head SET edge = :edge"), {"edge": b"".join(edge)})


def _records(connection: sa.Connection) -> Iterator[tuple[int, bytes, bytes]]:
    """Every record in the order of the log, a part at a time; the index must have no gap."""
    index = 0
    while True:
        rows = connection.execute(
            sa.text(
                "SELECT log_index, record, leaf_hash FROM access_record"
                " WHERE log_index >= :first ORDER BY log_index LIMIT :limit"
            ),
            {"first": index, "limit": READ_AT_ONCE},
        ).all()
        for found, record, leaf_hash in rows:
            if found != index:
                raise ValueError(f"record {index} of the log is missing")
            yield index, bytes(record), bytes(leaf_hash)
            index += 1
        if not rows:
            return


def _closed(
    hashes: list[bytes], roots: dict[int, list[bytes]], index: int
) -> Iterator[dict[str, object]]:
    """The tiles that the leaf at `index` completes, lowest level first."""
    level, waiting = 0, hashes
    while len(waiting) == tiles.WIDTH:
        whole = b"".join(waiting)
        waiting.clear()
        number = (index + 1) // tiles.WIDTH ** (level + 1) - 1
        root = tiles.root_of(whole)
        yield {"level": level, "tile_index": number, "hashes": whole, "root": root}
        level += 1
        waiting = roots.setdefault(level, [])
        waiting.append(root)


def _is_set_back(record: bytes) -> bool:
    """True for the record of `clock accept`."""
    return b'"operation":"clockAccept"' in record and (
        json.loads(record).get("operation") == "clockAccept"
    )


def guards(dialect: str) -> Iterator[str]:
    """Tiles and keys take no change; a checkpoint never becomes one of a smaller tree."""
    for table in ("log_tile", "log_key", "log_era"):
        yield from _guard(dialect, table, "update", "1 = 0")
    for table in ("log_tile", "log_key", "log_era", "log_checkpoint"):
        yield from _guard(dialect, table, "delete", "1 = 0")
    yield from _guard(dialect, "log_checkpoint", "update", "NEW.size >= OLD.size")
    yield from _guard(dialect, "quota_use", "update", "NEW.used >= OLD.used")
    # The newest key has the highest number: none can be slipped in below it.
    newest = "NEW.id > coalesce((SELECT max(id) FROM log_key), 0)"
    yield from _guard(dialect, "log_key", "insert", newest)
    if dialect == "sqlite":
        # REPLACE deletes what is in its way and fires no DELETE trigger.
        yield from _guard(
            dialect,
            "log_tile",
            "insert",
            "NOT EXISTS (SELECT 1 FROM log_tile"
            " WHERE level = NEW.level AND tile_index = NEW.tile_index)",
        )
        yield from _guard(dialect, "log_checkpoint", "insert", "1 = 0")


def _guard(dialect: str, table: str, verb: str, allowed: str) -> Iterator[str]:
    name = f"{table}_no_{verb}"
    if dialect == "sqlite":
        yield (
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN NOT coalesce({allowed}, 0) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        return
    returned = "OLD" if verb == "delete" else "NEW"
    yield (
        f"CREATE FUNCTION {name}_guard() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF TG_OP <> 'TRUNCATE' THEN IF coalesce({allowed}, false) THEN "
        f"RETURN {returned}; END IF; END IF; "
        f"RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'restrict_violation'; END $$"
    )
    yield (
        f"CREATE TRIGGER {name} BEFORE {verb.upper()} ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {name}_guard()"
    )
    if verb == "delete":
        yield (
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_guard()"
        )


def downgrade() -> None:
    """The records stay; what the tree knew of them is gone, and is built again on the way up.

    Raises ValueError for a log that was pruned: the hashes are all that is left of what went.
    """
    if op.get_bind().execute(sa.text("SELECT minimum FROM log_head")).scalar_one():
        raise ValueError("the log was pruned: its tiles cannot be made again")
    postgres = op.get_bind().dialect.name == "postgresql"
    for table in ("log_tile", "log_key", "log_era", "log_checkpoint"):
        op.drop_table(table)
        if postgres:
            for verb in ("update", "delete"):
                op.execute(f"DROP FUNCTION {table}_no_{verb}_guard()")
    op.execute(f"DROP TRIGGER quota_use_no_update{' ON quota_use' if postgres else ''}")
    if postgres:
        op.execute("DROP FUNCTION quota_use_no_update_guard()")
        op.execute("DROP FUNCTION log_key_no_insert_guard()")
    for column in ("user_token", "reference"):
        op.drop_index(
            op.f(f"ix_access_record_{column}_access_record_log_index"),
            table_name="access_record",
        )
    op.drop_column("log_head", "edge")
