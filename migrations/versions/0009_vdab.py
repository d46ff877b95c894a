"""The exchange with VDAB: rounds, the numbers that are out, and the files that were made"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "exchange_round",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("began_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("open", sa.Integer(), nullable=True),
        sa.Column("folder", sa.String(32), nullable=False),
        sa.Column("delivery_id", sa.String(36), nullable=False),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.Column("answer_digest", sa.String(71), nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.CheckConstraint("open IS NULL OR open = 1", name=op.f("ck_exchange_round_open_or_not")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_round")),
        sa.UniqueConstraint("open", name=op.f("uq_exchange_round_open")),
        sa.UniqueConstraint("answer_digest", name=op.f("uq_exchange_round_answer_digest")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sent_number",
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("insz", sa.String(11), nullable=False),
        sa.ForeignKeyConstraint(
            ["round"], ["exchange_round.id"], name=op.f("fk_sent_number_round_exchange_round")
        ),
        sa.PrimaryKeyConstraint("round", "insz", name=op.f("pk_sent_number")),
    )
    op.create_table(
        "exchange_file",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("organisation", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("key_fingerprint", sa.String(71), nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("keep_until", sa.Date(), nullable=True),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("removed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["round"], ["exchange_round.id"], name=op.f("fk_exchange_file_round_exchange_round")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_exchange_file")),
    )
    op.create_index(op.f("ix_exchange_file_round"), "exchange_file", ["round"])


def downgrade() -> None:
    for table in ("exchange_file", "sent_number", "exchange_round"):
        op.drop_table(table)
