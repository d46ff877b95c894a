"""Records are compressed faster: LZ4 where PostgreSQL has it, a third of the cost of its own way"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LONG = {"access_record": ("record", "fields"), "access_detail": ("detail",)}


def upgrade() -> None:
    """What was stored before stays as it is. A server without LZ4 goes on as it did."""
    compress("lz4")


def downgrade() -> None:
    """As PostgreSQL does it unless told."""
    compress("default")


def compress(way: str) -> None:
    """How what is stored from now on is compressed."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in LONG.items():
        changes = ", ".join(f"ALTER {column} SET COMPRESSION {way}" for column in columns)
        op.execute(
            f"DO $$ BEGIN ALTER TABLE {table} {changes};"
            " EXCEPTION WHEN feature_not_supported THEN NULL; END $$"
        )
