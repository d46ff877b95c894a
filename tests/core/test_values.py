"""A value with a few other fields, as `dataclasses.replace` makes it."""

from dataclasses import FrozenInstanceError, dataclass, replace

import pytest

from app.values import but


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 2


def test_makes_what_replace_makes_and_leaves_the_first_as_it_was() -> None:
    point = Point(1)

    assert but(point, x=5) == replace(point, x=5) == Point(5, 2)
    assert point == Point(1, 2)


def test_what_is_made_is_as_frozen_as_the_first() -> None:
    with pytest.raises(FrozenInstanceError):
        but(Point(1), y=3).y = 4  # type: ignore[misc]


def test_refuses_a_field_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="no such field"):
        but(Point(1), z=3)
