"""The text form of a proof: one spelling, nothing believed."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_log import base64_of

from app.tlog import proof, tree
from app.tlog.note import Checkpoint, Signer
from app.tlog.proof import Proof, ProofInvalid, encode_proof, verify_proof

NOTE = "log.example\n9\n...\n\n— log.example AAAAAAAA\n"
HASHES = [hashlib.sha256(bytes([index])).digest() for index in range(64)]
LINES = "".join(f"{base64_of(each)}\n" for each in HASHES[:2])
TEXT = f"c2sp.org/tlog-proof@v1\nindex 8\n{LINES}\n{NOTE}"


def test_a_proof_is_lines_and_the_checkpoint() -> None:
    assert proof.encode_proof(8, HASHES[:2], NOTE) == TEXT
    assert proof.parse_proof(TEXT) == Proof(8, tuple(HASHES[:2]), NOTE)


@pytest.mark.parametrize("count", [0, 1, 64])
def test_a_path_may_be_empty_and_as_long_as_a_tree_is_high(count: int) -> None:
    text = proof.encode_proof(0, HASHES[:count], NOTE)

    assert proof.parse_proof(text) == Proof(0, tuple(HASHES[:count]), NOTE)


@pytest.mark.parametrize(("line", "extra"), [("extra aGFsbG8=", b"hallo"), ("extra ", b"")])
def test_extra_data_is_read_and_never_written(line: str, extra: bytes) -> None:
    text = TEXT.replace("index", f"{line}\nindex")

    assert proof.parse_proof(text) == Proof(8, tuple(HASHES[:2]), NOTE, extra)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        NOTE,
        TEXT.partition("\n\n")[0] + "\n\n",
        TEXT.partition("\n\n")[0],
        TEXT.replace("@v1", "@v2"),
        "\n" + TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("index 8\n", ""),
        f"c2sp.org/tlog-proof@v1\n\n{NOTE}",
        f"c2sp.org/tlog-proof@v1\nextra AAAA\n\n{NOTE}",
        TEXT.replace("index 8", "index 08"),
        TEXT.replace("index 8", "index -8"),
        TEXT.replace("index 8", "index  8"),
        TEXT.replace("index 8", "index 8 "),
        TEXT.replace("index 8", "index \u0668"),
        TEXT.replace("index 8", "index 9223372036854775808"),
        TEXT.replace("index 8", "index 8\nextra AAAA"),
        TEXT.replace("index 8", "extra AAAA\nextra AAAA\nindex 8"),
        TEXT.replace("index 8", "extra é\nindex 8"),
        TEXT.replace("index 8", "extra AAB=\nindex 8"),
        TEXT.replace("index 8", "index 8\nAAAA"),
        TEXT.replace("index 8", "index 8\n" + base64_of(HASHES[0] * 2)),
        TEXT.replace(LINES, LINES.replace("=", "")),
        proof.encode_proof(8, [*HASHES, HASHES[0]], NOTE),
        TEXT + "x" * proof.MAX_PROOF,
    ],
)
def test_another_form_is_no_proof(text: str) -> None:
    with pytest.raises(ProofInvalid):
        proof.parse_proof(text)


@given(st.text(max_size=200))
def test_hostile_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    for whole in (text, "c2sp.org/tlog-proof@v1\n" + text, TEXT.replace("index 8", text)):
        if whole == TEXT:
            continue
        try:
            proof.parse_proof(whole)
        except ProofInvalid:
            continue


# A proof and its record


def proven(record: bytes = b'{"eventId":"b","v":1}') -> tuple[str, Signer]:
    """The proof of the second of three records, and who signed the tree."""
    leaves = [tree.leaf_hash(each) for each in (b"{}", record, b'{"v":2}')]
    root = tree.node_hash(tree.node_hash(leaves[0], leaves[1]), leaves[2])
    signer = Signer("gate.example/log", bytes(range(32)))
    checkpoint = signer.sign(Checkpoint("gate.example/log", 3, root).text)
    return encode_proof(1, [leaves[0], leaves[2]], checkpoint), signer


@pytest.mark.parametrize(
    "shown",
    [
        b'{"eventId":"b","v":1}',
        b'{"eventId":"b","v":1}\n',
        b'{"v": 1, "eventId": "b", "index": 1, "href": "/x", "explanation": {"code": "O20"}}',
    ],
)
def test_a_record_is_proven_by_its_bytes_or_by_the_answer_that_shows_it(shown: bytes) -> None:
    text, signer = proven()

    index, checkpoint = verify_proof(text, shown, [signer.vkey])

    assert (index, checkpoint.size) == (1, 3)


def test_bytes_that_are_no_json_are_proven_as_they_are() -> None:
    text, signer = proven(b"\xff")

    assert verify_proof(text, b"\xff", [signer.vkey])[0] == 1


@pytest.mark.parametrize(
    "shown", [b'{"eventId":"b","v":2}', b"[]", b'{"index":1}', b'{"index":1,"a":"\\ud800"}']
)
def test_another_record_is_not_proven(shown: bytes) -> None:
    text, signer = proven()

    with pytest.raises(ProofInvalid, match="not the one at this index"):
        verify_proof(text, shown, [signer.vkey])


def test_a_proof_under_a_key_that_is_not_known_is_refused() -> None:
    text, _ = proven()

    with pytest.raises(ProofInvalid, match="the checkpoint does not hold"):
        verify_proof(text, b'{"eventId":"b","v":1}', [Signer.generate("gate.example/log").vkey])
