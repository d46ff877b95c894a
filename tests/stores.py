"""What the stores say of one person: they read of several at once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from app import dossiers, population
from app.dossiers import ALWAYS, Dossier, Known, Word
from app.driver import Source
from app.errors import Reason
from app.insz import Insz
from app.policy import Population
from app.population import Admitted, Wanted


def admit(
    source: Source, whom: Population, insz: Insz, today: date, now: datetime
) -> Admitted | Reason:
    """Whether this person is within reach."""
    [outcome] = population.admit_all(source, [Wanted(insz, whom, today, now)])
    return outcome


def read(
    source: Source,
    numbers: Sequence[str],
    blocks: Collection[str],
    known_at: datetime | None = None,
) -> Dossier | None:
    """The dossier that counts, or that did at a moment, with these blocks."""
    [dossier] = dossiers.read_each(source, [numbers], blocks, known_at or ALWAYS)
    return dossier


def known(
    source: Source,
    numbers: Sequence[str],
    blocks: Collection[str] = (),
    known_at: datetime | None = None,
) -> Known:
    """All that is known of this person, or that was at a moment."""
    [found] = dossiers.known_each(source, [numbers], blocks, known_at or ALWAYS)
    return found


def target_groups(
    source: Source, numbers: Sequence[str], known_at: datetime | None = None
) -> Sequence[Mapping[str, Any]]:
    """The target groups that the source ever gave."""
    return known(source, numbers, (), known_at).target_groups


def last_word(source: Source, numbers: Sequence[str], known_at: datetime | None = None) -> Word:
    """What the source said last."""
    return known(source, numbers, (), known_at).word
