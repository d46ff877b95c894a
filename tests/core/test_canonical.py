"""One byte form: what orjson writes is what RFC 8785 prescribes, for everything we hash."""

import hashlib
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app.canonical import DuplicateName, canonical_json, digest, strict_json

# The limits of a record: ASCII keys, text, whole numbers below 2^53, lists and objects.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
keys = st.text(st.characters(max_codepoint=127), max_size=5)
numbers = st.integers(-(2**53) + 1, 2**53 - 1)
values: st.SearchStrategy[Any] = st.recursive(
    texts | numbers | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(keys, values, max_size=6))
def test_gives_the_bytes_of_rfc_8785(record: dict[str, Any]) -> None:
    assert canonical_json(record) == rfc8785.dumps(record)


def test_the_order_of_the_keys_does_not_count() -> None:
    assert digest({"b": {"d": 1, "c": 2}, "a": 3}) == digest({"a": 3, "b": {"c": 2, "d": 1}})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [], "B": {}}, b'{"B":{},"a":[],"b":1}'),
        ("\x00\x07\x08\t\n\x0b\x0c\r\x1f\x7f", rb'"\u0000\u0007\b\t\n\u000b\f\r\u001f' + b'\x7f"'),
        ('"\\/<>', rb'"\"\\/<>"'),
        ("é\u2028\U0001f600", '"é\u2028\U0001f600"'.encode()),
        (2**53 - 1, b"9007199254740991"),
    ],
)
def test_escapes_what_must_be_escaped_and_nothing_else(value: Any, expected: bytes) -> None:
    assert canonical_json(value) == expected == rfc8785.dumps(value)


def test_a_digest_names_its_function() -> None:
    assert digest({}) == "sha256:" + hashlib.sha256(b"{}").hexdigest()


def test_half_a_character_has_no_bytes() -> None:
    with pytest.raises(TypeError):
        canonical_json("\ud800")


def test_reads_json() -> None:
    assert strict_json('{"a": [1, true, null, "x", {"a": 2}]}') == {
        "a": [1, True, None, "x", {"a": 2}]
    }


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]'])
def test_a_name_that_stands_twice_is_refused_at_any_depth(text: str) -> None:
    with pytest.raises(DuplicateName) as caught:
        strict_json(text)

    assert '"a"' not in str(caught.value)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "", "{'a': 1}", "[1,]"])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|Illegal"):
        strict_json(text)


def test_depth_is_refused_and_not_a_crash() -> None:
    with pytest.raises(RecursionError):
        strict_json("[" * 100_000)
