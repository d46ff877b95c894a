"""Month keys: one a UTC month, made once, never readable by others, and gone when destroyed."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from app.month_keys import MonthKey, MonthKeyMissing, MonthKeys, kept_since, ready_ahead

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
SUMMER = timezone(timedelta(hours=2))
KEY = MonthKey(bytes(range(32)))
OTHER_KEY = MonthKey(bytes(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var" / "month-keys"


def test_makes_the_keys_of_this_month_and_the_following_once(folder: Path) -> None:
    keys = MonthKeys(folder)

    first = keys.create(NOW, months=3)
    content = {path.name: path.read_text() for path in folder.iterdir()}
    second = keys.create(NOW, months=4)

    assert first == ["2026-11", "2026-12", "2027-01"]
    assert second == ["2027-02"]
    assert content.keys() == {"2026-11.key", "2026-12.key", "2027-01.key"}
    assert len(set(content.values())) == 3
    assert {name: (folder / name).read_text() for name in content} == content


def test_nobody_else_can_read_a_key(folder: Path) -> None:
    MonthKeys(folder).create(NOW, months=2)

    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600, 0o600]
    assert folder.stat().st_mode & 0o777 == 0o700


RACE = """
import sys
from datetime import datetime
from pathlib import Path
from app.month_keys import MonthKeys
print("ready", flush=True)
sys.stdin.readline()
made = MonthKeys(Path(sys.argv[1])).create(datetime.fromisoformat(sys.argv[2]), months=60)
print(" ".join(made))
"""


def test_of_two_processes_each_key_is_made_by_one(folder: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(folder), NOW.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"

    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    made = [racer.communicate()[0].split() for racer in racers]

    assert len({*made[0], *made[1]}) == len(made[0]) + len(made[1]) == 60
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{month}.key" for each in made for month in each
    )


def test_a_key_of_another_process_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the writing another process made the key."""
    folder.mkdir(parents=True)
    theirs = folder / "2026-11.key"
    theirs.write_text("00" * 32)
    monkeypatch.setattr(Path, "exists", lambda _path: False)

    made = MonthKeys(folder).create(NOW, months=1)

    assert made == []
    assert theirs.read_text() == "00" * 32
    assert list(folder.iterdir()) == [theirs]


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (datetime(2026, 6, 1, 0, 0, tzinfo=UTC), "june"),
        (datetime(2026, 6, 30, 23, 59, 59, 999999, tzinfo=UTC), "june"),
        (datetime(2026, 7, 1, 0, 0, tzinfo=UTC), "july"),
        (datetime(2026, 7, 1, 1, 59, 59, tzinfo=SUMMER), "june"),
        (datetime(2026, 7, 1, 2, 0, tzinfo=SUMMER), "july"),
    ],
)
def test_the_month_is_that_of_utc(folder: Path, moment: datetime, month: str) -> None:
    keys = MonthKeys(folder)
    folder.mkdir(parents=True)
    (folder / "2026-06.key").write_text(bytes(range(32)).hex())
    (folder / "2026-07.key").write_text(bytes(32).hex())

    expected = {"june": KEY, "july": OTHER_KEY}[month]

    assert keys.at(moment).hide("subject", "x") == expected.hide("subject", "x")


def test_equal_values_look_equal_within_a_kind_and_a_month_only() -> None:
    hidden = {
        key.hide(kind, value)
        for key in (KEY, OTHER_KEY)
        for kind in ("subject", "user", "fact")
        for value in ("90722501478", "90722600359")
    }

    assert KEY.hide("subject", "90722501478") == KEY.hide("subject", "90722501478")
    assert len(hidden) == 12
    assert not any("90722501478" in each or "=" in each for each in hidden)


def test_what_was_hidden_once_stays_findable_by_later_versions() -> None:
    """Another derivation would make every kept record unsearchable."""
    assert KEY.hide("subject", "90722501478") == "wF-7ZS5ebPaV06iXc53gP7KZr3TgNtMDfzq4"
    committed = "38e25c56a48a9f17ab6e22bb4abcfcc7377392bdbda62afb628e57e339bb429b"
    assert KEY.digest("id", b"answer") == f"sha256:{committed}"


def test_a_digest_depends_on_the_content_its_label_and_the_month() -> None:
    digests = {
        key.digest(label, content)
        for key in (KEY, OTHER_KEY)
        for label in ("id-1", "id-2", "id-1/detail")
        for content in (b"OK", b"NOK")
    }

    assert KEY.digest("id-1", b"OK") == KEY.digest("id-1", b"OK")
    assert len(digests) == 12


def make_nothing(path: Path) -> None:
    path.parent.mkdir(parents=True)


def writes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make_nothing, "run `protocolpoort keys create`"),
        (writes(b""), "is not a month key"),
        (writes(b"ab" * 31), "is not a month key"),
        (writes(b"ab" * 33), "is not a month key"),
        (writes(b"ge" * 32), "is not a month key"),
        (writes(b"\xff\xfe" * 32), "is not a month key"),
    ],
)
def test_a_missing_or_broken_key_says_which_and_not_what(
    folder: Path, make: Callable[[Path], None], says: str
) -> None:
    make(folder / "2026-11.key")

    with pytest.raises(MonthKeyMissing, match=says) as caught:
        MonthKeys(folder).at(NOW)

    assert "2026-11.key" in str(caught.value)
    for content in ("abab", "gege", "\\xff"):
        assert content not in str(caught.value)


def test_a_key_that_comes_later_is_used_without_a_restart(folder: Path) -> None:
    keys = MonthKeys(folder)
    with pytest.raises(MonthKeyMissing):
        keys.at(NOW)

    keys.create(NOW, months=1)

    assert keys.has(NOW)
    assert keys.at(NOW).hide("user", "x")


def test_a_destroyed_key_is_overwritten_and_gone_and_the_others_stay(folder: Path) -> None:
    keys = MonthKeys(folder)
    keys.create(NOW, months=3)
    (folder.parent / "link").hardlink_to(folder / "2026-12.key")  # looks into the file itself

    for _ in range(2):
        keys.destroy("2026-12")

    assert (folder.parent / "link").read_bytes() == bytes(65)
    assert sorted(path.name for path in folder.iterdir()) == ["2026-11.key", "2027-01.key"]
    with pytest.raises(MonthKeyMissing):
        keys.stored(datetime(2026, 12, 15, tzinfo=UTC))


def test_a_destruction_that_was_cut_off_is_finished(folder: Path) -> None:
    keys = MonthKeys(folder)
    keys.create(NOW, months=2)
    (folder / "2026-11.key").rename(folder / "2026-11.gone")
    december = datetime(2026, 12, 1, tzinfo=UTC)

    assert (keys.ended(december), keys.ended(NOW)) == (["2026-11"], [])
    assert len(list(keys.kept())) == 1
    keys.destroy("2026-11")

    assert [path.name for path in folder.iterdir()] == ["2026-12.key"]
    assert keys.ended(december) == []


def test_who_searches_while_a_key_is_overwritten_does_not_meet_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = MonthKeys(folder)
    keys.create(NOW, months=2)
    december = keys.at(datetime(2026, 12, 1, tzinfo=UTC)).hide("user", "x")
    seen: list[str] = []
    monkeypatch.setattr(
        Path, "unlink", lambda *_, **__: seen.extend(key.hide("user", "x") for key in keys.kept())
    )

    keys.destroy("2026-11")

    assert seen == [december]


def test_the_months_before_a_moment_have_ended_its_own_has_not(folder: Path) -> None:
    keys = MonthKeys(folder)
    keys.create(NOW, months=3)

    assert keys.ended(datetime(2027, 1, 31, 23, 59, tzinfo=UTC)) == ["2026-11", "2026-12"]
    assert keys.ended(datetime(2027, 1, 1, 1, 0, tzinfo=SUMMER)) == ["2026-11"]
    assert keys.ended(datetime(1970, 1, 1, tzinfo=UTC)) == []
    assert MonthKeys(folder / "none").ended(NOW) == []


def test_a_process_that_writes_in_a_new_month_holds_no_older_key(folder: Path) -> None:
    keys = MonthKeys(folder)
    keys.create(NOW, months=2)
    keys.at(NOW)
    keys.at(datetime(2026, 12, 1, tzinfo=UTC))

    keys.destroy("2026-11")

    with pytest.raises(MonthKeyMissing):
        keys.at(NOW)


def test_a_process_hides_nothing_under_a_key_whose_file_is_gone(folder: Path) -> None:
    keys = MonthKeys(folder)
    keys.create(NOW, months=1)
    before = keys.at(NOW).hide("user", "x")
    held = (folder / "2026-11.key").read_bytes()

    (folder / "2026-11.key").unlink()
    for _ in range(2):
        with pytest.raises(MonthKeyMissing, match=r"no month key 2026-11\.key"):
            keys.at(NOW)
    keys.create(NOW, months=1)
    another = keys.at(NOW).hide("user", "x")
    (folder / "2026-11.key").unlink()
    with pytest.raises(MonthKeyMissing):
        keys.at(NOW)
    (folder / "2026-11.key").write_bytes(held)

    assert another != before
    assert keys.at(NOW).hide("user", "x") == before


def test_a_key_that_goes_while_somebody_searches_is_skipped(folder: Path) -> None:
    keys = MonthKeys(folder)
    keys.create(NOW, months=3)
    november, _, january = [key.hide("user", "x") for key in keys.kept()]

    search = keys.kept()
    found = [next(search).hide("user", "x")]
    keys.destroy("2026-12")
    found += [key.hide("user", "x") for key in search]

    assert found == [november, january]


@pytest.mark.parametrize("content", ["", "ab" * 31, "ge" * 32])
def test_who_searches_is_told_of_a_key_that_is_there_and_cannot_be_read(
    folder: Path, content: str
) -> None:
    keys = MonthKeys(folder)
    keys.create(NOW, months=3)
    (folder / "2026-12.key").write_text(content)

    with pytest.raises(MonthKeyMissing, match=r"2026-12\.key is not a month key"):
        list(keys.kept())

    assert len(list(keys.kept(until=NOW))) == 1
    assert len(list(keys.kept(datetime(2027, 1, 1, tzinfo=UTC)))) == 1


def test_a_destroyed_key_is_no_longer_kept_by_a_running_process(folder: Path) -> None:
    keys = MonthKeys(folder)
    keys.create(NOW, months=3)
    before = [key.hide("subject", "x") for key in keys.kept()]

    (folder / "2026-11.key").unlink()

    assert [key.hide("subject", "x") for key in keys.kept()] == before[1:]
    assert not keys.has(NOW)


@pytest.mark.parametrize(
    ("now", "term", "first"),
    [
        (datetime(2026, 11, 28, 21, 0, tzinfo=UTC), 120, datetime(2016, 11, 1, tzinfo=UTC)),
        (datetime(2026, 11, 1, tzinfo=UTC), 120, datetime(2016, 11, 1, tzinfo=UTC)),
        (
            datetime(2026, 10, 31, 23, 59, 59, 999999, tzinfo=UTC),
            120,
            datetime(2016, 10, 1, tzinfo=UTC),
        ),
        (  # still October in UTC
            datetime(2026, 11, 1, 1, 59, tzinfo=timezone(timedelta(hours=2))),
            120,
            datetime(2016, 10, 1, tzinfo=UTC),
        ),
        (datetime(2027, 2, 28, 23, 59, tzinfo=UTC), 1, datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2027, 3, 1, tzinfo=UTC), 1, datetime(2027, 2, 1, tzinfo=UTC)),
        (datetime(2027, 1, 31, tzinfo=UTC), 1, datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2026, 11, 28, tzinfo=UTC), 999_999_999, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_month_has_ended_when_its_term_went_by_after_its_last_moment(
    now: datetime, term: int, first: datetime
) -> None:
    assert kept_since(now, term) == first


@pytest.mark.parametrize(
    ("moment", "ready"),
    [
        (datetime(2026, 11, 1, 0, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 24, 0, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), False),
    ],
)
def test_the_key_of_next_month_must_be_there_seven_days_ahead(
    folder: Path, moment: datetime, ready: bool
) -> None:
    keys = MonthKeys(folder)
    keys.create(moment, months=1)

    alone = ready_ahead(keys, moment)
    keys.create(moment, months=2)

    assert alone is ready
    assert ready_ahead(keys, moment)
