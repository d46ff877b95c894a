"""The result: profiles joined, numbers gone, nobody stands out, a file for each receiver."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import vdab_world
from evidence import execute
from service import PROTOCOLS
from vdab_world import AGENCIES, World, number, quiet, rows_of

from app import administration, documents, rounds, vdab, vdab_ending, vdab_release, vdab_return
from app.anonymity import HIDDEN, QUASI
from app.database import Database
from app.insz import contains_insz
from app.monitoring import COLUMNS, ORGANISATION
from app.policy import Clause
from app.protocols import Source
from app.sealing import SealBroken
from app.secret_files import shred
from app.smoothing import Result
from app.vdab import MARK, Closed, ExchangeRefused, Post
from app.vdab_release import Released, Terms

BODIES = (*AGENCIES, ORGANISATION)
PROFILE = {"scholingsniveau": "hoog", "oudsteNationaliteit": "SYR", "kbiRegio": "Limburg"}
PERSONALIA = {"personalia": {"geboortedatum": "1990-05-05", "geslacht": {"code": {"code": "2"}}}}


@pytest.fixture
def world(store: Database, tmp_path: Path) -> World:
    """The agency and VDAB, and ten persons who are alike."""
    made = vdab_world.make_world(store, tmp_path)
    made.add([number(at) for at in range(10)], profile=PROFILE, blocks=PERSONALIA)
    return made


def results() -> set[str]:
    return {f"uit/vdab-20260601-1-uitkomst-{body}.csv.age" for body in BODIES}


def back(world: World, rows: Callable[[list[str]], Iterable[Sequence[str]]] | None = None) -> None:
    """A round up to its answer."""
    world.take_in(world.answer(world.export(), rows))


def release(world: World, k: int = 5) -> Released:
    return vdab_release.release(world.post, k, quiet)


def table(
    world: World, body: str = ORGANISATION, label: str = "vdab-20260601-1"
) -> list[dict[str, str]]:
    """What a receiver reads."""
    text = world.opened(f"{label}-uitkomst-{body}.csv.age", body)
    return list(csv.DictReader(StringIO(text), delimiter=";"))


def test_every_receiver_gets_the_rows_with_profile_and_without_number(world: World) -> None:
    back(world)

    done = release(world)

    for body in BODIES:
        rows = table(world, body)
        assert len(rows) == 10
        assert list(rows[0]) == ["rij", *(column.name for column in COLUMNS)]
        for row in rows:
            assert row["leeftijdscategorie"] == "35-44"
            assert (row["geslacht"], row["kbiRegio"]) == ("2", "Limburg")
            assert (row["datumContract"], row["eersteInschrijving"]) == ("2023-01-10", "2023-02-01")
            assert (row["verblijfsstatus"], row["uitstroomNaarWerk"]) == ("", "")
            assert not contains_insz(" ".join(row.values()))
    assert (done.smoothed.rows, done.smoothed.suppressed, done.smoothed.smallest) == (10, 0, 10)


def test_a_file_is_the_same_in_small_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vdab_release, "PIECE", 10)
    back(world)

    release(world)

    assert len(table(world)) == 10


def another_round(world: World) -> None:
    """As by somebody on another machine, with a folder of her own."""
    with world.store.writing() as session:
        current = rounds.current(session)
        assert current is not None
        rounds.end(session, current, rounds.State.CANCELLED, world.clock.now)
        other = rounds.begin(session, world.clock.now.date(), current.folder, "another")
        rounds.advance(session, other, current.state)


def test_an_answer_to_a_round_that_ended_meanwhile_is_not_taken_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = world.answer(world.export())
    monkeypatch.setattr(vdab_return.Counted, "add", lambda *_: another_round(world))

    with pytest.raises(ExchangeRefused, match="another round was begun meanwhile"):
        world.take_in(answer)

    assert not [*world.post.back.iterdir()]


def test_a_result_of_a_round_that_is_over_is_not_released(world: World) -> None:
    back(world)

    def meanwhile(what: str, far: int) -> None:
        if (what, far) == ("files", 4):
            another_round(world)

    with pytest.raises(ExchangeRefused, match="another round was begun meanwhile"):
        vdab_release.release(world.post, 5, meanwhile)

    assert not results() & world.stands()


def test_nobody_but_the_receiver_opens_a_file(world: World) -> None:
    back(world)
    release(world)

    name = f"vdab-20260601-1-uitkomst-{AGENCIES[1]}.csv.age"

    assert world.opened(name, AGENCIES[1])
    with pytest.raises(SealBroken):
        world.opened(name, ORGANISATION)


def test_each_file_is_recorded_and_the_round_leaves_nothing_that_names_a_person(
    world: World,
) -> None:
    back(world)

    done = release(world)

    [act] = world.records(operation="vdabRelease")
    deliveries = world.deliveries(parentId=act["eventId"])
    assert act["counts"] == {
        "k": 5,
        "rows": 10,
        "suppressed": 0,
        "cancelled": 0,
        "numbersHidden": 0,
        "samePerson": 0,
        "smallestClass": 10,
        "rareHidden": 0,
    }
    assert [one["organisation"] for one in deliveries] == [*BODIES]
    assert len({one["fileDigest"] for one in deliveries}) == 4
    assert len({one["keyFingerprint"] for one in deliveries}) == 4
    assert all("subject" not in one for one in deliveries)
    assert world.stands() == results()
    with world.store.reading() as session:
        [round_] = rounds.newest_first(session)
        assert rounds.count_sent(session, round_) == 0
        assert rounds.current(session) is None
    assert round_.state is rounds.State.RELEASED
    [removed] = world.records(operation="vdabRemove")
    assert removed["reasonReference"] == "vdab-20260601-1.csv.age"
    # Begun on 1 March 2022, for five years, and five years more.
    assert done.plan.keep_until == date(2032, 3, 1)


def test_a_release_stands_although_what_is_over_cannot_be_taken_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    back(world)

    def stuck(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(vdab_ending, "shred", stuck)
    done = release(world)

    assert done.left
    assert results() <= world.stands()
    [act] = world.records(operation="vdabRelease")
    assert act["outcome"] == "allowed"


def test_the_record_of_a_file_names_the_columns_in_it(world: World) -> None:
    back(world)

    release(world)

    [act] = world.records(operation="vdabRelease")
    for one in world.deliveries(parentId=act["eventId"]):
        assert one["deliveredFields"] == sorted(column.name for column in COLUMNS)


def test_two_releases_share_no_id_and_no_order(world: World) -> None:
    def told(numbers: list[str]) -> Iterable[Sequence[str]]:
        # A mark by which the test knows a person again, in a column that is no clue: of five each.
        return [(*row[:4], f"merk {at // 5}", *row[5:]) for at, row in enumerate(rows_of(numbers))]

    world.add([number(at) for at in range(10, 40)], profile=PROFILE, blocks=PERSONALIA)
    back(world, told)
    release(world)
    first = table(world)
    world.clock.forward(days=30)
    back(world, told)
    release(world)
    second = table(world, label="vdab-20260701-2")

    ids = [row["rij"] for row in (*first, *second)]
    assert len(set(ids)) == 80
    marks = [[row["statusDienstverlening"] for row in rows] for rows in (first, second)]
    assert sorted(marks[0]) == sorted(marks[1])
    assert marks[0] != marks[1]
    assert marks[0] != sorted(marks[0])


def test_who_stands_out_is_made_coarser_or_left_out_and_it_is_told(world: World) -> None:
    world.add([number(20)], profile=PROFILE | {"oudsteNationaliteit": "NLD"}, blocks=PERSONALIA)
    world.add(
        [number(at) for at in range(30, 35)],
        signed=["2024-01-01"],
        profile=PROFILE,
        blocks=PERSONALIA,
    )
    world.add([number(at) for at in range(40, 45)], signed=["2024-01-02"], blocks=PERSONALIA)
    world.add([number(45)], signed=["2024-01-15"], blocks=PERSONALIA)
    back(world)

    done = release(world)

    rows = table(world)
    classes = Counter(tuple(row[name] for name in QUASI) for row in rows)
    assert min(classes.values()) == done.smoothed.smallest >= 5
    assert len(rows) == done.smoothed.rows == 22 - done.smoothed.suppressed
    assert done.smoothed.suppressed == 2
    assert "NLD" not in {row["oudsteNationaliteit"] for row in rows}


def test_more_than_five_can_be_asked_for(world: World) -> None:
    back(world)

    with pytest.raises(ExchangeRefused, match="no 11 rows are alike"):
        release(world, k=11)

    assert world.deliveries(organisation=AGENCIES[0]) == []
    assert not results() & world.stands()
    assert release(world, k=10).smoothed.smallest == 10


def test_a_class_that_is_too_small_never_leaves_whatever_smoothing_did(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    back(world)
    monkeypatch.setattr(Result, "smallest_class", lambda _: 4)

    with pytest.raises(ExchangeRefused, match="a combination stands in fewer than 5 rows"):
        release(world)

    assert not results() & world.stands()


def test_what_vdab_says_of_few_is_hidden_and_counted(world: World) -> None:
    def told(numbers: list[str]) -> Iterable[Sequence[str]]:
        for at, each in enumerate(numbers):
            # 4 of one; of the rest one each; and a number that nothing parts from what is before.
            status = "gestopt" if at < 4 else f"lopend klantnr 40{at}"
            yield (each, "", "", "nwwz", status, f"x{each}9" if at else "", "ja")

    back(world, told)

    done = release(world)

    rows = table(world)
    assert {row["statusDienstverlening"] for row in rows} == {HIDDEN}
    assert Counter(row["typeActies"] for row in rows) == {HIDDEN: 9, "": 1}
    assert {row["categorieWerkzoekende"] for row in rows} == {"nwwz"}
    assert done.smoothed.rare == 19
    [act] = world.records(operation="vdabRelease")
    assert act["counts"]["rareHidden"] == 19


def test_who_stands_out_to_an_agency_by_the_kbi_is_no_row_of_her_own(world: World) -> None:
    world.add(
        [number(20)],
        profile=PROFILE,
        blocks={
            **PERSONALIA,
            "talenkennis": {"behaaldNt2Niveau": {"hoogstBehaald": {"code": "C1"}}},
        },
    )
    back(world)

    release(world)

    assert all(count >= 5 for count in Counter(row["niveauNt2"] for row in table(world)).values())


def test_dirt_goes_as_it_is_but_is_no_formula_and_no_number(world: World) -> None:
    def dirty(numbers: list[str]) -> Iterable[Sequence[str]]:
        for each in numbers:
            yield (each, "", "", "=HYPERLINK(1)", "-5", f"zie {each}", "@SUM")

    back(world, dirty)

    done = release(world)

    for row in table(world):
        assert row["categorieWerkzoekende"] == "'=HYPERLINK(1)"
        assert (row["statusDienstverlening"], row["uitstroomNaarWerk"]) == ("'-5", "'@SUM")
        assert row["typeActies"] == HIDDEN
    assert done.numbers == 10


def test_who_has_another_number_since_keeps_her_profile_and_who_has_none_is_left_out(
    world: World,
) -> None:
    back(world)
    world.add([number(50)], profile=PROFILE, blocks=PERSONALIA, vorigeInsz=[number(0)])
    execute(
        world.store,
        "UPDATE person SET cancelled_on = '2026-05-31' WHERE insz = :insz",
        insz=number(1),
    )

    done = release(world)

    assert (done.smoothed.rows, done.cancelled) == (9, 1)
    assert {row["kbiRegio"] for row in table(world)} == {"Limburg"}


def test_a_target_group_that_begins_after_the_day_of_the_release_is_none_yet(world: World) -> None:
    everybody = [number(at) for at in range(10)]
    before, ahead = (
        {"doelgroep": {"type": type_, "periode": {"begin": begin}}, **PERSONALIA}
        for type_, begin in (("PLICHT", "2022-12-01"), ("RECHT", "2026-06-02"))
    )
    world.add(everybody, profile=PROFILE, blocks=before)
    world.add(everybody[1:], profile=PROFILE, blocks=ahead)
    back(world)
    # The history of an older number is hers too.
    world.add([number(50)], profile=PROFILE, blocks=ahead, vorigeInsz=everybody[:1])

    release(world)

    rows = table(world)
    assert len(rows) == 10
    assert {(row["doelgroep"], row["datumDoelgroep"]) for row in rows} == {("PLICHT", "2022-12-01")}


def test_two_numbers_that_are_one_person_by_now_make_one_row(world: World) -> None:
    back(world)
    world.add([number(50)], vorigeInsz=[number(at) for at in range(6)])

    with pytest.raises(ExchangeRefused, match="no 6 rows are alike"):
        release(world, k=6)
    done = release(world, k=5)

    assert (done.smoothed.rows, done.twice, done.cancelled) == (5, 5, 0)
    [act] = world.records(operation="vdabRelease", outcome="allowed")
    assert act["counts"]["samePerson"] == 5


def test_what_the_protocol_does_not_list_is_not_released(world: World) -> None:
    back(world)
    listed = vdab_release._terms

    def fewer(post: Post, clause: Clause, today: date) -> Terms:
        terms = listed(post, clause, today)
        codes = terms.codes - {"oudsteNationaliteit", "inschrijving"}
        return terms._replace(codes=codes, receivers=terms.receivers[2:])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vdab_release, "_terms", fewer)
        release(world)

    [head, *_] = table(world)
    assert len(results() & world.stands()) == 2
    assert not {"oudsteNationaliteit", "eersteInschrijving", "recentsteInschrijving"} & {*head}
    assert "geslacht" in head


def test_a_result_without_a_last_day_is_not_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    back(world)
    monkeypatch.setattr(vdab_release, "kept_at_most", lambda *_: None)

    with pytest.raises(ExchangeRefused, match="does not say until when the result is kept"):
        release(world)

    assert not results() & world.stands()


def test_every_value_of_a_result_is_quoted(world: World) -> None:
    back(world)
    release(world)

    text = world.opened(f"vdab-20260601-1-uitkomst-{ORGANISATION}.csv.age")

    assert text.startswith('"rij";"leeftijdscategorie";')
    assert ';"nwwz";' in text


def test_without_a_key_of_each_receiver_nothing_is_released(world: World) -> None:
    back(world)
    vdab_world.forget_key(world.office, AGENCIES[2])

    with pytest.raises(ExchangeRefused, match=f"there is no key of {AGENCIES[2]}"):
        release(world)

    assert not results() & world.stands()


def test_nothing_is_released_before_an_answer_is_taken_in(world: World) -> None:
    with pytest.raises(ExchangeRefused, match="no round is open"):
        release(world)
    world.export()

    with pytest.raises(ExchangeRefused, match="is uitgevoerd, and not ingelezen"):
        release(world)


def test_an_answer_that_is_gone_is_taken_in_again(world: World) -> None:
    back(world)
    [aside] = world.post.back.glob("*.db")
    aside.unlink()

    with pytest.raises(ExchangeRefused, match="is gone"):
        release(world)


def test_a_result_of_an_answer_that_was_replaced_meanwhile_is_not_released(world: World) -> None:
    back(world)

    def meanwhile(what: str, far: int) -> None:
        if (what, far) == ("files", 4):  # as by somebody on another machine
            execute(world.store, "UPDATE exchange_round SET answer_digest = 'sha256:another'")

    with pytest.raises(ExchangeRefused, match="another answer was taken in meanwhile"):
        vdab_release.release(world.post, 5, meanwhile)

    assert not results() & world.stands()


def suspend(world: World) -> None:
    administration.suspend(world.office, "vdab-2023", "onderzoek", world.clock.now)


def test_a_suspended_protocol_releases_nothing(world: World) -> None:
    back(world)
    suspend(world)

    with pytest.raises(Closed, match="suspended"):
        release(world)

    assert not results() & world.stands()


def test_a_suspension_while_files_are_made_takes_them_away_again(world: World) -> None:
    back(world)

    def meanwhile(what: str, far: int) -> None:
        if (what, far) == ("files", 4):
            suspend(world)

    with pytest.raises(Closed, match="suspended"):
        vdab_release.release(world.post, 5, meanwhile)

    assert not results() & world.stands()
    assert world.deliveries(organisation=AGENCIES[0]) == []


def test_a_result_for_a_key_that_was_replaced_meanwhile_is_not_released(world: World) -> None:
    back(world)

    def meanwhile(what: str, far: int) -> None:
        if (what, far) == ("files", 4):
            vdab_world.replace_key(world, AGENCIES[1])

    with pytest.raises(ExchangeRefused, match="a receiver has another key by now"):
        vdab_release.release(world.post, 5, meanwhile)

    assert not results() & world.stands()


def test_what_was_made_under_another_version_is_made_again(world: World) -> None:
    back(world)
    text = (PROTOCOLS / "vdab-2023.yaml").read_text(encoding="utf-8")
    text = text.replace('versie: "1"', 'versie: "2"').replace("code: geslacht", "code: iets")
    newer = Source(Path("newer.yaml"), documents.parse(text))

    def meanwhile(what: str, far: int) -> None:
        if (what, far) == ("files", 4):
            administration.load(world.office, [newer], world.clock.now)

    with pytest.raises(ExchangeRefused, match="another version of the protocol decides by now"):
        vdab_release.release(world.post, 5, meanwhile)
    left = results() & world.stands()
    release(world)

    assert left == set()
    assert "geslacht" not in table(world)[0]


# How a round ends, and what a later command of retention takes away


def test_a_round_that_is_cancelled_forgets_its_numbers_and_its_files(world: World) -> None:
    back(world)

    vdab_ending.cancel(world.post, "VDAB trekt terug")

    assert world.stands() == set()
    with world.store.reading() as session:
        [round_] = rounds.newest_first(session)
        assert rounds.count_sent(session, round_) == 0
    assert round_.state is rounds.State.CANCELLED
    [record] = world.records(operation="vdabCancel")
    assert record["reasonReference"] == "VDAB trekt terug"
    with pytest.raises(ExchangeRefused, match="no round is open"):
        vdab_ending.cancel(world.post, "nog eens")


def test_another_folder_is_refused_and_nothing_is_recorded_as_gone(
    world: World, tmp_path: Path
) -> None:
    back(world)
    release(world)
    world.office.keys.create(world.clock.now.replace(year=2032, month=4), months=1)
    world.clock.now = world.clock.now.replace(year=2032, month=4)
    another = replace(world.post, folder=tmp_path / "another")
    another.folder.mkdir()
    (another.folder / MARK).write_text("of another database\n")

    for empty in (another, replace(world.post, folder=tmp_path / "empty")):
        with pytest.raises(ExchangeRefused, match="is not the one of the rounds before"):
            vdab_ending.remove_overdue(empty)

    assert results() <= world.stands()
    assert len(world.records(operation="vdabRemove")) == 1  # of the numbers, with the release
    assert len(vdab_ending.remove_overdue(world.post)) == 4


def test_a_folder_that_is_lost_is_replaced_by_whoever_says_so(world: World, tmp_path: Path) -> None:
    back(world)
    other = replace(world.post, folder=tmp_path / "other")
    other.folder.mkdir()
    (other.folder / MARK).write_text((world.post.folder / MARK).read_text())

    vdab_ending.cancel(other, "schijf verloren")


def test_a_round_of_a_protocol_that_is_over_is_ended_and_one_that_is_suspended_waits(
    world: World,
) -> None:
    back(world)
    suspend(world)
    waits = vdab_ending.end_overdue(world.post)
    administration.end(world.office, "vdab-2023", world.clock.now, last=date(2026, 5, 31))

    ended = vdab_ending.end_overdue(world.post)

    assert (waits, ended and ended.label) == (None, "vdab-20260601-1")
    [record] = world.records(operation="vdabCancel")
    assert record["reasonReference"] == "its term is over"
    assert len(vdab_ending.remove_overdue(world.post)) == 1
    assert world.stands() == set()


def test_what_is_past_its_term_is_taken_away_once(world: World) -> None:
    back(world)
    release(world)
    world.office.keys.create(world.clock.now.replace(year=2032, month=3), months=1)

    world.clock.now = world.clock.now.replace(year=2032, month=3, day=1)
    kept = vdab_ending.remove_overdue(world.post)
    world.clock.now = world.clock.now.replace(day=2)
    gone = vdab_ending.remove_overdue(world.post)
    again = vdab_ending.remove_overdue(world.post)

    assert (kept, again) == ([], [])
    assert {f"uit/{file.name}" for file in gone} == results()
    assert world.stands() == set()
    assert len(world.records(operation="vdabRemove")) == 5  # the four, and the numbers before


def cut_off(*_: object) -> None:
    raise KeyboardInterrupt


def test_files_without_their_record_are_taken_away_when_a_release_is_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    back(world)

    def meanwhile(what: str, far: int) -> None:
        if (what, far) == ("files", 2):
            cut_off()

    with pytest.raises(KeyboardInterrupt):
        vdab_release.release(world.post, 5, meanwhile)
    first = results() & world.stands()
    with monkeypatch.context() as patch:
        patch.setattr(vdab_release, "_record", cut_off)
        with pytest.raises(KeyboardInterrupt):
            release(world)

    assert (first, results() & world.stands()) == (set(), set())
    release(world)
    assert results() <= world.stands()


def test_files_with_their_record_stay_when_a_release_is_cut_off_behind_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    back(world)
    act = vdab.act

    def then_cut_off(*arguments: Any) -> Any:
        done = act(*arguments)
        if arguments[1].func is vdab_release._record:
            cut_off()
        return done

    monkeypatch.setattr(vdab_release, "act", then_cut_off)
    with pytest.raises(KeyboardInterrupt):
        release(world)

    assert results() <= world.stands()


def test_files_that_never_got_their_record_go_with_the_end_of_the_round(world: World) -> None:
    made = world.export()
    vdab_ending.cancel(world.post, "proef")
    other = world.post.out / "vdab-20260601-12-uitkomst-x.csv.age"
    # As of a machine that lost its power: in place, and in no record.
    for name in (made.round.numbers_file, made.round.result_file("x")):
        (world.post.out / name).write_bytes(b"left")
    other.write_bytes(b"of another round")

    vdab_ending.remove_overdue(world.post)

    assert world.stands() == {f"uit/{other.name}"}


def test_a_file_that_cannot_be_taken_away_keeps_none_of_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    back(world)
    release(world)
    world.office.keys.create(world.clock.now.replace(year=2033), months=1)
    world.clock.now = world.clock.now.replace(year=2033)
    stuck = sorted(results())[0]

    def some(path: Path) -> None:
        if stuck.endswith(path.name):
            raise OSError(1, "Operation not permitted")
        shred(path)

    with monkeypatch.context() as patch:
        patch.setattr(vdab_ending, "shred", some)
        with pytest.raises(ExchangeRefused, match="could not be taken away"):
            vdab_ending.remove_overdue(world.post)

    assert world.stands() == {stuck}
    assert len(vdab_ending.remove_overdue(world.post)) == 1


def test_what_was_left_by_a_run_that_was_cut_off_goes_with_the_next(world: World) -> None:
    back(world)
    release(world)
    other = world.post.back / ".vdab-20260601-12.db.draft"  # of another round
    for file in (
        world.post.back / "vdab-20260601-1-0123456789abcdef.db",
        world.post.back / ".vdab-20260601-1.db.draft",
        world.post.back / "vdab-20260601-1-antwoord.csv.age.part",
        world.post.out / ".vdab-20260601-1-uitkomst.db.draft",
        world.post.out / ".vdab-20260601-1.csv.age.0123456789abcdef",
        other,
    ):
        file.write_bytes(b"left")

    vdab_ending.remove_overdue(world.post)

    assert world.stands() == results() | {f"terug/{other.name}"}
