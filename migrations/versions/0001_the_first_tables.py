"""The first tables"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_record",
        sa.Column("log_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.String(12), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=True),
        sa.Column("organisation", sa.String(255), nullable=True),
        sa.Column("protocol", sa.String(100), nullable=True),
        sa.Column("purpose", sa.String(100), nullable=True),
        sa.Column("function_profile", sa.String(100), nullable=True),
        sa.Column("reason_code", sa.String(20), nullable=True),
        sa.Column("reference", sa.String(36), nullable=True),
        sa.Column("subject", sa.String(100), nullable=True),
        sa.Column("user_token", sa.String(400), nullable=True),
        sa.Column("fields", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_access_record")),
        sa.UniqueConstraint("event_id", name=op.f("uq_access_record_event_id")),
    )
    with op.batch_alter_table("access_record", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_access_record_organisation_access_record_log_index"),
            ["organisation", "log_index"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_access_record_recorded_at"), ["recorded_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_access_record_subject_access_record_log_index"),
            ["subject", "log_index"],
            unique=False,
        )

    op.create_table(
        "dossier_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("personalia", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("doelgroep", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("behaalde_attesten", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("contracten", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("uitstellen_van_ondertekening", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("aanmelding", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("uitstellen_van_aanmelding", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("trajecten", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("vormings_activiteiten", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("afgelegde_testen", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("adviezen", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("perspectieven", sa.JSON(none_as_null=True), nullable=True),
        sa.Column(
            "toeleidingen_diploma_gelijkschakeling", sa.JSON(none_as_null=True), nullable=True
        ),
        sa.Column("toeleidingen_partner", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("inbreuken", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("talenkennis", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("wachtlijst", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("voorkeuren_klant", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("gesprekken", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("wooncode", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dossier_version")),
    )
    with op.batch_alter_table("dossier_version", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_dossier_version_insz_dossier_version_id"), ["insz", "id"], unique=False
        )

    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_log_head_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_head")),
    )
    op.create_table(
        "person",
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("cancelled_on", sa.Date(), nullable=True),
        sa.Column("contact", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("profile", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("insz", name=op.f("pk_person")),
    )
    op.create_table(
        "protocol_setting",
        sa.Column("protocol", sa.String(100), nullable=False),
        sa.Column("purpose", sa.String(100), nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("value", sa.String(50), nullable=False),
        sa.PrimaryKeyConstraint("protocol", "purpose", "name", name=op.f("pk_protocol_setting")),
    )
    op.create_table(
        "register_list",
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("protocol", sa.String(100), nullable=False),
        sa.Column("organisation", sa.String(100), nullable=False),
        sa.Column("hash", sa.String(71), nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "protocol", "organisation", name=op.f("pk_register_list")),
    )
    op.create_table(
        "register_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_register_state_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register_state")),
    )
    op.create_table(
        "sharing_protocol",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("protocol", sa.String(100), nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("hash", sa.String(71), nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("draft", sa.Boolean(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suspended_since", sa.Date(), nullable=True),
        sa.Column("suspension_reason", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sharing_protocol")),
        sa.UniqueConstraint(
            "protocol", "version", name=op.f("uq_sharing_protocol_protocol_version")
        ),
    )
    op.create_table(
        "source_fault",
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("code", sa.String(10), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("insz", name=op.f("pk_source_fault")),
    )
    op.create_table(
        "access_detail",
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["access_record.event_id"],
            name=op.f("fk_access_detail_event_id_access_record"),
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_access_detail")),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("project", sa.String(100), nullable=False),
        sa.Column("municipality", sa.String(5), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["insz"], ["person.insz"], name=op.f("fk_consent_insz_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    with op.batch_alter_table("consent", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consent_insz"), ["insz"], unique=False)

    op.create_table(
        "membership",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("organisation", sa.String(100), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["insz"], ["person.insz"], name=op.f("fk_membership_insz_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
    )
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_membership_insz"), ["insz"], unique=False)

    op.create_table(
        "participation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("project", sa.String(100), nullable=False),
        sa.Column("municipality", sa.String(5), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["insz"], ["person.insz"], name=op.f("fk_participation_insz_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participation")),
    )
    with op.batch_alter_table("participation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_participation_insz"), ["insz"], unique=False)

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
    with op.batch_alter_table("replaced_number", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_replaced_number_current"), ["current"], unique=False)

    op.create_table(
        "residence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("insz", sa.String(11), nullable=False),
        sa.Column("nis", sa.String(5), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["insz"], ["person.insz"], name=op.f("fk_residence_insz_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_residence")),
    )
    with op.batch_alter_table("residence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_residence_insz"), ["insz"], unique=False)

    op.execute("INSERT INTO log_head (id, size, minimum) VALUES (1, 0, 0)")
    op.execute("INSERT INTO register_state (id, version) VALUES (1, 0)")
    for statement in guards(op.get_bind().dialect.name):
        op.execute(statement)


def guards(dialect: str) -> Iterator[str]:
    """The log takes no change: no UPDATE, and DELETE only below the minimum index (pruning).

    The head never shrinks, so a pruned or rolled-back index is never given out again.
    """
    below_minimum = {
        "access_record": "OLD.log_index < (SELECT minimum FROM log_head)",
        "access_detail": "(SELECT log_index FROM access_record WHERE event_id = OLD.event_id)"
        " < (SELECT minimum FROM log_head)",
    }
    make = _sqlite_guard if dialect == "sqlite" else _postgres_guard
    for table, allowed in below_minimum.items():
        yield from make(table, "update", "1 = 0")
        yield from make(table, "delete", allowed)
    yield from make("log_head", "update", "NEW.size >= OLD.size AND NEW.minimum >= OLD.minimum")
    yield from make("log_head", "delete", "1 = 0")
    if dialect == "sqlite":
        # REPLACE deletes what is in its way and fires no DELETE trigger.
        yield from make(
            "access_record",
            "insert",
            "NOT EXISTS (SELECT 1 FROM access_record"
            " WHERE log_index = NEW.log_index OR event_id = NEW.event_id)",
        )
        yield from make(
            "access_detail",
            "insert",
            "NOT EXISTS (SELECT 1 FROM access_detail WHERE event_id = NEW.event_id)",
        )
        yield from make("log_head", "insert", "1 = 0")
    if dialect == "postgresql":
        for table in (*below_minimum, "log_head"):
            yield (
                f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_no_delete_guard()"
            )


def _sqlite_guard(table: str, verb: str, allowed: str) -> Iterator[str]:
    yield (
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} "
        f"WHEN NOT coalesce({allowed}, 0) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _postgres_guard(table: str, verb: str, allowed: str) -> Iterator[str]:
    returned = "NEW" if verb == "update" else "OLD"
    yield (
        f"CREATE FUNCTION {table}_no_{verb}_guard() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF TG_OP <> 'TRUNCATE' THEN "
        f"IF coalesce({allowed}, false) THEN RETURN {returned}; END IF; END IF; "
        f"RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'restrict_violation'; "
        "END $$"
    )
    yield (
        f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_no_{verb}_guard()"
    )


def downgrade() -> None:
    with op.batch_alter_table("residence", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_residence_insz"))

    op.drop_table("residence")
    with op.batch_alter_table("replaced_number", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_replaced_number_current"))

    op.drop_table("replaced_number")
    with op.batch_alter_table("participation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_participation_insz"))

    op.drop_table("participation")
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_membership_insz"))

    op.drop_table("membership")
    with op.batch_alter_table("consent", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consent_insz"))

    op.drop_table("consent")
    op.drop_table("access_detail")
    op.drop_table("source_fault")
    op.drop_table("sharing_protocol")
    op.drop_table("register_state")
    op.drop_table("register_list")
    op.drop_table("protocol_setting")
    op.drop_table("person")
    op.drop_table("log_head")
    with op.batch_alter_table("dossier_version", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dossier_version_insz_dossier_version_id"))

    op.drop_table("dossier_version")
    with op.batch_alter_table("access_record", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_access_record_subject_access_record_log_index"))
        batch_op.drop_index(batch_op.f("ix_access_record_recorded_at"))
        batch_op.drop_index(batch_op.f("ix_access_record_organisation_access_record_log_index"))

    op.drop_table("access_record")
    if op.get_bind().dialect.name == "postgresql":
        for name in ("access_record", "access_detail", "log_head"):
            for verb in ("update", "delete"):
                op.execute(f"DROP FUNCTION {name}_no_{verb}_guard()")
