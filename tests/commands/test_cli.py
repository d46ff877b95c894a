"""The commands of an operator: what they say and where, and the code that they end with."""

import io
import json
import shutil
from pathlib import Path

import pytest
from programs import Ended, Within
from service import ROOT

from app.deps import read_clock
from app.insz import Insz
from app.settings import Mode
from app.tokens import Citizen, DemoIssuer, Verifier

UPGRADE = "the database is not up to date: run `protocolpoort db upgrade`\n"


@pytest.fixture
def command(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Within:
    """Commands in a folder of the test's own."""
    return Within(monkeypatch, capfd)


def test_a_token_is_alone_on_its_line(command: Within, own_folder: Path) -> None:
    ended = command(
        *("token", "issue", "--organisation", "nis:71016", "--client", "test"),
        *("--scope", "inb_dossier_v1_G inb_advies_v1_G", "--ttl", "60"),
    )

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("\n")
    assert "\n" not in ended.out[:-1]
    assert (own_folder / "var" / "demo-issuer.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("given", ["90722501478", "90722501478\n", " 90722501478\r\nmore\n"])
async def test_a_token_of_a_citizen_is_made_of_a_number_from_standard_input(
    command: Within, own_folder: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))

    ended = command("token", "citizen", "-")

    assert (ended.code, ended.err, ended.out.count("\n")) == (0, "", 1)
    issuer = DemoIssuer.load_or_create(own_folder / "var" / "demo-issuer.json", Mode.DEMO)
    keys = {profile.issuer: issuer.public_keys for profile in issuer.profiles}
    verifier = Verifier(issuer.profiles, keys=keys, test_numbers=True)
    citizen = await verifier.verify(f"Bearer {ended.out.strip()}", read_clock())
    assert isinstance(citizen, Citizen)
    assert citizen.insz == Insz("90722501478")


@pytest.mark.parametrize("given", ["", "\n", "90722501479\n", "90.72.25-014.78\n", "\n90722501478"])
def test_a_citizen_without_a_valid_number_gets_no_token(
    command: Within, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))

    ended = command("token", "citizen", "-")

    assert ended == Ended(1, "", "standard input holds no valid INSZ on its first line\n")


def test_a_number_is_no_argument_and_is_not_repeated(command: Within, own_folder: Path) -> None:
    ended = command("token", "citizen", "90722501478")

    assert (ended.code, ended.out) == (2, "")
    assert "90722501478" not in ended.err
    assert list(own_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("token", "issue", "--organisation", "x", "--client", "x", "--scope", "x"),
            "the demo issuer exists in demo mode only\n",
        ),
        (("token", "citizen", "-"), "the demo issuer exists in demo mode only\n"),
        (("demo",), "the demo runs with PROTOCOLPOORT_MODE=demo only\n"),
        (
            ("protocol", "load"),
            "PROTOCOLPOORT_MONTH_KEYS must name the folder of the month keys\n",
        ),
        (
            ("keys", "create"),
            "PROTOCOLPOORT_MONTH_KEYS must name the folder of the month keys\n",
        ),
        (("serve",), UPGRADE),
        (("protocol", "list"), UPGRADE),
    ],
)
def test_production_makes_and_opens_nothing_of_itself(
    command: Within, own_folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    ended = command(*arguments, MODE="production")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err.endswith(said)
    assert list(own_folder.iterdir()) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"MODE": "prod"},
        {"DATABASE_URL": "mysql://host/database"},
        {"DATABASE_URL_FILE": "not-there"},
        {"RATE_LIMIT": "-1"},
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(
    command: Within, settings: dict[str, str]
) -> None:
    ended = command("db", "check", **settings)

    [(name, value)] = settings.items()
    assert (ended.code, ended.out) == (3, "")
    assert f"PROTOCOLPOORT_{name} " in ended.err
    assert value not in ended.err.replace("production", "")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("protocol",),
        ("protocol", "suspend", "genk-2021"),
        ("protocol", "end"),
        ("protocol", "set", "vdab-2023"),
        ("clock", "accept"),
        ("protocol", "validate"),
        ("kbi", "import", "not-there"),
        ("register", "import", "not-there"),
        ("token", "issue", "--organisation", "x"),
        ("token", "citizen"),
        ("keys", "create", "--months", "0"),
        ("serve", "--port", "many"),
    ],
)
def test_wrong_usage_ends_with_2(command: Within, arguments: tuple[str, ...]) -> None:
    ended = command(*arguments)

    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_the_database_is_checked_and_upgraded(command: Within, own_folder: Path) -> None:
    before = command("db", "check")
    upgraded = command("db", "upgrade")
    after = command("db", "check")

    assert before == Ended(1, "", UPGRADE)
    assert upgraded == after == Ended(0, "", "the database is up to date\n")
    assert (own_folder / "var" / "protocolpoort.db").exists()


def test_an_outdated_database_is_not_served(command: Within, own_folder: Path) -> None:
    (own_folder / "var").mkdir()
    (own_folder / "var" / "protocolpoort.db").touch()

    ended = command("serve")

    assert ended == Ended(3, "", UPGRADE)


def test_the_address_of_the_database_may_stand_in_a_file(command: Within, own_folder: Path) -> None:
    (own_folder / "secret").write_text(f"sqlite:///{own_folder}/other/place.db\n")

    ended = command("db", "upgrade", DATABASE_URL_FILE="secret")

    assert ended.code == 0
    assert (own_folder / "other" / "place.db").exists()


def test_a_database_that_does_not_answer_shows_no_address(command: Within) -> None:
    ended = command("db", "check", DATABASE_URL="postgresql://user:password@127.0.0.1:1/name")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err == "the database does not answer as it should: OperationalError\n"


def test_month_keys_are_made_once(command: Within, own_folder: Path) -> None:
    made = command("keys", "create", "--months", "4", MONTH_KEYS="keys", MODE="production")
    again = command("keys", "create", "--months", "4", MONTH_KEYS="keys", MODE="production")

    names = sorted(path.stem for path in (own_folder / "keys").iterdir())
    assert made == Ended(0, "", f"4 month keys made: {', '.join(names)}\n")
    assert again == Ended(0, "", "0 month keys made: none was missing\n")


def test_every_fault_of_a_document_is_named_by_file_place_and_rule(
    command: Within, own_folder: Path
) -> None:
    good = ROOT / "protocols" / "genk-2021.yaml"
    text = good.read_text(encoding="utf-8")
    field = text.replace("veld: attest.inburgeringBehaald", "veld: attest.bestaatNiet", 1)
    Path("veld.yaml").write_text(field.replace("geldigVan: 2021-06-02", "geldigVan: 2021-06-31"))
    Path("geen.yaml").write_text("formaat: [")

    ended = command("protocol", "validate", "veld.yaml", str(good), "geen.yaml", "not-there.yaml")

    faults = [line.split(": ", 2) for line in ended.err.splitlines()]
    assert (ended.code, ended.out) == (1, "")
    assert [str(good), "valid"] in faults
    assert {(file, place) for file, place, *_ in faults} >= {
        ("veld.yaml", "geldigVan"),
        ("not-there.yaml", "file"),
    }
    assert any(file == "veld.yaml" and ".veld" in place for file, place, *_ in faults)
    assert any(file == "geen.yaml" for file, *_ in faults)


def test_good_documents_are_valid(command: Within) -> None:
    files = sorted(str(path) for path in (ROOT / "protocols").rglob("*.yaml"))

    ended = command("protocol", "validate", *files)

    assert ended == Ended(0, "", "".join(f"{file}: valid\n" for file in files))


def test_a_load_says_what_changed_and_a_second_one_changes_nothing(command: Within) -> None:
    first = command("protocol", "load")
    second = command("protocol", "load")
    listed = command("protocol", "list", "--json")

    assert (first.code, second.code, listed.code) == (0, 0, 0)
    assert "genk-2021 1: inForce\n" in first.err
    assert second == Ended(0, "", "0 changes\n11 files read\n")
    assert [(row["id"], row["toestand"]) for row in json.loads(listed.out)] == [
        ("avsb-2021", "vanKracht"),
        ("genk-2021", "vanKracht"),
        ("mechelen-2021", "beeindigd"),
        ("vdab-2023", "vanKracht"),
        ("voorbeelddorp-2026", "vanKracht"),
        ("voorbeeldstad-2026", "vanKracht"),
        ("wetteren-2023", "beeindigd"),
    ]


def test_production_leaves_the_demo_out_and_says_so(command: Within) -> None:
    production = {"MODE": "production", "MONTH_KEYS": "keys"}
    for arguments in (("db", "upgrade"), ("keys", "create")):
        assert command(*arguments, **production).code == 0

    loaded = command("protocol", "load", **production)
    listed = command("protocol", "list", **production)

    left_out = [line for line in loaded.err.splitlines() if "left out" in line]
    assert (loaded.code, len(left_out)) == (0, 5)
    assert all("/protocols/demo/" in line for line in left_out)
    assert loaded.err.endswith("6 changes\n6 files read\n")
    assert [line.split("\t")[0] for line in listed.out.splitlines()] == [
        "avsb-2021",
        "genk-2021",
        "mechelen-2021",
        "vdab-2023",
        "wetteren-2023",
    ]


def test_production_leaves_out_only_what_is_below_a_demo_folder(
    command: Within, own_folder: Path
) -> None:
    production = {"MODE": "production", "MONTH_KEYS": "keys"}
    for arguments in (("db", "upgrade"), ("keys", "create")):
        assert command(*arguments, **production).code == 0
    folder = own_folder / "demo" / "protocols"
    shutil.copytree(ROOT / "protocols", folder)

    loaded = command("protocol", "load", str(folder), **production)

    assert "genk-2021 1: inForce" in loaded.err
    assert "voorbeeldstad-2026" not in loaded.err
    assert loaded.code == 0


def test_one_bad_document_keeps_the_others_out(command: Within, own_folder: Path) -> None:
    folder = own_folder / "protocols"
    folder.mkdir()
    good = (ROOT / "protocols" / "genk-2021.yaml").read_text(encoding="utf-8")
    (folder / "a.yaml").write_text(good)
    (folder / "b.yaml").write_text(good.replace("formaat:", "format:", 1))

    ended = command("protocol", "load", str(folder))
    listed = command("protocol", "list") if command("db", "upgrade").code == 0 else None

    assert (ended.code, ended.out) == (1, "")
    assert f"{folder / 'b.yaml'}: formaat: " in ended.err
    assert listed == Ended(0, "", "")


def test_another_content_under_a_version_in_force_is_refused(
    command: Within, own_folder: Path
) -> None:
    command("protocol", "load")
    folder = own_folder / "changed"
    folder.mkdir()
    good = (ROOT / "protocols" / "genk-2021.yaml").read_text(encoding="utf-8")
    (folder / "genk.yaml").write_text(
        good.replace("geldigVan: 2021-06-02", "geldigVan: 2021-06-03")
    )

    ended = command("protocol", "load", str(folder))

    assert (ended.code, ended.out) == (1, "")
    said = f"{folder / 'genk.yaml'}: versie: version 1 of genk-2021 is in force"
    assert ended.err.startswith(said)


def test_an_empty_folder_is_no_load(command: Within, own_folder: Path) -> None:
    ended = command("protocol", "load", str(own_folder))

    assert ended == Ended(1, "", f"{own_folder}: no .yaml file to load\n")


def test_a_bad_line_of_the_register_is_named_and_the_rest_is_stored(
    command: Within, own_folder: Path
) -> None:
    good = json.dumps({"insz": "90722501478", "contact": {"email": "test@example.org"}})
    bad = json.dumps({"insz": "90722501479", "contact": {"email": 1}})
    Path("register.jsonl").write_text(f"{good}\n\n{bad}\n{good}\n")

    ended = command("register", "import", "register.jsonl")

    said, counted = ended.err.splitlines()
    assert (ended.code, ended.out) == (1, "")
    assert said.startswith("line 3: ")
    assert "90722501479" not in said
    assert counted == "lines: 2 stored, 0 unchanged, 1 skipped"
