"""A project is found by its name: the persons who take part in it, or who consented to it"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = ("participation", "consent")
COLUMNS = ["project", "municipality"]


def upgrade() -> None:
    """On SQLite an id that is gone is not given out again from here on."""
    for table in TABLES:
        with op.batch_alter_table(
            table,
            recreate="always" if op.get_bind().dialect.name == "sqlite" else "never",
            table_kwargs={"sqlite_autoincrement": True},
        ):
            pass
        op.create_index(op.f(f"ix_{table}_project_{table}_municipality"), table, COLUMNS)


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(op.f(f"ix_{table}_project_{table}_municipality"), table)
