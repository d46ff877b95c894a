"""The exchange of the protocol with VDAB as it is done: by commands, with real age, sshd and keys.

Told once, from the export to the result at its four receivers; then looked at by article.
"""

import csv
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sshd
import vdab_world
from evidence import rows
from programs import Ended, age, environment
from service import PROTOCOLS
from sshd import Sshd
from texts import AGENCY, ATLAS, GENT, VDAB, read
from vdab_world import PROFILE, add_persons, number

from app import cli
from app.database import Database
from app.deps import read_clock
from app.insz import contains_insz
from app.moments import brussels_date
from app.monitoring import COLUMNS
from app.monitoring import PROFILE as KBI_COLUMNS
from app.month_keys import MonthKeys
from app.returned_rows import NAMES
from app.vdab import MARK

RECEIVERS = (AGENCY, ATLAS, GENT, VDAB)
ALIKE = [number(at) for at in range(11)]
OTHER, UNSIGNED, BEFORE, CANCELLED = (number(at) for at in (20, 21, 22, 23))
REGISTER = {
    "scholingsniveau": "laag",
    "oudsteNationaliteit": "SYR",
    "verblijfsstatus": "erkend vluchteling",
    "ocmwLeefloon": True,
    "kbiRegio": "Limburg",
    "taalleervermogen": "gemiddeld",
}
DOSSIER = {
    "personalia": {"geboortedatum": "1990-01-01", "geslacht": {"code": {"code": "2"}}},
    "doelgroep": {"type": "PLICHT", "periode": {"begin": "2022-12-01"}},
    "aanmelding": {"datumAanmelding": "2022-12-15"},
    "talenkennis": {"behaaldNt2Niveau": {"hoogstBehaald": {"code": "A2"}}},
    "trajecten": [{"type": "TT_IBVP", "periode": {"begin": "2023-01-10"}}],
}


@dataclass
class Story:
    """What there is to look at when all is done."""

    folder: Path
    vdab: Sshd
    said: dict[str, Ended]  # by command
    sent: str  # what VDAB read in the file with numbers
    results: dict[str, list[dict[str, str]]]  # by receiver
    records: list[dict[str, Any]]
    subjects: list[str]

    def having(self, **members: object) -> list[dict[str, Any]]:
        return [one for one in self.records if members.items() <= one.items()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, migrated_file: bytes) -> Iterator[Story]:
    """The whole of it, once."""
    if reason := sshd.skip_reason():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("story")
    with sshd.serving(folder / "sftp") as vdab:
        yield _tell(folder, vdab, migrated_file)


def _tell(folder: Path, vdab: Sshd, migrated_file: bytes) -> Story:
    (folder / "poort.db").write_bytes(migrated_file)
    (folder / "texts").mkdir()
    shutil.copy(PROTOCOLS / "vdab-2023.yaml", folder / "texts")
    (folder / "texts" / "profielen.yaml").write_text(vdab_world.LIST)
    signer = sshd.make_key(folder / "vdab-sign")
    settings = {
        "MODE": "production",
        "DATABASE_URL": f"sqlite:///{folder}/poort.db",
        "MONTH_KEYS": "month-keys",
        "EXCHANGE": "exchange",
        "EXCHANGE_KEY_FILE": "exchange.key",
        "VDAB_SFTP": vdab.address,
        "VDAB_SFTP_KEY": str(vdab.client_key),
        "VDAB_KNOWN_HOSTS": str(vdab.known_hosts),
        "VDAB_SIGNERS": str(signer.with_suffix(".pub")),
    }
    said: dict[str, Ended] = {}

    def do(*arguments: str, name: str | None = None) -> str:
        ended = _run(folder, arguments, settings)
        assert ended.code == 0, ended.err
        said[name or " ".join(arguments[:2])] = ended
        return ended.out.strip()

    now = read_clock()
    since = (brussels_date(now) - timedelta(days=400)).isoformat()
    do("keys", "create")
    do("protocol", "load", "texts")
    do("protocol", "set", "vdab-2023", f"samenwerkingVan={since}")
    recipient = do("vdab", "create-key")
    for body in RECEIVERS:
        public = folder / f"{body}.pub"
        public.write_bytes(_key_pair(folder / f"{body}.key"))
        do("recipient", "set", body, str(public), name=f"recipient {body}")
    store = Database(settings["DATABASE_URL"])
    keys = MonthKeys(folder / "month-keys")
    _persons(store)

    do("vdab", "export", "--profile", PROFILE)
    [label] = [word.rstrip(":") for word in said["vdab export"].err.split() if ":" in word][:1]
    do("vdab", "send", "--profile", PROFILE)
    sent = _opened(vdab.files / f"{label}.csv.age", folder / f"{VDAB}.key")
    _answer(vdab, label, recipient, sent.split(), signer)
    answer = do("vdab", "fetch", "--profile", PROFILE)
    do("vdab", "take-in", answer, "--json", "--profile", PROFILE)
    do("vdab", "release", "--json", "--profile", PROFILE)
    do("vdab", "send", "--profile", PROFILE, name="vdab send the result")
    do("vdab", "list", "--json")

    results = {
        body: _table(
            _opened(
                folder / "exchange" / "uit" / f"{label}-uitkomst-{body}.csv.age",
                folder / f"{body}.key",
            )
        )
        for body in RECEIVERS
    }
    records = [
        json.loads(bytes(row[0]))
        for row in rows(store, "SELECT record FROM access_record ORDER BY log_index")
    ]
    key = keys.at(now)
    subjects = [key.reveal("subject", one["subject"]) for one in records if "subject" in one]
    store.dispose()
    return Story(folder, vdab, said, sent, results, records, subjects)


def _run(folder: Path, arguments: Sequence[str], settings: Mapping[str, str]) -> Ended:
    """A command within this process: so many programs would take a minute."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        for name, value in environment(**settings).items():
            patch.setenv(name, value)
        patch.setattr("sys.argv", ["protocolpoort", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.run()
    assert isinstance(ended.value.code, int)
    return Ended(ended.value.code, out.getvalue(), err.getvalue())


def _key_pair(file: Path) -> bytes:
    """A key of age in a file; the public part, as its owner gives it."""
    age("--version")  # skips where it is not there
    subprocess.run(["age-keygen", "-o", str(file)], check=True, capture_output=True)
    return subprocess.run(["age-keygen", "-y", str(file)], check=True, capture_output=True).stdout


def _opened(file: Path, key: Path) -> str:
    """What the owner of a key reads in a file."""
    return age("--decrypt", "--identity", str(key), str(file)).decode()


def _persons(store: Database) -> None:
    """Eleven who are alike, one who stands out, and three who are not in the group."""
    now = read_clock()
    other = REGISTER | {"oudsteNationaliteit": "NLD"}
    add_persons(store, now, ALIKE, ["2023-01-10"], REGISTER, DOSSIER)
    add_persons(store, now, [OTHER], ["2024-02-02"], other, DOSSIER)
    add_persons(store, now, [UNSIGNED], [], REGISTER, DOSSIER)
    add_persons(store, now, [BEFORE], ["2022-02-28"], REGISTER, DOSSIER)
    over = {"geannuleerdOp": "2024-01-01"}
    add_persons(store, now, [CANCELLED], ["2023-01-10"], REGISTER, DOSSIER, **over)


def _answer(vdab: Sshd, label: str, recipient: str, numbers: list[str], signer: Path) -> None:
    """What VDAB does, with its own programs: it knows one of them not, and one value is dirty."""
    lines = [";".join(NAMES)]
    lines += [f"{each};2023-02-01;2024-02-01;nwwz;lopend;oriëntatie;" for each in numbers[1:]]
    lines += [f"{numbers[0]};;;;;;=1+1"]
    file = vdab.files / f"{label}-antwoord.csv.age"
    plain = vdab.folder / "antwoord.csv"
    plain.write_text("\n".join(lines) + "\n")
    file.write_bytes(age("--recipient", recipient, str(plain)))
    sshd.sign(file, signer, label)


def _table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text), delimiter=";"))


# Recital F, step 1; articles 1 and 3


def test_vdab_reads_numbers_and_nothing_else(told: Story) -> None:
    assert told.sent.split("\n") == [*sorted([*ALIKE, OTHER]), ""]


def test_the_group_is_who_signed_since_1_march_2022_and_has_a_number_in_use(told: Story) -> None:
    assert sorted(told.subjects) == sorted([*ALIKE, OTHER])
    assert not {UNSIGNED, BEFORE, CANCELLED} & set(told.sent.split())


def test_each_person_has_a_record_of_the_number_alone_before_the_file_has_one(
    told: Story,
) -> None:
    persons = [one for one in told.records if "subject" in one]
    files = told.having(type="delivery", operation="exchangeVdab", organisation=VDAB)
    delivery = next(one for one in files if "subject" not in one)

    assert {one["deliveredFields"][0] for one in persons} == {"personalia.insz"}
    assert {len(one["deliveredFields"]) for one in persons} == {1}
    assert told.records.index(delivery) > max(map(told.records.index, persons))
    assert (delivery["counts"], delivery["quotaOrdinal"]) == ({"persons": 12}, 1)
    assert {one["parentId"] for one in persons} == {delivery["eventId"]}


# Steps 2 and 3: over the server of VDAB, there and back


def test_every_step_over_the_server_is_a_record_of_the_file_that_was_moved(told: Story) -> None:
    operations = [one["operation"] for one in told.records if one["operation"].startswith("vdab")]

    assert operations == [
        *("vdabSend", "vdabFetch", "vdabTakeIn", "vdabRelease", "vdabRemove", "vdabSend")
    ]
    [fetched], [taken] = told.having(operation="vdabFetch"), told.having(operation="vdabTakeIn")
    assert fetched["fileDigest"] == taken["fileDigest"]
    assert fetched["keyFingerprint"] == taken["keyFingerprint"]


def test_the_server_logs_in_who_has_the_key_of_the_institution(told: Story) -> None:
    log = (told.vdab.folder / "log").read_text()

    assert "Accepted publickey" in log
    assert "Accepted password" not in log


def test_no_name_and_no_folder_of_the_exchange_holds_a_number(told: Story) -> None:
    paths = [*(told.folder / "exchange").rglob("*"), *told.vdab.files.rglob("*")]
    output = "".join(ended.out + ended.err for ended in told.said.values())

    assert paths
    assert not any(contains_insz(word) for path in paths for word in path.name.split("."))
    assert not any(each in output for each in [*ALIKE, OTHER])


# Article 7: as they are, counted


def test_empty_and_dirty_values_are_carried_and_counted(told: Story) -> None:
    counted = {row["kolom"]: row for row in json.loads(told.said["vdab take-in"].out)}

    assert counted["eersteInschrijving"] == {
        "kolom": "eersteInschrijving",
        "leeg": 1,
        "afwijkend": 0,
    }
    assert counted["uitstroomNaarWerk"]["leeg"] == 11
    assert "'=1+1" in {row["uitstroomNaarWerk"] for row in told.results[VDAB]} or (
        len(told.results[VDAB]) == 10
    )


# Steps 4 and 5: the profile beside it, the number gone, nobody stands out


@pytest.mark.parametrize("body", RECEIVERS)
def test_each_receiver_reads_the_data_of_article_3_without_a_number(told: Story, body: str) -> None:
    rows_ = told.results[body]

    assert list(rows_[0]) == ["rij", *(column.name for column in COLUMNS)]
    assert not any(contains_insz(value) for row in rows_ for value in row.values())
    assert len({row["rij"] for row in rows_}) == len(rows_)


@pytest.mark.parametrize("column", [column.name for column in KBI_COLUMNS])
def test_each_profile_datum_comes_from_the_kbi_or_the_register(told: Story, column: str) -> None:
    expected = {
        "leeftijdscategorie": "35-44",
        "geslacht": "2",
        "doelgroep": "PLICHT",
        "datumDoelgroep": "2022-12-01",
        "datumAanmelding": "2022-12-15",
        "datumContract": "2023-01-10",
        "niveauNt2": "A2",
        "trajecttype": "TT_IBVP",
        **{name: value for name, value in REGISTER.items() if isinstance(value, str)},
        "ocmwLeefloon": "ja",
    }

    assert {row[column] for row in told.results[VDAB]} == {expected.get(column, "")}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("eersteInschrijving", "2023-02-01"),
        ("recentsteInschrijving", "2024-02-01"),
        ("categorieWerkzoekende", "nwwz"),
        ("statusDienstverlening", "lopend"),
        ("typeActies", "oriëntatie"),
        ("uitstroomNaarWerk", ""),
    ],
)
def test_each_datum_of_vdab_comes_back(told: Story, column: str, value: str) -> None:
    assert {row[column] for row in told.results[VDAB]} == {value}


def test_who_stands_out_is_not_in_the_result_and_that_is_told(told: Story) -> None:
    assert "NLD" not in {row["oudsteNationaliteit"] for row in told.results[VDAB]}
    [act] = told.having(operation="vdabRelease")
    assert act["counts"]["k"] == 5
    assert act["counts"]["rows"] + act["counts"]["suppressed"] == 12
    assert act["counts"]["smallestClass"] >= 5


# Step 6 and article 4: four receivers, each its own file; article 3: until when


def test_the_result_is_for_the_agencies_and_vdab_each_with_its_record(told: Story) -> None:
    [act] = told.having(operation="vdabRelease")

    deliveries = told.having(type="delivery", parentId=act["eventId"])

    assert [one["organisation"] for one in deliveries] == [*RECEIVERS]
    assert len({one["keyFingerprint"] for one in deliveries}) == 4
    names = {file.name for file in told.vdab.files.iterdir()}
    assert {name for name in names if "uitkomst" in name} == {
        name for name in names if f"uitkomst-{VDAB}" in name
    }


def test_the_result_has_a_last_day_and_numbers_and_answer_are_gone(told: Story) -> None:
    [round_] = json.loads(told.said["vdab list"].out)
    kept = {file["naam"]: file for file in round_["bestanden"]}
    stands = {path.name for path in (told.folder / "exchange").rglob("*") if path.is_file()}

    assert round_["toestand"] == "vrijgegeven"
    stands -= {MARK}
    assert stands == {name for name in kept if "uitkomst" in name}
    assert all(kept[name]["bewaardTot"] > "2030" for name in stands)


def test_a_second_round_in_the_half_year_is_refused(told: Story) -> None:
    assert read("vdab-2023").purposes[0].accesses[0].quota[0].maximum == 1
    used = [one["quotaOrdinal"] for one in told.records if "quotaOrdinal" in one]

    assert used == [1]
