"""What receivers and the agency report to each other, and what is told of it"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("organisation", sa.String(255), nullable=False),
        sa.Column("access_id", sa.String(36), nullable=False),
        sa.Column("protocol", sa.String(100), nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("hash", sa.String(71), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("field", sa.String(200), nullable=True),
        sa.Column("explanation", sa.String(1000), nullable=False),
        sa.Column("found_on", sa.Date(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("reference", sa.String(36), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=True),
        sa.Column("answer", sa.String(500), nullable=True),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("organisation", sa.String(255), nullable=False),
        sa.Column("by_agency", sa.Boolean(), nullable=False),
        sa.Column("protocol", sa.String(100), nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("hash", sa.String(71), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("obliged", sa.Boolean(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=True),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("reported_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("in_time", sa.Boolean(), nullable=True),
        sa.Column("description", sa.String(1000), nullable=False),
        sa.Column("client", sa.String(100), nullable=True),
        sa.Column("since", MOMENT, nullable=True),
        sa.Column("until", MOMENT, nullable=True),
        sa.Column("reference", sa.String(36), nullable=True),
        sa.Column("contacts", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("follow_up", sa.String(500), nullable=True),
        sa.Column("updated_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_table(
        "notification",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("about", sa.String(36), nullable=False),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("organisation", sa.String(255), nullable=False),
        sa.Column("access_ids", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("fetched_at", MOMENT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("delivered_at", MOMENT, nullable=True),
        sa.Column("last_result", sa.String(100), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        # Nobody is told the same thing twice, whatever runs twice.
        sa.UniqueConstraint(
            "about", "organisation", "event", name=op.f("uq_notification_about_organisation_event")
        ),
    )
    for table in ("notice", "incident", "notification"):
        op.create_index(op.f(f"ix_{table}_organisation_{table}_id"), table, ["organisation", "id"])


def downgrade() -> None:
    for table in ("notification", "incident", "notice"):
        op.drop_index(op.f(f"ix_{table}_organisation_{table}_id"), table)
        op.drop_table(table)
