"""`protocolpoort recipient`: to which key files for an organisation are sealed."""

import json
from pathlib import Path

import pytest
from programs import Within
from sqlalchemy import text

from app import sealing
from app.database import Database


@pytest.fixture
def command(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Within:
    monkeypatch.chdir(own_folder)
    return Within(monkeypatch, capfd)


def key_file(folder: Path, recipient: str) -> str:
    path = folder / "key.pub"
    path.write_text(f"# public key\n{recipient}\n")
    return str(path)


def listed(command: Within) -> dict[str, str]:
    ended = command("recipient", "list", "--json")
    assert ended.code == 0
    return {row["organisatie"]: row["sleutel"] for row in json.loads(ended.out)}


def recorded(folder: Path) -> list[tuple[str, str | None]]:
    store = Database(f"sqlite:///{folder}/var/protocolpoort.db")
    with store.reading() as session:
        rows = session.connection().execute(
            text("SELECT record FROM access_record ORDER BY log_index")
        )
        found = [json.loads(row[0]) for row in rows]
    store.dispose()
    return [
        (record["reasonReference"], record.get("keyFingerprint"))
        for record in found
        if record["operation"] == "recipientSet"
    ]


def test_a_key_is_registered_replaced_and_removed(command: Within, own_folder: Path) -> None:
    first, second = (sealing.new_identity().recipient for _ in range(2))
    assert command("recipient", "set", "nis:71016", key_file(own_folder, first)).code == 0
    assert listed(command) == {"nis:71016": first}
    # The same once more changes nothing, and leaves no record.
    assert command("recipient", "set", "nis:71016", key_file(own_folder, first)).code == 0
    told = ("--reason", "een nieuwe sleutel")
    assert command("recipient", "set", "nis:71016", key_file(own_folder, second), *told).code == 0
    assert listed(command) == {"nis:71016": second}
    assert command("recipient", "remove", "nis:71016").code == 0
    assert listed(command) == {}
    assert recorded(own_folder) == [
        ("nis:71016", sealing.fingerprint(first)),
        ("nis:71016: een nieuwe sleutel", sealing.fingerprint(second)),
        ("nis:71016", None),
    ]


def test_what_is_no_key_is_refused(command: Within, own_folder: Path) -> None:
    secret = sealing.new_identity().secret
    ended = command("recipient", "set", "nis:71016", key_file(own_folder, secret))
    assert ended.code == 1
    assert "recipient of age" in ended.err
    assert secret not in ended.err
    (own_folder / "binary").write_bytes(b"\xff\xfe")
    assert "this is no text" in command("recipient", "set", "x", str(own_folder / "binary")).err
    assert listed(command) == {}


def test_a_national_number_is_no_organisation(command: Within, own_folder: Path) -> None:
    file = key_file(own_folder, sealing.new_identity().recipient)
    ended = command("recipient", "set", "90722501478", file)
    assert ended.code == 2
    assert "90722501478" not in ended.err
