"""JSON with one meaning: strict when read, RFC 8785 when it is hashed. Pure."""

import hashlib
import json
from typing import Any

import orjson


def canonical_json(value: Any) -> bytes:
    """Serialise objects, lists, strings, booleans and integers below 2^53, keys in ASCII.

    Within those limits (no floats, no null in records) orjson with sorted keys gives the
    bytes of RFC 8785; a property test compares it with the `rfc8785` package.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: Any) -> str:
    """`sha256:` and the hash, in hex, of the canonical form."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()


def strict_json(text: str) -> Any:
    """Read JSON in which no name stands twice in an object, without NaN and Infinity.

    Raises ValueError, `DuplicateName` for a name that stands twice, and RecursionError for depth.
    """
    return _STRICT.decode(text)


class DuplicateName(ValueError):
    """An object names a member twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateName("an object names a member twice")
    return members


def _refuse_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


# Making one costs as much as reading a question with it.
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
