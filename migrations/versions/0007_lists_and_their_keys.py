"""Lists that are asked, their sealed files, and the keys of those who receive them"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "recipient_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organisation", sa.String(255), nullable=False),
        sa.Column("recipient", sa.String(100), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recipient_key")),
    )
    _only_one(
        "uq_recipient_key_organisation", "recipient_key", ["organisation"], "ended_at IS NULL"
    )
    op.create_table(
        "listing",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("protocol", sa.String(100), nullable=False),
        sa.Column("purpose", sa.String(100), nullable=False),
        sa.Column("organisation", sa.String(255), nullable=False),
        sa.Column("client", sa.String(255), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("form", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(30), nullable=True),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("visit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("recipient", sa.String(100), nullable=False),
        sa.Column("own_key", sa.Boolean(), nullable=False),
        sa.Column("identity", sa.String(200), nullable=True),
        sa.Column("key_client", sa.String(255), nullable=True),
        sa.Column("file_client", sa.String(255), nullable=True),
        sa.Column("worker", sa.String(36), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sealed_at", MOMENT, nullable=True),
        sa.Column("recorded", sa.Integer(), nullable=False),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(71), nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing")),
    )
    owner = ["protocol", "purpose", "organisation"]
    _only_one("uq_listing_live", "listing", owner, "state = 'gevraagd'")
    _only_one("uq_listing_year", "listing", [*owner, "year"], "state = 'klaar'")
    op.create_table(
        "listing_person",
        sa.Column("listing", sa.String(36), nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("fact", sa.String(200), nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["listing"], ["listing.id"], name=op.f("fk_listing_person_listing_listing")
        ),
        sa.PrimaryKeyConstraint("listing", "place", name=op.f("pk_listing_person")),
    )
    op.create_table(
        "listing_part",
        sa.Column("listing", sa.String(36), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["listing"], ["listing.id"], name=op.f("fk_listing_part_listing_listing")
        ),
        sa.PrimaryKeyConstraint("listing", "first", name=op.f("pk_listing_part")),
    )
    # A list goes through a municipality, or a care fund, from one person to the next.
    op.create_index(op.f("ix_residence_nis_residence_insz"), "residence", ["nis", "insz"])
    op.create_index(
        op.f("ix_membership_organisation_membership_insz"), "membership", ["organisation", "insz"]
    )


def _only_one(name: str, table: str, columns: list[str], where: str) -> None:
    """Of those that fit `where` one for each combination of the columns."""
    condition = sa.text(where)
    op.create_index(
        op.f(name),
        table,
        columns,
        unique=True,
        sqlite_where=condition,
        postgresql_where=condition,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_membership_organisation_membership_insz"), "membership")
    op.drop_index(op.f("ix_residence_nis_residence_insz"), "residence")
    for table in ("listing_part", "listing_person", "listing", "recipient_key"):
        op.drop_table(table)
