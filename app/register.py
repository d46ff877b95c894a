"""The register as a value: which version of a protocol rules on a day, and what it opens. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

from app import clauses
from app.agreement import Document
from app.clauses import Standing
from app.policy import Clause, Period

NIS = "nis:"  # before the code of a municipality


class State(StrEnum):
    """How a version stands on a day."""

    COMING = "toekomstig"
    IN_FORCE = "vanKracht"
    SUSPENDED = "geschorst"
    ENDED = "beeindigd"
    SUPERSEDED = "vervangen"


@dataclass(frozen=True)
class Entry:
    """One version that is no draft, with what stands outside it; `since` it is in the register."""

    document: Document
    hash: str
    since: date
    standing: Standing


@dataclass(frozen=True)
class Edition:
    """One version as the register publishes it."""

    document: Document
    hash: str
    period: Period  # the days on which it rules, ends and successors counted in
    state: State
    suspended_since: date | None
    ended_on: date | None
    legal_ground_ends: Mapping[str, date | None]
    cooperation_since: date | None
    files_since: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True)
class Conflict:
    """Two protocols that open the same purpose to the same organisation on the same day."""

    protocols: tuple[str, str]
    organisation: str
    purpose: str
    day: date  # the first one


class Register:
    """Every version that is or was in force; a snapshot of one version of the register.

    `entries` come in the order in which they came into the register. On any day one version of a
    protocol rules: the one that began last; of two that begin together, the later in the register.
    What it superseded opens nothing any more, also when the new version ends.
    """

    def __init__(self, version: int, entries: Sequence[Entry]) -> None:
        self.version = version
        self._protocols: dict[str, list[Entry]] = {}
        for entry in sorted(entries, key=lambda entry: entry.document.first):
            self._protocols.setdefault(entry.document.id, []).append(entry)
        # One list for the whole register: each entry has it.
        lists = (entry.standing.successions for entry in entries)
        self._successions = next((one for one in lists if one), None)
        self._purposes = {purpose.code for entry in entries for purpose in entry.document.purposes}
        self.on = lru_cache(maxsize=8)(self._on)

    def _on(self, day: date) -> tuple[Clause, ...]:
        """Every clause, also of ended protocols: they say since when they refuse."""
        return tuple(
            clause
            for versions in self._protocols.values()
            for entry in [_ruling(versions, day)]
            for clause in clauses.opened_by(entry.document, entry.hash, entry.standing, day)
        )

    def covering(self, organisation: str | None, purpose: str, today: date) -> Clause | None:
        """The clause of this organisation for this purpose: the one in force, else the one that
        ended last, else the one that begins first."""
        candidates = [
            clause
            for clause in self.on(today)
            if clause.organisation == organisation and clause.purpose == purpose
        ]
        return max(candidates, key=lambda clause: _nearness(clause, today), default=None)

    def of(self, organisation: str | None, today: date) -> list[Clause]:
        """The clause that covers each purpose of this organisation, by purpose."""
        purposes = {
            clause.purpose for clause in self.on(today) if clause.organisation == organisation
        }
        covering = (self.covering(organisation, purpose, today) for purpose in sorted(purposes))
        return [clause for clause in covering if clause]

    def names_of(self, organisation: str, today: date) -> tuple[str, ...]:
        """The identifier of a body; of a municipality also those of what is whole within it today.

        Only an identifier that is the code of a municipality tells which one it is.
        """
        code = organisation.removeprefix(NIS)
        if self._successions is None or code == organisation:
            return (organisation,)
        absorbed = sorted(self._successions.absorbed(code, today))
        return (organisation, *(f"{NIS}{each}" for each in absorbed))

    def known_purpose(self, purpose: str) -> str | None:
        """The purpose when some protocol names it: an unknown name never enters the log."""
        return purpose if purpose in self._purposes else None

    def keep_until(self, clause: Clause, delivered: date) -> date | None:
        """Until when the receiver may keep what is delivered, where that is a date."""
        for entry in self._protocols[clause.protocol]:
            if entry.hash == clause.hash:
                return clauses.keep_until(entry.document, clause.purpose, delivered)
        return None

    def document(self, protocol: str, hash_: str) -> Document | None:
        """The version of a protocol with this hash."""
        entries = self._protocols.get(protocol, [])
        return next((entry.document for entry in entries if entry.hash == hash_), None)

    def provider(self, clause: Clause) -> str:
        """The identifier of the body that provides the data under a clause."""
        [provider] = {
            entry.document.provider
            for entry in self._protocols[clause.protocol]
            if entry.hash == clause.hash
        }
        return provider

    def editions(self, today: date) -> list[Edition]:
        """Every version as it is published, by protocol and first day."""
        return [
            edition
            for _, versions in sorted(self._protocols.items())
            for edition in _editions(versions, today)
        ]

    def conflicts(self) -> Iterator[Conflict]:
        """Where two protocols claim the same purpose of the same organisation at the same time.

        A request names an organisation and a purpose: which protocol decides must be beyond doubt.
        """
        claims: dict[tuple[str, str], list[tuple[date, date, str]]] = {}
        for protocol, versions in self._protocols.items():
            for organisation, purpose, days in _claims(versions):
                claim = (days.first or date.min, days.last or date.max, protocol)
                claims.setdefault((organisation, purpose), []).append(claim)
        for (organisation, purpose), rivals in sorted(claims.items()):
            until: dict[str, date] = {}  # by protocol, the last day of what was seen so far
            for first, last, protocol in sorted(rivals):
                for other, end in until.items():
                    if other != protocol and first <= min(end, last):
                        yield Conflict((other, protocol), organisation, purpose, first)
                until[protocol] = max(last, until.get(protocol, last))


def _ruling(versions: Sequence[Entry], day: date) -> Entry:
    day = max(day, versions[0].document.first)
    return next(
        entry
        for at, entry in enumerate(versions)
        if all(day <= _taken_over(entry, other) for other in versions[at + 1 :])
    )


def _nearness(clause: Clause, today: date) -> tuple[int, int]:
    valid, ground = clause.valid, clause.legal_ground
    first = max(valid.first or date.min, ground.first or date.min)
    last = min(valid.last or date.max, ground.last or date.max)
    if first > today:
        return 0, -first.toordinal()
    if last < today:
        return 1, last.toordinal()
    return 2, first.toordinal()


def _periods(versions: Sequence[Entry]) -> Iterator[tuple[Entry, Entry | None, Period]]:
    """Each version, the one that takes over from it, and the days on which it rules."""
    for at, entry in enumerate(versions):
        later = versions[at + 1 :]
        taken = min((_taken_over(entry, other) for other in later), default=date.max)
        last = min(clauses.last_day(entry.document, entry.standing) or date.max, taken)
        yield entry, next(iter(later), None), Period(entry.document.first, _known(last))


def _taken_over(entry: Entry, other: Entry) -> date:
    """The last day before a version that begins later or came later takes over."""
    first = other.document.first
    # What came later than the other one corrects it: it takes over when it comes.
    taken = max(first, other.since) if other.since > entry.since else first
    return taken - timedelta(days=1)


def _known(last: date) -> date | None:
    return None if last == date.max else last


def _editions(versions: Sequence[Entry], today: date) -> Iterator[Edition]:
    for entry, following, period in _periods(versions):
        standing = entry.standing
        # What never rules a day is superseded before it begins.
        begins = max(today, entry.document.first)
        superseded = following is not None and following.document.first <= begins
        yield Edition(
            document=entry.document,
            hash=entry.hash,
            period=period,
            state=State.SUPERSEDED if superseded else _state(period, standing, today),
            suspended_since=standing.suspended_since,
            ended_on=standing.ended_on,
            legal_ground_ends=standing.legal_ground_ends,
            cooperation_since=standing.cooperation_since,
            files_since=standing.files_since,
        )


def _state(period: Period, standing: Standing, today: date) -> State:
    """The order of `policy.out_of_time`."""
    first, last = period.first or date.min, period.last or date.max
    if last < max(first, today):
        return State.ENDED
    if today < first:
        return State.COMING
    return State.SUSPENDED if standing.suspended_since else State.IN_FORCE


def _claims(versions: Sequence[Entry]) -> Iterator[tuple[str, str, Period]]:
    """Organisation, purpose and days of everything that these versions open to somebody.

    A body that is known under several identifiers claims for all of them.
    """
    for entry, _, period in _periods(versions):
        parties = entry.document.parties
        bodies = {one: party.organisations for party in parties for one in party.organisations}
        for purpose in entry.document.purposes:
            ends = [period.last, clauses.ground_end(purpose, entry.standing)]
            days = Period(period.first, min((end for end in ends if end), default=None))
            for access in purpose.accesses:
                for organisation in {one for each in access.organisations for one in bodies[each]}:
                    yield organisation, purpose.code, days
                for delegate in entry.standing.delegates if access.on_behalf_of else ():
                    yield delegate.organisation, purpose.code, _within(days, delegate.valid)


def _within(days: Period, other: Period) -> Period:
    firsts = [first for first in (days.first, other.first) if first]
    lasts = [last for last in (days.last, other.last) if last]
    return Period(max(firsts, default=None), min(lasts, default=None))
