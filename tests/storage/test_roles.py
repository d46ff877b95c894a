"""The role of the service on PostgreSQL: enough for its work, and no change of the log."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import stores
from databases import create_database, drop_database
from programs import Within
from programs import run as command
from psycopg import errors, sql
from service import (
    AUDITOR,
    CITY,
    FUND,
    LOG_ORIGIN,
    NOTICES,
    NOW,
    ORIGIN,
    REPORT,
    Service,
    Template,
    add_person,
    add_resident,
    insz_of,
    list_key,
    make_service,
    person_with,
    prepare,
)
from sqlalchemy import make_url
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlmodel import SQLModel
from vdab_world import make_world, number, quiet

from app import (
    access_log,
    administration,
    answering,
    checkpoints,
    delivering,
    doctor,
    documents,
    dossiers,
    intake,
    log_keys,
    log_tree,
    roles,
    vdab_ending,
    vdab_release,
)
from app.administration import Office
from app.database import Database
from app.delivering import Attempt
from app.doctor import Level
from app.month_keys import MonthKey
from app.notice_rules import IncidentKind, IncidentState, Outcome
from app.policy import Operation
from app.protocols import Source
from app.pruning import Pruned, PruningRefused, prune
from app.record import Allowance, Entry, Trace, Turn, entry_of
from app.roles import NEEDED, RoleUnfit
from app.settings import Mode, Settings
from app.tlog.note import Signer
from app.visit import Visit, new_event_id
from app.webhooks import Webhook

OWNER = "Poort-owner"
LOG = (
    *("access_record", "access_detail", "log_tile", "log_key", "log_era"),
    *("log_head", "log_checkpoint"),
)
GUARDS = (
    *("access_record_no_update", "access_record_no_delete", "access_record_no_truncate"),
    *("access_detail_no_update", "access_detail_no_delete", "log_tile_no_update"),
    *("log_head_no_update", "log_checkpoint_no_update", "log_key_no_insert"),
    "quota_use_no_update",
)
# What advices rest on: it is only added to.
DATED = ("source_answer", "complete_delivery", "replaced_number")
FACTS = (*DATED, "dossier_version")
# What was reported and told stays: the commands go on with it, and no more.
TOLD = ("notice", "incident", "notification")
ANY_GUARD = "AS $$ BEGIN RETURN OLD; END $$"

# Every way to change what was recorded, or to take away what guards it.
CHANGES = (
    *(f"DELETE FROM {table}" for table in LOG),  # noqa: S608
    *(f"DELETE FROM {table} WHERE false" for table in LOG),  # noqa: S608
    *(f"TRUNCATE {table} CASCADE" for table in LOG),
    *(f"DROP TABLE {table} CASCADE" for table in LOG),
    *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in LOG),
    *(f"ALTER TABLE {table} OWNER TO CURRENT_USER" for table in LOG),
    *(f"CREATE RULE no AS ON INSERT TO {table} DO INSTEAD NOTHING" for table in LOG),
    "UPDATE access_record SET outcome = 'denied'",
    "UPDATE access_record SET record = record WHERE false",
    "SELECT 1 FROM access_record FOR UPDATE",
    "LOCK TABLE access_record IN ACCESS EXCLUSIVE MODE",
    "INSERT INTO access_record SELECT * FROM access_record"
    " ON CONFLICT (log_index) DO UPDATE SET outcome = 'denied'",
    "UPDATE access_detail SET detail = '{}'",
    "UPDATE log_tile SET hashes = ''",
    "UPDATE log_key SET vkey = ''",
    "INSERT INTO log_key (id, vkey, size, endorsement, since) VALUES (9, 'x', 0, '', now())",
    "INSERT INTO log_key SELECT id + 1, vkey || 'x', size, endorsement, since FROM log_key",
    "DELETE FROM quota_use",
    "TRUNCATE quota_use",
    "UPDATE quota_use SET first = '2020-01-01'",
    "ALTER TABLE quota_use DISABLE TRIGGER USER",
    "UPDATE log_era SET first_index = 0",
    *(f"DELETE FROM {table}" for table in FACTS),  # noqa: S608
    *(f"TRUNCATE {table} CASCADE" for table in FACTS),
    *(f"UPDATE {table} SET learned_at = now()" for table in DATED),  # noqa: S608
    *(f"UPDATE {table} SET fetched_at = now()" for table in DATED[:2]),  # noqa: S608
    *(f"DELETE FROM {table}" for table in TOLD),  # noqa: S608
    *(f"UPDATE {table} SET organisation = 'x'" for table in TOLD),  # noqa: S608
    "UPDATE notice SET received_at = now(), due_on = NULL",
    "UPDATE incident SET found_at = now(), in_time = true",
    "UPDATE source_answer SET code = '30001', version = NULL",
    "UPDATE dossier_version SET doelgroep = NULL",
    "UPDATE replaced_number SET current = old",
    "UPDATE register_state SET id = 1",
    "UPDATE log_head SET minimum = minimum",
    "UPDATE log_head SET minimum = size",
    "UPDATE log_head SET id = 1",
    "UPDATE log_checkpoint SET id = 1",
    "INSERT INTO log_head SELECT * FROM log_head",
    "INSERT INTO log_checkpoint SELECT * FROM log_checkpoint",
    *(f"DROP TRIGGER {guard} ON {guard.partition('_no_')[0]}" for guard in GUARDS),
    "CREATE TRIGGER mine BEFORE INSERT ON access_record FOR EACH ROW"
    " EXECUTE FUNCTION access_record_no_delete_guard()",
    *(
        f"CREATE OR REPLACE FUNCTION {guard}_guard() RETURNS trigger LANGUAGE plpgsql {ANY_GUARD}"
        for guard in GUARDS
        if not guard.endswith("truncate")
    ),
    "DROP FUNCTION access_record_no_delete_guard() CASCADE",
    "ALTER FUNCTION access_record_no_delete_guard() SECURITY DEFINER",
    "SET session_replication_role = replica",
    f'SET ROLE "{OWNER}"',
    "SET ROLE postgres",
    f'SET SESSION AUTHORIZATION "{OWNER}"',
    "CREATE TABLE public.mine (id int)",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "ALTER SCHEMA public RENAME TO mine",
    "UPDATE alembic_version SET version_num = '0001'",
    "UPDATE pg_class SET relowner = 10",
    "COPY access_record TO PROGRAM 'true'",
)

_numbers = count(1)


@pytest.fixture(scope="module")
def owned(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Template]:
    """A database with protocols and persons whose owner is no superuser, and its month keys."""
    run(cluster, f'CREATE ROLE "{OWNER}" LOGIN')
    url, keys = create_database(cluster), tmp_path_factory.mktemp("owned") / "month-keys"
    give(cluster, url)
    prepare(as_role(url, OWNER), keys)
    return str(make_url(url).database), Template.read(keys)


@pytest.fixture
def url(cluster: str, owned: tuple[str, Template]) -> Iterator[str]:
    """A copy of it, as its owner connects."""
    made = create_database(cluster, owned[0])
    give(cluster, made)
    yield as_role(made, OWNER)
    drop_database(cluster, made)


@pytest.fixture
def role(cluster: str) -> str:
    """A new login role, with a name that must be quoted."""
    name = f'Poort"%s":x;{next(_numbers)}'
    make_role(cluster, name, "LOGIN")
    return name


@pytest.fixture
async def service(
    url: str, role: str, owned: tuple[str, Template], own_folder: Path
) -> AsyncIterator[Service]:
    """The service, the commands and their database under the granted role."""
    granted(url, role)
    with opened(url) as database:
        list_key(database, LOG_ORIGIN, own_folder / "log.key", NOW)
    made = make_service(as_role(url, role), own_folder, template=owned[1])
    yield made
    await made.close()


def run(url: str, statement: str | sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode() if isinstance(statement, str) else statement)


def make_role(cluster: str, name: str, *options: str) -> None:
    words = sql.SQL(" ").join(sql.SQL(option) for option in options)
    run(cluster, sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), words))


def member(cluster: str, role: str, group: str) -> None:
    names = map(sql.Identifier, (group, role))
    run(cluster, sql.SQL("GRANT {} TO {}").format(*names))


def to(role: str, statement: str) -> sql.Composed:
    """A statement about a role, which stands in it as {}."""
    return sql.SQL(statement).format(sql.Identifier(role))


def give(cluster: str, url: str) -> None:
    """Make the owner that of the database as well."""
    run(cluster, f'ALTER DATABASE "{make_url(url).database}" OWNER TO "{OWNER}"')


def as_role(url: str, role: str) -> str:
    return url.replace(url.split("@")[0], f"postgresql://{quote(role, safe='')}")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    made = Database(url)
    try:
        yield made
    finally:
        made.dispose()


def granted(url: str, role: str) -> None:
    with opened(url) as database, database.writing() as session:
        roles.grant(session, role)


def allowed(url: str, statements: tuple[str, ...] = CHANGES) -> list[str]:
    """Those that the role of this url is not denied, whether or not something else stops them."""
    passed = []
    with psycopg.connect(url) as connection:
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except errors.InsufficientPrivilege:
                pass
            except psycopg.Error as error:
                passed.append(f"{statement}: {error}")
            else:
                passed.append(statement)
            connection.rollback()
    return passed


def rights(url: str) -> list[tuple[object, ...]]:
    """Every right on every relation, column, schema and database, as the server keeps them."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT relname, relacl::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace"
            " UNION ALL SELECT attname, attacl::text FROM pg_attribute WHERE attacl IS NOT NULL"
            " UNION ALL SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname = 'public'"
            " UNION ALL SELECT datname, datacl::text FROM pg_database"
            " WHERE datname = current_database() ORDER BY 1, 2"
        ).fetchall()


def entry(number: int, allowance: Allowance | None = None) -> Entry:
    """A record with nothing in it but its id, and the turn that it takes."""
    visit = Visit(
        operation="queryDossier",
        route="/dossiers/query",
        started_at=NOW,
        correlation_id="",
        event_id=new_event_id(NOW),
        trace_id="",
        span_id="",
    )
    trace = Trace(counts={"n": number}, allowance=allowance)
    return entry_of(visit, trace, MonthKey(bytes(32)), ORIGIN, NOW, None)


def settings(url: str) -> Settings:
    return Settings(mode=Mode.PRODUCTION, database_url=url)


def whole_log(url: str) -> list[object]:
    """Every row of every table of the log."""
    with psycopg.connect(url) as connection:
        return [
            connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall()
            for table in LOG
        ]


def admin_records(office: Office) -> list[str]:
    """The operations of the administrative records, oldest first."""
    with office.database.reading() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT record FROM access_record WHERE type = 'admin' ORDER BY log_index"
        )
        return [json.loads(bytes(row[0]))["operation"] for row in rows]


def dossier() -> bytes:
    """An answer of MAGDA with an empty dossier."""
    return (
        b"<w:GeefDossierKBIResponse "
        b'xmlns:w="http://webservice.GeefDossierKBI-01.00.kbi-01.00.vip.vlaanderen.be">'
        b"<Repliek><Context><Bericht>"
        b"<Tijdstip><Datum>2017-03-30</Datum><Tijd>12:00</Tijd></Tijdstip></Bericht></Context>"
        b"<Antwoorden><Antwoord><Inhoud><KBIDossier><Personalia><INSZ>90722501478</INSZ></Personalia>"
        b"</KBIDossier></Inhoud></Antwoord></Antwoorden></Repliek></w:GeefDossierKBIResponse>"
    )


def another_list() -> Source:
    data = {
        "lijst": "verwerkers",
        "protocol": "voorbeeldstad-2026",
        "organisatie": CITY,
        "gewijzigdOp": "2026-06-01",
        "verwerkers": [],
    }
    return Source(Path("lijst.yaml"), documents.from_data(data))


# What the role can do


def test_every_table_has_its_rights() -> None:
    assert NEEDED.keys() == {*SQLModel.metadata.tables, "alembic_version"}


async def test_the_service_does_its_work_under_the_granted_role(service: Service) -> None:
    person = person_with("O20")
    resident = insz_of("900501001")
    add_resident(service, resident)

    answers = [
        await service.dossier(CITY, resident),
        await service.advice(FUND, person.insz),
        await service.ask(
            AUDITOR,
            "/toegangen/query",
            {"aanleiding": "controle 7", "insz": resident.digits},
        ),
    ]
    service.clock.forward(seconds=2)
    service.app.state.desk.sign()

    assert [answer.status_code for answer in answers] == [200, 200, 200], answers[1].text
    assert len(answers[2].json()["items"]) == 1
    with service.office.database.reading() as session:
        assert checkpoints.published(session).size == log_tree.head(session).size
    assert not service.app.state.desk.notary.failed


async def test_the_office_does_its_work_under_the_granted_role(
    service: Service, tmp_path: Path
) -> None:
    office, resident = service.office, insz_of("900501001")
    line = {
        "insz": resident.digits,
        "woonplaatsen": [{"nis": "71016", "van": "2020-01-01", "tot": None}],
        "lidmaatschappen": [{"organisatie": FUND, "van": "2020-01-01", "tot": None}],
        "deelnames": [{"project": "p", "gemeente": "42025", "van": "2023-03-01", "tot": None}],
        "toestemmingen": [
            {"project": "p", "gemeente": "12025", "gegeven": "2021-07-02T09:00:00+02:00"}
        ],
        "vorigeInsz": [insz_of("900501002").digits],
    }

    for _ in range(2):  # the second time replaces what the first stored
        add_person(service, line, {})
    add_person(service, {**line, "vorigeInsz": []}, None)
    with office.database.writing() as session:
        dossiers.store(session, resident, {}, NOW + timedelta(days=1), NOW + timedelta(days=1))
        dossiers.store_fault(session, resident, "99996", NOW + timedelta(days=2), NOW)
        dossiers.store(session, resident, {}, NOW + timedelta(days=3), NOW + timedelta(days=3))
    (tmp_path / "answer.xml").write_bytes(dossier())
    report, delivery = intake.import_answers(
        office.database,
        [tmp_path / "answer.xml"],
        service.clock,
        production=False,
        complete=True,
    )
    assert isinstance(report, intake.Stored)
    assert isinstance(delivery, intake.Delivery)
    administration.suspend(office, "genk-2021", "proef", NOW)
    administration.resume(office, "genk-2021", NOW)
    administration.end(office, "genk-2021", NOW, last=NOW.date())
    administration.settle_legal_ground(office, "avsb-2021", None, None, NOW)
    administration.load(office, [another_list()], NOW)
    administration.accept_clock(office, "proef", NOW)

    with office.database.reading() as session:
        word = stores.last_word(session, [resident.digits])
        assert stores.read(session, [resident.digits], ()) is not None
        assert (word.fault, word.delivered_at) == (None, delivery.fetched_at)
    assert admin_records(office)[-6:] == [
        *("protocolSuspend", "protocolResume", "protocolEnd", "protocolSet", "protocolLoad"),
        "clockAccept",
    ]


async def test_reports_are_made_answered_and_delivered_under_the_granted_role(
    service: Service,
) -> None:
    resident, office = insz_of("900501001"), service.office
    add_resident(service, resident)
    report = {
        "toegangId": (await service.dossier(CITY, resident)).json()["id"],
        "soort": "foutief",
        "veld": "contract.ondertekend",
        "toelichting": "x",
        "vastgesteldOp": "2026-06-01",
        "referte": "m",
    }
    path = "/meldingen/gegevenskwaliteit"
    made = await service.ask(CITY, path, report, scopes=(REPORT,))
    assert made.status_code == 201, made.text
    found = answering.Discovery("voorbeeldstad-2026", IncidentKind.INCIDENT, NOW, "een lek")
    ended: list[Attempt] = []

    answering.answer(office, made.json()["id"], Outcome.CORRECTED, "hersteld", NOW)
    id_, _ = answering.open_incident(office, found, NOW)
    async with delivering.new_client() as client:
        webhook = Webhook("http://127.0.0.1:9/x", (bytes(32),))
        await delivering.deliver(office, {CITY: webhook}, lambda: NOW, client, ended.append)
    page = await service.ask(CITY, "/meldingen", scopes=(NOTICES,))
    answering.go_on(office, id_, IncidentState.CLOSED, "klaar", NOW)

    assert [one.result for one in ended] == ["geen verbinding (ConnectError)"] * 2
    assert len(page.json()["items"]) == 3


async def test_the_exchange_with_vdab_is_possible_under_the_granted_role(
    service: Service, tmp_path: Path
) -> None:
    world = make_world(service.office.database, tmp_path)
    world.add([number(at) for at in range(10)])

    world.take_in(world.answer(world.export()))
    released = vdab_release.release(world.post, 5, quiet)
    service.clock.forward(days=60)
    world.clock.now = service.clock.now
    world.office.keys.create(world.clock.now, months=1)
    world.export()
    vdab_ending.cancel(world.post, "proef")

    assert released.smoothed.rows >= 10
    assert len(world.records(operation="vdabRemove")) == 2


async def test_an_append_that_completes_tiles_is_possible_under_the_granted_role(
    service: Service,
) -> None:
    entries = [entry(number) for number in range(600)]

    with service.office.database.writing() as session:
        access_log.write(session, entries)
    service.clock.forward(seconds=2)
    service.app.state.desk.sign()

    with service.office.database.reading() as session:
        assert checkpoints.published(session).size > 600


def test_the_owner_grants_and_the_commands_work_under_the_granted_role(
    url: str, role: str, own_folder: Path
) -> None:
    own = as_role(url, role)

    by_owner = command(own_folder, "db", "grant", role, DATABASE_URL=url)
    suspended = command(  # in demo mode, which upgrades first: there is nothing to do
        own_folder, "protocol", "suspend", "genk-2021", "--reason", "klacht 7", DATABASE_URL=own
    )
    by_itself = command(own_folder, "db", "grant", role, DATABASE_URL=own)

    assert (by_owner.code, by_owner.out) == (0, "")
    assert by_owner.err.startswith(f"{role} has what the service needs")
    assert suspended.code == 0, suspended.err
    assert (by_itself.code, by_itself.out, by_itself.err) == (
        3,
        "",
        "nothing was changed: only the owner of the tables grants: "
        "let PROTOCOLPOORT_DATABASE_URL name it\n",
    )


def test_the_owner_gives_the_log_its_keys_and_the_role_of_the_service_cannot(
    url: str, role: str, own_folder: Path
) -> None:
    granted(url, role)
    own = as_role(url, role)
    at = {"LOG_ORIGIN": LOG_ORIGIN, "LOG_KEY_FILE": str(own_folder / "log.key")}
    keys: list[int] = []

    ended = []
    for verb in ("create-key", "rotate-key"):
        for user in (own, url):
            ended.append(command(own_folder, "log", verb, DATABASE_URL=user, **at).code)
            with psycopg.connect(url) as connection:
                keys += connection.execute("SELECT count(*) FROM log_key").fetchone() or ()

    assert keys == [0, 1, 1, 2]
    assert [code == 0 for code in ended] == [False, True, False, True]


async def test_the_role_of_the_service_lists_no_key_of_its_own(
    service: Service, url: str, own_folder: Path
) -> None:
    mine = Signer.generate(LOG_ORIGIN).vkey
    before = whole_log(url)

    with pytest.raises(ProgrammingError, match="permission denied"):
        administration.rotate_key(service.office, LOG_ORIGIN, own_folder / "log.key", NOW)
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        service.office.database.writing() as session,
    ):
        log_keys.add(session, mine, 0, "", NOW)

    assert whole_log(url) == before


async def test_a_turn_of_a_quota_is_counted_and_not_given_back_under_the_granted_role(
    service: Service, url: str, role: str
) -> None:
    turn = Turn("proef-2026", "x", "nis:71016", Operation.QUERY_DOSSIER, date(2026, 1, 1))
    allowance = Allowance(turn, turn.first, 3)
    entries = [entry(number, allowance) for number in range(4)]

    with service.office.database.writing() as session:
        taken = [isinstance(one, int) for one in access_log.write(session, entries)]
    with (
        pytest.raises(IntegrityError, match="quota_use is append-only"),
        service.office.database.writing() as session,
    ):
        session.connection().exec_driver_sql("UPDATE quota_use SET used = 0")

    assert taken == [True, True, True, False]
    assert allowed(as_role(url, role)) == []
    with service.office.database.reading() as session:
        assert access_log.used(session, allowance) == 3


def test_sqlite_says_that_it_has_no_roles(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    command = Within(monkeypatch, capfd)
    command("db", "upgrade")

    ended = command("db", "grant", "poort")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "nothing was changed: SQLite has no roles: who can read the file owns it\n"
    )


# What it cannot do


async def test_the_granted_role_changes_nothing_of_the_log(
    service: Service, url: str, role: str
) -> None:
    before = whole_log(url)

    assert allowed(as_role(url, role)) == []
    assert whole_log(url) == before


@pytest.mark.parametrize(
    ("too_many", "then"),
    [
        ("GRANT DELETE ON log_tile TO {}", "DELETE FROM log_tile"),
        ("GRANT UPDATE ON log_head TO {}", "UPDATE log_head SET minimum = minimum"),
        ("GRANT UPDATE (minimum) ON log_head TO {}", "UPDATE log_head SET minimum = minimum"),
        ("GRANT UPDATE (outcome) ON access_record TO {}", "SELECT 1 FROM access_record FOR UPDATE"),
        ("GRANT TRUNCATE ON access_detail TO PUBLIC", "TRUNCATE access_detail CASCADE"),
        ("GRANT TRIGGER ON access_record TO {}", "CREATE TRIGGER mine"),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "CREATE TABLE public.mine (id int)"),
    ],
)
def test_one_grant_too_many_is_seen_and_a_second_run_takes_it_away(
    url: str, role: str, too_many: str, then: str
) -> None:
    granted(url, role)
    first = rights(url)

    run(url, to(role, too_many))
    meanwhile = allowed(as_role(url, role))
    granted(url, role)

    assert [each for each in meanwhile if each.startswith(then)], meanwhile
    assert allowed(as_role(url, role)) == []
    assert rights(url) == first


def test_what_another_role_may_is_not_taken_away(url: str, role: str, cluster: str) -> None:
    make_role(cluster, other := f"{role}-auditor", "LOGIN")
    run(url, to(other, "GRANT SELECT ON access_record TO {}"))

    granted(url, role)

    assert allowed(as_role(url, other), ("SELECT 1 FROM access_record",)) != []


async def test_the_granted_role_cannot_prune_and_the_owner_can(
    service: Service, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, august = service.office, datetime(2026, 8, 1, tzinfo=UTC)
    office.keys.create(NOW, months=3)
    with office.database.writing() as session:
        access_log.write(session, [entry(number) for number in range(300)])
    service.clock.forward(seconds=2)
    service.app.state.desk.sign()
    before = whole_log(url), office.keys.ended(august)

    with pytest.raises(PruningRefused, match="run it as the owner"):
        prune(office, LOG_ORIGIN, 1, august)
    monkeypatch.setattr(roles, "may_prune", lambda _: True)
    with pytest.raises(ProgrammingError):
        prune(office, LOG_ORIGIN, 1, august)
    meanwhile = whole_log(url), office.keys.ended(august)
    with opened(url) as database:
        pruned = prune(replace(office, database=database), LOG_ORIGIN, 1, august)

    assert meanwhile == before
    assert pruned == Pruned(("2026-06",), minimum=256, records=256, details=0)


# Which role it cannot be


@pytest.mark.parametrize(
    ("options", "group", "says"),
    [
        (None, None, "there is no role"),
        (("NOLOGIN",), None, "cannot log in"),
        (("LOGIN", "SUPERUSER"), None, "is a superuser"),
        (("LOGIN",), OWNER, "is the owner of the tables, or a member of it"),
        (("LOGIN", "NOINHERIT"), OWNER, "is the owner of the tables, or a member of it"),
        (("LOGIN", "NOINHERIT"), "postgres", "may act as other roles"),
        (("LOGIN", "CREATEROLE"), None, "may act as other roles"),
        (("LOGIN",), "pg_write_all_data", "may act as other roles"),
        (("LOGIN",), "pg_execute_server_program", "may act as other roles"),
    ],
)
def test_refuses_a_role_that_would_have_more(
    url: str,
    cluster: str,
    options: tuple[str, ...] | None,
    group: str | None,
    says: str,
) -> None:
    name, before = f"te-veel-{next(_numbers)}", rights(url)
    if options:
        make_role(cluster, name, *options)
    if group:
        member(cluster, name, group)

    with pytest.raises(RoleUnfit, match=says):
        granted(url, name)

    assert rights(url) == before


def test_refuses_the_owner_itself(url: str) -> None:
    with pytest.raises(RoleUnfit, match="is the owner"):
        granted(url, OWNER)


@pytest.mark.parametrize(
    ("given", "keeps"),
    [
        ("GRANT DELETE ON access_record TO {}", "DELETE on access_record"),
        ("GRANT UPDATE (minimum) ON log_head TO {}", "UPDATE on log_head"),
        ("GRANT SELECT, INSERT ON log_head TO {}", "INSERT on log_head"),
        ("GRANT CREATE ON SCHEMA public TO {}", "CREATE in the schema"),
        ("GRANT CREATE ON DATABASE {database} TO {}", "CREATE in the database"),
        ("GRANT SET ON PARAMETER session_replication_role TO {}", "session_replication_role"),
    ],
)
@pytest.mark.parametrize("inherits", ["INHERIT", "NOINHERIT"])
def test_refuses_a_role_that_has_more_by_another_one(
    url: str, cluster: str, inherits: str, given: str, keeps: str
) -> None:
    group, name = f"groep-{next(_numbers)}", f"lid-{next(_numbers)}"
    make_role(cluster, group, "NOLOGIN")
    make_role(cluster, name, "LOGIN", inherits)
    member(cluster, name, group)
    by = as_role(url, "postgres") if "PARAMETER" in given else url
    database = sql.Identifier(str(make_url(url).database))
    run(by, sql.SQL(given).format(sql.Identifier(group), database=database))
    before = rights(url)

    with pytest.raises(RoleUnfit, match=keeps):
        granted(url, name)

    assert rights(url) == before


# What `doctor` says of it


def test_doctor_warns_when_the_service_runs_as_the_owner(url: str, role: str) -> None:
    granted(url, role)
    what = "the role of PROTOCOLPOORT_DATABASE_URL may change the records of the log"

    told = {
        user: {one.what: one.level for one in doctor.examine(settings(as_role(url, user)), NOW)}
        for user in (OWNER, "postgres", role)
    }

    assert told[OWNER][what] is told["postgres"][what] is Level.WARNING
    assert what not in told[role]
    run(url, to(role, "GRANT UPDATE (outcome) ON access_record TO {}"))
    assert what in {one.what for one in doctor.examine(settings(as_role(url, role)), NOW)}
