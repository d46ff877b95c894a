"""`protocolpoort kbi import`: what it says of a delivery, and the code that it ends with."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from evidence import entry, rows, write
from magda import dossier, fault
from programs import Ended, Within
from service import insz_of

from app.database import Database
from app.deps import read_clock
from app.moments import rfc3339

CITIZEN, NEIGHBOUR, TEST_NUMBER = insz_of("900201000"), insz_of("900201001"), "90722501478"
PRODUCTION = {"MODE": "production", "MONTH_KEYS": "keys"}


@pytest.fixture
def command(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Within:
    """Commands in a folder of the test's own, ready for production."""
    made = Within(monkeypatch, capfd)
    for arguments in (("db", "upgrade"), ("keys", "create")):
        assert made(*arguments, **PRODUCTION).code == 0
    return made


def put(files: Mapping[str, bytes]) -> str:
    """A folder with these files, `<name>.xml`."""
    folder = Path("answers")
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.xml").write_bytes(content)
    return str(folder)


def deliveries() -> list[datetime]:
    """From when each complete delivery is."""
    store = Database("sqlite:///var/protocolpoort.db")
    found = rows(store, "SELECT fetched_at FROM complete_delivery ORDER BY id")
    store.dispose()
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for (text,) in found]


def test_a_complete_delivery_is_declared_as_of_its_oldest_answer(command: Within) -> None:
    files = {
        "a": dossier(CITIZEN.digits, on="2026-05-30"),
        "b": dossier(NEIGHBOUR.digits, on="2026-05-20"),
    }

    ended = command("kbi", "import", "--volledig", put(files), **PRODUCTION)

    assert ended == Ended(
        0,
        "",
        "the delivery is complete, as of 2026-05-20T10:00:00.000Z\n"
        "answers: 2 stored, 0 unchanged, 0 skipped\n",
    )
    assert deliveries() == [datetime(2026, 5, 20, 10, 0, tzinfo=UTC)]


def test_without_the_option_nothing_is_declared(command: Within) -> None:
    ended = command("kbi", "import", put({"a": dossier(CITIZEN.digits)}), **PRODUCTION)

    assert ended == Ended(0, "", "answers: 1 stored, 0 unchanged, 0 skipped\n")
    assert deliveries() == []


def test_a_warning_beside_a_dossier_is_told(command: Within) -> None:
    cut_short = fault("30030").replace(b"FOUT", b"WAARSCHUWING")
    begin, end = cut_short.index(b"<Uitzonderingen>"), cut_short.index(b"</Repliek>")
    warned = dossier(CITIZEN.digits).replace(b"</Repliek>", cut_short[begin:end] + b"</Repliek>")

    ended = command("kbi", "import", put({"a": warned, "b": dossier(NEIGHBOUR.digits)}))

    assert ended == Ended(
        0,
        "",
        "a.xml: stored; the source warns (30030)\nanswers: 2 stored, 0 unchanged, 0 skipped\n",
    )


def test_what_names_its_person_is_skipped_and_the_delivery_complete(command: Within) -> None:
    files = {
        "a": dossier(CITIZEN.digits, on="2026-05-30"),
        NEIGHBOUR.digits: fault("99996"),
        "notfound": fault("30001", "Geen gegevens"),
    }

    ended = command("kbi", "import", "--volledig", put(files), **PRODUCTION)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        f"{NEIGHBOUR.digits}.xml: 99996 Er is iets",
        "notfound.xml: 30001 Geen gegevens",
        "the delivery is complete, as of 2026-05-30T10:00:00.000Z",
        "answers: 1 stored, 0 unchanged, 2 skipped",
    ]
    assert len(deliveries()) == 1


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ({"b": b"<html>"}, "b.xml: no KBI answer: not well-formed XML, line 1"),
        ({"b": fault("99996")}, "b.xml: 99996 Er is iets"),
        ({"b": dossier(TEST_NUMBER)}, "b.xml: a test number, which production does not take"),
    ],
)
def test_a_delivery_of_which_an_answer_was_lost_is_not_declared(
    command: Within, lost: Mapping[str, bytes], said: str
) -> None:
    folder = put({"a": dossier(CITIZEN.digits), **lost})

    ended = command("kbi", "import", "--volledig", folder, **PRODUCTION)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        said,
        "the delivery is not declared complete: 1 of its answers could not be stored",
        "answers: 1 stored, 0 unchanged, 1 skipped",
    ]
    assert deliveries() == []


def test_a_delivery_with_nobody_in_it_is_not_declared(command: Within) -> None:
    Path("empty").mkdir()

    ended = command("kbi", "import", "--volledig", "empty", **PRODUCTION)

    assert ended == Ended(
        1,
        "",
        "the delivery is not declared complete: there is no dossier in it\n"
        "answers: 0 stored, 0 unchanged, 0 skipped\n",
    )
    assert deliveries() == []


def test_the_same_delivery_again_is_declared_again_and_says_nothing_new(command: Within) -> None:
    folder = put({"a": dossier(CITIZEN.digits)})
    command("kbi", "import", "--volledig", folder, **PRODUCTION)

    again = command("kbi", "import", "--volledig", folder, **PRODUCTION)

    assert again.code == 0
    assert again.err.endswith("answers: 0 stored, 1 unchanged, 0 skipped\n")
    assert len(deliveries()) == 2


def test_in_the_demo_a_delivery_is_from_the_moment_of_its_import(command: Within) -> None:
    before = read_clock()

    ended = command("kbi", "import", "--volledig", put({"a": dossier(TEST_NUMBER)}))

    assert ended.code == 0
    assert re.match(r"the delivery is complete, as of 20\d\d-", ended.err)
    [moment] = deliveries()
    assert before <= moment <= read_clock() + timedelta(seconds=1)


@pytest.mark.parametrize("stray", ["c.XML", "more/c.xml", "list.csv"])
def test_a_complete_delivery_holds_nothing_that_would_be_passed_over(
    command: Within, stray: str
) -> None:
    folder = put({"a": dossier(CITIZEN.digits)})
    place = Path(folder) / stray
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(dossier(NEIGHBOUR.digits))

    refused = command("kbi", "import", "--volledig", folder, **PRODUCTION)
    declared = deliveries()
    taken = command("kbi", "import", folder, **PRODUCTION)

    assert (refused.code, declared) == (2, [])
    assert "1 of what stands in the folder" in " ".join(refused.err.split())
    assert taken.err == "answers: 1 stored, 0 unchanged, 0 skipped\n"


@pytest.mark.parametrize("stray", ["b.XML", "answers.zip", "b.xml.part", "more.xml/"])
def test_a_complete_delivery_is_a_folder_of_answers_and_nothing_else(
    command: Within, stray: str
) -> None:
    """What is passed over by its name may be somebody's answer."""
    folder = put({"a": dossier(CITIZEN.digits)})
    place = Path(folder, stray)
    place.mkdir() if stray.endswith("/") else place.touch()

    refused = command("kbi", "import", "--volledig", folder, **PRODUCTION)
    before = stored()
    taken = command("kbi", "import", f"{folder}/a.xml", "--volledig", **PRODUCTION)

    assert (refused.code, refused.out, before) == (2, "", 0)
    assert "--volledig: 1 of what stands in the folder is no .xml file" in plain(refused.err)
    assert (taken.code, stored()) == (0, 1)


def stored() -> int:
    """How many answers are stored."""
    store = Database("sqlite:///var/protocolpoort.db")
    [(count,)] = rows(store, "SELECT count(*) FROM source_answer")
    store.dispose()
    return int(count)


def plain(text: str) -> str:
    """What a message of wrong usage says, without the box around it."""
    return " ".join(text.replace("│", " ").split())


def test_an_import_under_a_clock_that_is_behind_stores_nothing(command: Within) -> None:
    late = read_clock() + timedelta(minutes=2)
    store = Database("sqlite:///var/protocolpoort.db")
    write(store, [entry(recordedAt=rfc3339(late))])
    store.dispose()
    folder = put({"a": dossier(CITIZEN.digits)})

    refused = command("kbi", "import", "--volledig", folder, **PRODUCTION)
    accepted = command("clock", "accept", "--reason", "liep voor", **PRODUCTION)
    before = stored()
    taken = command("kbi", "import", "--volledig", folder, **PRODUCTION)

    assert (refused.code, refused.out, before) == (3, "", 0)
    assert refused.err.startswith("nothing was changed: the clock of this machine stands before")
    assert (accepted.code, taken.code, stored()) == (0, 0, 1)
