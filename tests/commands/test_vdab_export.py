"""The numbers of the joint client group: who is among them, what is recorded, what is made when."""

from datetime import date, timedelta
from pathlib import Path

import pytest
import vdab_world
from evidence import execute
from service import closed_log
from sqlmodel import Session
from vdab_world import NOW, World, number, quiet, with_profile

from app import administration, dossiers, own_view, rounds, vdab_ending, vdab_export
from app.database import Database
from app.insz import Insz
from app.monitoring import ORGANISATION
from app.vdab import Closed, ExchangeRefused, MachineRefused, alone

FILE = "vdab-20260601-1.csv.age"


@pytest.fixture
def world(store: Database, tmp_path: Path) -> World:
    """The agency and VDAB, and nobody who is known."""
    return vdab_world.make_world(store, tmp_path)


def refused(world: World, operation: str = "vdabExport") -> list[tuple[str, str]]:
    """The outcome and the reason of the refusals that are recorded."""
    found = world.records(operation=operation)
    return [(one["outcome"], one["reasonCode"]) for one in found if one["outcome"] != "allowed"]


def test_the_file_holds_the_numbers_of_the_group_and_nothing_else(world: World) -> None:
    world.add([number(1), number(2)])
    world.add([number(3)], signed=["2022-02-28"])
    world.add([number(4)], signed=[])

    made = world.export()

    assert made.persons == 2
    assert world.opened(FILE) == f"{number(1)}\n{number(2)}\n"
    assert world.stands() == {f"uit/{FILE}"}
    assert (world.post.out / FILE).stat().st_mode & 0o777 == 0o600
    assert world.post.folder.stat().st_mode & 0o777 == 0o700


def test_each_person_is_recorded_with_the_number_alone_and_the_file_after_them(
    world: World,
) -> None:
    world.add([number(1), number(2)])

    made = world.export()

    persons, [delivery] = world.persons(), world.deliveries()
    made_id = delivery["eventId"]
    assert world.subjects() == [number(1), number(2)]
    for one in persons:
        assert (one["operation"], one["organisation"]) == ("exchangeVdab", ORGANISATION)
        assert one["deliveredFields"] == one["requestedFields"] == ["personalia.insz"]
        assert (one["protocol"], one["purpose"]) == ("vdab-2023", "monitoringDerdePijler")
        assert (one["subjectBasis"], one["functionProfile"]) == ("any", "monitoring")
        assert one["parentId"] == made_id
        assert "quotaOrdinal" not in one
    assert world.records()[-1] == delivery
    assert delivery["fileDigest"] == made.digest
    assert delivery["keyFingerprint"]
    assert delivery["counts"] == {"persons": 2}
    assert (delivery["quotaOrdinal"], delivery["quotaMaximum"]) == (1, 1)


def test_whoever_has_another_number_by_now_is_sent_under_that_one_and_once(world: World) -> None:
    world.add([number(1), number(2)])
    world.add([number(3)], signed=[], vorigeInsz=[number(1), number(2)])
    world.add([number(5)])  # her dossier stands under the older number alone
    execute(
        world.store,
        "INSERT INTO person (insz) VALUES (:insz)",
        insz=number(6),
    )
    execute(
        world.store,
        "INSERT INTO replaced_number (old, current, learned_at) VALUES (:old, :new, :at)",
        old=number(5),
        new=number(6),
        at="2026-01-01 00:00:00",
    )

    made = world.export()

    # The dossier under the number in use counts: no contract stands there for number 3.
    assert world.opened(FILE) == f"{number(6)}\n"
    assert (made.persons, world.subjects()) == (1, [number(6)])


def test_whose_number_is_cancelled_is_left_out(world: World) -> None:
    world.add([number(1)])
    world.add([number(2)], geannuleerdOp="2026-05-01")

    world.export()

    assert world.opened(FILE) == f"{number(1)}\n"


def test_the_group_is_looked_at_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vdab_export, "PART", 3)
    monkeypatch.setattr(rounds, "PART", 2)
    world.add(numbers := [number(at) for at in range(8)])
    told: list[int] = []

    made = vdab_export.export(world.post, told.append)

    assert (made.persons, told) == (8, [3, 6, 8])
    assert sorted(world.opened(FILE).split()) == sorted(numbers)
    assert sorted(world.subjects()) == sorted(numbers)


def test_a_round_that_was_cut_off_goes_on_and_records_nobody_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vdab_export, "PART", 2)
    world.add(numbers := [number(at) for at in range(6)])

    def cut_off(done: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vdab_export.export(world.post, cut_off)
    assert (len(world.subjects()), world.stands()) == (4, set())

    made = world.export()

    assert (made.persons, made.round.id) == (6, 1)
    assert sorted(world.subjects()) == sorted(numbers)
    assert [one["counts"]["persons"] for one in world.deliveries()] == [6]


def test_a_round_that_was_cut_off_on_another_day_is_ended_and_begins_anew(world: World) -> None:
    world.add([number(1), number(2)])

    def cut_off(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vdab_export.export(world.post, cut_off)
    world.clock.forward(days=1)
    world.add([number(2)], geannuleerdOp="2026-06-02")

    made = world.export()

    assert (made.round.label, made.persons) == ("vdab-20260602-2", 1)
    assert world.opened(made.round.numbers_file) == f"{number(1)}\n"
    [ended] = world.records(operation="vdabCancel")
    assert ended["reasonReference"] == "gathering was cut off, and begins anew"
    assert told(world, number(2)) == []


def test_who_has_no_dossier_any_more_is_left_out(world: World) -> None:
    world.add([number(1), number(2), number(3)])
    later = world.clock.now + timedelta(minutes=1)
    with world.store.writing() as session:
        for at, code in ((2, "30001"), (3, "99996")):
            dossiers.store_fault(session, Insz(number(at)), code, later, later)

    world.export()

    # A fault of the source says nothing of her dossier.
    assert world.opened(FILE) == f"{number(1)}\n{number(3)}\n"


def another_round(world: World) -> None:
    """As by somebody on another machine."""
    with world.store.writing() as session:
        current = rounds.current(session)
        assert current is not None
        rounds.end(session, current, rounds.State.CANCELLED, world.clock.now)
        rounds.begin(session, world.clock.now.date(), current.folder, "another")


def test_a_round_that_is_ended_in_the_middle_takes_nobody_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vdab_export, "PART", 2)
    world.add([number(at) for at in range(6)])

    with pytest.raises(ExchangeRefused, match="another round was begun meanwhile"):
        vdab_export.export(world.post, lambda done: another_round(world) if done == 4 else None)

    assert len(world.subjects()) == 4
    with world.store.reading() as session:
        assert all(not rounds.count_sent(session, one) for one in rounds.newest_first(session))


def test_a_file_for_a_key_that_was_replaced_meanwhile_is_not_delivered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add([number(1)])
    sent = rounds.sent_numbers

    def meanwhile(session: Session, round_: rounds.Round) -> object:
        found = [*sent(session, round_)]
        vdab_world.replace_key(world, ORGANISATION)
        return found

    monkeypatch.setattr(rounds, "sent_numbers", meanwhile)

    with pytest.raises(ExchangeRefused, match="VDAB has another key by now"):
        world.export()

    assert (world.stands(), world.deliveries()) == (set(), [])


def test_a_file_of_a_round_that_is_over_by_then_is_not_delivered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add([number(1)])
    sent = rounds.sent_numbers

    def meanwhile(session: Session, round_: rounds.Round) -> object:
        found = [*sent(session, round_)]
        another_round(world)
        return found

    monkeypatch.setattr(rounds, "sent_numbers", meanwhile)

    with pytest.raises(ExchangeRefused, match="another round was begun meanwhile"):
        world.export()

    assert (world.stands(), world.deliveries()) == (set(), [])


@pytest.mark.parametrize(
    ("counted", "said"), [([3], "does not have every number"), ([2, 3], "were added meanwhile")]
)
def test_a_file_with_other_numbers_than_were_recorded_is_not_delivered(
    world: World, monkeypatch: pytest.MonkeyPatch, counted: list[int], said: str
) -> None:
    world.add([number(1), number(2)])
    left = [*counted]
    monkeypatch.setattr(rounds, "count_sent", lambda *_: left.pop(0))

    with pytest.raises(ExchangeRefused, match=said):
        world.export()

    assert (world.stands(), world.deliveries()) == (set(), [])


def told(world: World, whom: str) -> list[str]:
    """Who has the data of a person, as she sees it herself."""
    with world.store.reading() as session:
        shown, _ = own_view._find(session, Insz(whom), world.office.keys, None)
    return [record["organisation"] for _, record in shown]


def test_who_gets_another_number_in_the_middle_is_sent_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vdab_export, "PART", 1)
    world.add([number(1), number(2), number(3)])

    def meanwhile(done: int) -> None:
        if done == 1:
            world.add([number(3)], vorigeInsz=[number(1)])

    made = vdab_export.export(world.post, meanwhile)

    assert made.persons == 2
    assert world.subjects() == [number(1), number(2)]


def test_a_person_is_told_that_vdab_has_her_number_once_the_file_is_made(world: World) -> None:
    world.add([number(1)])

    def cut_off(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vdab_export.export(world.post, cut_off)
    before = told(world, number(1))
    world.export()

    assert (before, told(world, number(1))) == ([], [ORGANISATION])


def test_nobody_in_the_group_makes_no_file_and_takes_no_turn(world: World) -> None:
    world.add([number(1)], signed=["2020-01-01"])

    with pytest.raises(ExchangeRefused, match="nobody is in the joint client group"):
        world.export()
    world.add([number(2)])

    assert world.export().persons == 1


def test_a_second_round_waits_for_the_next_half_year(world: World) -> None:
    world.add([number(1)])
    world.export()
    vdab_ending.cancel(world.post, "proef")

    with pytest.raises(Closed, match=r"quota \(2026-07-01\)"):
        world.export()
    world.clock.forward(days=30)

    assert world.export().round.label == "vdab-20260701-2"
    assert refused(world) == [("denied", "quota")]
    assert [one["quotaOrdinal"] for one in world.deliveries()] == [1, 1]


def test_a_round_that_is_open_is_ended_first(world: World) -> None:
    world.add([number(1)])
    world.export()
    world.clock.forward(days=30)

    with pytest.raises(ExchangeRefused, match="vdab-20260601-1 is open"):
        world.export()

    assert refused(world) == [("invalid", "invalidRequest")]


def test_without_the_key_of_vdab_nothing_begins(world: World) -> None:
    world.add([number(1)])
    vdab_world.forget_key(world.office, ORGANISATION)

    with pytest.raises(ExchangeRefused, match="there is no key of 0887010362"):
        world.export()

    assert (world.subjects(), world.stands()) == ([], set())


def suspend(world: World) -> None:
    administration.suspend(world.office, "vdab-2023", "onderzoek", world.clock.now)


def end(world: World) -> None:
    administration.end(world.office, "vdab-2023", world.clock.now, last=date(2026, 5, 31))


@pytest.mark.parametrize(
    ("close", "reason"), [(suspend, "suspended"), (end, "expired")], ids=["suspended", "ended"]
)
def test_a_protocol_that_is_closed_sends_nothing(world: World, close: object, reason: str) -> None:
    world.add([number(1)])
    close(world)  # type: ignore[operator]

    with pytest.raises(Closed, match=reason):
        world.export()

    assert (world.subjects(), refused(world)) == ([], [("denied", reason)])
    [record] = world.records(operation="vdabExport")
    assert record["protocol"] == "vdab-2023"
    assert record["reasonReference"].startswith("the protocol does not open it")


@pytest.mark.parametrize("profile", [None, "bemiddelaar"])
def test_a_profile_that_vdab_did_not_list_gets_nothing(world: World, profile: str | None) -> None:
    world.add([number(1)])

    with pytest.raises(Closed, match="functionProfile"):
        vdab_export.export(with_profile(world.post, profile), quiet)

    assert world.subjects() == []


def test_production_waits_for_the_begin_of_the_cooperation(world: World) -> None:
    world.add([number(1)])
    execute(world.store, "DELETE FROM protocol_setting")

    with pytest.raises(Closed, match="legalGroundEnded"):
        world.export()

    assert world.subjects() == []


def test_a_suspension_in_the_middle_stops_it_and_no_file_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vdab_export, "PART", 2)
    world.add([number(at) for at in range(6)])

    with pytest.raises(Closed, match="suspended"):
        vdab_export.export(world.post, lambda done: suspend(world) if done == 4 else None)

    assert (len(world.subjects()), world.stands()) == (4, set())
    assert world.deliveries() == []


def test_a_suspension_while_the_file_is_made_takes_it_away_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add([number(1)])
    sent = rounds.sent_numbers

    def meanwhile(session: Session, round_: rounds.Round) -> object:
        suspend(world)
        return sent(session, round_)

    monkeypatch.setattr(rounds, "sent_numbers", meanwhile)

    with pytest.raises(Closed, match="suspended"):
        world.export()

    assert world.stands() == set()
    assert world.deliveries() == []


def test_a_file_without_its_record_is_taken_away_when_an_export_is_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add([number(1)])

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vdab_export, "_deliver", cut_off)
        with pytest.raises(KeyboardInterrupt):
            world.export()

    assert world.stands() == set()
    assert world.export().persons == 1


def test_two_commands_at_once_are_one_too_many(world: World) -> None:
    world.add([number(1)])

    with alone(world.post), pytest.raises(ExchangeRefused, match="another command"):
        world.export()

    assert refused(world) == [("invalid", "invalidRequest")]
    assert world.export().persons == 1


def test_a_folder_that_cannot_be_written_is_said_and_recorded(world: World) -> None:
    world.add([number(1)])
    world.post.folder.write_text("no folder")

    with pytest.raises(MachineRefused, match="this machine refuses"):
        world.export()

    assert refused(world) == [("error", "error")]
    assert world.deliveries() == []


def test_a_refusal_is_told_when_the_log_takes_no_record_of_it(world: World) -> None:
    vdab_world.forget_key(world.office, ORGANISATION)

    closed = closed_log(world)  # type: ignore[arg-type]  # it needs the office alone

    with closed, pytest.raises(ExchangeRefused, match="there is no key of"):
        world.export()

    assert refused(world) == []


def test_when_no_record_can_be_written_nothing_is_made(world: World) -> None:
    world.add([number(1)])
    world.clock.now = NOW.replace(month=8)  # without a month key

    with pytest.raises(Exception, match="no month key"):
        world.export()

    assert world.stands() == set()
