"""Values that differ in a few fields. Pure."""

from typing import Any, TypeVar

V = TypeVar("V")


def but(value: V, **fields: Any) -> V:
    """The same value, but for these fields.

    What `dataclasses.replace` gives for a dataclass that checks nothing when it is made, at a tenth
    of its cost: a request makes eight of them. Raises TypeError for a field that there is not.
    """
    kept = value.__dict__
    if not fields.keys() <= kept.keys():
        raise TypeError(f"{type(value).__name__} has no such field")
    made: V = object.__new__(type(value))
    made.__dict__.update(kept, **fields)
    return made
