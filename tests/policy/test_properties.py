"""Whatever a protocol says and whoever asks: an answer holds what was granted and asked, no more.

Random documents go the whole way from their text to the answer, without a database.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import variants
from hypothesis import given, settings
from hypothesis import strategies as st
from service import AVSB, CITY, FUND

from app import clauses, derived, fields, policy
from app.agreement import BATCHES
from app.fields import CATALOGUE, ContactField, DerivedField
from app.policy import (
    GIVES_FIELDS,
    SERVED,
    Clause,
    Granted,
    Operation,
    Period,
    Question,
    QuotaPeriod,
    Refused,
)
from app.register import Entry, Register
from app.register_lists import Delegate

# Around the end of a half-year, so that every border lies within reach.
DAYS = [date(2026, 6, 28) + timedelta(days=step) for step in range(6)]
IDS = sorted({leaf.rsplit(".", cut)[0] for leaf in CATALOGUE for cut in range(leaf.count(".") + 1)})
# Granted and delivered as one: their value is an object or a list.
WHOLE = {
    "contact.adres",
    "talenkennis.contacttaal",
    "talenkennis.niveauNederlands",
    "maatschappelijkeOrientatie.status",
}
PURPOSES, PROFILES = ("een", "twee"), ("arts", "diensthoofd")
PLACES: Mapping[str, Mapping[str, str]] = {
    "resident": {"nis": "99001"},
    "member": {},
    "participant": {"nis": "99001", "project": "proef"},
    "consent": {"nis": "99001", "project": "proef"},
}


@cache
def below(id_: str) -> frozenset[str]:
    """The leaves that an id stands for, told from the names alone."""
    return frozenset(leaf for leaf in CATALOGUE if leaf == id_ or leaf.startswith(id_ + "."))


@dataclass(frozen=True)
class World:
    """A register, the texts that are in it by version, and what was used of its quotas."""

    register: Register
    standing: clauses.Standing
    texts: Mapping[str, Mapping[str, Any]]
    used: int
    production: bool
    today: date

    def decide(self, clause: Clause | None, question: Question) -> Granted | Refused:
        """What is decided on this day, in this mode."""
        used = self.used if clause and clause.quota_of(question.operation) else 0
        return policy.decide(clause, question, self.today, production=self.production, used=used)

    def granted(self, clause: Clause) -> set[str]:
        """The leaves that the text lists for the organisation and purpose of this clause."""
        return {
            leaf
            for purpose in self.texts[clause.version]["doeleinden"]
            if purpose["code"] == clause.purpose
            for access in purpose["toegang"]
            if (access["voor"] == "gemachtigden") == (clause.organisation == FUND)
            for grant in access.get("velden", ())
            for leaf in below(grant["veld"])
        }


# Made once: making a strategy costs more than drawing from it.
OFTEN, SELDOM = st.sampled_from([True] * 9 + [False]), st.sampled_from([False] * 9 + [True])
SOME_DAYS = st.sampled_from(DAYS)
# Mostly open, so that most questions come as far as their fields.
LAST_DAYS = st.sampled_from([None] * len(DAYS) * 5 + DAYS)
GRANTED = st.lists(st.sampled_from(IDS), min_size=2, max_size=6, unique=True)
OPENED = st.sampled_from(
    [
        *[{Operation.QUERY_DOSSIER}] * 5,
        *[{Operation.QUERY_DOSSIER, Operation.QUERY_ADVIES}] * 4,
        {Operation.QUERY_DOSSIER, Operation.QUERY_DOSSIER_BATCH},
        {Operation.QUERY_ADVIES},
        {Operation.QUERY_DOSSIER_BATCH},
    ]
)
POPULATIONS = st.sampled_from(sorted(PLACES))
DEMANDED = st.sampled_from(["nietGeeist", "geeist"])
LIMITS = st.tuples(st.sampled_from([0, 0, 0, 1, 2, 3]), st.sampled_from([*QuotaPeriod]))
LISTED = st.sampled_from(
    [frozenset(PROFILES), frozenset(PROFILES[:1]), frozenset(PROFILES[:1]), frozenset[str](), None]
)


def grants(ids: Collection[str]) -> list[dict[str, str]]:
    """Grants of these ids as a text writes them."""
    special = {"bijzondereCategorie": "Art. 9."}
    return [
        {"veld": id_, "verantwoording": "Nodig."} | (special if below(id_) & fields.SPECIAL else {})
        for id_ in ids
    ]


@st.composite
def accesses(draw: st.DrawFn, audience: Mapping[str, Any]) -> dict[str, Any]:
    operations, kind, limits = draw(OPENED), draw(POPULATIONS), [draw(LIMITS), draw(LIMITS)]
    gives = operations != {Operation.QUERY_ADVIES}
    counted = {
        operation: limit
        for operation, limit in zip(sorted(operations), limits, strict=False)
        if limit[0]
    }
    for single, batch in BATCHES.items():
        if single in counted and batch in operations:
            counted.setdefault(batch, counted[single])
    return {
        **audience,
        "operaties": sorted(operations),
        "populatie": {"soort": kind, "tekst": "Zij.", **PLACES[kind]},
        **({"velden": grants(draw(GRANTED))} if gives else {}),
        **({"advies": variants.ADVICE_TERMS} if Operation.QUERY_ADVIES in operations else {}),
        "functieprofielen": draw(DEMANDED),
        "quota": [
            variants.quota(operation, maximum, per) for operation, (maximum, per) in counted.items()
        ],
    }


RECEIVER = accesses({"voor": "ontvanger", "organisaties": [CITY]})
DELEGATES = accesses({"voor": "gemachtigden", "namens": CITY})


@st.composite
def grounds(draw: st.DrawFn) -> dict[str, Any]:
    first, last = sorted([draw(LAST_DAYS) or DAYS[0], draw(LAST_DAYS) or DAYS[-1]])
    ends = "operator" if draw(SELDOM) else last.isoformat()
    return {"tekst": "Zo.", "van": first.isoformat(), "tot": ends}


@st.composite
def texts(draw: st.DrawFn, version: str, first: date) -> dict[str, Any]:
    """A document as data: one purpose for the city, and one also for whom it delegated."""
    last = draw(LAST_DAYS)
    one, other = [draw(RECEIVER)], [draw(RECEIVER), draw(DELEGATES)]
    return {
        **variants.DATA,
        "versie": version,
        "geldigVan": first.isoformat(),
        "geldigTot": last.isoformat() if last and last >= first else None,
        "doeleinden": [
            variants.purpose(*opened, code=code, rechtsgrond=draw(grounds()))
            for code, opened in zip(PURPOSES, (one, other), strict=True)
        ],
    }


@st.composite
def standings(draw: st.DrawFn) -> clauses.Standing:
    profiles = {CITY: draw(LISTED), FUND: draw(LISTED)}
    return clauses.Standing(
        delegates=(Delegate(FUND, Period(draw(LAST_DAYS), draw(LAST_DAYS))),),
        profiles={of: names for of, names in profiles.items() if names is not None},
        legal_ground_ends={PURPOSES[0]: draw(LAST_DAYS)} if draw(OFTEN) else {},
        suspended_since=draw(SOME_DAYS) if draw(SELDOM) else None,
        ended_on=draw(LAST_DAYS),
    )


def register_of(*versions: Mapping[str, Any], standing: clauses.Standing) -> Register:
    """The register with these documents, which must be valid."""
    made = []
    for text in versions:
        document = variants.document(**text)
        made.append(Entry(document, f"sha256:{document.version}", DAYS[0], standing))
    return Register(1, made)


FIRSTS = st.sampled_from([[DAYS[0]], [DAYS[0]], [DAYS[0], DAYS[3]]])
USED, ANY_MODE = st.sampled_from([0, 0, 0, 1, 2]), st.booleans()


@st.composite
def worlds(draw: st.DrawFn) -> World:
    versions = {
        str(at): draw(texts(str(at), first)) for at, first in enumerate(draw(FIRSTS), start=1)
    }
    standing = draw(standings())
    return World(
        register_of(*versions.values(), standing=standing),
        standing,
        versions,
        draw(USED),
        draw(ANY_MODE),
        draw(SOME_DAYS),
    )


def put(node: dict[str, Any], parts: list[str], value: Any, which: int) -> None:
    """Write a value below `node`, in one of two items of every array on the way."""
    name, many = parts[0].removesuffix("[]"), parts[0].endswith("[]")
    if len(parts) == 1:
        node[name] = [value] if many else value
        return
    following = node.setdefault(name, [{"geheim": "x"}, {}] if many else {"geheim": "x"})
    put(following[which % 2] if many else following, parts[1:], value, which)


IN_BLOCKS = [leaf for leaf in CATALOGUE if leaf not in {*DerivedField, *ContactField}]
COMPUTED_FROM = ("contracten", "behaaldeAttesten", "talenkennis", "trajecten")
TEXTS = ("x", "2020-01-01", "AI023", "TO_OB_MO")
# What the catalogue has as a text and a source might send as something else.
ODD: st.SearchStrategy[Any] = st.sampled_from([{"geheim": "x"}, [{"geheim": "x"}], None, "", True])
EACH = st.integers(1, 9)
ABSENT = st.sets(st.sampled_from(fields.BLOCKS), max_size=5)
CONTACTS: st.SearchStrategy[Mapping[str, Any]] = st.sampled_from(
    [
        {
            "voornaam": "x",
            "achternaam": "x",
            "telefoon": "x",
            "email": "x",
            "adres": {"straat": "x"},
        },
        {"geheim": "x", "email": "x"},
        {},
    ]
)


@dataclass(frozen=True)
class Person:
    """What is known of a person."""

    blocks: Mapping[str, Any]
    contact: Mapping[str, Any]

    def answer(self, said: Granted | Refused, today: date) -> dict[str, Any]:
        """What a decision lets out about the person; nothing when it refuses."""
        if isinstance(said, Refused):
            return {}
        document = derived.complete(said.fields, self.blocks, self.contact, today)
        return fields.project(document, said.fields).document


@st.composite
def persons(draw: st.DrawFn) -> Person:
    """Somebody of whom nearly everything is known, so that whatever leaks is seen."""
    absent, odd, each, turn = draw(ABSENT), draw(ODD), draw(EACH), draw(EACH)
    blocks: dict[str, Any] = {"geheim": "x"}
    for at, leaf in enumerate(IN_BLOCKS):
        if leaf.split(".")[0].removesuffix("[]") in absent:
            continue
        fits = at % each or leaf.startswith(COMPUTED_FROM)
        put(blocks, leaf.split("."), TEXTS[(at + turn) % len(TEXTS)] if fits else odd, at * turn)
    return Person(blocks, draw(CONTACTS))


def values(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every path of a document with each of its values, told without the catalogue."""
    if path in WHOLE:
        yield path, repr(node)
    elif isinstance(node, Mapping):
        for name, inner in node.items():
            yield from values(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(node, list):
        for item in node:
            yield from values(item, path + "[]")
    else:
        yield path, repr(node)


ASKED = st.one_of(st.none(), st.lists(st.integers(0, 10_000), min_size=1, max_size=3))
ASKED_OPERATIONS = st.sampled_from(Operation)
SENT = st.sampled_from([*[PROFILES[0]] * 6, PROFILES[1], "onbekend", None])


@st.composite
def questions(
    draw: st.DrawFn, purpose: str, clause: Clause | None, granted: Collection[str]
) -> Question:
    """Mostly for something that is granted, or for a group that is granted in part."""
    inside = [id_ for id_ in IDS if below(id_) <= set(granted)] or IDS
    partly = [id_ for id_ in IDS if below(id_) & set(granted) and id_ not in inside] or IDS
    ids, positions = draw(st.sampled_from([inside, partly, inside, partly, IDS])), draw(ASKED)
    named = None
    if positions is not None:
        named = tuple(dict.fromkeys(ids[position % len(ids)] for position in positions))
    opened = sorted(clause.operations)[-1] if clause else Operation.QUERY_DOSSIER
    operation = opened if draw(OFTEN) else draw(ASKED_OPERATIONS)
    return Question(operation, purpose, named, draw(SENT))


CALLERS = st.sampled_from([*[CITY] * 8, *[FUND] * 3, AVSB])


def callers(world: World) -> st.SearchStrategy[tuple[str, str]]:
    """Whom the register names, with their purposes, and somebody whom it does not."""
    named = [(each.organisation, each.purpose) for each in world.register.on(world.today)]
    return st.sampled_from([*named, (AVSB, PURPOSES[0])])


@settings(deadline=None, max_examples=200)
@given(worlds(), st.data())
def test_no_answer_holds_a_key_outside_the_grant_and_the_request(
    world: World, data: st.DataObject
) -> None:
    organisation, purpose = data.draw(callers(world))
    clause = world.register.covering(organisation, purpose, world.today)
    granted = world.granted(clause) if clause else set()
    question = data.draw(questions(purpose, clause, granted))
    person = data.draw(persons())

    answer = person.answer(world.decide(clause, question), world.today)

    asked = CATALOGUE if question.fields is None else set().union(*map(below, question.fields))
    assert {path for path, _ in values(answer)} <= granted & {*asked}


@settings(deadline=None)
@given(worlds(), st.data())
def test_removing_a_field_from_a_grant_can_only_remove_keys(
    world: World, data: st.DataObject
) -> None:
    organisation, purpose = data.draw(callers(world))
    before = world.register.covering(organisation, purpose, world.today)
    granted = world.granted(before) if before else set()
    question = data.draw(questions(purpose, before, granted))
    person = data.draw(persons())
    fewer = {version: data.draw(narrowed(text)) for version, text in world.texts.items()}
    narrow = register_of(*fewer.values(), standing=world.standing)
    after = narrow.covering(organisation, purpose, world.today)

    answers = [person.answer(world.decide(each, question), world.today) for each in (before, after)]

    [found, left] = [Counter(values(answer)) for answer in answers]
    assert left <= found


@st.composite
def narrowed(draw: st.DrawFn, text: Mapping[str, Any]) -> dict[str, Any]:
    """The same document with one field less in each of its accesses."""
    purposes = []
    for purpose in text["doeleinden"]:
        kept = []
        for access in purpose["toegang"]:
            listed = access.get("velden", [])
            gone = draw(st.sampled_from(listed)) if listed else None
            fewer = [grant for grant in listed if grant is not gone]
            kept.append({**access, "velden": fewer} if listed else access)
        purposes.append({**purpose, "toegang": kept})
    return {**text, "doeleinden": purposes}


@settings(deadline=None, max_examples=50)
@given(worlds(), CALLERS)
def test_what_stands_open_is_exactly_what_would_be_granted(world: World, organisation: str) -> None:
    for clause in world.register.of(organisation, world.today):
        turns = {quota.operation: world.used for quota in clause.quotas}

        told = policy.standing(clause, world.today, turns, production=world.production)

        opened = {op for op in Operation if grants_to_somebody(world, clause, op, None)}
        leaves = {
            leaf
            for leaf in CATALOGUE
            for op in SERVED & GIVES_FIELDS
            if grants_to_somebody(world, clause, op, (leaf,))
        }
        assert told.operations == opened & SERVED
        assert told.fields == leaves
        reasons = [refusal(world, clause, op) for op in clause.operations & SERVED]
        assert (told.closed is None) == (told.operations != frozenset() or not reasons)
        assert told.closed is None or told.closed in reasons


def grants_to_somebody(
    world: World, clause: Clause, operation: Operation, asked: tuple[str, ...] | None
) -> bool:
    """Whether this would be granted to at least one function profile."""
    questions = [
        Question(operation, clause.purpose, asked, profile)
        for profile in (None, "onbekend", *PROFILES)
    ]
    return any(isinstance(world.decide(clause, each), Granted) for each in questions)


def refusal(world: World, clause: Clause, operation: Operation) -> Granted | Refused:
    """What the first listed function profile is told."""
    profile = min(clause.profiles or (), default=None)
    return world.decide(clause, Question(operation, clause.purpose, None, profile))
