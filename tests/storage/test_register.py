"""The register of protocols: loads are whole or nothing, and every act leaves its record."""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from app import access_log, administration, documents, protocols
from app.administration import Office
from app.agreement import CONTENTS, Document
from app.canonical import digest
from app.database import Database
from app.errors import ClockBehind
from app.month_keys import MonthKeyMissing, MonthKeys
from app.notation import Fault
from app.policy import Clause
from app.protocols import Change, FileFault, RegisterRefused, Source
from app.record import Origin
from app.register import Edition, Register, State

ROOT = Path(__file__).parents[2]
DEMO = (ROOT / "protocols" / "demo" / "voorbeeldstad.yaml").read_text(encoding="utf-8")
AVSB = documents.parse((ROOT / "protocols" / "avsb-2021.yaml").read_text(encoding="utf-8"))
DATA = documents.as_data(documents.parse(DEMO))
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
TODAY = NOW.date()
DAY = timedelta(days=1)
CITY, PURPOSE, ID = "voorbeeldstad", "lokaalIntegratiebeleid", "voorbeeldstad-2026"
FILE = Path("voorbeeldstad.yaml")
ACTOR = "beheerder-van-dienst"
TABLES = (
    ("sharing_protocol", "id"),
    ("register_list", "kind, protocol, organisation"),
    ("protocol_setting", "protocol, purpose, name"),
    ("register_state", "id"),
    ("log_head", "id"),
    ("access_record", "log_index"),
    ("access_detail", "event_id"),
)


def document(**changes: Any) -> Document:
    """The protocol of Voorbeeldstad with other values under some of its keys."""
    made = documents.from_data({**DATA, **changes})
    assert isinstance(made, Document)
    return made


def source(
    content: documents.Content | None = None, name: str = FILE.name, **changes: Any
) -> Source:
    """A file with a list, or with the protocol of Voorbeeldstad."""
    return Source(Path(name), content or document(**changes))


def purposes(*codes: str, **ground: Any) -> dict[str, Any]:
    """The purpose of Voorbeeldstad under other codes, with another legal ground."""
    [purpose] = DATA["doeleinden"]
    legal = {**purpose["rechtsgrond"], **ground}
    return {"doeleinden": [{**purpose, "code": code, "rechtsgrond": legal} for code in codes]}


def listed(
    kind: str,
    *entries: Any,
    protocol: str = ID,
    organisation: str = CITY,
    changed: str = "2026-01-01",
) -> Source:
    """A file with a list, named after its kind."""
    owner = {"protocol": protocol, "organisatie": organisation}
    keys = {"gemachtigden": ("protocol",), "opvolgingen": ()}.get(kind, tuple(owner))
    key = {"functieprofielen": "profielen"}.get(kind, kind)
    data = {"lijst": kind, "gewijzigdOp": changed, key: list(entries)}
    content = documents.from_data({**data, **{name: owner[name] for name in keys}})
    return Source(Path(f"{kind}.yaml"), content)


def profiles(*names: str, **whose: str) -> Source:
    """A file with the function profiles that an organisation admits."""
    return listed("functieprofielen", *names, **whose)


def delegates(**periods: tuple[str, str | None]) -> Source:
    """A file with the care funds that act for AVSB."""
    entries = [
        {"organisatie": name, "van": first, "tot": last} for name, (first, last) in periods.items()
    ]
    return listed("gemachtigden", *entries, protocol="avsb-2021")


def merged(*lines: tuple[str, str, str]) -> Source:
    """A file with the municipalities that went on in another one, and since when."""
    entries = [
        {"oud": old, "nieuw": new, "vanaf": since, "soort": "samenvoeging"}
        for old, new, since in lines
    ]
    return listed("opvolgingen", *entries)


def hash_of(file: Source) -> str:
    """The hash of what a file holds."""
    return digest(documents.as_data(file.content))


@pytest.fixture
def office(store: Database, tmp_path: Path) -> Office:
    """An empty register, and the keys for the records of what is done to it."""
    keys = MonthKeys(tmp_path / "month-keys")
    keys.create(NOW, months=1)
    return Office(store, keys, Origin("sha256:catalogue", "1.0", "node-1"), ACTOR)


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


def everything(office: Office) -> dict[str, list[dict[str, Any]]]:
    """Every row of the register and of the log."""
    with office.database.reading() as session:
        tables = {
            table: session.connection().exec_driver_sql(f"SELECT * FROM {table} ORDER BY {order}")  # noqa: S608
            for table, order in TABLES
        }
        return {
            table: [
                {
                    name: bytes(value) if isinstance(value, memoryview) else value
                    for name, value in row.items()
                }
                for row in rows.mappings()
            ]
            for table, rows in tables.items()
        }


def refused(office: Office, act: Callable[[], object]) -> list[str]:
    """The faults of an act that the register refuses, which then has changed nothing."""
    before = everything(office)
    with pytest.raises(RegisterRefused) as caught:
        act()
    assert everything(office) == before
    return str(caught.value).splitlines()


def clause(office: Office, today: date = TODAY, purpose: str = PURPOSE) -> Clause:
    """What Voorbeeldstad may ask today."""
    found = register(office).covering(CITY, purpose, today)
    assert found is not None
    return found


def is_open(office: Office) -> bool:
    """Whether any clause is there for Voorbeeldstad."""
    return register(office).covering(CITY, PURPOSE, TODAY) is not None


# Loading


def test_a_load_puts_a_complete_document_in_force_and_records_it(office: Office) -> None:
    changes = load(office, source())

    hash_ = documents.document_hash(document())
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
        "route": "cli",
        "outcome": "allowed",
    }
    assert {name: record.get(name) for name in expected} == expected


def test_the_hash_is_that_of_the_stored_document(office: Office) -> None:
    load(office, source())

    [row] = everything(office)["sharing_protocol"]
    [edition] = register(office).editions(TODAY)
    stored = row["document"] if isinstance(row["document"], dict) else json.loads(row["document"])
    assert row["hash"] == digest(stored) == edition.hash == documents.document_hash(document())
    assert edition.document == document()


def test_the_same_load_again_changes_nothing_and_leaves_no_record(office: Office) -> None:
    files = (source(), profiles("trajectondersteuner"), merged(("10001", "99001", "2025-01-01")))
    load(office, *files)
    before = everything(office)

    changes = load(office, *files, now=NOW + DAY)

    assert changes == []
    assert everything(office) == before


def test_one_load_moves_the_version_once(office: Office) -> None:
    changes = load(office, source(), source(versie="2"), profiles("trajectondersteuner"))

    # the list holds for both versions
    assert [(each.kind, each.version) for each in changes] == [
        ("inForce", "1"),
        ("inForce", "2"),
        ("functieprofielen", "1"),
        ("functieprofielen", "2"),
    ]
    assert [record["protocolVersion"] for record in records(office)] == ["1", "2", "1", "2"]
    assert register(office).version == 1


def test_a_load_says_what_should_be_known_of_a_document(office: Office) -> None:
    [change] = load(office, source(AVSB))

    assert change.warnings == (
        Fault(
            "partijen[1].adviesFunctionaris.datum",
            "is no full date: the order of advice and draft is unknown",
        ),
    )


GOOD = (
    source(name="a.yaml", id="derde-2026", status="concept"),
    profiles("iemand"),
    merged(("10001", "99001", "2025-01-01")),
)
IN_FORCE = (
    f"b.yaml: versie: version 1 of {ID} is in force with another content; "
    "a change needs a new version"
)


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (source(name="b.yaml", titel="Iets anders"), IN_FORCE),
        (source(name="b.yaml", status="concept"), IN_FORCE),
        (
            source(name="b.yaml", versie="3", geldigTot="2026-05-31"),
            "b.yaml: geldigTot: has passed: a protocol that is over says `status: beeindigd`",
        ),
        (
            source(name="b.yaml", id="ander-2026", geldigVan="2026-07-01"),
            f"b.yaml: doeleinden: {ID} and ander-2026 both claim {PURPOSE} for {CITY} "
            "on 2026-07-01",
        ),
        (
            profiles("iemand", protocol="onbekend"),
            "functieprofielen.yaml: protocol: there is no protocol onbekend for this list",
        ),
        (
            delegates(),
            "gemachtigden.yaml: protocol: there is no protocol avsb-2021 for this list",
        ),
    ],
    ids=["content", "concept", "overdue", "conflict", "profiles", "delegates"],
)
def test_a_fault_in_the_last_file_keeps_the_whole_load_out_and_names_file_place_and_rule(
    office: Office, bad: Source, fault: str
) -> None:
    load(office, source())

    found = refused(office, lambda: load(office, *GOOD, bad, now=NOW + DAY))

    assert found == [fault]


@pytest.mark.parametrize("order", [1, -1])
def test_every_overdue_document_of_a_load_is_named(office: Office, order: int) -> None:
    late = [
        source(name=f"{name}.yaml", id=name, geldigTot="2026-05-31") for name in ("een", "twee")
    ]

    found = refused(office, lambda: load(office, *late[::order]))

    rule = "geldigTot: has passed: a protocol that is over says `status: beeindigd`"
    assert found == [f"{name}.yaml: {rule}" for name in ("een", "twee")][::order]


@pytest.mark.parametrize(
    ("moment", "late"),
    [
        # 22:00 UTC is midnight in Brussels
        (datetime(2026, 6, 1, 21, 59, tzinfo=UTC), False),
        (datetime(2026, 6, 1, 22, 0, tzinfo=UTC), True),
    ],
)
def test_a_document_is_over_from_the_day_after_its_last_in_brussels(
    office: Office, moment: datetime, late: bool
) -> None:
    file = source(geldigTot="2026-06-01")

    if late:
        refused(office, lambda: load(office, file, now=moment))
    else:
        load(office, file, now=moment)

    assert is_open(office) is not late


def test_what_came_into_force_in_time_is_loaded_again_after_its_end(office: Office) -> None:
    load(office, source(geldigTot="2026-06-01"))

    assert load(office, source(geldigTot="2026-06-01"), now=NOW + DAY) == []


def test_what_says_that_it_is_over_is_kept_for_the_record(office: Office) -> None:
    load(office, source(geldigTot="2026-05-31", status="beeindigd"))

    assert clause(office).valid.last == TODAY - DAY


def test_every_conflict_of_a_load_is_named(office: Office) -> None:
    both = purposes("taal", "onthaal")

    found = refused(
        office,
        lambda: load(
            office,
            source(name="a.yaml", id="een", **both),
            source(name="b.yaml", id="twee", **both),
        ),
    )

    assert found == [
        f"a.yaml: doeleinden: een and twee both claim {code} for {CITY} on 2026-01-01"
        for code in ("onthaal", "taal")
    ]


def test_two_contents_for_one_version_in_one_load_are_refused(office: Office) -> None:
    found = refused(office, lambda: load(office, source(), source(name="b.yaml", titel="Anders")))

    assert found == [IN_FORCE]


def test_a_new_version_stands_beside_the_old_one(office: Office) -> None:
    load(office, source(geldigTot="2026-06-30"))
    load(office, source(versie="2", geldigVan="2026-07-01"))

    found = [clause(office, day) for day in (date(2026, 6, 30), date(2026, 7, 1))]

    assert [each.version for each in found] == ["1", "2"]
    assert [each.document.version for each in register(office).editions(TODAY)] == ["1", "2"]


def test_of_two_versions_that_begin_together_the_one_that_came_last_rules(office: Office) -> None:
    load(office, source(versie="9", status="concept"))
    load(office, source(versie="2"))
    activate(office, now=NOW + DAY)

    editions = register(office).editions(TODAY + DAY)

    assert clause(office, TODAY + DAY).version == "9"
    assert [(each.document.version, each.period.last, each.state) for each in editions] == [
        ("2", TODAY, State.SUPERSEDED),
        ("9", None, State.IN_FORCE),
    ]


def without(*names: str) -> dict[str, Any]:
    """The demanded contents but for some."""
    return {key: value for key, value in DATA["inhoud"].items() if key not in names}


@pytest.mark.parametrize("draft", [{"status": "concept"}, {"inhoud": without("sancties")}])
def test_a_draft_opens_nothing_and_may_be_replaced(
    office: Office, draft: Mapping[str, Any]
) -> None:
    [change] = load(office, source(**draft))
    known = register(office)
    opened = is_open(office), known.known_purpose(PURPOSE), known.editions(TODAY)

    again = load(office, source(**draft, titel="Een beter concept"))
    final = load(office, source())

    assert change.kind == again[0].kind == "draft"
    assert opened == (False, None, [])
    assert [each.kind for each in final] == ["inForce"]
    assert is_open(office)
    assert [record["reasonReference"] for record in records(office)] == [
        "draft",
        "draft",
        "inForce",
    ]


def test_a_draft_that_is_over_or_claims_what_another_holds_may_wait(office: Office) -> None:
    load(
        office,
        source(),
        source(id="ander-2026", status="concept"),
        source(id="laat-2026", status="concept", geldigTot="2026-05-31"),
    )

    with office.database.reading() as session:
        waiting = [found.id for found, _ in protocols.drafts(session)]
    assert waiting == ["ander-2026", "laat-2026"]
    assert {each.document.id for each in register(office).editions(TODAY)} == {ID}


def test_a_load_whose_record_cannot_be_written_does_not_happen(office: Office) -> None:
    before = everything(office)

    with pytest.raises(MonthKeyMissing):
        load(office, source(), now=NOW + timedelta(days=60))

    assert everything(office) == before


def test_an_act_whose_record_cannot_be_written_does_not_happen(office: Office) -> None:
    load(office, source())
    with office.database.writing() as session:
        session.connection().execute(text("ALTER TABLE access_record RENAME TO elsewhere"))

    with pytest.raises(Exception, match="access_record"):
        administration.suspend(office, ID, "klacht 3", NOW)
    with pytest.raises(Exception, match="access_record"):
        administration.end(office, ID, NOW, last=TODAY)

    assert register(office).version == 1
    assert (clause(office).suspended_since, clause(office).valid.last) == (None, None)


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
        ("latin.yaml", "document"),
        ("absent.yaml", "file"),
    ]
    assert faults[2] == FileFault(
        tmp_path / "absent.yaml", "file", "cannot be read: FileNotFoundError"
    )


# Lists outside the document


def test_a_list_of_profiles_is_taken_over_and_replaced(office: Office) -> None:
    load(office, source())
    before = clause(office)
    file = profiles("trajectondersteuner", "diensthoofd")

    [change] = load(office, file)
    first = clause(office)
    load(office, profiles("diensthoofd"))
    second = clause(office)

    assert before.profiles is None
    assert first.profiles == frozenset({"trajectondersteuner", "diensthoofd"})
    assert second.profiles == frozenset({"diensthoofd"})
    assert first.lists == (("functieprofielen", hash_of(file)),)
    assert second.lists == (("functieprofielen", hash_of(profiles("diensthoofd"))),)
    assert change == Change(
        "functieprofielen", ID, "1", documents.document_hash(document()), lists=first.lists
    )
    assert register(office).version == 3
    assert [record["reasonReference"] for record in records(office)][1:] == ["functieprofielen"] * 2


PROCESSOR = {"naam": "C", "overeenkomstOp": "2025-05-01"}
RECIPIENT = {"naam": "E", "verantwoording": "Begeleiding."}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (profiles("a"), profiles("b")),
        (listed("verwerkers", PROCESSOR), listed("verwerkers")),
        (listed("ontvangers", RECIPIENT), listed("ontvangers")),
        (merged(("10001", "99001", "2025-01-01")), merged()),
        (delegates(), delegates(**{"zorgkas-voorbeeld": ("2026-05-01", None)})),
    ],
    ids=lambda file: file.path.stem,
)
def test_every_list_is_stored_and_replaced_with_a_hash_of_its_own(
    office: Office, one: Source, other: Source
) -> None:
    kind = one.path.stem
    load(office, source(), source(AVSB))

    for file, version in ((one, 2), (other, 3)):
        [change] = load(office, file)

        [row] = everything(office)["register_list"]
        assert (row["kind"], row["hash"]) == (kind, hash_of(file))
        assert (change.kind, change.lists) == (kind, ((kind, hash_of(file)),))
        record = records(office)[-1]
        assert record["listHashes"] == {kind: hash_of(file)}
        assert (record["operation"], record["reasonReference"]) == ("protocolLoad", kind)
        assert register(office).version == version


@pytest.mark.parametrize(
    ("kind", "entries"),
    [
        ("functieprofielen", ("a",)),
        ("verwerkers", (PROCESSOR,)),
        ("ontvangers", (RECIPIENT,)),
        ("opvolgingen", ()),
    ],
)
def test_an_older_list_does_not_replace_a_newer_one(
    office: Office, kind: str, entries: tuple[Any, ...]
) -> None:
    load(office, source(), listed(kind, changed="2026-05-02"))

    found = refused(office, lambda: load(office, listed(kind, *entries, changed="2026-05-01")))
    on_the_same_day = load(office, listed(kind, *entries, changed="2026-05-02"))

    fault = "gewijzigdOp: the list in the register is newer, of 2026-05-02"
    assert found == [f"{kind}.yaml: {fault}"]
    assert len(on_the_same_day) == (1 if entries else 0)


def test_the_list_of_successions_is_of_no_protocol_and_reaches_the_clauses(office: Office) -> None:
    file = merged(("10001", "99001", "2026-06-01"))

    load(office, file)
    load(office, source())

    found = [clause(office, day).population.places for day in (TODAY - DAY, TODAY)]
    assert found == [{"99001"}, {"99001", "10001"}]
    assert clause(office).lists == (("opvolgingen", hash_of(file)),)
    [row] = everything(office)["register_list"]
    assert (row["protocol"], row["organisation"]) == ("", "")
    assert "protocol" not in records(office)[0]


def test_a_list_of_profiles_is_that_of_its_organisation_alone(office: Office) -> None:
    load(office, source(), profiles("iemand", organisation="nis:71016"))

    assert clause(office).profiles is None
    assert clause(office).lists == ()


def test_a_list_may_stand_before_its_protocol_in_one_load(office: Office) -> None:
    load(office, profiles("trajectondersteuner"), source())

    assert clause(office).profiles == frozenset({"trajectondersteuner"})


def test_a_list_of_a_draft_waits_with_it(office: Office) -> None:
    load(office, source(status="concept"), profiles("trajectondersteuner"))
    activate(office)

    assert clause(office).profiles == frozenset({"trajectondersteuner"})


def test_a_delegate_is_a_caller_on_its_own_days_only(office: Office) -> None:
    load(
        office,
        source(AVSB),
        delegates(**{"zorgkas-voorbeeld": ("2026-05-01", "2026-05-31")}),
    )

    known = register(office)

    days = [date(2026, 4, 30), date(2026, 5, 1), date(2026, 5, 31), date(2026, 6, 1)]
    assert [bool(known.of("zorgkas-voorbeeld", day)) for day in days] == [False, True, True, False]


def test_a_list_of_delegates_that_claims_what_another_protocol_holds_is_refused(
    office: Office,
) -> None:
    fund, budget = "zorgkas-voorbeeld", "zorgbudgetZwaarZorgbehoevenden"
    provider, receiver = DATA["partijen"]
    [purpose] = purposes(budget)["doeleinden"]
    [access] = purpose["toegang"]
    own = source(
        partijen=[provider, {**receiver, "organisaties": [fund]}],
        doeleinden=[{**purpose, "toegang": [{**access, "organisaties": [fund]}]}],
    )
    load(office, source(AVSB), own)

    found = refused(office, lambda: load(office, delegates(**{fund: ("2022-01-01", None)})))
    load(office, delegates(**{fund: ("2022-01-01", "2025-12-31")}))

    assert found == [
        f"gemachtigden.yaml: doeleinden: avsb-2021 and {ID} both claim {budget} for {fund} "
        "on 2026-01-01"
    ]


# From draft to in force


def activate(
    office: Office, version: str | None = None, *, id_: str = ID, now: datetime = NOW
) -> list[Change]:
    """Put a draft in force, with its record."""
    return administration.activate(office, id_, version, now, "besluit 12")


def test_a_complete_concept_comes_into_force_for_its_own_dates(office: Office) -> None:
    concept = document(status="concept")
    load(office, source(concept))

    changes = activate(office)

    assert changes == [Change("inForce", ID, "1", documents.document_hash(concept))]
    assert is_open(office)
    assert register(office).version == 2
    record = records(office)[-1]
    assert (record["operation"], record["protocolHash"], record["reasonReference"]) == (
        "protocolActivate",
        documents.document_hash(concept),
        "inForce: besluit 12",
    )
    with office.database.reading() as session:
        assert protocols.drafts(session) == []


def test_an_activation_says_what_should_be_known_of_the_document(office: Office) -> None:
    first, second = DATA["partijen"]
    late = {**second, "adviesFunctionaris": {"datum": "2026-01-02"}}
    load(office, source(status="concept", partijen=[first, late]))

    [change] = activate(office)

    assert [fault.place for fault in change.warnings] == ["partijen[1].adviesFunctionaris.datum"]


@pytest.mark.parametrize("missing", [("sancties",), ("doeleinden", "duur"), CONTENTS])
def test_an_incomplete_draft_stays_one_and_each_missing_content_is_named(
    office: Office, missing: tuple[str, ...]
) -> None:
    load(office, source(inhoud=without(*missing)))

    found = refused(office, lambda: activate(office))

    assert found == [f"{ID}: inhoud.{name}: is missing" for name in missing]
    assert not is_open(office)


def test_everything_that_an_activation_lacks_is_named_at_once(office: Office) -> None:
    load(office, source(inhoud=without("duur"), geldigTot="2026-05-31"))

    found = refused(office, lambda: activate(office))

    assert found == [
        f"{ID}: inhoud.duur: is missing",
        f"{ID}: geldigTot: has passed: a protocol that is over says `status: beeindigd`",
    ]


def test_a_draft_comes_into_force_up_to_its_last_day(office: Office) -> None:
    load(office, source(status="concept", geldigTot="2026-06-01"))

    refused(office, lambda: activate(office, now=NOW + DAY))
    activate(office, now=NOW)

    assert is_open(office)


def test_a_draft_that_claims_what_another_protocol_holds_is_refused(office: Office) -> None:
    load(office, source(), source(id="ander-2026", status="concept", geldigVan="2026-07-01"))

    found = refused(office, lambda: activate(office, id_="ander-2026"))

    assert found == [
        f"doeleinden: {ID} and ander-2026 both claim {PURPOSE} for {CITY} on 2026-07-01"
    ]


@pytest.mark.parametrize("version", ["2", "3"])
def test_of_several_drafts_the_one_that_is_named_comes_into_force(
    office: Office, version: str
) -> None:
    load(office, source(), source(versie="2", status="concept"))
    load(office, source(versie="3", status="concept"))

    found = refused(office, lambda: activate(office))
    [change] = activate(office, version)

    assert found == [f"{ID}: has several drafts, name one: 2, 3"]
    assert change.version == clause(office).version == version
    with office.database.reading() as session:
        assert len(protocols.drafts(session)) == 1


@pytest.mark.parametrize(("id_", "version"), [("onbekend", None), (ID, None), (ID, "1"), (ID, "2")])
def test_what_is_no_draft_is_not_activated(office: Office, id_: str, version: str | None) -> None:
    load(office, source())

    found = refused(office, lambda: activate(office, version, id_=id_))

    assert found == [f"{id_}: has no such draft"]


def test_what_was_activated_takes_no_other_content(office: Office) -> None:
    load(office, source(status="concept"))
    activate(office)

    again = load(office, source(status="concept"))
    found = refused(office, lambda: load(office, source(name="b.yaml")))

    assert (again, found) == ([], [IN_FORCE])


# Settings of the operator


OPEN_GROUND = purposes("onthaal", "taal", tot="operator")


def settle(office: Office, purpose: str | None, last: date | None) -> list[Change]:
    """Settle the end of a legal ground, with its record."""
    return administration.settle_legal_ground(office, ID, purpose, last, NOW, "besluit 7")


def test_the_end_of_a_legal_ground_is_settled_for_one_purpose(office: Office) -> None:
    load(office, source(**OPEN_GROUND))
    unsettled = clause(office, purpose="taal")

    [change] = settle(office, "taal", TODAY - DAY)
    until_may, other = clause(office, purpose="taal"), clause(office, purpose="onthaal")
    settle(office, "taal", None)
    for_ever = clause(office, purpose="taal")

    assert (unsettled.legal_ground_settled, unsettled.legal_ground.last) == (False, None)
    assert (until_may.legal_ground_settled, until_may.legal_ground.last) == (True, TODAY - DAY)
    assert (for_ever.legal_ground_settled, for_ever.legal_ground.last) == (True, None)
    assert not other.legal_ground_settled
    assert (change.kind, change.day) == ("rechtsgrondTot=2026-05-31", TODAY - DAY)
    found = [
        (each["operation"], each["purpose"], each.get("asOf"), each["reasonReference"])
        for each in records(office)[1:]
    ]
    assert found == [
        ("protocolSet", "taal", "2026-05-31", "rechtsgrondTot=2026-05-31: besluit 7"),
        ("protocolSet", "taal", None, "rechtsgrondTot=geen: besluit 7"),
    ]
    assert register(office).version == 3


def test_a_setting_is_recorded_for_each_version_in_force_and_for_no_draft(office: Office) -> None:
    load(office, source(**OPEN_GROUND), source(versie="2", geldigVan="2026-07-01", **OPEN_GROUND))
    load(office, source(versie="3", status="concept", **OPEN_GROUND))
    before = len(records(office))

    changes = settle(office, "taal", None)

    assert [each.version for each in changes] == ["1", "2"]
    assert [each["protocolVersion"] for each in records(office)[before:]] == ["1", "2"]


def test_the_end_of_a_legal_ground_is_settled_for_all_purposes(office: Office) -> None:
    load(office, source(**OPEN_GROUND))

    settle(office, None, date(2026, 12, 31))

    found = [clause(office, purpose=code).legal_ground.last for code in ("onthaal", "taal")]
    assert found == [date(2026, 12, 31)] * 2
    [edition] = register(office).editions(TODAY)
    assert edition.legal_ground_ends == dict.fromkeys(("onthaal", "taal"), date(2026, 12, 31))
    assert "purpose" not in records(office)[-1]


@pytest.mark.parametrize(
    ("last", "said"),
    [(None, "rechtsgrondTot=geen"), (TODAY, "rechtsgrondTot=2026-06-01")],
)
def test_a_setting_without_a_reason_records_what_was_set(
    office: Office, last: date | None, said: str
) -> None:
    load(office, source(**OPEN_GROUND))

    administration.settle_legal_ground(office, ID, None, last, NOW)

    assert records(office)[-1]["reasonReference"] == said


def test_a_purpose_that_the_protocol_does_not_have_is_not_settled(office: Office) -> None:
    load(office, source(**OPEN_GROUND))

    found = refused(office, lambda: settle(office, "anders", None))

    assert found == [f"{ID}: has no such purpose; it has onthaal, taal"]


def test_an_end_that_would_let_two_protocols_claim_the_same_is_not_settled(office: Office) -> None:
    load(office, source(**purposes(PURPOSE, tot="operator")))
    settle(office, None, TODAY - DAY)
    load(office, source(id="ander-2026", geldigVan="2026-06-01"))

    found = [
        refused(office, lambda last=last: settle(office, None, last))  # type: ignore[misc]
        for last in (None, TODAY, date(2026, 12, 31))
    ]
    settle(office, None, TODAY - DAY)

    fault = f"doeleinden: {ID} and ander-2026 both claim {PURPOSE} for {CITY} on 2026-06-01"
    assert found == [[fault]] * 3


TERMED: dict[str, Any] = {
    "geldigTot": "operator",
    "termijn": {"jaren": 3, "vanaf": "samenwerkingVan", "tekst": "3 jaar."},
}


def test_the_start_of_the_cooperation_gives_a_term_its_end(office: Office) -> None:
    load(office, source(**TERMED))

    [change] = administration.settle_start(office, ID, "samenwerkingVan", date(2026, 3, 1), NOW)

    assert clause(office).valid.last == date(2029, 2, 28)
    assert (change.kind, change.day) == ("samenwerkingVan=2026-03-01", date(2026, 3, 1))
    record = records(office)[-1]
    assert (record["operation"], record["asOf"], record["reasonReference"]) == (
        "protocolSet",
        "2026-03-01",
        "samenwerkingVan=2026-03-01",
    )
    assert register(office).version == 2


def test_a_protocol_without_a_term_has_no_start_of_one(office: Office) -> None:
    load(office, source())

    found = refused(
        office,
        lambda: administration.settle_start(office, ID, "samenwerkingVan", TODAY, NOW, "besluit 7"),
    )

    assert found == [f"{ID}: has no termijn that counts from samenwerkingVan"]


def test_a_start_that_would_let_two_protocols_claim_the_same_is_not_settled(
    office: Office,
) -> None:
    load(office, source(geldigVan="2023-01-01", **TERMED))
    administration.settle_start(office, ID, "samenwerkingVan", date(2023, 6, 1), NOW)
    load(office, source(id="ander-2026", geldigVan="2026-06-01"))

    found = refused(
        office,
        lambda: administration.settle_start(office, ID, "samenwerkingVan", date(2023, 6, 2), NOW),
    )

    assert found == [
        f"doeleinden: {ID} and ander-2026 both claim {PURPOSE} for {CITY} on 2026-06-01"
    ]


# Suspension


def test_a_suspension_holds_for_every_version_until_it_is_lifted(office: Office) -> None:
    load(office, source(), source(versie="2", geldigVan="2026-07-01"))
    days = (TODAY, date(2026, 7, 1))
    known = administration.suspend(office, ID, "klacht 3", NOW)
    suspended = [clause(office, day) for day in days]

    lifted = administration.resume(office, ID, NOW + DAY)
    resumed = [clause(office, day) for day in days]

    assert [(each.kind, each.version, each.day) for each in known] == [
        ("suspended", "1", TODAY),
        ("suspended", "2", TODAY),
    ]
    assert [(each.kind, each.version, each.day) for each in lifted] == [
        ("resumed", "1", None),
        ("resumed", "2", None),
    ]
    assert [each.suspended_since for each in suspended] == [TODAY, TODAY]
    assert [each.suspended_since for each in resumed] == [None, None]
    assert register(office).version == 3


def test_a_new_version_does_not_lift_a_suspension(office: Office) -> None:
    load(office, source(geldigTot="2026-06-30"))
    administration.suspend(office, ID, "klacht 3", NOW)
    days = (TODAY, date(2026, 7, 1))

    load(office, source(versie="2", geldigVan="2026-07-01"))
    suspended = [clause(office, day).suspended_since for day in days]
    reasons = [row["suspension_reason"] for row in everything(office)["sharing_protocol"]]
    administration.resume(office, ID, NOW)

    assert suspended == [TODAY, TODAY]
    assert reasons == ["klacht 3", "klacht 3"]
    assert [clause(office, day).suspended_since for day in days] == [None, None]


def test_a_draft_does_not_lift_a_suspension_when_it_comes_into_force(office: Office) -> None:
    load(office, source(), source(versie="2", status="concept"))
    administration.suspend(office, ID, "klacht 3", NOW)

    activate(office)

    assert (clause(office).version, clause(office).suspended_since) == ("2", TODAY)


@pytest.mark.parametrize(
    ("moment", "since"),
    [
        (datetime(2026, 6, 1, 21, 59, tzinfo=UTC), date(2026, 6, 1)),
        (datetime(2026, 6, 1, 22, 0, tzinfo=UTC), date(2026, 6, 2)),
    ],
)
def test_a_suspension_counts_from_the_day_in_brussels(
    office: Office, moment: datetime, since: date
) -> None:
    load(office, source())

    administration.suspend(office, ID, "klacht 3", moment)

    assert clause(office).suspended_since == since


def test_a_suspension_is_begun_once_and_lifted_once(office: Office) -> None:
    load(office, source())

    lifted = refused(office, lambda: administration.resume(office, ID, NOW))
    administration.suspend(office, ID, "klacht 3", NOW)
    later = NOW + DAY
    again = refused(office, lambda: administration.suspend(office, ID, "klacht 4", later))

    assert lifted == [f"{ID}: is not suspended"]
    assert again == [f"{ID}: is suspended since 2026-06-01 already"]
    assert clause(office).suspended_since == TODAY


def test_a_suspension_and_its_end_are_recorded_with_version_and_hash(office: Office) -> None:
    load(office, source())

    administration.suspend(office, ID, "klacht 3", NOW)
    administration.resume(office, ID, NOW, "klacht 3 is ongegrond")

    hash_ = documents.document_hash(document())
    names = ("operation", "protocolVersion", "protocolHash", "reasonReference", "asOf")
    assert [tuple(each.get(name) for name in names) for each in records(office)[1:]] == [
        ("protocolSuspend", "1", hash_, "suspended: klacht 3", "2026-06-01"),
        ("protocolResume", "1", hash_, "resumed: klacht 3 is ongegrond", None),
    ]


# The end


def end(office: Office, **when: date) -> list[Change]:
    """End the protocol, with its record."""
    return administration.end(office, ID, NOW, reason="besluit 9", **when)


@pytest.mark.parametrize(
    ("when", "last"),
    [
        # a past day closes at once; a notice counts the 12 months of the text
        ({"last": date(2026, 3, 31)}, date(2026, 3, 31)),
        ({"last": TODAY - DAY}, TODAY - DAY),
        ({"last": TODAY}, TODAY),
        ({"last": date(2025, 12, 1)}, date(2025, 12, 1)),
        ({"last": date(2026, 12, 31)}, date(2026, 12, 31)),
        ({"notice": TODAY}, date(2027, 6, 1)),
        ({"notice": date(2026, 2, 28)}, date(2027, 2, 28)),
    ],
)
def test_a_protocol_ends_after_its_last_day_in_every_version(
    office: Office, when: dict[str, date], last: date
) -> None:
    load(office, source(), source(versie="2", geldigVan="2026-05-01"))

    changes = end(office, **when)

    assert [(each.kind, each.version, each.day) for each in changes] == [
        ("ended", "1", last),
        ("ended", "2", last),
    ]
    assert clause(office, date(2026, 1, 1)).valid.last == clause(office).valid.last == last
    assert [each.ended_on for each in register(office).editions(TODAY)] == [last, last]
    assert register(office).version == 2
    found = [
        (each["operation"], each["protocolVersion"], each["asOf"], each["reasonReference"])
        for each in records(office)[2:]
    ]
    assert found == [
        ("protocolEnd", "1", last.isoformat(), "ended: besluit 9"),
        ("protocolEnd", "2", last.isoformat(), "ended: besluit 9"),
    ]


def test_a_version_ends_no_later_than_its_own_text_says(office: Office) -> None:
    load(office, source(geldigTot="2026-06-30"), source(versie="2", geldigVan="2026-07-01"))

    changes = end(office, last=date(2026, 12, 31))

    expected = [("1", date(2026, 6, 30)), ("2", date(2026, 12, 31))]
    assert [(each.version, each.day) for each in changes] == expected
    editions = register(office).editions(TODAY)
    assert [(each.document.version, each.ended_on) for each in editions] == expected
    assert [each["asOf"] for each in records(office)[2:]] == ["2026-06-30", "2026-12-31"]


def test_a_notice_needs_a_term_in_the_text(office: Office) -> None:
    load(office, source(opzegtermijnMaanden=None))

    found = refused(office, lambda: end(office, notice=TODAY))

    assert found == [f"{ID}: opzegtermijnMaanden: the text gives no term of notice"]


def test_an_end_is_brought_forward_and_never_put_off(office: Office) -> None:
    load(office, source())
    end(office, last=date(2026, 9, 30))

    later = refused(office, lambda: end(office, last=date(2026, 10, 1)))
    noticed = refused(office, lambda: end(office, notice=TODAY))
    end(office, last=date(2026, 9, 30))
    end(office, last=date(2026, 8, 31))
    again = refused(office, lambda: end(office, last=date(2026, 9, 30)))

    assert later == noticed == [f"{ID}: ends on 2026-09-30 already"]
    assert again == [f"{ID}: ends on 2026-08-31 already"]
    assert clause(office).valid.last == date(2026, 8, 31)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-02-01", date(2026, 8, 31)),
        ("2026-08-31", date(2026, 8, 31)),
        ("2026-09-01", None),
    ],
)
def test_a_new_version_does_not_run_across_an_end(
    office: Office, first: str, last: date | None
) -> None:
    load(office, source())
    end(office, last=date(2026, 8, 31))

    load(office, source(versie="2", geldigVan=first))

    newest = next(each for each in register(office).editions(TODAY) if each.document.version == "2")
    assert (newest.ended_on, newest.period.last) == (last, last)


def test_a_draft_does_not_run_across_an_end_when_it_comes_into_force(office: Office) -> None:
    load(office, source(), source(versie="2", status="concept"))
    end(office, last=date(2026, 8, 31))

    activate(office)

    assert (clause(office).version, clause(office).valid.last) == ("2", date(2026, 8, 31))


def test_what_ended_makes_room_for_another_protocol(office: Office) -> None:
    load(office, source())
    other = source(id="ander-2026", geldigVan="2026-07-01")
    refused(office, lambda: load(office, other))

    end(office, last=date(2026, 6, 30))
    load(office, other)

    days = (date(2026, 6, 30), date(2026, 7, 1))
    assert [clause(office, day).protocol for day in days] == [ID, "ander-2026"]


def version_of(office: Office, name: str) -> Edition:
    """A version as it is published."""
    return next(each for each in register(office).editions(TODAY) if each.document.version == name)


@pytest.fixture
def renewed(office: Office) -> Office:
    """A protocol that ends, and a new agreement under its name that begins later."""
    load(office, source())
    end(office, last=date(2026, 6, 30))
    load(office, source(versie="2", geldigVan="2027-01-01"))
    return office


def test_a_correction_of_what_ends_ends_with_it_whatever_came_between(renewed: Office) -> None:
    load(renewed, source(versie="3", geldigVan="2026-05-01"))

    assert clause(renewed, date(2026, 7, 1)).valid.last == date(2026, 6, 30)
    assert version_of(renewed, "2").ended_on is None


def test_a_new_agreement_has_an_end_of_its_own(renewed: Office) -> None:
    [change] = end(renewed, last=date(2027, 6, 30))

    assert (change.version, change.day) == ("2", date(2027, 6, 30))
    found = [version_of(renewed, name).ended_on for name in "12"]
    assert found == [date(2026, 6, 30), date(2027, 6, 30)]


def test_an_end_before_every_other_one_holds_for_all(renewed: Office) -> None:
    end(renewed, last=TODAY)

    assert [version_of(renewed, name).ended_on for name in "12"] == [TODAY, TODAY]


def test_a_draft_that_is_moved_past_an_end_begins_anew(office: Office) -> None:
    load(office, source(), source(versie="2", status="concept"))
    end(office, last=date(2026, 6, 30))

    load(office, source(versie="2", geldigVan="2027-01-01"))

    assert version_of(office, "2").ended_on is None


# A draft says nothing yet


def test_a_notice_counts_the_term_of_the_version_that_rules(office: Office) -> None:
    load(office, source(), source(versie="2", geldigVan="2026-07-01", opzegtermijnMaanden=3))
    load(office, source(versie="3", status="concept", opzegtermijnMaanden=1))

    end(office, notice=date(2026, 7, 1))
    later = {each.ended_on for each in register(office).editions(TODAY)}
    end(office, notice=date(2025, 6, 30))
    before = {each.ended_on for each in register(office).editions(TODAY)}

    assert (later, before) == ({date(2026, 10, 1)}, {date(2025, 9, 30)})


def test_what_is_in_force_is_settled_also_where_a_draft_drops_it(office: Office) -> None:
    load(office, source(**OPEN_GROUND, **TERMED))
    load(office, source(versie="2", status="concept", **purposes("taal", tot="operator")))

    settle(office, None, date(2026, 12, 31))
    settle(office, "onthaal", TODAY)
    administration.settle_start(office, ID, "samenwerkingVan", date(2026, 3, 1), NOW)

    found = [clause(office, purpose=code).legal_ground.last for code in ("onthaal", "taal")]
    assert found == [TODAY, date(2026, 12, 31)]
    assert clause(office, purpose="taal").valid.last == date(2029, 2, 28)


# What holds for every act


Act = Callable[[Office, datetime], object]
ACTS: dict[str, Act] = {
    "load": lambda office, now: load(office, source(versie="3"), now=now),
    "load a list": lambda office, now: load(office, profiles("iemand"), now=now),
    "load successions": lambda office, now: load(
        office, merged(("10001", "99001", "2025-01-01")), now=now
    ),
    "activate": lambda office, now: administration.activate(office, ID, None, now),
    "suspend": lambda office, now: administration.suspend(office, ID, "klacht 3", now),
    "resume": lambda office, now: administration.resume(office, "geschorst-2026", now),
    "end": lambda office, now: administration.end(office, ID, now, last=now.date()),
    "notice": lambda office, now: administration.end(office, ID, now, notice=now.date()),
    "legal ground": lambda office, now: administration.settle_legal_ground(
        office, ID, None, None, now
    ),
    "cooperation": lambda office, now: administration.settle_start(
        office, ID, "samenwerkingVan", now.date(), now
    ),
}


@pytest.fixture
def busy(office: Office) -> Office:
    """A register in which every act can be done."""
    load(office, source(**TERMED), source(versie="2", status="concept", **TERMED))
    load(office, source(id="geschorst-2026", **purposes("taal")))
    administration.suspend(office, "geschorst-2026", "klacht 2", NOW)
    return office


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_every_act_moves_the_version_and_names_its_actor_to_nobody(busy: Office, act: Act) -> None:
    before, version = len(records(busy)), register(busy).version

    changes = act(busy, NOW)

    assert register(busy).version == version + 1
    made = records(busy)[before:]
    assert isinstance(changes, list)
    assert len(made) == len(changes) >= 1
    hidden = busy.keys.at(NOW).hide("user", ACTOR)
    assert {(each["type"], each["user"]) for each in made} == {("admin", hidden)}
    assert ACTOR not in str(everything(busy))


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_every_act_is_refused_by_a_clock_that_stands_before_the_log(busy: Office, act: Act) -> None:
    before = everything(busy)

    with pytest.raises(ClockBehind):
        act(busy, NOW - timedelta(minutes=1, seconds=1))

    assert everything(busy) == before


UNKNOWN: dict[str, Act] = {
    "suspend": lambda office, now: administration.suspend(office, "onbekend", "klacht 3", now),
    "resume": lambda office, now: administration.resume(office, "onbekend", now),
    "end": lambda office, now: administration.end(office, "onbekend", now, last=TODAY),
    "legal ground": lambda office, now: administration.settle_legal_ground(
        office, "onbekend", None, None, now
    ),
    "cooperation": lambda office, now: administration.settle_start(
        office, "onbekend", "samenwerkingVan", TODAY, now
    ),
}


@pytest.mark.parametrize("act", UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_protocol_is_said_and_nothing_changes(busy: Office, act: Act) -> None:
    found = refused(busy, lambda: act(busy, NOW))

    assert found == ["there is no protocol onbekend"]


def test_an_act_without_an_actor_is_recorded_without_one(office: Office) -> None:
    load(replace(office, actor=None), source())

    assert "user" not in records(office)[0]


# A clock that jumps


@pytest.mark.parametrize(
    ("behind", "taken"),
    [(timedelta(minutes=1), True), (timedelta(minutes=1, milliseconds=1), False)],
)
def test_clocks_may_differ_by_a_minute(office: Office, behind: timedelta, taken: bool) -> None:
    load(office, source())

    if taken:
        administration.suspend(office, ID, "klacht 3", NOW - behind)
    else:
        with pytest.raises(ClockBehind):
            administration.suspend(office, ID, "klacht 3", NOW - behind)

    assert (clause(office).suspended_since is not None) is taken


def test_a_clock_that_ran_ahead_is_mended_by_an_act_that_is_recorded(office: Office) -> None:
    load(office, source(), now=NOW + DAY)
    with pytest.raises(ClockBehind):
        administration.suspend(office, ID, "klacht 3", NOW)

    administration.accept_clock(office, "de klok stond een dag voor", NOW)
    administration.suspend(office, ID, "klacht 3", NOW)

    assert clause(office).suspended_since == TODAY
    accepted = records(office)[1]
    expected = {
        "type": "admin",
        "operation": "clockAccept",
        "reasonReference": "2026-06-02T09:30:00.000Z: de klok stond een dag voor",
        "recordedAt": "2026-06-01T09:30:00.000Z",
        "user": office.keys.at(NOW).hide("user", ACTOR),
    }
    assert {name: accepted.get(name) for name in expected} == expected


def test_after_an_accepted_clock_time_only_grows_again(office: Office) -> None:
    load(office, source(), now=NOW + DAY)
    administration.accept_clock(office, "de klok stond een dag voor", NOW)

    with pytest.raises(ClockBehind):
        administration.suspend(office, ID, "klacht 3", NOW - timedelta(minutes=2))

    assert clause(office).suspended_since is None


# Two acts at once


def at_once(office: Office, *acts: Callable[[], object]) -> list[list[str]]:
    """The faults of acts that all begin, in this order, while another one holds the log."""
    with ThreadPoolExecutor(len(acts)) as pool:
        with office.database.writing() as session:
            access_log.lock(session)
            running = []
            for at, act in enumerate(acts, start=1):
                running.append(pool.submit(act))
                wait_for(session, at)
        faults = [act.exception(timeout=30) for act in running]
    assert all(fault is None or isinstance(fault, RegisterRefused) for fault in faults)
    return [str(fault).splitlines() if fault else [] for fault in faults]


def wait_for(session: Session, acts: int) -> None:
    """Return when so many acts wait for the log; SQLite has no way to tell."""
    if session.get_bind().dialect.name == "sqlite":
        time.sleep(0.1)
        return
    waiting = text("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
    until = time.monotonic() + 5
    while session.connection().execute(waiting).scalar_one() < acts:
        assert time.monotonic() < until
        time.sleep(0.01)


CLOSING: dict[str, tuple[Act, str, date]] = {
    "suspend": (ACTS["suspend"], "suspended_since", TODAY),
    "end": (
        lambda office, now: administration.end(office, ID, now, last=date(2026, 8, 31)),
        "ended_on",
        date(2026, 8, 31),
    ),
}


@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
@pytest.mark.parametrize(("act", "column", "day"), CLOSING.values(), ids=CLOSING)
def test_a_version_that_comes_during_a_suspension_or_an_end_does_not_escape_it(
    office: Office, act: Act, column: str, day: date, order: int
) -> None:
    load(office, source())
    acts = [lambda: act(office, NOW), lambda: load(office, source(versie="2"))]

    found = at_once(office, *acts[::order])

    assert found == [[], []]
    with office.database.reading() as session:
        rows = protocols.versions_of(session, ID)
    assert [(row.version, getattr(row, column)) for row in rows] == [("1", day), ("2", day)]
    assert register(office).version == 3


@pytest.mark.parametrize("order", [1, -1], ids=["activate", "load"])
def test_what_comes_into_force_is_what_its_record_says(office: Office, order: int) -> None:
    complete = source(status="concept")
    incomplete = source(name="b.yaml", inhoud=without("sancties"))
    load(office, complete)
    acts = [lambda: activate(office), lambda: load(office, incomplete)]

    activated, loaded = at_once(office, *acts[::order])[::order]

    with office.database.reading() as session:
        [row] = protocols.versions_of(session, ID)
        stored = protocols.document_of(row)
    assert row.hash == documents.document_hash(stored)
    if row.in_force_at is None:
        assert (activated, loaded) == ([f"{ID}: inhoud.sancties: is missing"], [])
        assert row.hash == hash_of(incomplete)
        return
    assert (activated, loaded) == ([], [IN_FORCE])
    [record] = [each for each in records(office) if each["operation"] == "protocolActivate"]
    assert record["protocolHash"] == row.hash == hash_of(complete)
