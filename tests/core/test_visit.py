"""The id of an event: a UUIDv7 (RFC 9562), ordered in time."""

import uuid
from datetime import UTC, datetime, timedelta

from app.visit import event_id_of, new_event_id

NOW = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)


def test_an_id_holds_its_millisecond_its_version_and_its_variant() -> None:
    made = uuid.UUID(new_event_id(NOW))

    assert made.int >> 80 == int(NOW.timestamp() * 1000)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_ids_are_ordered_in_time_and_never_equal() -> None:
    made = [new_event_id(NOW + timedelta(milliseconds=ms)) for ms in range(50)]

    assert made == sorted(made)
    assert len({new_event_id(NOW) for _ in range(50)}) == 50


def test_an_id_of_a_secret_is_the_same_each_time() -> None:
    secret = bytes(range(16))

    assert event_id_of(secret, NOW) == event_id_of(secret, NOW)
    assert event_id_of(secret, NOW) != event_id_of(secret[::-1], NOW)
