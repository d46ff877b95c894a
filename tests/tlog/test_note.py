"""Signed notes: the published examples, and every way to be believed that must not work."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_log import ORIGIN, SIGNER, base64_of

from app.tlog import note
from app.tlog.note import Checkpoint, NoteInvalid, Signer, Vkey
from app.tlog.tree import EMPTY_ROOT

# The examples of Go's note package and of the specification of signed notes.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_NOTE = (
    PETER_TEXT + "\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

OTHER = Signer("other.example", b"o" * 32)
NAMESAKE = Signer(ORIGIN, b"n" * 32)
TEXT = "een tekst\n\nmet een lege regel\n"
NOTE = SIGNER.sign(TEXT)
SIGNATURE = NOTE.removeprefix(TEXT + "\n")
ROOT = hashlib.sha256(b"root").digest()
ENCODED = base64_of(ROOT)


def test_the_published_example_is_signed_and_opened() -> None:
    signer = Signer.parse(PETER_SECRET)

    assert signer.vkey.text == PETER
    assert signer.sign(PETER_TEXT) == PETER_NOTE
    assert signer.secret == PETER_SECRET
    assert note.open_note(PETER_NOTE, [Vkey.parse(PETER)]) == PETER_TEXT
    assert note.open_note(PETER_NOTE.encode(), [Vkey.parse(PETER)]) == PETER_TEXT


def test_a_key_does_not_show_its_seed() -> None:
    signer = Signer.generate(ORIGIN)

    assert signer.vkey.text in repr(signer)
    assert signer.secret.rpartition("+")[2] not in f"{signer!r} {signer}"
    assert Signer.parse(signer.secret).vkey == signer.vkey
    assert Signer.generate(ORIGIN).vkey != signer.vkey


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("c74f20a3", "c74f20a"),
        PETER.replace("Neumann", "Neuman"),
        PETER.replace("PeterNeumann", ""),
        PETER.replace("PeterNeumann", "Peter Neumann"),
        PETER.replace("PeterNeumann", "Peter\u00a0Neumann"),
        PETER.replace("PeterNeumann", "Peter\x07Neumann"),
        PETER.replace("PeterNeumann", "Peter\ud800"),
        PETER + "\n",
        PETER[:-1],
        PETER[:-4],
        PETER + "AAAA",
        PETER.replace("+ARpc", "+é") + "===",
        # Another algorithm, with the id that belongs to it.
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        # Another algorithm, with the id of the right one.
        PETER.replace("+ARpc", "+Ahpc"),
    ],
)
def test_a_key_has_one_spelling(text: str) -> None:
    with pytest.raises(NoteInvalid):
        Vkey.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        PETER,
        PETER_SECRET.replace("c74f20a3", "c74f20a4"),
        PETER_SECRET.replace("Neumann", "Neuman"),
        PETER_SECRET[:-4],
    ],
)
def test_a_secret_key_has_one_spelling_and_stays_secret(text: str) -> None:
    with pytest.raises(NoteInvalid) as caught:
        Signer.parse(text)

    assert "AYEKFALVFGyNhPJEMzD1" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "seed"), [("", bytes(32)), ("a b", bytes(32)), ("a+b", bytes(32)), ("a", bytes(31))]
)
def test_not_every_name_and_seed_is_a_key(name: str, seed: bytes) -> None:
    with pytest.raises(NoteInvalid):
        Signer(name, seed)


@pytest.mark.parametrize("text", ["", "a", "a\r\n", "a\x00\n", "a\tb\n"])
def test_not_every_text_is_signed(text: str) -> None:
    with pytest.raises(NoteInvalid):
        SIGNER.sign(text)


def test_a_signature_of_an_unknown_key_is_ignored() -> None:
    both = NOTE + OTHER.sign(TEXT).removeprefix(TEXT + "\n")

    assert note.open_signed(both, [SIGNER.vkey]) == (TEXT, [SIGNER.vkey])
    assert note.open_signed(both, [OTHER.vkey]) == (TEXT, [OTHER.vkey])
    assert note.open_signed(both, [OTHER.vkey, SIGNER.vkey])[1] == [SIGNER.vkey, OTHER.vkey]


def test_a_key_that_shares_the_name_but_not_the_id_is_another_key() -> None:
    both = NAMESAKE.sign(TEXT) + SIGNATURE

    assert note.open_signed(both, [SIGNER.vkey]) == (TEXT, [SIGNER.vkey])


def test_a_key_that_shares_the_id_but_not_the_name_is_another_key() -> None:
    with pytest.raises(NoteInvalid, match="no known key"):
        note.open_note(NOTE.replace(f"— {ORIGIN} ", "— other.example "), [SIGNER.vkey])


def test_a_wrong_signature_of_a_known_key_rejects_whatever_else_is_right() -> None:
    wrong = OTHER.sign("iets anders\n").removeprefix("iets anders\n\n")

    assert note.open_note(NOTE + wrong, [SIGNER.vkey]) == TEXT
    for whole in (NOTE + wrong, NOTE.replace(SIGNATURE, wrong + SIGNATURE)):
        with pytest.raises(NoteInvalid, match="wrong"):
            note.open_note(whole, [SIGNER.vkey, OTHER.vkey])


def test_a_key_that_is_no_point_signs_nothing() -> None:
    key = b"\x01" + b"\xff" * 32
    key_id = hashlib.sha256(b"x\n" + key).digest()[:4]
    forged = f"a\n\n— x {base64_of(key_id + bytes(64))}\n"

    with pytest.raises(NoteInvalid, match="wrong"):
        note.open_note(forged, [Vkey.parse(f"x+{key_id.hex()}+{base64_of(key)}")])


@pytest.mark.parametrize("keys", [[], [OTHER.vkey], [NAMESAKE.vkey]])
def test_a_note_that_no_known_key_signed_is_refused(keys: list[Vkey]) -> None:
    with pytest.raises(NoteInvalid, match="no known key"):
        note.open_note(NOTE, keys)


@pytest.mark.parametrize(
    "whole",
    [
        "",
        "\n",
        "\n\n",
        TEXT,
        TEXT + "\n",
        NOTE.removesuffix("\n"),
        NOTE + "\n",
        NOTE + "\n\n",
        NOTE.replace("tekst", "text"),
        NOTE.replace("een tekst", "een\ttekst"),
        NOTE.replace("\n", "\r\n"),
        NOTE + "iets\n",
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—"),
        NOTE.replace(ORIGIN, ""),
        NOTE.replace(ORIGIN, "a+b"),
        NOTE.removesuffix("\n") + " \n",
        NOTE + f"— {ORIGIN}\n",
        NOTE + f"— {ORIGIN} \n",
        NOTE + f"— {ORIGIN} AAAA\n",
        NOTE + f"— {ORIGIN} AAAAAA==\n",
        NOTE + f"— {ORIGIN} AAAAAAB=\n",
        NOTE + f"— {ORIGIN} é\n",
        NOTE + "\ud800",
        NOTE.encode() + b"\xff",
        NOTE.encode("utf-16"),
    ],
)
def test_another_form_is_refused(whole: str | bytes) -> None:
    with pytest.raises(NoteInvalid):
        note.open_note(whole, [SIGNER.vkey])


def test_a_note_and_its_signatures_are_limited() -> None:
    line = OTHER.sign(TEXT).removeprefix(TEXT + "\n")
    long = SIGNER.sign("é" * 33_000 + "\n")

    assert note.open_note(NOTE + line * 99, [SIGNER.vkey]) == TEXT
    with pytest.raises(NoteInvalid, match="100"):
        note.open_note(NOTE + line * 100, [SIGNER.vkey])
    with pytest.raises(NoteInvalid, match="64 KiB"):
        note.open_note(long, [SIGNER.vkey])


@given(st.binary(max_size=200) | st.text(max_size=100))
def test_hostile_notes_are_refused_and_nothing_else_is_raised(whole: bytes | str) -> None:
    with pytest.raises(NoteInvalid):
        note.open_note(whole, [SIGNER.vkey])
    if isinstance(whole, str):
        with pytest.raises(NoteInvalid):
            Vkey.parse(whole)


@pytest.mark.parametrize(
    ("checkpoint", "text"),
    [
        (Checkpoint(ORIGIN, 7, ROOT), f"{ORIGIN}\n7\n{ENCODED}\n"),
        (Checkpoint("een log", 0, EMPTY_ROOT), f"een log\n0\n{base64_of(EMPTY_ROOT)}\n"),
        (Checkpoint(ORIGIN, 2**63 - 1, ROOT), f"{ORIGIN}\n9223372036854775807\n{ENCODED}\n"),
        (Checkpoint(ORIGIN, 7, ROOT, ("a", "b c")), f"{ORIGIN}\n7\n{ENCODED}\na\nb c\n"),
    ],
)
def test_a_checkpoint_is_lines(checkpoint: Checkpoint, text: str) -> None:
    assert checkpoint.text == text
    assert note.parse_checkpoint(text) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        f"{ORIGIN}\n7\n",
        f"{ORIGIN}\n7\n{ENCODED}",
        f"{ORIGIN}\n7\n{ENCODED}\n\n",
        f"{ORIGIN}\n7\n{ENCODED}\na\n\nb\n",
        f"\n7\n{ENCODED}\n",
        f"{ORIGIN}\n\n{ENCODED}\n",
        f"{ORIGIN}\n07\n{ENCODED}\n",
        f"{ORIGIN}\n-7\n{ENCODED}\n",
        f"{ORIGIN}\n+7\n{ENCODED}\n",
        f"{ORIGIN}\n7 \n{ENCODED}\n",
        f"{ORIGIN}\n\u0667\n{ENCODED}\n",
        f"{ORIGIN}\n0x7\n{ENCODED}\n",
        f"{ORIGIN}\n9223372036854775808\n{ENCODED}\n",
        f"{ORIGIN}\n{'9' * 5000}\n{ENCODED}\n",
        f"{ORIGIN}\n7\n{ENCODED[:-1]}\n",
        f"{ORIGIN}\n7\n{base64_of(ROOT[:-1])}\n",
        f"{ORIGIN}\n7\n{base64_of(ROOT + b'a')}\n",
        f"{ORIGIN}\n7\n{ROOT.hex()}\n",
    ],
)
def test_another_form_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteInvalid):
        note.parse_checkpoint(text)


def test_a_checkpoint_counts_when_a_key_of_its_log_signed() -> None:
    checkpoint = Checkpoint(ORIGIN, 7, ROOT, ("more",))
    signed = SIGNER.sign(checkpoint.text)

    assert note.open_checkpoint(signed, [OTHER.vkey, SIGNER.vkey], ORIGIN) == checkpoint
    assert note.open_checkpoint_signed(
        NAMESAKE.sign(checkpoint.text), [SIGNER.vkey, NAMESAKE.vkey], ORIGIN
    ) == (checkpoint, NAMESAKE.vkey)


@pytest.mark.parametrize(
    ("signer", "stated", "expected"),
    [
        (SIGNER, "other.example", ORIGIN),  # signed by us, but for another log
        (SIGNER, ORIGIN, "other.example"),
        (OTHER, ORIGIN, ORIGIN),  # the key of another log that we know as well
        (OTHER, "other.example", ORIGIN),
    ],
)
def test_a_log_does_not_vouch_for_another(signer: Signer, stated: str, expected: str) -> None:
    signed = signer.sign(Checkpoint(stated, 7, ROOT).text)

    with pytest.raises(NoteInvalid):
        note.open_checkpoint(signed, [SIGNER.vkey, OTHER.vkey], expected)


def test_a_note_that_is_signed_well_need_not_be_a_checkpoint() -> None:
    with pytest.raises(NoteInvalid, match="lines"):
        note.open_checkpoint(NOTE, [SIGNER.vkey], ORIGIN)
