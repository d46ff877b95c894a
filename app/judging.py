"""The facts of a person as known at a moment, and what the rules say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from app import dossiers, driver, obligation
from app.dossiers import Dossier, Known
from app.explanation import explain
from app.facts import read_facts
from app.obligation import CURRENT, RULE_SET_ID, Advice, Profile, RuleSet, Source


@dataclass(frozen=True)
class Case:
    """All but the person that an advice depends on: with the same, it is the same for ever."""

    on: date  # the test date
    profile: Profile
    asked_at: datetime  # as known at this moment
    maximum_age: timedelta  # of the data behind a NOK, or behind "no dossier"
    rules: RuleSet = CURRENT

    @property
    def rule_set(self) -> dict[str, str]:
        """Which rules judge: in every advice and its record."""
        return {
            "id": RULE_SET_ID,
            "versie": self.rules.version,
            "profiel": self.profile.value,
        }


@dataclass(frozen=True)
class Judged:
    """The advice, and why; `data_from` is of the last complete delivery, equal for everybody."""

    advice: Advice
    explanation: Mapping[str, Any]  # for the auditor alone: it can tell something about health
    data_from: datetime | None


def judge(known: Known, current: str, case: Case) -> Judged:
    """Apply the rules to what is known of a person; `current` is the number in use."""
    facts = read_facts([dossier.blocks for dossier in known.dossiers.values()], known.target_groups)
    word = known.word
    source = Source(
        asked_at=case.asked_at,
        maximum_age=case.maximum_age,
        fault=word.fault,
        dossier_at=_from(known.dossiers, current),
        absence_at=max(filter(None, (word.absence_at, word.delivered_at)), default=None),
    )
    advice = obligation.advise(facts, case.on, case.profile, source, case.rules)
    return Judged(
        advice,
        explain(facts, case.on, case.profile, advice, source, case.rules),
        word.delivered_at,
    )


def judge_person(source: driver.Source, numbers: Sequence[str], case: Case) -> Judged:
    """Read of one person what the profile judges by and nothing else, and apply the rules.

    `numbers`: those of the person as known at `case.asked_at`, the current one first.
    """
    blocks = obligation.blocks_needed(case.profile)
    [known] = dossiers.known_each(source, [numbers], blocks, case.asked_at)
    return judge(known, numbers[0], case)


def _from(found: Mapping[str, Dossier], current: str) -> datetime | None:
    """The age of the dossier under the current number; else of the newest under an older one."""
    if current in found:
        return found[current].fetched_at
    return max((dossier.fetched_at for dossier in found.values()), default=None)
