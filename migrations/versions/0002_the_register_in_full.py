"""The register in full: drafts and ends, quotas, and a log whose time only grows"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "quota_use",
        sa.Column("protocol", sa.String(100), nullable=False),
        sa.Column("purpose", sa.String(100), nullable=False),
        sa.Column("organisation", sa.String(255), nullable=False),
        sa.Column("operation", sa.String(50), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "protocol",
            "purpose",
            "organisation",
            "operation",
            "first",
            name=op.f("pk_quota_use"),
        ),
    )
    op.add_column("log_head", sa.Column("newest", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE log_head SET newest = (SELECT max(recorded_at) FROM access_record)")
    op.add_column(
        "sharing_protocol", sa.Column("in_force_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("sharing_protocol", sa.Column("ended_on", sa.Date(), nullable=True))
    op.execute("UPDATE sharing_protocol SET in_force_at = loaded_at WHERE NOT draft")
    op.drop_column("sharing_protocol", "draft")


def downgrade() -> None:
    """What the older schema cannot say must not open again: an end becomes a suspension."""
    op.execute(
        "UPDATE sharing_protocol SET suspended_since = ended_on "
        "WHERE ended_on IS NOT NULL AND suspended_since IS NULL"
    )
    op.add_column(
        "sharing_protocol",
        sa.Column("draft", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.execute("UPDATE sharing_protocol SET draft = (in_force_at IS NULL)")
    with op.batch_alter_table("sharing_protocol") as batch_op:
        batch_op.alter_column("draft", server_default=None)
    op.drop_column("sharing_protocol", "ended_on")
    op.drop_column("sharing_protocol", "in_force_at")
    op.drop_column("log_head", "newest")
    op.drop_table("quota_use")
