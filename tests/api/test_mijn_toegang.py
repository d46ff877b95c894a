"""`GET /mijnToegang`: what it names would be answered, and nothing else would."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import variants
from delivered import LIST
from service import (
    ADVICE,
    AVSB,
    BASE,
    CITY,
    DOSSIER,
    FUND,
    GENK,
    Service,
    add_person,
    insz_of,
    make_production,
    make_service,
)
from variants import PURPOSE, access, document, purpose, quota, register_list

from app import administration, fields
from app.agreement import Document
from app.demo_persons import demo_persons
from app.documents import Content


async def ask(service: Service, organisation: str, query: str = "") -> list[dict[str, Any]]:
    response = await service.ask(organisation, f"/mijnToegang{query}", scopes=())
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_shows_a_municipality_what_it_may_ask(service_on_each: Service) -> None:
    [item] = await ask(service_on_each, CITY)

    velden = item.pop("velden")
    assert item == {
        "protocol": "voorbeeldstad-2026",
        "versie": "1",
        "doeleinde": "lokaalIntegratiebeleid",
        "operaties": ["createLijst", "queryDossier", "queryDossierBatch"],
        "populatie": "resident",
        "functieprofielen": ["trajectondersteuner"],
        "geldigVan": "2026-01-01",
        "quota": [
            {
                "operatie": "createLijst",
                "aantal": 1,
                "per": "kalenderjaar",
                "over": 1,
                "opnieuwVanaf": "2027-01-01",
            }
        ],
        "nu": "open",
    }
    assert velden == sorted(velden)
    assert set(velden) >= {"personalia.insz", "contact.email", "talenkennis.contacttaal"}
    assert all(fields.leaves(each) == {each} for each in velden)


async def test_shows_a_fund_what_it_may_ask_in_the_name_of_another(shared: Service) -> None:
    items = await ask(shared, FUND)

    assert {item["protocol"] for item in items} == {"avsb-2021"}
    assert {item["populatie"] for item in items} == {"member"}
    assert {item["nu"] for item in items} == {"open"}
    assert [(item["operaties"], item["velden"]) for item in items] == [
        (["createLijst"], ["personalia.insz"]),
        (["queryAdvies", "queryAdviesBatch"], []),
    ]


async def test_shows_nothing_to_whom_no_protocol_names(shared: Service) -> None:
    assert await ask(shared, "onbekend") == []


@pytest.mark.parametrize(
    ("day", "standing", "since"),
    [
        ("2025-12-31", "notYetValid", "2026-01-01"),
        ("2026-01-01", "open", None),
        ("0001-01-01", "notYetValid", "2026-01-01"),
        ("9999-12-31", "open", None),
    ],
)
async def test_shows_what_is_open_on_another_day(
    shared: Service, day: str, standing: str, since: str | None
) -> None:
    [item] = await ask(shared, CITY, f"?datum={day}")

    assert (item["nu"], item.get("vanaf")) == (standing, since)
    record = shared.records()[-1]
    assert record["asOf"] == day
    assert record["parameters"] == ["datum"]


async def test_shows_that_a_protocol_is_suspended(service: Service) -> None:
    administration.suspend(service.office, "voorbeeldstad-2026", "inbreuk", service.clock.now)

    [item] = await ask(service, CITY)

    assert item["nu"] == "suspended"


async def test_needs_no_scope_and_no_acting_user(shared: Service) -> None:
    response = await shared.ask(
        CITY,
        "/mijnToegang",
        scopes=(),
        headers={"X-Magda-Enduser-ID": "", "X-Functieprofiel": "", "Content-Type": ""},
    )

    record = shared.records()[-1]
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert (record["type"], record["operation"]) == ("access", "getMijnToegang")
    assert (record["outcome"], record["status"]) == ("allowed", 200)
    assert not {"asOf", "subject", "user", "parameters"} & set(record)


@pytest.mark.parametrize(
    "query",
    [
        "?datum=",
        "?datum=2026-02-30",
        "?datum=vandaag",
        "?datum=2026-06-01&datum=2026-06-01",
        "?datum=%D9%A2%D9%A0%D9%A2%D9%A6-01-01",
        "?datum=2026-06-01T00:00:00Z",
    ],
)
async def test_takes_one_date(shared: Service, query: str) -> None:
    response = await shared.ask(CITY, f"/mijnToegang{query}")

    assert response.status_code == 400
    [issue] = response.json()["issues"]
    assert (issue["in"], issue["name"]) == ("query", "datum")
    record = shared.records()[-1]
    assert record["parameters"] == ["datum"]


async def test_refuses_a_parameter_that_it_does_not_have(shared: Service) -> None:
    response = await shared.ask(CITY, "/mijnToegang?datum=2026-06-01&geheimveld=1")

    [issue] = response.json()["issues"]
    record = shared.records()[-1]
    assert (issue["in"], issue.get("name")) == ("query", None)
    assert record["parameters"] == ["datum"]
    assert "geheimveld" not in response.text


@pytest.fixture
async def production(own_folder: Path) -> AsyncIterator[Service]:
    made = make_production(own_folder, persons=1)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("organisation", "standing"),
    [(CITY, "open"), (GENK, "functionProfile"), (AVSB, "legalGroundEnded")],
)
async def test_shows_in_production_what_the_operator_must_still_set(
    production: Service, organisation: str, standing: str
) -> None:
    items = await ask(production, organisation)

    assert {item["nu"] for item in items} == {standing}
    assert not any("vanaf" in item for item in items)


# What is told is what is answered


PERSON = insz_of("850615001")  # no test number: production refuses those
SECOND, DELEGATE = "controle", "zorgkas-derde"
CARE, PREMIUM = "zorgbudgetZwaarZorgbehoevenden", "verlaagdePremie"
ASKED = (PURPOSE, SECOND, CARE, "onbekend")
TODAY, DAY = date(2026, 6, 1), timedelta(days=1)
NARROW, ADDED = "personalia.insz", "aanmelding.datumAanmelding"
# Of everything that a protocol of these tests grants, and of what none does. The whole catalogue is
# asked once here, and in the properties of `policy.standing`.
LEAVES = (
    *(NARROW, ADDED, "contact.email", "contact.adres", "contract.ondertekend"),
    *("attest.inburgeringBehaald", "talenkennis.contacttaal", "talenkennis.talen[].code"),
    *(
        "personalia.geboortedatum",
        "contracten[].type",
        "inbreuken[].type",
        "wooncode.opvolgingDoor",
    ),
)
OPERATIONS = {
    "queryDossier": "/dossiers/query",
    "queryDossierBatch": "/dossiers/queryBatch",
    "queryAdvies": "/adviezen/query",
    "queryAdviesBatch": "/adviezen/queryBatch",
    "createLijst": "/lijsten",
}


# What a body holds beside the purpose; an advice has its test date.
MORE: Mapping[str, Mapping[str, Any]] = {
    "/dossiers/query": {},
    "/dossiers/queryBatch": {},
    "/lijsten": {"jaar": 2026},
}


def known_to_all(service: Service) -> None:
    """Bring one person, who has a dossier, within reach of every caller of these tests."""
    homes = [{"nis": nis, "van": "2020-01-01", "tot": None} for nis in ("99001", "71016")]
    funds = [{"organisatie": FUND, "van": "2020-01-01", "tot": None}]
    line = {"insz": PERSON.digits, "woonplaatsen": homes, "lidmaatschappen": funds}
    [certified] = demo_persons(1)
    add_person(service, line, certified.blocks)


@dataclass(frozen=True)
class Caller:
    """An organisation that asks much: one token, and a function profile for each purpose."""

    service: Service
    organisation: str
    profiles: Mapping[str, str]

    async def answered(self, code: str, leaves: Sequence[str]) -> tuple[set[str], set[str]]:
        """The operations and the single leaves that are answered for a purpose."""
        token = self.service.token(self.organisation, DOSSIER, ADVICE, LIST)
        on = self.service.clock.now.date().isoformat()
        bodies: list[tuple[str, Mapping[str, Any]]] = [
            *((path, MORE.get(path, {"toetsdatum": on})) for path in OPERATIONS.values()),
            *((OPERATIONS["queryDossier"], {"velden": [leaf]}) for leaf in leaves),
        ]
        answers = await asyncio.gather(
            *(self._ask(token, path, {"doeleinde": code, **body}) for path, body in bodies)
        )
        names = [*OPERATIONS, *leaves]
        given = {name for name, ok in zip(names, answers, strict=True) if ok}
        return given & OPERATIONS.keys(), given - OPERATIONS.keys()

    async def _ask(self, token: str, path: str, body: Mapping[str, Any]) -> bool:
        about: dict[str, Any] = {"insz": PERSON.digits, "referte": "ref-1"}
        if path.endswith("Batch"):
            about = {"referte": "ref-2", "vragen": [about]}
        if path == "/lijsten":
            about = {"referte": "ref-3"}
        response = await self.service.client.post(
            f"{BASE}{path}",
            json={**about, **body},
            headers={
                "Authorization": f"Bearer {token}",
                "X-Magda-Enduser-ID": "ambtenaar-7",
                "X-Functieprofiel": self.profiles.get(body["doeleinde"], "trajectondersteuner"),
            },
        )
        return response.status_code in (200, 202)


async def hold(
    service: Service,
    organisation: str,
    items: Sequence[Mapping[str, Any]],
    leaves: Sequence[str] = LEAVES,
) -> None:
    """Ask everything that is told to be open, and everything that is not."""
    told = {item["doeleinde"]: item for item in items}
    listed = {code: item["functieprofielen"] for code, item in told.items()}
    caller = Caller(service, organisation, {code: of[0] for code, of in listed.items() if of})
    for code in ASKED:
        # Where no clause is told, nothing depends on the field.
        operations, given = await caller.answered(code, leaves if code in told else leaves[:1])
        item = told.get(code, {"operaties": [], "velden": []})
        assert operations == set(item["operaties"])
        assert given == set(item["velden"]) & set(leaves)


Act = Callable[[Service], object]


@dataclass(frozen=True)
class Situation:
    """What is in the register, who asks, and how each of its purposes stands."""

    name: str
    stands: Mapping[str, str]
    contents: tuple[Content, ...] = ()
    act: Act = lambda service: None
    organisation: str = CITY
    taken: int = 0  # dossiers that the city has asked before


def only(*accesses: Mapping[str, Any], **changes: Any) -> Document:
    """The second version, with one purpose that holds these accesses."""
    return document(versie="2", doeleinden=[purpose(*accesses)], **changes)


def grounded(first: date | None, last: date | str | None) -> Document:
    """The second version, with another period of its legal ground."""
    days = {"van": first and str(first), "tot": last and str(last)}
    return document(versie="2", doeleinden=[purpose(rechtsgrond={"tekst": "Zo.", **days})])


def ended(service: Service) -> None:
    administration.end(service.office, variants.ID, service.clock.now, last=TODAY - DAY)


def ends_today(service: Service) -> None:
    administration.end(service.office, variants.ID, service.clock.now, last=TODAY)


def suspended(service: Service) -> None:
    administration.suspend(service.office, variants.ID, "klacht", service.clock.now)


def resumed(service: Service) -> None:
    suspended(service)
    administration.resume(service.office, variants.ID, service.clock.now)


def settled(last: date | None, code: str = PURPOSE, protocol: str = variants.ID) -> Act:
    """The operator settles the end of a legal ground."""
    return lambda service: administration.settle_legal_ground(
        service.office, protocol, code, last, service.clock.now
    )


def profiles(*names: str) -> Content:
    """The list of function profiles of the city."""
    return register_list("functieprofielen", *names, protocol=variants.ID, organisatie=CITY)


def delegates(first: date, last: date | None) -> Content:
    """The list of who acts for the city, on these days."""
    entry = {"organisatie": DELEGATE, "van": str(first), "tot": last and str(last)}
    return register_list("gemachtigden", entry, protocol=variants.ID)


DELEGATED = access("contact", voor="gemachtigden", namens=CITY, functieprofielen="nietGeeist")
DELEGATED.pop("organisaties")
BOTH = access(NARROW, operaties=["queryDossier", "queryAdvies"], advies=variants.ADVICE_TERMS)
FEW, MANY = [quota("queryDossier", 1)], [quota("queryDossier", 1000)]
OPEN = {PURPOSE: "open"}
IN_BOTH_MODES = [
    Situation("open", OPEN),
    Situation("suspended", {PURPOSE: "suspended"}, act=suspended),
    Situation("a ground that was settled", OPEN, (grounded(None, "operator"),), settled(None)),
    Situation(
        "a ground that was settled to end",
        {PURPOSE: "legalGroundEnded"},
        (grounded(None, "operator"),),
        settled(TODAY - DAY),
    ),
    Situation("a list with another profile", OPEN, (profiles("arts", "diensthoofd"),)),
    Situation("an empty list of profiles", {PURPOSE: "functionProfile"}, (profiles(),)),
    Situation(
        "no profile demanded",
        OPEN,
        (profiles(), only(access(functieprofielen="nietGeeist"))),
    ),
]
IN_DEMO = [
    Situation("suspended and resumed", OPEN, act=resumed),
    Situation("ended yesterday", {PURPOSE: "expired"}, act=ended),
    Situation("ends today", OPEN, act=ends_today),
    Situation(
        "a later version that is still coming",
        OPEN,
        (only(access(ADDED), geldigVan=str(TODAY + DAY)),),
    ),
    Situation("a later version", OPEN, (only(access(ADDED), geldigVan=str(TODAY)),)),
    Situation(
        "a later version that drops a purpose",
        {SECOND: "open"},
        (document(versie="2", doeleinden=[purpose(access(ADDED), code=SECOND)]),),
    ),
    Situation(
        "an ended later version does not bring back the first",
        {PURPOSE: "expired"},
        (
            only(
                access(ADDED),
                geldigVan="2026-02-01",
                geldigTot=str(TODAY - DAY),
                status="beeindigd",
            ),
        ),
    ),
    Situation(
        "two purposes with fields of their own",
        {PURPOSE: "open", SECOND: "open"},
        (
            document(
                versie="2",
                doeleinden=[purpose(access(NARROW)), purpose(access(ADDED), code=SECOND)],
            ),
        ),
    ),
    Situation(
        "one of two purposes has lost its legal ground",
        {PURPOSE: "legalGroundEnded", SECOND: "open"},
        (
            document(
                versie="2",
                doeleinden=[
                    purpose(
                        rechtsgrond={"tekst": "Zo.", "van": None, "tot": str(TODAY - DAY)},
                    ),
                    purpose(access(ADDED), code=SECOND),
                ],
            ),
        ),
    ),
    Situation("a ground begins tomorrow", {PURPOSE: "notYetValid"}, (grounded(TODAY + DAY, None),)),
    Situation("a ground ends today", OPEN, (grounded(None, TODAY),)),
    Situation("an advice beside few fields", OPEN, (only(BOTH),)),
    Situation(
        "a delegate with fields of its own",
        OPEN,
        (only(access(NARROW), DELEGATED), delegates(TODAY, TODAY)),
        organisation=DELEGATE,
    ),
    Situation(
        "who delegated keeps to its own fields",
        OPEN,
        (only(access(NARROW), DELEGATED), delegates(TODAY, TODAY)),
    ),
    Situation(
        "a delegate of yesterday",
        {},
        (only(access(NARROW), DELEGATED), delegates(TODAY - DAY, TODAY - DAY)),
        organisation=DELEGATE,
    ),
    Situation("a quota with turns left", OPEN, (only(access(quota=MANY)),), taken=1),
    Situation("a quota that is used up", {PURPOSE: "quota"}, (only(access(quota=FEW)),), taken=1),
    Situation(
        "a used up quota on the dossier leaves the advice",
        OPEN,
        (only({**BOTH, "quota": FEW}),),
        taken=1,
    ),
    Situation("whom no protocol names", {}, organisation="onbekend"),
    Situation("a ground to be settled", OPEN, (grounded(None, "operator"),)),
    Situation("a demanded list that is not there", OPEN, organisation=GENK),
    Situation("a fund for another", {CARE: "open", PREMIUM: "open"}, organisation=FUND),
    Situation("a body with two purposes", {CARE: "open", PREMIUM: "open"}, organisation=AVSB),
]
IN_PRODUCTION = [
    Situation(
        "a ground to be settled", {PURPOSE: "legalGroundEnded"}, (grounded(None, "operator"),)
    ),
    Situation("a demanded list that is not there", {PURPOSE: "functionProfile"}, organisation=GENK),
    Situation(
        "a fund for another",
        {CARE: "legalGroundEnded", PREMIUM: "legalGroundEnded"},
        organisation=FUND,
    ),
    Situation(
        "a fund for another, settled",
        {CARE: "open", PREMIUM: "legalGroundEnded"},
        act=settled(None, CARE, "avsb-2021"),
        organisation=FUND,
    ),
]


async def arrange(service: Service, situation: Situation) -> list[dict[str, Any]]:
    """Lay the register out, and ask what is open."""
    known_to_all(service)
    if situation.contents:
        variants.load(service, *situation.contents)
    situation.act(service)
    for _ in range(situation.taken):
        caller = Caller(service, CITY, {})
        assert "queryDossier" in (await caller.answered(PURPOSE, ()))[0]
    return await ask(service, situation.organisation)


@pytest.mark.parametrize("situation", [*IN_BOTH_MODES, *IN_DEMO], ids=lambda each: each.name)
async def test_what_is_told_is_exactly_what_is_answered(
    service: Service, situation: Situation
) -> None:
    items = await arrange(service, situation)

    assert {item["doeleinde"]: item["nu"] for item in items} == situation.stands
    await hold(service, situation.organisation, items)


@pytest.mark.parametrize("situation", [*IN_BOTH_MODES, *IN_PRODUCTION], ids=lambda each: each.name)
async def test_what_is_told_in_production_is_exactly_what_is_answered(
    production: Service, situation: Situation
) -> None:
    items = await arrange(production, situation)

    assert {item["doeleinde"]: item["nu"] for item in items} == situation.stands
    await hold(production, situation.organisation, items)


async def test_what_is_told_is_what_is_answered_for_every_leaf_there_is(service: Service) -> None:
    known_to_all(service)

    [item] = await ask(service, CITY)

    assert len(item["velden"]) > 20
    await hold(service, CITY, [item], fields.CATALOGUE)


JANUARY = datetime(2026, 1, 5, 12, tzinfo=UTC)
# The first and last days of what the next test loads, in order.
BORDERS: Mapping[str, Mapping[str, str | None]] = {
    "2026-01-31": {CITY: "1", DELEGATE: None},
    "2026-02-01": {CITY: "1", DELEGATE: None},
    "2026-02-28": {CITY: "1", DELEGATE: None},
    "2026-03-01": {CITY: "2", DELEGATE: "2"},
    "2026-03-31": {CITY: "2", DELEGATE: "2"},
    "2026-04-01": {CITY: "2", DELEGATE: None},
    "2026-04-30": {CITY: "2", DELEGATE: None},
    "2026-05-01": {CITY: None, DELEGATE: None},
    "2026-05-15": {CITY: "3", DELEGATE: None},
    "2026-05-31": {CITY: "3", DELEGATE: None},
    "2026-06-01": {CITY: None, DELEGATE: None},
}


async def test_what_is_told_of_a_day_is_what_is_answered_on_that_day(own_folder: Path) -> None:
    url = f"sqlite:///{own_folder}/protocolpoort.db"
    service = make_service(url, own_folder, now=JANUARY, persons=1)
    service.office.keys.create(JANUARY, months=8)
    known_to_all(service)
    ground = {"tekst": "Zo.", "van": None, "tot": "2026-04-30"}
    second = purpose(access(NARROW), DELEGATED, rechtsgrond=ground)
    variants.load(
        service,
        document(versie="2", geldigVan="2026-03-01", doeleinden=[second]),
        document(versie="3", geldigVan="2026-05-15", doeleinden=[purpose(access(ADDED))]),
        delegates(date(2026, 2, 1), date(2026, 3, 31)),
    )
    administration.end(service.office, variants.ID, service.clock.now, last=date(2026, 5, 31))
    told = {
        (day, who): await ask(service, who, f"?datum={day}")
        for day in BORDERS
        for who in (CITY, DELEGATE)
    }

    for day, expected in BORDERS.items():
        service.clock.now = datetime.fromisoformat(f"{day}T21:30:00+00:00")
        for who, version in expected.items():
            items = told[day, who]
            assert await ask(service, who) == items
            await hold(service, who, items, LEAVES[:6])
            opened = [item["versie"] for item in items if item["velden"]]
            assert opened == ([version] if version else [])
    await service.close()
