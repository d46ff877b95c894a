"""What was known when: the answers of the source, complete deliveries, replaced numbers"""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NEVER = "1970-01-01 00:00:00"  # UTC
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    note_answers_of_what_is_there()
    # Before anything refers to it: SQLite makes a table anew to change it.
    with op.batch_alter_table("dossier_version") as batch_op:
        batch_op.drop_index(op.f("ix_dossier_version_insz_dossier_version_id"))
        batch_op.create_unique_constraint(
            op.f("uq_dossier_version_insz_digest"), ["insz", "digest"]
        )
        batch_op.drop_column("learned_at")
        batch_op.drop_column("fetched_at")
    op.drop_table("source_fault")
    op.create_table(
        "source_answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.Column("learned_at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(10), nullable=True),
        sa.CheckConstraint(
            "(version IS NULL) <> (code IS NULL)", name=op.f("ck_source_answer_one_of_both")
        ),
        sa.ForeignKeyConstraint(
            ["version"],
            ["dossier_version.id"],
            name=op.f("fk_source_answer_version_dossier_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_answer")),
    )
    op.create_index(
        op.f("ix_source_answer_insz_source_answer_fetched_at"),
        "source_answer",
        ["insz", "fetched_at"],
    )
    op.create_index(op.f("ix_source_answer_version"), "source_answer", ["version"])
    op.execute(
        "INSERT INTO source_answer (insz, fetched_at, learned_at, version, code)"
        " SELECT insz, fetched_at, learned_at, version, code FROM answer_before"
        " ORDER BY place, fetched_at"
    )
    op.execute("DROP TABLE answer_before")
    op.create_table(
        "complete_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.Column("learned_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complete_delivery")),
    )
    give_replaced_numbers_a_history()
    say_when_the_newest_was_learned()


def note_answers_of_what_is_there() -> None:
    """One answer for each version and mark; equal versions of a number become one.

    A version kept the moment of its newest answer alone. Where that lies after the moment at
    which the content was first stored, there were two answers or more: the first is dated then.
    Of what was answered at one moment the later version counts, and a mark before any.
    """
    version = (
        "(SELECT min(same.id) FROM dossier_version same"
        " WHERE same.insz = v.insz AND same.digest = v.digest)"
    )
    first = "CASE WHEN fetched_at < learned_at THEN fetched_at ELSE learned_at END"
    op.execute(
        "CREATE TEMPORARY TABLE answer_before AS"  # noqa: S608
        f" SELECT insz, {first} AS fetched_at, learned_at, {version} AS version,"
        " CAST(NULL AS VARCHAR(10)) AS code, id AS place FROM dossier_version v"
        f" UNION ALL SELECT insz, fetched_at, fetched_at, {version}, NULL, id"
        " FROM dossier_version v WHERE fetched_at > learned_at"
        " UNION ALL SELECT insz, marked_at, marked_at, NULL, code,"
        " (SELECT coalesce(max(id), 0) + 1 FROM dossier_version) FROM source_fault"
    )
    op.execute(
        "DELETE FROM dossier_version WHERE id NOT IN"
        " (SELECT version FROM answer_before WHERE version IS NOT NULL)"
    )


def say_when_the_newest_was_learned() -> None:
    """Nothing that is there was learned at that moment or later, to the millisecond."""
    op.add_column(
        "register_state",
        sa.Column("known_at", MOMENT, nullable=False, server_default=NEVER),
    )
    answer = sa.table("source_answer", sa.column("learned_at", MOMENT))
    newest = op.get_bind().scalar(sa.select(sa.func.max(answer.c.learned_at)))
    if newest is not None:
        state = sa.table("register_state", sa.column("known_at", MOMENT))
        op.execute(sa.update(state).values(known_at=newest + timedelta(milliseconds=1)))
    with op.batch_alter_table("register_state") as batch_op:
        batch_op.alter_column("known_at", server_default=None)


def give_replaced_numbers_a_history() -> None:
    """What is there was always known, as far as anybody can say."""
    op.execute("CREATE TEMPORARY TABLE replaced_before AS SELECT old, current FROM replaced_number")
    op.drop_index(op.f("ix_replaced_number_current"), table_name="replaced_number")
    op.drop_table("replaced_number")
    op.create_table(
        "replaced_number",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("old", sa.String(11), nullable=False),
        sa.Column("current", sa.String(11), nullable=False),
        sa.Column("learned_at", MOMENT, nullable=False),
        sa.Column("dropped_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["current"],
            ["person.insz"],
            name=op.f("fk_replaced_number_current_person"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replaced_number")),
    )
    for column in ("current", "old"):
        op.create_index(op.f(f"ix_replaced_number_{column}"), "replaced_number", [column])
    still = sa.text("dropped_at IS NULL")
    op.create_index(
        "uq_replaced_number_old",
        "replaced_number",
        ["old"],
        unique=True,
        sqlite_where=still,
        postgresql_where=still,
    )
    op.execute(
        "INSERT INTO replaced_number (old, current, learned_at)"  # noqa: S608
        f" SELECT old, current, '{NEVER}' FROM replaced_before ORDER BY old"
    )
    op.execute("DROP TABLE replaced_before")


def downgrade() -> None:
    """The older schema keeps the newest answers alone: what was known before is lost."""
    op.drop_column("register_state", "known_at")
    op.execute(
        "CREATE TEMPORARY TABLE replaced_before AS"
        " SELECT old, current FROM replaced_number WHERE dropped_at IS NULL"
    )
    op.drop_table("replaced_number")
    op.create_table(
        "replaced_number",
        sa.Column("old", sa.String(11), nullable=False),
        sa.Column("current", sa.String(11), nullable=False),
        sa.ForeignKeyConstraint(
            ["current"],
            ["person.insz"],
            name=op.f("fk_replaced_number_current_person"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("old", name=op.f("pk_replaced_number")),
    )
    op.create_index(op.f("ix_replaced_number_current"), "replaced_number", ["current"])
    op.execute("INSERT INTO replaced_number SELECT old, current FROM replaced_before")
    op.execute("DROP TABLE replaced_before")
    op.create_table(
        "source_fault",
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("code", sa.String(10), nullable=False),
        sa.Column("marked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("insz", name=op.f("pk_source_fault")),
    )
    op.execute(
        "INSERT INTO source_fault (insz, code, marked_at)"
        " SELECT insz, code, fetched_at FROM source_answer a WHERE code IS NOT NULL"
        " AND NOT (code = '30001' AND NOT EXISTS"
        " (SELECT 1 FROM source_answer b WHERE b.insz = a.insz AND b.version IS NOT NULL))"
        " AND id = (SELECT b.id FROM source_answer b WHERE b.insz = a.insz"
        " ORDER BY b.fetched_at DESC, b.id DESC LIMIT 1)"
    )
    op.execute(
        "CREATE TEMPORARY TABLE moments_before AS SELECT version, min(learned_at) AS learned_at,"
        " max(fetched_at) AS fetched_at FROM source_answer WHERE version IS NOT NULL"
        " GROUP BY version"
    )
    op.drop_table("complete_delivery")
    op.drop_table("source_answer")
    with op.batch_alter_table("dossier_version") as batch_op:
        batch_op.drop_constraint(op.f("uq_dossier_version_insz_digest"), type_="unique")
        for column in ("learned_at", "fetched_at"):
            batch_op.add_column(sa.Column(column, MOMENT, nullable=True))
        batch_op.create_index(op.f("ix_dossier_version_insz_dossier_version_id"), ["insz", "id"])
    for column in ("learned_at", "fetched_at"):
        op.execute(
            f"UPDATE dossier_version SET {column} = (SELECT {column} FROM moments_before"  # noqa: S608
            " WHERE version = dossier_version.id)"
        )
    op.execute("DROP TABLE moments_before")
    with op.batch_alter_table("dossier_version") as batch_op:
        for column in ("learned_at", "fetched_at"):
            batch_op.alter_column(column, nullable=False)
