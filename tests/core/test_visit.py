"""The id of an event: a UUIDv7 (RFC 9562), ordered in time."""

import os
import threading
import uuid
from datetime import UTC, datetime, timedelta

from app import visit
from app.visit import draw, event_id_of, new_event_id

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


def test_a_process_that_was_forked_off_draws_for_itself() -> None:
    draw(10)
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        os.write(writes, draw(10))
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reads, 10) != draw(10)


def test_what_a_fork_forgets_is_drawn_by_nobody() -> None:
    draw(10)
    left = visit._drawn.getvalue()

    visit._forget()

    assert draw(10) not in left


def test_threads_draw_what_nobody_else_has() -> None:
    drawn: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: drawn.extend(draw(10) for _ in range(5000)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {len(each) for each in drawn} == {10}
    assert len(set(drawn)) == 20_000
