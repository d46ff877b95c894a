"""The register of protocols: loads are whole or nothing, and every act leaves its record."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app import administration, agreement, protocols
from app.administration import Office
from app.agreement import Document
from app.canonical import digest
from app.database import Database
from app.models.register import ProtocolSetting
from app.month_keys import MonthKeyMissing, MonthKeys
from app.policy import Clause
from app.protocols import Change, Entry, FileFault, Register, RegisterRefused, Source
from app.record import Origin

ROOT = Path(__file__).parents[2]
DEMO = (ROOT / "protocols" / "demo" / "voorbeeldstad.yaml").read_text(encoding="utf-8")
DATA = agreement.as_data(agreement.parse(DEMO))
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
TODAY = NOW.date()
DAY = timedelta(days=1)
CITY, PURPOSE, ID = "voorbeeldstad", "lokaalIntegratiebeleid", "voorbeeldstad-2026"
FILE = Path("voorbeeldstad.yaml")


def document(**changes: Any) -> Document:
    """The protocol of Voorbeeldstad with other values under some of its keys."""
    made = agreement.from_data({**DATA, **changes})
    assert isinstance(made, Document)
    return made


def source(content: Document | agreement.RegisterList | None = None, **changes: Any) -> Source:
    """A file with a list, or with the protocol of Voorbeeldstad."""
    return Source(FILE, content or document(**changes))


def profiles(*names: str, protocol: str = ID, organisation: str = CITY) -> Source:
    """A file with the function profiles that an organisation admits."""
    data = {
        "lijst": "functieprofielen",
        "protocol": protocol,
        "organisatie": organisation,
        "gewijzigdOp": "2026-01-01",
        "profielen": list(names),
    }
    return Source(Path("profielen.yaml"), agreement.from_data(data))


def delegates(**periods: tuple[str, str | None]) -> Source:
    """A file with the care funds that act for AVSB."""
    data = {
        "lijst": "gemachtigden",
        "protocol": "avsb-2021",
        "gewijzigdOp": "2026-01-01",
        "gemachtigden": [
            {"organisatie": name, "van": first, "tot": last}
            for name, (first, last) in periods.items()
        ],
    }
    return Source(Path("gemachtigden.yaml"), agreement.from_data(data))


@pytest.fixture
def office(store: Database, tmp_path: Path) -> Office:
    """An empty register, and the keys for the records of what is done to it."""
    keys = MonthKeys(tmp_path / "month-keys")
    keys.create(NOW, months=1)
    return Office(store, keys, Origin("sha256:catalogue", "1.0", "node-1"))


def load(office: Office, *sources: Source, now: datetime = NOW) -> list[Change]:
    """Load these files, with their records."""
    return administration.load(office, sources, now)


def register(office: Office) -> Register:
    """The register as a service would take it into memory."""
    with office.database.reading() as session:
        return protocols.read_register(session)


def records(office: Office) -> list[dict[str, Any]]:
    """Every record in the log, oldest first."""
    with office.database.reading() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT record FROM access_record ORDER BY log_index"
        )
        return [json.loads(bytes(row[0])) for row in rows]


def everything(office: Office) -> list[Any]:
    """What the register and the log hold."""
    with office.database.reading() as session:
        rows = [
            [row.protocol, row.version, row.hash, row.draft, row.document, row.suspended_since]
            for row in protocols.list_all(session)
        ]
        lists = session.connection().exec_driver_sql("SELECT kind, hash FROM register_list").all()
        return [rows, [tuple(row) for row in lists], protocols.read_version(session)]


def clause(office: Office, today: date = TODAY) -> Clause:
    """What Voorbeeldstad may ask today."""
    found = register(office).covering(CITY, PURPOSE, today)
    assert found is not None
    return found


def is_open(office: Office) -> bool:
    """Whether any clause is there for Voorbeeldstad."""
    return register(office).covering(CITY, PURPOSE, TODAY) is not None


# Loading


def test_a_load_puts_a_complete_document_in_force_and_records_it(office: Office) -> None:
    changes = load(office, source())

    hash_ = agreement.document_hash(document())
    assert changes == [Change("inForce", ID, "1", hash_)]
    assert register(office).version == 1
    [record] = records(office)
    expected = {
        "type": "admin",
        "operation": "protocolLoad",
        "protocol": ID,
        "protocolVersion": "1",
        "protocolHash": hash_,
        "reasonReference": "inForce",
    }
    assert {name: record.get(name) for name in expected} == expected


def test_the_hash_is_that_of_the_stored_document(office: Office) -> None:
    load(office, source())

    with office.database.reading() as session:
        [row] = protocols.list_all(session)
        assert row.hash == digest(row.document) == agreement.document_hash(document())
    assert register(office).document(ID) == document()


def test_the_same_load_again_changes_nothing_and_leaves_no_record(office: Office) -> None:
    load(office, source(), profiles("trajectondersteuner"))
    before = everything(office), records(office)

    changes = load(office, source(), profiles("trajectondersteuner"), now=NOW + DAY)

    assert changes == []
    assert (everything(office), records(office)) == before


def test_one_load_moves_the_version_once(office: Office) -> None:
    changes = load(office, source(), source(versie="2"), profiles("trajectondersteuner"))

    assert len(changes) == len(records(office)) == 3
    assert register(office).version == 1


def test_a_version_in_force_takes_no_other_content_and_nothing_of_the_load_remains(
    office: Office,
) -> None:
    load(office, source())
    before = everything(office), records(office)

    with pytest.raises(RegisterRefused, match=r"voorbeeldstad.yaml: version 1 .* a new version"):
        load(office, source(versie="2"), profiles("iemand"), source(titel="Iets anders"))

    assert (everything(office), records(office)) == before


def test_a_version_in_force_does_not_become_a_draft_again(office: Office) -> None:
    load(office, source())

    with pytest.raises(RegisterRefused):
        load(office, source(status="concept"))

    assert is_open(office)


def test_two_contents_for_one_version_in_one_load_are_refused(office: Office) -> None:
    with pytest.raises(RegisterRefused):
        load(office, source(), source(titel="Iets anders"))

    assert everything(office) == [[], [], 0]


def test_a_new_version_stands_beside_the_old_one(office: Office) -> None:
    load(office, source(geldigTot="2026-05-31"))
    load(office, source(versie="2", geldigVan="2026-06-01"))

    found = [clause(office, day) for day in (TODAY - DAY, TODAY)]

    assert [each.version for each in found] == ["1", "2"]
    assert [each.version for each in register(office).documents] == ["1", "2"]
    newest = register(office).document(ID)
    assert newest is not None
    assert newest.version == "2"


def without(name: str) -> dict[str, Any]:
    """The demanded contents but for one."""
    return {key: value for key, value in DATA["inhoud"].items() if key != name}


@pytest.mark.parametrize("draft", [{"status": "concept"}, {"inhoud": without("sancties")}])
def test_a_draft_opens_nothing_and_may_be_replaced(
    office: Office, draft: Mapping[str, Any]
) -> None:
    [change] = load(office, source(**draft))
    known = register(office)
    opened = is_open(office), known.known_purpose(PURPOSE), known.document(ID)

    again = load(office, source(**draft, titel="Een beter concept"))
    final = load(office, source())

    assert change.kind == again[0].kind == "draft"
    assert opened == (False, None, None)
    assert [each.kind for each in final] == ["inForce"]
    assert is_open(office)
    assert [record["reasonReference"] for record in records(office)] == [
        "draft",
        "draft",
        "inForce",
    ]


def test_a_load_whose_record_cannot_be_written_does_not_happen(office: Office) -> None:
    later = NOW + timedelta(days=60)

    with pytest.raises(MonthKeyMissing):
        load(office, source(), now=later)

    assert everything(office) == [[], [], 0]


def test_a_suspension_whose_record_cannot_be_written_does_not_happen(office: Office) -> None:
    load(office, source())
    with office.database.writing() as session:
        session.connection().execute(text("ALTER TABLE access_record RENAME TO elsewhere"))

    with pytest.raises(Exception, match="access_record"):
        administration.suspend(office, ID, "klacht 3", NOW)

    assert register(office).version == 1
    assert clause(office).suspended_since is None


# Files


def test_every_fault_of_every_file_is_reported_and_the_good_ones_are_read(tmp_path: Path) -> None:
    files = {
        "good.yaml": DEMO.encode(),
        "bad.yaml": DEMO.replace("opzegtermijnMaanden: 12", "opzegtermijnMaanden: 0").encode(),
        "latin.yaml": "kader: caf\xe9".encode("latin-1"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    sources, faults = protocols.read_files(
        [*(tmp_path / name for name in files), tmp_path / "absent.yaml"]
    )

    assert [each.path.name for each in sources] == ["good.yaml"]
    places = [(each.path.name, each.place) for each in faults]
    assert places == [
        ("bad.yaml", "opzegtermijnMaanden"),
        ("latin.yaml", "file"),
        ("absent.yaml", "file"),
    ]
    assert faults[2] == FileFault(
        tmp_path / "absent.yaml", "file", "cannot be read: FileNotFoundError"
    )


# Lists outside the document


def test_a_list_of_profiles_is_taken_over_and_replaced(office: Office) -> None:
    load(office, source())
    before = clause(office)

    [change] = load(office, profiles("trajectondersteuner", "diensthoofd"))
    first = clause(office)
    load(office, profiles("diensthoofd"))
    second = clause(office)

    assert before.profiles is None
    assert first.profiles == frozenset({"trajectondersteuner", "diensthoofd"})
    assert second.profiles == frozenset({"diensthoofd"})
    assert change == Change("functieprofielen", ID, "1", agreement.document_hash(document()))
    assert register(office).version == 3
    assert [record["reasonReference"] for record in records(office)][1:] == ["functieprofielen"] * 2


def test_a_list_of_profiles_is_that_of_its_organisation_alone(office: Office) -> None:
    load(office, source(), profiles("iemand", organisation="nis:71016"))

    assert clause(office).profiles is None


def test_a_list_for_an_unknown_protocol_is_refused_with_the_whole_load(office: Office) -> None:
    with pytest.raises(RegisterRefused, match=r"profielen.yaml: there is no protocol onbekend"):
        load(office, source(), profiles("iemand", protocol="onbekend"))

    assert everything(office) == [[], [], 0]
    assert records(office) == []


def test_a_list_may_stand_before_its_protocol_in_one_load(office: Office) -> None:
    load(office, profiles("trajectondersteuner"), source())

    assert clause(office).profiles == frozenset({"trajectondersteuner"})


def test_a_delegate_is_a_caller_on_its_own_days_only(office: Office) -> None:
    avsb = agreement.parse((ROOT / "protocols" / "avsb-2021.yaml").read_text(encoding="utf-8"))
    load(
        office,
        source(avsb),
        delegates(**{"zorgkas-voorbeeld": ("2026-05-01", "2026-05-31")}),
    )

    known = register(office)

    days = [date(2026, 4, 30), date(2026, 5, 1), date(2026, 5, 31), date(2026, 6, 1)]
    assert [bool(known.of("zorgkas-voorbeeld", day)) for day in days] == [False, True, True, False]


# Settings of the operator


def test_what_the_operator_settled_reaches_the_clauses(office: Office) -> None:
    [purpose] = DATA["doeleinden"]
    ground = {**purpose["rechtsgrond"], "tot": "operator"}
    load(office, source(doeleinden=[{**purpose, "rechtsgrond": ground}]))
    unsettled = clause(office)

    settle(office, protocols.LEGAL_GROUND_END, PURPOSE, "2026-05-31")
    until_may = clause(office)
    settle(office, protocols.LEGAL_GROUND_END, PURPOSE, protocols.NO_END)
    for_ever = clause(office)

    assert (unsettled.legal_ground_settled, unsettled.legal_ground.last) == (False, None)
    assert (until_may.legal_ground_settled, until_may.legal_ground.last) == (True, TODAY - DAY)
    assert (for_ever.legal_ground_settled, for_ever.legal_ground.last) == (True, None)


def test_the_start_of_the_cooperation_gives_a_term_its_end(office: Office) -> None:
    term = {"jaren": 3, "vanaf": "samenwerkingVan", "tekst": "3 jaar."}
    load(office, source(geldigTot="operator", termijn=term))

    settle(office, protocols.COOPERATION_SINCE, "", "2026-03-01")

    assert clause(office).valid.last == date(2029, 2, 28)


def settle(office: Office, name: str, purpose: str, value: str) -> None:
    with office.database.writing() as session:
        session.merge(ProtocolSetting(protocol=ID, purpose=purpose, name=name, value=value))


# Suspension


def test_a_suspension_holds_for_every_version_until_it_is_lifted(office: Office) -> None:
    load(office, source(), source(versie="2", geldigVan="2026-07-01"))
    known = administration.suspend(office, ID, "klacht 3", NOW)
    days = (TODAY, date(2026, 7, 1))
    suspended = [clause(office, day) for day in days]

    lifted = administration.resume(office, ID, NOW + DAY)
    resumed = [clause(office, day) for day in days]

    assert known
    assert lifted
    assert [each.suspended_since for each in suspended] == [TODAY, TODAY]
    assert [each.suspended_since for each in resumed] == [None, None]
    assert register(office).version == 3


def test_a_new_version_does_not_lift_a_suspension(office: Office) -> None:
    load(office, source(geldigTot="2026-06-30"))
    administration.suspend(office, ID, "klacht 3", NOW)
    days = (TODAY, date(2026, 7, 1))

    load(office, source(versie="2", geldigVan="2026-07-01"))
    suspended = [clause(office, day).suspended_since for day in days]
    administration.resume(office, ID, NOW)

    assert suspended == [TODAY, TODAY]
    assert [clause(office, day).suspended_since for day in days] == [None, None]


def test_a_suspension_counts_from_the_day_in_brussels(office: Office) -> None:
    load(office, source())

    administration.suspend(office, ID, "klacht 3", datetime(2026, 6, 1, 22, 0, tzinfo=UTC))

    assert clause(office).suspended_since == date(2026, 6, 2)


def test_a_suspension_and_its_end_are_recorded_with_version_and_hash(office: Office) -> None:
    load(office, source())

    administration.suspend(office, ID, "klacht 3", NOW)
    administration.resume(office, ID, NOW)

    hash_ = agreement.document_hash(document())
    found = [
        (each["operation"], each["protocolVersion"], each["protocolHash"], each["reasonReference"])
        for each in records(office)[1:]
    ]
    assert found == [
        ("protocolSuspend", "1", hash_, "klacht 3"),
        ("protocolResume", "1", hash_, "resumed"),
    ]


def test_an_unknown_protocol_is_not_suspended(office: Office) -> None:
    load(office, source())

    assert not administration.suspend(office, "onbekend", "klacht 3", NOW)
    assert not administration.resume(office, "onbekend", NOW)

    assert register(office).version == 1
    assert len(records(office)) == 1


# Which clause covers a request


def standing(*periods: tuple[str, str, str | None]) -> Register:
    """A register with these versions: version, first day, last day."""
    return Register(
        1,
        [
            Entry(document(versie=name, geldigVan=first, geldigTot=last), (), {}, {}, None, None)
            for name, first, last in periods
        ],
    )


@pytest.mark.parametrize(
    ("periods", "expected"),
    [
        ([], None),
        ([("ended", "2025-01-01", "2025-12-31")], "ended"),
        ([("last day", "2025-01-01", "2026-06-01"), ("later", "2026-06-02", None)], "last day"),
        ([("ended", "2025-01-01", "2026-05-31"), ("first day", "2026-06-01", None)], "first day"),
        ([("ended", "2025-01-01", "2026-05-31"), ("later", "2026-06-02", None)], "ended"),
        (
            [
                ("ended last", "2025-01-01", "2026-05-31"),
                ("ended first", "2026-01-01", "2026-04-30"),
            ],
            "ended last",
        ),
        (
            [("begins last", "2028-01-01", None), ("begins first", "2027-01-01", None)],
            "begins first",
        ),
        ([("newer", "2026-03-01", None), ("older", "2026-01-01", None)], "newer"),
        ([("older", "2026-01-01", None), ("newer", "2026-03-01", None)], "newer"),
    ],
)
def test_the_version_in_force_covers_else_the_one_that_ended_last_else_the_next(
    periods: list[tuple[str, str, str | None]], expected: str | None
) -> None:
    for order in (periods, periods[::-1]):
        found = standing(*order).covering(CITY, PURPOSE, TODAY)

        assert (found.version if found else None) == expected


@pytest.mark.parametrize(
    ("organisation", "purpose"),
    [("nis:71016", PURPOSE), (CITY, "anders"), (None, PURPOSE), (CITY.upper(), PURPOSE), ("", "")],
)
def test_another_organisation_or_purpose_is_not_covered(
    organisation: str | None, purpose: str
) -> None:
    known = standing(("1", "2026-01-01", None))

    assert known.covering(organisation, purpose, TODAY) is None


def test_only_a_purpose_of_a_protocol_is_known() -> None:
    known = standing(("1", "2026-01-01", "2026-01-31"))

    assert known.known_purpose(PURPOSE) == PURPOSE
    assert known.known_purpose("90722501478") is None


def test_an_unknown_protocol_has_no_document() -> None:
    assert standing(("1", "2026-01-01", None)).document("onbekend") is None
