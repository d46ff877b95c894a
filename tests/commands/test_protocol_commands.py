"""The commands of the register: what an operator does to a protocol, and what is refused."""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from programs import Ended, Within, run
from service import ROOT
from sqlalchemy import text

from app.database import Database
from app.plain_yaml import MAX_BYTES

DEMO = (ROOT / "protocols" / "demo" / "voorbeeldstad.yaml").read_text(encoding="utf-8")
ID, INSZ = "voorbeeldstad-2026", "90722501478"  # a test number of the public answers


@pytest.fixture
def command(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Within:
    """Commands in a folder of the test's own, with the protocol of Voorbeeldstad alone."""
    write(own_folder, "voorbeeldstad.yaml")
    monkeypatch.chdir(own_folder)
    return Within(monkeypatch, capfd)


def write(folder: Path, name: str, **changes: str) -> Path:
    """A file with the protocol of Voorbeeldstad, with other values under some of its keys."""
    lines = DEMO.splitlines()
    for key, value in changes.items():
        [at] = [at for at, line in enumerate(lines) if line.startswith(f"{key}:")]
        lines[at] = f"{key}: {value}"
    (folder / "files").mkdir(exist_ok=True)
    path = folder / "files" / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def listed(command: Within) -> list[tuple[str, str, str | None]]:
    """Version, state and last day of everything in the register."""
    ended = command("protocol", "list", "--json")
    assert (ended.code, ended.err) == (0, "")
    return [(row["versie"], row["toestand"], row["geldigTot"]) for row in json.loads(ended.out)]


def records(folder: Path) -> list[dict[str, Any]]:
    """Every record in the log, oldest first."""
    store = Database(f"sqlite:///{folder}/var/protocolpoort.db")
    with store.reading() as session:
        rows = session.connection().execute(
            text("SELECT record FROM access_record ORDER BY log_index")
        )
        found = [json.loads(row[0]) for row in rows]
    store.dispose()
    return found


# Loading and checking


# Eight lines that would be a hundred million texts.
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]\n" for below, name in pairwise("abcdefgh")
)
LAST_LINE = f"line {DEMO.count(chr(10)) + 1}"
HOSTILE = {
    "bomb": (BOMB, "line 1", "aliases, anchors, tags and merge keys are refused"),
    "huge": (DEMO + "#" * 10_000_000, "document", f"is larger than {MAX_BYTES} bytes"),
    "twice": (DEMO + "geldigTot: 2030-01-01\n", LAST_LINE, "a key stands twice"),
    "deep": ("a: " + "[" * 50_000, "line 1", "is nested deeper than 20 levels"),
    "tag": ("a: !!python/object:os.system x\n", "line 1", "aliases, anchors, tags"),
}


@pytest.mark.parametrize(("content", "place", "rule"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_named_and_nothing_changes(
    command: Within, own_folder: Path, content: str, place: str, rule: str
) -> None:
    command("protocol", "load", "files")
    write(own_folder, "nieuw.yaml", versie='"2"')
    bad = own_folder / "files" / "zz.yaml"
    bad.write_text(content, encoding="utf-8")
    before = listed(command), records(own_folder)

    loaded = command("protocol", "load", "files")
    validated = command("protocol", "validate", str(bad))

    assert (loaded.code, loaded.out) == (validated.code, validated.out) == (1, "")
    assert loaded.err.startswith(f"files/zz.yaml: {place}: {rule}")
    assert validated.err.startswith(f"{bad}: {place}: {rule}")
    assert (listed(command), records(own_folder)) == before


@pytest.mark.parametrize("act", ["load", "validate"])
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(own_folder: Path, act: str) -> None:
    pipe = write(own_folder, "a.yaml").with_name("pipe.yaml")
    os.mkfifo(pipe)

    ended = run(own_folder, "protocol", act, "files" if act == "load" else "files/pipe.yaml")

    assert ended == Ended(1, "", "files/pipe.yaml: file: is no plain file\n")
    assert not (own_folder / "var").exists()


def test_a_document_that_is_over_is_refused_with_its_file(
    command: Within, own_folder: Path
) -> None:
    late = write(own_folder, "laat.yaml", id="laat-2026", geldigTot="2026-01-31")

    ended = command("protocol", "load", "files")

    rule = "has passed: a protocol that is over says `status: beeindigd`"
    assert ended == Ended(1, "", f"files/{late.name}: geldigTot: {rule}\n")
    assert listed(command) == []


def test_two_protocols_that_claim_the_same_are_refused_with_the_file(
    command: Within, own_folder: Path
) -> None:
    write(own_folder, "ander.yaml", id="ander-2026", geldigVan="2026-02-01")

    ended = command("protocol", "load", "files")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("files/")
    for told in (ID, "ander-2026", "lokaalIntegratiebeleid", "voorbeeldstad", "2026-02-01"):
        assert told in ended.err
    assert listed(command) == []


def test_a_load_tells_what_should_be_known_of_a_document(command: Within) -> None:
    ended = command("protocol", "load", str(ROOT / "protocols"))

    place = "partijen[1].adviesFunctionaris.datum"
    said = f"avsb-2021 1: inForce\n  warning: {place}: is no full date"
    assert ended.code == 0
    assert said in ended.err


# From draft to in force


def test_a_concept_waits_until_it_is_activated(command: Within, own_folder: Path) -> None:
    write(own_folder, "voorbeeldstad.yaml", status="concept")
    loaded = command("protocol", "load", "files")
    waiting = listed(command)

    ended = command("protocol", "activate", ID, "--reason", "besluit 12")

    assert loaded.err == f"{ID} 1: draft\n1 changes\n1 files read\n"
    assert waiting == [("1", "concept", None)]
    assert ended == Ended(0, "", f"{ID} 1: inForce\n1 changes\n")
    assert listed(command) == [("1", "vanKracht", None)]
    assert records(own_folder)[-1]["reasonReference"] == "inForce: besluit 12"


def test_the_draft_that_is_named_is_activated(command: Within, own_folder: Path) -> None:
    for version in "234":
        write(own_folder, f"{version}.yaml", versie=f'"{version}"', status="concept")
    command("protocol", "load", "files")

    ended = command("protocol", "activate", ID, "--version", "3")

    assert ended == Ended(0, "", f"{ID} 3: inForce\n1 changes\n")
    assert sorted((version, state) for version, state, _ in listed(command)) == [
        ("1", "vervangen"),
        ("2", "concept"),
        ("3", "vanKracht"),
        ("4", "concept"),
    ]


def test_an_incomplete_draft_is_refused_with_each_missing_content(
    command: Within, own_folder: Path
) -> None:
    whole = DEMO.replace("  doeleinden: {tekst:", "  # doeleinden: {tekst:", 1)
    silent = whole.replace("  beveiliging: {tekst:", "  # beveiliging: {tekst:", 1)
    (own_folder / "files" / "voorbeeldstad.yaml").write_text(silent, encoding="utf-8")
    loaded = command("protocol", "load", "files")

    ended = command("protocol", "activate", ID)

    assert "draft" in loaded.err
    missing = "".join(
        f"{ID}: inhoud.{name}: is missing\n" for name in ("doeleinden", "beveiliging")
    )
    assert ended == Ended(1, "", missing)
    assert listed(command) == [("1", "concept", None)]


def test_what_is_no_draft_is_not_activated(command: Within) -> None:
    command("protocol", "load", "files")

    ended = command("protocol", "activate", ID)

    assert ended == Ended(1, "", f"{ID}: has no such draft\n")


# Suspension


def test_a_protocol_is_suspended_and_resumed(command: Within) -> None:
    command("protocol", "load", "files")

    suspended = command("protocol", "suspend", ID, "--reason", "onderzoek van een incident")
    during = listed(command)
    resumed = command("protocol", "resume", ID)
    after = listed(command)

    assert (suspended.code, suspended.out) == (0, "")
    assert suspended.err.startswith(f"{ID} 1: suspended 20")
    assert resumed == Ended(0, "", f"{ID} 1: resumed\n1 changes\n")
    assert (during, after) == ([("1", "geschorst", None)], [("1", "vanKracht", None)])


# The end


def test_a_past_day_ends_a_protocol_at_once(command: Within, own_folder: Path) -> None:
    command("protocol", "load", "files")

    ended = command("protocol", "end", ID, "--date", "2026-01-31", "--reason", "art. 8")
    later = command("protocol", "end", ID, "--date", "2026-02-01")

    assert ended == Ended(0, "", f"{ID} 1: ended 2026-01-31\n1 changes\n")
    assert later == Ended(1, "", f"{ID}: ends on 2026-01-31 already\n")
    assert listed(command) == [("1", "beeindigd", "2026-01-31")]
    record = records(own_folder)[-1]
    assert (record["reasonReference"], record["asOf"]) == ("ended: art. 8", "2026-01-31")


def test_a_notice_counts_the_term_of_the_text(command: Within) -> None:
    command("protocol", "load", "files")

    ended = command("protocol", "end", ID, "--notice", "2998-02-28")

    assert ended == Ended(0, "", f"{ID} 1: ended 2999-02-28\n1 changes\n")
    assert listed(command) == [("1", "vanKracht", "2999-02-28")]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--date", "2026-01-31", "--notice", "2026-01-31"),
        ("--date", "2026-02-30"),
        ("--date", "31/01/2026"),
        ("--notice", "morgen"),
    ],
)
def test_an_end_has_one_day_that_exists(command: Within, arguments: tuple[str, ...]) -> None:
    command("protocol", "load", "files")

    ended = command("protocol", "end", ID, *arguments)

    assert (ended.code, ended.out) == (2, "")
    assert listed(command) == [("1", "vanKracht", None)]


# Settings


def test_what_the_text_leaves_open_is_settled(command: Within, own_folder: Path) -> None:
    command("protocol", "load", str(ROOT / "protocols"))

    ended = [
        command("protocol", "set", *arguments)
        for arguments in (
            ("avsb-2021", "rechtsgrondTot=2030-12-31", "--purpose", "verlaagdePremie"),
            ("avsb-2021", "rechtsgrondTot=geen"),
            ("vdab-2023", "samenwerkingVan=2023-03-03", "--reason", "overeenkomst 4"),
        )
    ]

    assert [each.err for each in ended] == [
        "avsb-2021 1: rechtsgrondTot=2030-12-31 2030-12-31\n1 changes\n",
        "avsb-2021 1: rechtsgrondTot=geen\n1 changes\n",
        "vdab-2023 1: samenwerkingVan=2023-03-03 2023-03-03\n1 changes\n",
    ]
    assert {(each.code, each.out) for each in ended} == {(0, "")}
    assert [record["reasonReference"] for record in records(own_folder)[-3:]] == [
        "rechtsgrondTot=2030-12-31",
        "rechtsgrondTot=geen",
        "samenwerkingVan=2023-03-03: overeenkomst 4",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("geldigTot=2026-01-31",),
        ("rechtsgrondTot",),
        ("rechtsgrondTot=",),
        ("rechtsgrondTot=nooit",),
        ("rechtsgrondTot=2026-02-30",),
        ("samenwerkingVan=geen",),
        ("samenwerkingVan=2026-01-01", "--purpose", "lokaalIntegratiebeleid"),
    ],
)
def test_nothing_else_is_set(command: Within, own_folder: Path, arguments: tuple[str, ...]) -> None:
    command("protocol", "load", "files")

    ended = command("protocol", "set", ID, *arguments)

    assert (ended.code, ended.out) == (2, "")
    assert len(records(own_folder)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("rechtsgrondTot=geen", "--purpose", "anders"),
            f"{ID}: has no such purpose; it has lokaalIntegratiebeleid\n",
        ),
        (
            ("samenwerkingVan=2026-01-01",),
            f"{ID}: has no termijn that counts from samenwerkingVan\n",
        ),
    ],
)
def test_what_means_nothing_for_a_protocol_is_not_set(
    command: Within, own_folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    command("protocol", "load", "files")

    ended = command("protocol", "set", ID, *arguments)

    assert ended == Ended(1, "", said)
    assert len(records(own_folder)) == 1


# The list


def test_the_list_tells_how_every_version_stands_today(command: Within, own_folder: Path) -> None:
    for name, changes in {
        "oud": {"id": "oud-2025", "geldigTot": "2026-01-31", "status": "beeindigd"},
        "ruw": {"id": "ruw-2027", "status": "concept"},
        "straks": {"versie": '"2"', "geldigVan": "2999-01-01"},
        "nu": {"versie": '"1.1"', "geldigVan": "2026-03-01"},
    }.items():
        write(own_folder, f"{name}.yaml", **changes)
    # One purpose of one city: the older protocol ends before the other begins.
    write(own_folder, "voorbeeldstad.yaml", geldigVan="2026-02-01")

    loaded = command("protocol", "load", "files")
    as_text = command("protocol", "list")
    as_json = command("protocol", "list", "--json")

    assert loaded.code == 0
    rows = json.loads(as_json.out)
    assert [(row["id"], row["versie"], row["toestand"]) for row in rows] == [
        ("oud-2025", "1", "beeindigd"),
        ("ruw-2027", "1", "concept"),
        (ID, "1", "vervangen"),
        (ID, "1.1", "vanKracht"),
        (ID, "2", "toekomstig"),
    ]
    assert [line.split("\t") for line in as_text.out.splitlines()] == [
        [value or "-" for value in row.values()] for row in rows
    ]
    assert all(row["hash"].startswith("sha256:") for row in rows)


# What holds for every command


EVERY = {
    "activate": (),
    "suspend": ("--reason", "klacht 3"),
    "resume": (),
    "end": ("--date", "2026-01-31"),
    "set": ("rechtsgrondTot=geen",),
}


@pytest.mark.parametrize("act", EVERY)
def test_a_protocol_that_is_not_there_is_said(command: Within, act: str) -> None:
    command("protocol", "load", "files")

    ended = command("protocol", act, "nergens-2021", *EVERY[act])

    unknown = "there is no protocol nergens-2021\n"
    said = "nergens-2021: has no such draft\n" if act == "activate" else unknown
    assert ended == Ended(1, "", said)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        *((act, f"klacht van {INSZ}") for act in EVERY),
        ("suspend", "90.72.25-014.78"),
        ("suspend", "een\ntwee"),
        ("suspend", ""),
    ],
)
def test_a_reason_that_may_not_stand_in_the_log_is_refused_and_not_repeated(
    command: Within, own_folder: Path, act: str, reason: str
) -> None:
    command("protocol", "load", "files")
    arguments = [each for each in EVERY[act] if each not in ("--reason", "klacht 3")]

    ended = command("protocol", act, ID, *arguments, "--reason", reason)

    assert (ended.code, ended.out) == (2, "")
    assert INSZ not in ended.err
    assert len(records(own_folder)) == 1


def test_who_acts_is_recorded_and_readable_nowhere(command: Within, own_folder: Path) -> None:
    actor = "beheerder-van-dienst"
    command("protocol", "load", "files")

    for arguments in (("suspend", ID, "--reason", "klacht 3"), ("resume", ID)):
        assert command("protocol", *arguments, "--actor", actor).code == 0

    account, one, other = (record["user"] for record in records(own_folder))
    assert one == other != account
    kept = [path.read_bytes() for path in (own_folder / "var").rglob("*") if path.is_file()]
    assert not any(actor.encode() in content for content in kept)


def test_the_clock_is_accepted_with_a_reason(command: Within, own_folder: Path) -> None:
    command("protocol", "load", "files")
    store = Database(f"sqlite:///{own_folder}/var/protocolpoort.db")
    with store.writing() as session:
        session.connection().execute(text("UPDATE log_head SET newest = '2999-01-01 00:00:00'"))
    store.dispose()

    behind = command("protocol", "suspend", ID, "--reason", "klacht 3")
    untouched = listed(command)
    accepted = command("clock", "accept", "--reason", "de klok stond voor")
    again = command("protocol", "suspend", ID, "--reason", "klacht 3")

    assert (behind.code, behind.out) == (3, "")
    assert behind.err.startswith("nothing was changed: the clock of this machine stands before")
    assert untouched == [("1", "vanKracht", None)]
    assert accepted == Ended(0, "", "records are dated by the clock of this machine again\n")
    assert again.code == 0
    assert [each["operation"] for each in records(own_folder)] == [
        "protocolLoad",
        "clockAccept",
        "protocolSuspend",
    ]
