"""What VDAB gives back: taken in whole, or refused with a reason and nothing kept."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sshd
import vdab_world
from programs import environment
from vdab_world import World, number, rows_of

from app import (
    administration,
    returned_rows,
    rounds,
    sealing,
    staging,
    vdab_ending,
    vdab_return,
)
from app.database import Database
from app.returned_rows import NAMES
from app.secret_files import digest_of
from app.vdab import ExchangeRefused
from app.vdab_export import Exported

SENT = "uit/vdab-20260601-1.csv.age"


@pytest.fixture
def world(store: Database, tmp_path: Path) -> World:
    """The agency and VDAB, and six persons of the group."""
    made = vdab_world.make_world(store, tmp_path)
    made.add([number(at) for at in range(6)])
    return made


@pytest.fixture
def made(world: World) -> Exported:
    """The round of the six."""
    return world.export()


def refusals(world: World) -> list[str]:
    found = world.records(operation="vdabTakeIn", outcome="invalid")
    assert all(one["reasonCode"] == "invalidRequest" for one in found)
    return [one["reasonReference"] for one in found]


def aside_of(world: World, label: str = "vdab-20260601-1") -> list[Path]:
    """What stands aside in a round."""
    return [*world.post.back.glob(f"{label}-*.db")]


def nothing_is_kept(world: World) -> bool:
    """No answer stands aside, nor a part of one; and the round waits for another."""
    with world.store.reading() as session:
        current = rounds.current(session)
    assert current is not None
    return world.stands() == {SENT} and current.state is rounds.State.EXPORTED


def test_an_answer_is_taken_in_counted_and_recorded(world: World, made: Exported) -> None:
    def said(numbers: list[str]) -> list[Sequence[str]]:
        first, second, third, *_ = numbers
        return [
            (first, "2023-02-01", "2024-02-01", "nwwz", "lopend", "oriëntatie, context", "ja"),
            (second, "", "", "", "", "", ""),
            (third, "3/2/2023", " ", "=1+1", "-5", "koffie", ""),
        ]

    counted = world.take_in(file := world.answer(made, said))

    assert (counted.rows, counted.missing) == (3, 3)
    assert counted.empty["recentsteInschrijving"] == 2
    assert {name: count for name, count in counted.dirty.items() if count} == {
        "eersteInschrijving": 1,
        "typeActies": 1,
    }
    [record] = world.records(operation="vdabTakeIn")
    assert record["counts"]["rows"] == 3
    assert record["counts"]["leeg.categorieWerkzoekende"] == 1
    assert record["counts"]["afwijkend.typeActies"] == 1
    assert record["fileDigest"].startswith("sha256:")
    assert record["keyFingerprint"].startswith("sha256:")
    [aside] = aside_of(world)
    assert world.stands() == {SENT, f"terug/{aside.name}"}
    assert aside.stat().st_mode & 0o777 == 0o600
    assert file.exists()  # where the operator put it


def with_number_of_a_stranger(numbers: list[str]) -> list[Sequence[str]]:
    return [*rows_of(numbers), *rows_of([number(99)])]


def with_a_number_twice(numbers: list[str]) -> list[Sequence[str]]:
    return [*rows_of(numbers), *rows_of(numbers[:1])]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (with_number_of_a_stranger, "line 8 has a number that was not sent in this round"),
        (with_a_number_twice, "a number of lines 2 to 8 stands there twice"),
    ],
)
def test_rows_about_somebody_else_or_twice_are_refused_as_a_whole(
    world: World, made: Exported, rows: Callable[[list[str]], list[Sequence[str]]], said: str
) -> None:
    file = world.answer(made, rows)

    with pytest.raises(ExchangeRefused, match=said):
        world.take_in(file)

    assert refusals(world) == [said]
    assert nothing_is_kept(world)


def test_a_fault_behind_rows_that_were_good_leaves_nothing_of_them(
    world: World, made: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returned_rows, "PART", 2)
    file = world.answer(made, with_a_number_twice)

    with pytest.raises(ExchangeRefused, match="twice"):
        world.take_in(file)

    assert nothing_is_kept(world)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        (";".join(NAMES) + "\n" + "x" * 100_000, "is longer than 4096 bytes"),
        ("naam;insz\n", "line 1 does not name the columns"),
    ],
)
def test_what_is_not_as_agreed_is_refused(
    world: World, made: Exported, text: str, said: str
) -> None:
    file = world.answer(made, text=text)

    with pytest.raises(ExchangeRefused, match=said):
        world.take_in(file)

    assert nothing_is_kept(world)


def signed_anew(world: World, file: Path, content: bytes) -> Path:
    """VDAB signs what it sends, broken or not."""
    file.write_bytes(content)
    sshd.sign(file, world.signer, "vdab-20260601-1")
    return file


def test_a_file_that_is_cut_off_or_altered_is_refused(world: World, made: Exported) -> None:
    whole = (file := world.answer(made)).read_bytes()
    broken = [whole[:-1], whole[:-20], whole[: len(whole) // 2], b"", b"age", whole + b"x"]
    broken.append(whole[:-30] + bytes([whole[-30] ^ 1]) + whole[-29:])

    for content in broken:
        with pytest.raises(ExchangeRefused, match="the file cannot be opened"):
            world.take_in(signed_anew(world, file, content))

    assert nothing_is_kept(world)


def test_a_large_file_that_is_cut_off_leaves_nothing_of_its_good_rows(
    world: World, made: Exported
) -> None:
    # Two pieces of 64 KiB: the first opens, the second is not whole.
    value = "x" * 400
    head = ";".join(NAMES)
    rows = "".join(f"{number(at)};;;{value};;;\n" for at in range(6))
    text = f"{head}\n{rows}" + "\n" * 70_000
    whole = (file := world.answer(made, text=text)).read_bytes()

    with pytest.raises(ExchangeRefused):
        world.take_in(signed_anew(world, file, whole[:-100]))

    assert nothing_is_kept(world)


def test_a_file_for_somebody_else_is_refused(world: World, made: Exported) -> None:
    file = world.answer(made)
    with file.open("wb") as target:
        sealing.seal([b"x"], sealing.new_identity().recipient, target.write)
    sshd.sign(file, world.signer, made.round.label)

    with pytest.raises(ExchangeRefused, match="the file cannot be opened"):
        world.take_in(file)

    assert nothing_is_kept(world)


def test_a_file_of_another_sender_is_refused_before_it_is_opened(
    world: World, made: Exported, tmp_path: Path
) -> None:
    file = world.answer(made)
    sshd.sign(file, sshd.make_key(tmp_path / "stranger"), made.round.label)

    with pytest.raises(ExchangeRefused, match="not one of VDAB: it is signed by a key that is not"):
        world.take_in(file)

    assert nothing_is_kept(world)


def test_a_file_without_a_signature_is_refused(world: World, made: Exported) -> None:
    file = world.answer(made)
    file.with_name(f"{file.name}.sig").unlink()

    with pytest.raises(ExchangeRefused, match=r"its signature \(\.sig, beside it\) is not there"):
        world.take_in(file)


def test_an_answer_to_another_round_is_refused(world: World, made: Exported) -> None:
    file = world.answer(made)
    sshd.sign(file, world.signer, "vdab-20251201-1")

    with pytest.raises(ExchangeRefused, match="is not one for vdab-20260601-1"):
        world.take_in(file)


def test_a_better_answer_takes_the_place_of_the_first(world: World, made: Exported) -> None:
    world.take_in(world.answer(made, lambda numbers: rows_of(numbers[:2])))

    counted = world.take_in(world.answer(made))

    assert (counted.rows, counted.missing) == (6, 0)
    assert [one["counts"]["rows"] for one in world.records(operation="vdabTakeIn")] == [2, 6]


def test_a_worse_answer_leaves_the_first_where_it_is(world: World, made: Exported) -> None:
    world.take_in(world.answer(made))
    [aside] = aside_of(world)
    first = aside.read_bytes()

    with pytest.raises(ExchangeRefused, match="not sent"):
        world.take_in(world.answer(made, with_number_of_a_stranger))

    assert (aside_of(world), aside.read_bytes()) == ([aside], first)


def test_an_answer_that_is_not_accepted_never_stands_in_the_place_of_the_first(
    world: World, made: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.take_in(first := world.answer(made, lambda numbers: rows_of(numbers[:2])))
    digest = digest_of(first)

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vdab_return, "_accept", cut_off)
        with pytest.raises(KeyboardInterrupt):
            world.take_in(world.answer(made))
    with world.store.reading() as session:
        current = rounds.current(session)
    assert current is not None

    assert current.answer_digest == digest
    with staging.opened(vdab_ending.staged(world.post, current, digest)) as kept:
        assert [len(part) for part in kept.parts()] == [2]
    world.take_in(world.answer(made))
    assert len(aside_of(world)) == 1


def test_the_same_answer_that_is_refused_the_second_time_stays(
    world: World, made: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.take_in(file := world.answer(made))

    def suspend(*_: object) -> None:
        administration.suspend(world.office, "vdab-2023", "onderzoek", world.clock.now)

    monkeypatch.setattr(vdab_return, "_fill", suspend)
    with pytest.raises(ExchangeRefused, match="suspended"):
        world.take_in(file)

    assert len(aside_of(world)) == 1


def test_a_file_that_is_swapped_after_its_signature_was_checked_is_not_opened(
    world: World, made: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.answer(made, lambda numbers: rows_of(numbers[:1])).read_bytes()
    digest = digest_of(file := world.answer(made))
    checked = vdab_return.signed_by

    def swapped(*arguments: object) -> bytes:
        key = checked(*arguments)  # type: ignore[arg-type]
        file.write_bytes(other)
        return key

    monkeypatch.setattr(vdab_return, "signed_by", swapped)

    assert world.take_in(file).rows == 6
    [record] = world.records(operation="vdabTakeIn")
    assert record["fileDigest"] == digest


def test_an_answer_is_durable_before_it_counts(
    world: World, made: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace, accept = os.fsync, os.replace, vdab_return._accept

    def synced(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def replaced(draft: Path, path: Path) -> None:
        done.append("name")
        replace(draft, path)

    def accepted(*arguments: Any) -> None:
        done.append("record")
        accept(*arguments)

    file = world.answer(made)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(vdab_return, "_accept", accepted)
    world.take_in(file)

    at = done.index("name")
    assert (done[at - 1], done[at + 1]) == ("file", "folder")
    assert at < done.index("record")


def test_the_name_of_a_file_is_told_nowhere(world: World, made: Exported) -> None:
    file = world.folder / f"{number(1)}.csv.age"

    with pytest.raises(ExchangeRefused) as refused:
        world.take_in(file)
    file.write_bytes(b"x")
    with pytest.raises(ExchangeRefused) as unsigned:
        world.take_in(file)

    assert number(1) not in str(refused.value) + str(unsigned.value)
    assert number(1) not in "".join(refusals(world))


def test_a_file_that_was_taken_in_before_is_known_again(world: World, made: Exported) -> None:
    world.take_in(file := world.answer(made))
    vdab_ending.cancel(world.post, "nog eens")
    world.clock.forward(days=30)
    again = world.export()
    # Only who has the key of VDAB could let an old file pass for a new one.
    sshd.sign(file, world.signer, again.round.label)

    with pytest.raises(ExchangeRefused, match="this file was taken in before, in another round"):
        world.take_in(file)

    assert aside_of(world, "vdab-20260701-2") == []


def test_a_file_of_ten_gigabytes_is_not_even_read(world: World, made: Exported) -> None:
    file = world.answer(made)
    with file.open("r+b") as huge:
        huge.truncate(10 * 1024**3)  # it takes no room

    with pytest.raises(ExchangeRefused, match="is larger than 1073741824 bytes"):
        world.take_in(file)


def test_a_signature_of_a_megabyte_is_not_read(world: World, made: Exported) -> None:
    file = world.answer(made)
    file.with_name(f"{file.name}.sig").write_bytes(bytes(1024**2))

    with pytest.raises(ExchangeRefused, match="larger than 16384 bytes"):
        world.take_in(file)


def test_without_a_round_nothing_is_taken_in(world: World, tmp_path: Path) -> None:
    with pytest.raises(ExchangeRefused, match="no round is open"):
        world.take_in(tmp_path / "nothing")


def test_a_suspended_protocol_takes_nothing_in(world: World, made: Exported) -> None:
    file = world.answer(made)
    administration.suspend(world.office, "vdab-2023", "onderzoek", world.clock.now)

    with pytest.raises(ExchangeRefused, match="suspended"):
        world.take_in(file)

    [record] = world.records(operation="vdabTakeIn")
    assert (record["outcome"], record["reasonCode"]) == ("denied", "suspended")


def test_a_full_disk_leaves_nothing_of_an_answer(
    world: World, made: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = world.answer(made)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(vdab_return.Counted, "add", full)

    with pytest.raises(ExchangeRefused, match="this machine refuses: No space left on device"):
        world.take_in(file)

    assert nothing_is_kept(world)
    [record] = world.records(operation="vdabTakeIn")
    assert (record["outcome"], record["reasonCode"]) == ("error", "error")


FULL = """
import resource, signal, sys
from pathlib import Path
from app import staging
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with staging.drafted(Path(sys.argv[1])) as draft:
        for part in range(5_000):
            draft.add([(f"{part * 1000 + at:011}", *"abcdef") for at in range(1000)])
except Exception as full:
    print(type(full).__name__)
"""


def test_a_file_that_can_grow_no_more_is_an_error_of_the_machine_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "aside.db")],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout in ("OperationalError\n", "OSError\n")
    assert os.listdir(tmp_path) == []
