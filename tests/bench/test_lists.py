"""The bench of lists: it makes whole lists, counts what it says it counts, and writes a page."""

import pytest
from databases import skip_reason

from bench import lists


def test_a_few_persons_make_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := skip_reason():
        pytest.skip(reason)
    monkeypatch.setattr(lists, "SMALL", 60)

    page = lists.measure(150)

    assert "memory of a list of " in page
    assert "time of a person on the list : of a record alone" in page
    assert "| records alone | 150 " in page
