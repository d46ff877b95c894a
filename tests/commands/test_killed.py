"""Whoever got an answer finds its record, after `kill -9` of the service at any moment."""

import random
from itertools import pairwise
from pathlib import Path

from killing import AT_LEAST, TILE, Trial, nursery

KILLS = 10


async def test_an_answer_that_was_delivered_has_its_record_after_any_kill(
    tmp_path: Path, database_url: str
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    with nursery(tmp_path, database_url) as services:
        trial = Trial(services, seed)

        looks = [look async for look in trial.run(KILLS)]

    assert [look.faults for look in looks] == [[]] * KILLS, f"seed {seed}"
    # A service that was killed idle would prove nothing.
    answers = [0, *(look.answers for look in looks)]
    assert all(later - earlier >= AT_LEAST for earlier, later in pairwise(answers)), looks
    assert looks[-1].cut >= KILLS, looks
    assert looks[-1].records > TILE, looks
    assert looks[-1].unanswered <= looks[-1].cut, looks
