"""One byte form of a JSON value: RFC 8785, for everything that is hashed."""

import hashlib
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
