"""A project is found by its name: the persons who take part in it, or who consented to it"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = ("participation", "consent")
COLUMNS = ["project", "municipality"]


def upgrade() -> None:
    for table in TABLES:
        op.create_index(op.f(f"ix_{table}_project_{table}_municipality"), table, COLUMNS)


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(op.f(f"ix_{table}_project_{table}_municipality"), table)
