"""Following a log: growth is proven, and everything else is loud."""

from collections.abc import Callable

import pytest
from small_log import ORIGIN, SIGNER, Log, log, record

from app.tlog import watch
from app.tlog.note import Checkpoint, NoteInvalid, Signer
from app.tlog.watch import Rewritten, Unproven

KEYS = [SIGNER.vkey]
REWRITTEN = Log([*(record(index) for index in range(300)), b"{}", *map(record, range(301, 600))])


def nothing(path: str) -> bytes:
    raise LookupError(path)


@pytest.mark.parametrize("old", [1, 2, 255, 256, 257, 511, 512, 513, 599])
@pytest.mark.parametrize("new", [513, 600])
def test_growth_is_proven_from_the_tiles(old: int, new: int) -> None:
    before, after = log().checkpoint(min(old, new)), log().checkpoint(new)

    checkpoint = watch.advance(before, after, KEYS, ORIGIN, log().fetch)

    assert checkpoint.size == new


@pytest.mark.parametrize("old", [None, log().checkpoint(600)])
def test_the_first_checkpoint_and_the_same_one_need_no_tiles(old: str | None) -> None:
    assert watch.advance(old, log().checkpoint(), KEYS, ORIGIN, nothing).size == 600


def test_the_empty_tree_grows_into_any() -> None:
    old, new = log().checkpoint(0), log().checkpoint(1)

    assert watch.advance(old, new, KEYS, ORIGIN, log().fetch).size == 1


def test_a_tile_is_fetched_once() -> None:
    asked: list[str] = []

    def fetch(path: str) -> bytes:
        asked.append(path)
        return log().fetch(path)

    watch.advance(log().checkpoint(300), log().checkpoint(), KEYS, ORIGIN, fetch)

    assert sorted(asked) == ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]


def test_a_partial_tile_that_is_gone_is_read_from_the_full_one() -> None:
    grown = Log([record(index) for index in range(768)])

    def fetch(path: str) -> bytes:
        if path == "tile/0/002.p/88":
            raise LookupError(path)
        return grown.fetch(path)

    assert watch.advance(log().checkpoint(300), log().checkpoint(), KEYS, ORIGIN, fetch).size == 600


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (log().checkpoint(600), log().checkpoint(599), "shrank from 600 to 599"),
        (log().checkpoint(600), REWRITTEN.checkpoint(600), "different roots"),
        (log().checkpoint(301), REWRITTEN.checkpoint(600), "begins with"),
        (
            SIGNER.sign(Checkpoint(ORIGIN, 0, bytes(32)).text),
            REWRITTEN.checkpoint(600),
            "begins with",
        ),
    ],
)
def test_a_log_that_was_rewritten_is_reported(old: str, new: str, reason: str) -> None:
    with pytest.raises(Rewritten, match=reason):
        watch.advance(old, new, KEYS, ORIGIN, REWRITTEN.fetch)


def test_a_change_after_the_old_checkpoint_is_growth() -> None:
    old, new = log().checkpoint(300), REWRITTEN.checkpoint(600)

    assert watch.advance(old, new, KEYS, ORIGIN, REWRITTEN.fetch).size == 600


@pytest.mark.parametrize(
    ("fetch", "reason"),
    [
        (nothing, "does not serve tile/1/000.p/2"),
        (lambda _: b"", "does not have"),
        (REWRITTEN.fetch, "are not those"),
    ],
)
def test_a_log_that_does_not_give_its_tiles_proves_nothing(
    fetch: Callable[[str], bytes], reason: str
) -> None:
    with pytest.raises(Unproven, match=reason) as caught:
        watch.advance(log().checkpoint(300), log().checkpoint(), KEYS, ORIGIN, fetch)

    assert type(caught.value) is Unproven


@pytest.mark.parametrize("place", [0, 1])
def test_both_notes_must_be_signed(place: int) -> None:
    stranger = Log(log().records, Signer(ORIGIN, b"s" * 32))
    notes = [log().checkpoint(300), log().checkpoint(600)]
    notes[place] = stranger.checkpoint([300, 600][place])

    with pytest.raises(NoteInvalid):
        watch.advance(notes[0], notes[1], KEYS, ORIGIN, log().fetch)
