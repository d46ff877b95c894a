"""What a role of PostgreSQL may do: the service gets what it needs, and cannot rewrite the log.

The owner of the tables upgrades and prunes; the role of the service does the rest.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, text
from sqlmodel import Session

# Every table, with what the service and the commands of the office do to it.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "access_record": ("SELECT", "INSERT"),
    "access_detail": ("SELECT", "INSERT"),
    "log_tile": ("SELECT", "INSERT"),
    "log_key": ("SELECT",),
    "log_era": ("SELECT", "INSERT"),
    "log_head": ("SELECT", "UPDATE (size, newest, edge)"),  # and never `minimum`
    "log_checkpoint": ("SELECT", "UPDATE (size, note, signed_at)"),
    "quota_use": ("SELECT", "INSERT", "UPDATE (used)"),
    "sharing_protocol": ("SELECT", "INSERT", "UPDATE"),
    "register_list": ("SELECT", "INSERT", "UPDATE"),
    "protocol_setting": ("SELECT", "INSERT", "UPDATE"),
    "register_state": ("SELECT", "UPDATE (version, known_at)"),
    "person": ("SELECT", "INSERT", "UPDATE"),
    "replaced_number": ("SELECT", "INSERT", "UPDATE (dropped_at)"),
    "residence": ("SELECT", "INSERT", "DELETE"),
    "membership": ("SELECT", "INSERT", "DELETE"),
    "participation": ("SELECT", "INSERT", "DELETE"),
    "consent": ("SELECT", "INSERT", "DELETE"),
    "dossier_version": ("SELECT", "INSERT"),
    "source_answer": ("SELECT", "INSERT"),
    "complete_delivery": ("SELECT", "INSERT"),
    "recipient_key": ("SELECT", "INSERT", "UPDATE (ended_at)"),
    "listing": ("SELECT", "INSERT", "UPDATE"),
    "listing_person": ("SELECT", "INSERT", "DELETE"),
    "listing_part": ("SELECT", "INSERT", "DELETE"),
    "notice": ("SELECT", "INSERT", "UPDATE (state, outcome, answer, answered_at)"),
    "incident": ("SELECT", "INSERT", "UPDATE (state, follow_up, updated_at)"),
    "notification": (
        "SELECT",
        "INSERT",
        "UPDATE (fetched_at, attempts, next_at, delivered_at, last_result)",
    ),
    "exchange_round": ("SELECT", "INSERT", "UPDATE"),
    "sent_number": ("SELECT", "INSERT", "DELETE"),
    "exchange_file": ("SELECT", "INSERT", "UPDATE (sent_at, removed_at)"),
    "alembic_version": ("SELECT",),
}
# What amounts to the rights of the server's own account, or to those of every other role.
POWERS = (
    "pg_execute_server_program",
    "pg_write_server_files",
    "pg_read_server_files",
    "pg_write_all_data",
)

_OWNERS = """
SELECT relowner FROM pg_class WHERE relnamespace = {schema} AND relname = ANY (:tables)
UNION SELECT nspowner FROM pg_namespace WHERE oid = {schema}
UNION SELECT datdba FROM pg_database WHERE datname = current_database()
"""
_SCHEMA = "(SELECT relnamespace FROM pg_class WHERE oid = 'access_record'::regclass)"
_SEQUENCES = """
SELECT d.objid::regclass::text, t.relname FROM pg_depend d
JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_class t ON t.oid = d.refobjid
WHERE d.deptype IN ('a', 'i') AND t.relnamespace = {schema} AND t.relname = ANY (:tables)
"""
# Whatever it may do itself, by way of PUBLIC, or after SET ROLE.
_MAY = """
SELECT t.relname, verb, a.attname
FROM pg_roles r, pg_class t, pg_attribute a,
  unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) verb
WHERE pg_has_role(CAST(:role AS name), r.oid, 'MEMBER') AND t.relname = ANY (:tables)
  AND t.relnamespace = {schema} AND a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  AND has_column_privilege(r.oid, t.oid, a.attnum, verb)
UNION
SELECT t.relname, verb, NULL
FROM pg_roles r, pg_class t, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) verb
WHERE pg_has_role(CAST(:role AS name), r.oid, 'MEMBER') AND t.relname = ANY (:tables)
  AND t.relnamespace = {schema} AND has_table_privilege(r.oid, t.oid, verb)
"""


class RoleUnfit(Exception):
    """This role cannot be the one of the service; the text says why, and what helps."""


def grant(session: Session, role: str) -> None:
    """Give a login role what the service needs, and take away what else it had on the tables.

    Raises RoleUnfit, with nothing changed once the transaction is rolled back.
    """
    connection = session.connection()
    if not _is_postgres(connection):
        raise RoleUnfit("SQLite has no roles: who can read the file owns it")
    _inspect(connection, role)
    for statement in _statements(connection, role):
        connection.exec_driver_sql(statement)
    if left := sorted(_excess(connection, role)):
        raise RoleUnfit(
            f"{role} keeps {', '.join(left)}, by another role or from another grantor: "
            "take that away, or choose another role"
        )


def may_rewrite(session: Session) -> bool:
    """Whether the role of this session could change or remove records of the log."""
    connection = session.connection()
    if not _is_postgres(connection):
        return False
    return _asks(
        connection,
        "has_table_privilege('access_record', 'UPDATE, DELETE, TRUNCATE')"
        " OR has_any_column_privilege('access_record', 'UPDATE')"
        " OR (SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class"
        " WHERE oid = 'access_record'::regclass)",
    )


def may_prune(session: Session) -> bool:
    """Whether the role of this session may raise the minimum index and remove what is below it."""
    connection = session.connection()
    return not _is_postgres(connection) or _asks(
        connection,
        "has_column_privilege('log_head', 'minimum', 'UPDATE')"
        " AND has_table_privilege('access_record', 'DELETE')"
        " AND has_table_privilege('access_detail', 'DELETE')",
    )


def _inspect(connection: Connection, role: str) -> None:
    found = connection.execute(
        text("SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = :role"), {"role": role}
    ).first()
    if found is None:
        raise RoleUnfit(f"there is no role {role}: CREATE ROLE it first, with LOGIN")
    can_login, is_super = found
    if not can_login:
        raise RoleUnfit(f"{role} cannot log in: give it LOGIN, or choose another role")
    if is_super:
        raise RoleUnfit(f"{role} is a superuser: the service needs a role of its own")
    given = {"role": role, "powers": list(POWERS), "tables": list(NEEDED)}
    owners = _OWNERS.format(schema=_SCHEMA)
    if not _owns(connection, "relowner FROM pg_class WHERE oid = 'access_record'::regclass"):
        raise RoleUnfit(
            "only the owner of the tables grants: let PROTOCOLPOORT_DATABASE_URL name it"
        )
    members = "SELECT FROM pg_roles r WHERE pg_has_role(CAST(:role AS name), r.oid, 'MEMBER')"
    if _asks(connection, f"EXISTS ({members} AND r.oid IN ({owners}))", **given):
        raise RoleUnfit(f"{role} is the owner of the tables, or a member of it: choose another one")
    powerful = "(r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolname = ANY (:powers))"
    if _asks(connection, f"EXISTS ({members} AND {powerful})", **given):
        raise RoleUnfit(f"{role} may act as other roles, or as the server: choose another one")


def _statements(connection: Connection, role: str) -> Iterator[str]:
    """First everything away, then what is needed: the same whatever was there before."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    named = quote(role)
    schema, database = connection.execute(
        text(f"SELECT {_SCHEMA}::regnamespace::text, current_database()")
    ).one()
    # Who owns the tables alone cannot; what the role then has too much is found afterwards.
    if _owns(connection, f"nspowner FROM pg_namespace WHERE oid = {_SCHEMA}"):
        yield f"REVOKE ALL ON SCHEMA {schema} FROM {named} CASCADE"
        yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC CASCADE"
        yield f"GRANT USAGE ON SCHEMA {schema} TO {named}"
    if _owns(connection, "datdba FROM pg_database WHERE datname = current_database()"):
        yield f"REVOKE ALL ON DATABASE {quote(database)} FROM {named} CASCADE"
        yield f"GRANT CONNECT ON DATABASE {quote(database)} TO {named}"
    for table, privileges in NEEDED.items():
        yield f"REVOKE ALL ON {schema}.{table} FROM {named}, PUBLIC CASCADE"
        yield f"GRANT {', '.join(privileges)} ON {schema}.{table} TO {named}"
    sequences = connection.execute(
        text(_SEQUENCES.format(schema=_SCHEMA)), {"tables": list(NEEDED)}
    ).all()
    for sequence, table in sequences:
        yield f"REVOKE ALL ON SEQUENCE {sequence} FROM {named}, PUBLIC CASCADE"
        if "INSERT" in NEEDED[table]:
            yield f"GRANT USAGE ON SEQUENCE {sequence} TO {named}"


def _excess(connection: Connection, role: str) -> set[str]:
    """What the role may do beyond what is needed, however it came by it."""
    given = {"role": role, "tables": list(NEEDED)}
    may = connection.execute(text(_MAY.format(schema=_SCHEMA)), given).all()
    found = {f"{verb} on {table}" for table, verb, column in may if not _needs(table, verb, column)}
    members = "FROM pg_roles r WHERE pg_has_role(CAST(:role AS name), r.oid, 'MEMBER')"
    more = {
        "CREATE in the schema": f"has_schema_privilege(r.oid, {_SCHEMA}, 'CREATE')",
        "CREATE in the database": "has_database_privilege(r.oid, current_database(), 'CREATE')",
    }
    if (connection.dialect.server_version_info or ()) >= (15,):
        parameter = "has_parameter_privilege(r.oid, 'session_replication_role', 'SET')"
        more["SET of session_replication_role"] = parameter
    return found | {
        name
        for name, holds in more.items()
        if _asks(connection, f"EXISTS (SELECT {members} AND {holds})", **given)
    }


def _needs(table: str, verb: str, column: str | None) -> bool:
    for privilege in NEEDED[table]:
        name, _, columns = privilege.partition(" (")
        if name == verb:
            return not columns or column in columns.rstrip(")").split(", ")
    return False


def _owns(connection: Connection, owner: str) -> bool:
    return _asks(connection, f"pg_has_role((SELECT {owner}), 'USAGE')")


def _asks(connection: Connection, question: str, **given: object) -> bool:
    return bool(connection.execute(text(f"SELECT {question}"), given).scalar_one())


def _is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"
