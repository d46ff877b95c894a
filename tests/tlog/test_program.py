"""`python -m app.tlog` as an outsider runs it, and the format as the document tells it."""

import hashlib
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from small_log import SIGNER, Log, log, record, tampered, unpack

from app.tlog import bundle, tree
from app.tlog.__main__ import main
from app.tlog.note import Checkpoint, Signer, Vkey, open_checkpoint
from app.tlog.proof import encode_proof

ROOT = Path(__file__).parents[2]
VKEY = SIGNER.vkey.text

DEPENDENCIES = {
    "alembic",
    "anyio",
    "fastapi",
    "httpx",
    "jinja2",
    "jose",
    "lxml",
    "orjson",
    "psycopg",
    "pydantic",
    "rich",
    "ruamel",
    "sqlalchemy",
    "sqlmodel",
    "starlette",
    "typer",
    "uvicorn",
}

# As `python -I -m app.tlog` would run it, had the folder of the application been installed.
ISOLATED = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
try:
    runpy.run_module("app.tlog", run_name="__main__", alter_sys=True)
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
    print(*sorted(name for name in sys.modules if name.startswith("app")), file=sys.stderr)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    chosen = tmp_path / "bundle.zip"
    chosen.write_bytes(log().range(0, 600))
    return chosen


def test_an_intact_bundle_ends_with_0(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = path.with_name("older")
    older.write_text(log().checkpoint(300), encoding="utf-8")
    digest = "sha256:" + hashlib.sha256(unpack(path.read_bytes())["manifest.json"]).hexdigest()

    code = main(["verify", str(path), "--vkey", VKEY, "--older", str(older), "--manifest", digest])

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        "In orde: 600 records, index 0 tot en met 599.",
        "Het bereik is volledig: tussen de eerste en de laatste ontbreekt niets.",
        "Checkpoint: een boom van 600 records.",
        f"Ondertekend met {VKEY}",
        "De boom bouwt voort op het oudere checkpoint.",
    ]


def test_a_bundle_that_is_not_intact_ends_with_1_and_says_where(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(
        tampered(
            path.read_bytes(),
            lambda files: files.update(
                {"records.jsonl": files["records.jsonl"].replace(record(41), record(42))}
            ),
        )
    )

    code = main(["verify", str(path), "--vkey", VKEY])

    assert code == 1
    assert capsys.readouterr() == (
        "",
        "NIET IN ORDE: het record is niet dat van het logboek\nEerste foute index: 41\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["verify"],
        ["check", "x"],
        ["verify", "x", "--vkey", "x"],
        ["verify", "x", "--older", "/nothing"],
        ["verify", "x", "--more"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_the_module_is_the_program(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["tlog", "verify", str(path)])

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "app" / "tlog" / "__main__.py"), run_name="__main__")

    assert ended.value.code == 0
    assert "uit het pakket zelf" in capsys.readouterr().out


@pytest.mark.parametrize(("vkey", "code"), [(VKEY, 0), (Signer("other", bytes(32)).vkey.text, 1)])
def test_the_verifier_runs_with_cryptography_alone(path: Path, vkey: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", ISOLATED, str(ROOT), "verify", str(path), "--vkey", vkey],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    *_, packages, modules = done.stderr.splitlines()
    assert done.returncode == code
    assert {"app", "cryptography"} <= set(packages.split())
    assert not DEPENDENCIES & set(packages.split())
    assert {name for name in modules.split() if name != "app"} == {
        "app.tlog",
        "app.tlog.bundle",
        "app.tlog.note",
        "app.tlog.plain_zip",
        "app.tlog.proof",
        "app.tlog.tiles",
        "app.tlog.tree",
        "app.tlog.verifier",
    }


def test_the_example_in_the_document_is_right() -> None:
    text = (ROOT / "docs" / "log-format.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+) example\n(.*?)```", text, flags=re.DOTALL)
    given = dict(blocks)
    records = [line.encode() for line in given["jsonl"].splitlines()]
    names = dict(line.split(" = ") for line in given["text"].splitlines())

    edge: list[bytes] = []
    for size, line in enumerate(records):
        tree.grow(edge, size, tree.leaf_hash(line))

    assert [json.dumps(json.loads(line), separators=(",", ":")).encode() for line in records] == (
        records
    )
    assert names == {
        "leaf 0": tree.leaf_hash(records[0]).hex(),
        "leaf 1": tree.leaf_hash(records[1]).hex(),
        "root": tree.root(edge).hex(),
    }
    vkey = Vkey.parse(given["vkey"].removesuffix("\n"))
    checkpoint = open_checkpoint(given["note"], [vkey], "log.example/toegang")
    assert (checkpoint.size, checkpoint.root) == (2, tree.root(edge))
    assert given["note"] == Log(records, Signer(vkey.name, bytes(range(32)))).checkpoint()


def test_the_document_gives_every_file_and_member_of_a_bundle() -> None:
    text = (ROOT / "docs" / "log-format.md").read_text(encoding="utf-8")
    manifest = json.loads(unpack(log().range(0, 1))["manifest.json"])

    assert [name for name in manifest if f"`{name}`" not in text] == []
    fixed = (bundle.README, bundle.VKEY, bundle.CHECKPOINT, bundle.RECORDS, bundle.INDEX)
    assert [name for name in (*fixed, bundle.MANIFEST) if f"`{name}`" not in text] == []
    assert bundle.FORMAT in text


def test_a_proof_is_verified_with_the_record_beside_it(tmp_path: Path) -> None:
    known, unknown = b'{"v":1}', b'{"v":2}'
    signer = Signer("gate.example/log", bytes(range(32)))
    leaves = [tree.leaf_hash(each) for each in (known, unknown)]
    note = signer.sign(Checkpoint("gate.example/log", 2, tree.node_hash(*leaves)).text)
    (proof := tmp_path / "a.tlog-proof").write_text(encode_proof(0, leaves[1:], note))
    (shown := tmp_path / "record.json").write_bytes(known)
    (forged := tmp_path / "other.json").write_bytes(unknown)

    def verify(file: Path, *more: str) -> int:
        return main(["verify", str(proof), "--record", str(file), *more])

    assert verify(shown, "--vkey", signer.vkey.text) == 0
    assert verify(forged, "--vkey", signer.vkey.text) == 1
    assert verify(tmp_path / "none", "--vkey", signer.vkey.text) == 1
    with pytest.raises(SystemExit, match="2"):
        verify(shown)
