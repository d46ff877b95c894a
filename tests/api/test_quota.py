"""Quotas over HTTP: so many answers in a calendar year or half-year, and not one more."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import variants
from service import (
    AUDIT,
    CITY,
    Service,
    add_person,
    add_resident,
    closed_log,
    insz_of,
    person_with,
)
from variants import PURPOSE, access, document, purpose, quota

from app.demo_persons import NON_RESIDENT, RESIDENT_WITH_CERTIFICATE
from app.insz import Insz

PERSON = RESIDENT_WITH_CERTIFICATE
NO_DOSSIER, UNKNOWN = insz_of("907225101"), insz_of("907225103")
OTHER_CITY, CONTROL = "elderstad", "controle"
ANOTHER_PROFILE = {"X-Functieprofiel": "iemand"}
BOTH = ["queryDossier", "queryAdvies"]
# The last moments of a half-year in Brussels, and the first of the next.
LAST_OF_JUNE = datetime(2026, 6, 30, 21, 59, 59, tzinfo=UTC)
FIRST_OF_JULY = datetime(2026, 6, 30, 22, 0, tzinfo=UTC)


def limited(dossiers: int, advices: int, **changes: Any) -> Any:
    """Voorbeeldstad may ask so many dossiers a half-year and so many advices a year."""
    both = access(
        operaties=BOTH,
        advies=variants.ADVICE_TERMS,
        quota=[quota("queryDossier", dossiers), quota("queryAdvies", advices, "kalenderjaar")],
    )
    return document(**{"versie": "2", "doeleinden": [purpose(both)], **changes})


async def dossiers(service: Service, count: int = 1, **question: Any) -> list[int]:
    """Ask the same dossier so many times, one after the other; the statuses."""
    return [(await service.dossier(CITY, PERSON, **question)).status_code for _ in range(count)]


async def advice(service: Service, insz: Insz = PERSON, **question: Any) -> httpx.Response:
    return await service.advice(CITY, insz, **{"doeleinde": PURPOSE, **question})


def ordinals(service: Service, operation: str = "queryDossier") -> list[int | None]:
    """The turn that each answer took, as the records say."""
    return [
        record.get("quotaOrdinal")
        for record in service.records()
        if record["operation"] == operation and record["outcome"] == "allowed"
    ]


async def told(service: Service, query: str = "") -> Mapping[str, Any]:
    """What `getMijnToegang` says of the purpose."""
    response = await service.ask(CITY, f"/mijnToegang{query}", scopes=())
    [item] = response.json()["items"]
    found: Mapping[str, Any] = item
    return found


async def test_after_the_last_turn_a_request_is_refused_until_a_day(
    service_on_each: Service,
) -> None:
    variants.load(service_on_each, limited(3, 2))

    statuses = await dossiers(service_on_each, 4)
    refused = await service_on_each.dossier(CITY, PERSON)

    assert statuses == [200, 200, 200, 429]
    body = refused.json()
    assert body["type"] == "urn:problem-type:belgif:tooManyRequests"
    assert (body["reden"], body["datum"]) == ("quota", "2026-07-01")
    assert body["uitzonderingen"][0]["identificatie"] == "99995"
    record = service_on_each.records()[-1]
    assert (record["outcome"], record["status"]) == ("denied", 429)
    assert record["reasonCode"] == "quota"
    assert not {"quotaId", "quotaOrdinal", "quotaMaximum"} & record.keys()
    assert ordinals(service_on_each) == [1, 2, 3]


async def test_a_party_with_two_identifiers_has_one_quota(service_on_each: Service) -> None:
    service = service_on_each
    names = ["stad-tweede", CITY]
    known_as(service, "2", names)
    asked = [await ask_as(service, name) for name in names]
    # Its turns go on when another version names the other one first.
    known_as(service, "3", names[::-1])

    asked += [await ask_as(service, name) for name in (*names, *names)]

    assert asked == [200, 200, 200, 429, 429, 429]
    found = [one for one in service.records() if "quotaId" in one]
    assert [one["organisation"] for one in found] == [*names, names[0]]
    assert [(one["quotaId"].split("/")[2], one["quotaOrdinal"]) for one in found] == [
        (names[0], 1),
        (names[0], 2),
        (names[1], 3),
    ]


async def test_a_version_that_drops_an_identifier_gives_no_turns_again(
    service_on_each: Service,
) -> None:
    service = service_on_each
    known_as(service, "2", ["stad-tweede", CITY])
    asked = [await ask_as(service, CITY) for _ in range(3)]
    known_as(service, "3", [CITY])

    asked.append(await ask_as(service, CITY))

    assert asked == [200, 200, 200, 429]


def known_as(service: Service, version: str, names: list[str]) -> None:
    """Voorbeeldstad, under these identifiers, may ask three dossiers a half-year."""
    provider, city = variants.DATA["partijen"]
    both = access(organisaties=names, quota=[quota("queryDossier", 3)])
    parties = [provider, {**city, "organisaties": names}]
    text = document(versie=version, partijen=parties, doeleinden=[purpose(both)])
    variants.load(service, text)


async def ask_as(service: Service, organisation: str) -> int:
    return (await service.dossier(organisation, PERSON)).status_code


async def test_an_advice_has_a_quota_of_its_own(service_on_each: Service) -> None:
    variants.load(service_on_each, limited(3, 2))

    advices = [await advice(service_on_each) for _ in range(3)]

    assert [each.status_code for each in advices] == [200, 200, 429]
    assert advices[-1].json()["datum"] == "2027-01-01"
    assert ordinals(service_on_each, "queryAdvies") == [1, 2]
    assert await dossiers(service_on_each, 4) == [200, 200, 200, 429]


async def test_a_record_of_an_answer_names_its_turn(service: Service) -> None:
    variants.load(service, limited(3, 2))

    await dossiers(service)

    [record] = service.records()
    assert record["quotaId"] == f"{variants.ID}/{PURPOSE}/{CITY}/queryDossier/2026-01-01"
    assert (record["quotaOrdinal"], record["quotaMaximum"]) == (1, 3)


async def test_what_is_no_answer_takes_no_turn(service_on_each: Service) -> None:
    service = service_on_each
    variants.load(service, limited(1, 1))
    home = {"nis": "99001", "van": "2020-01-01", "tot": None}
    add_person(service, {"insz": NO_DOSSIER.digits, "woonplaatsen": [home]}, None)
    doubtful = person_with("T99", 60).insz
    add_person(service, {"insz": doubtful.digits, "woonplaatsen": [home]}, None)

    question = {"insz": PERSON.digits, "doeleinde": PURPOSE, "referte": "ref-1"}
    failed = [
        await service.dossier(CITY, PERSON, velden=["aanmelding"]),
        await service.dossier(CITY, PERSON, velden=[]),
        await service.dossier(CITY, NON_RESIDENT),
        await service.dossier(CITY, UNKNOWN),
        await service.dossier(CITY, NO_DOSSIER),
        await service.ask(CITY, "/dossiers/query", question, scopes=(AUDIT,)),
        await service.ask(CITY, "/dossiers/query", question, headers=ANOTHER_PROFILE),
        await advice(service, toetsdatum="2026-06-02"),
        await advice(service, NON_RESIDENT),
        await advice(service, doubtful),
    ]
    with closed_log(service):
        failed += [await service.dossier(CITY, PERSON), await advice(service)]

    statuses = [each.status_code for each in failed]
    assert statuses == [403, 400, 403, 403, 404, 403, 403, 400, 403, 409, 503, 503]
    assert await dossiers(service, 2) == [200, 429]
    assert [(await advice(service)).status_code for _ in range(2)] == [200, 429]
    assert (ordinals(service), ordinals(service, "queryAdvies")) == ([1], [1])


async def test_a_used_up_quota_tells_nothing_of_a_person(service: Service) -> None:
    """The quota comes before the person (api.md, order of checks)."""
    variants.load(service, limited(1, 1))
    add_resident(service, NO_DOSSIER)
    await dossiers(service)

    answers = [await service.dossier(CITY, who) for who in (PERSON, NON_RESIDENT, UNKNOWN)]

    bodies = [{**each.json(), "instance": None} for each in answers]
    assert [each.status_code for each in answers] == [429] * 3
    assert bodies == [bodies[0]] * 3


async def test_two_services_never_give_more_answers_than_there_are_turns(
    service_on_each: Service,
) -> None:
    variants.load(service_on_each, limited(13, 2))
    services = [service_on_each, other := service_on_each.restart()]

    answers = await asyncio.gather(
        *(each.dossier(CITY, PERSON) for each in services for _ in range(15))
    )

    await other.close()
    statuses = [each.status_code for each in answers]
    assert sorted(statuses) == [200] * 13 + [429] * 17
    assert ordinals(service_on_each) == list(range(1, 14))


async def test_a_new_half_year_brings_new_turns(service: Service) -> None:
    variants.load(service, limited(2, 2))
    service.clock.now = LAST_OF_JUNE
    before = await dossiers(service, 3)
    service.clock.now = FIRST_OF_JULY

    after = await dossiers(service, 3)

    assert (before, after) == ([200, 200, 429], [200, 200, 429])
    assert ordinals(service) == [1, 2, 1, 2]


async def test_a_half_year_is_no_year(service: Service) -> None:
    variants.load(service, limited(2, 1))
    service.clock.now = LAST_OF_JUNE
    before = (await advice(service)).status_code
    service.clock.now = FIRST_OF_JULY

    assert (before, (await advice(service)).status_code) == (200, 429)


async def test_versions_of_a_protocol_share_their_quota(service_on_each: Service) -> None:
    variants.load(service_on_each, limited(3, 2))
    first = await dossiers(service_on_each, 2)

    variants.load(service_on_each, limited(3, 2, versie="3"))
    shared = await dossiers(service_on_each, 2)
    variants.load(service_on_each, limited(5, 2, versie="4"))
    widened = await dossiers(service_on_each, 3)
    variants.load(service_on_each, limited(4, 2, versie="5"))
    narrowed = await dossiers(service_on_each, 1)

    assert [first, shared, widened, narrowed] == [[200] * 2, [200, 429], [200, 200, 429], [429]]
    versions = [each["protocolVersion"] for each in service_on_each.records()]
    assert versions == ["2", "2", "3", "3", "4", "4", "4", "5"]
    assert ordinals(service_on_each) == [1, 2, 3, 4, 5]


SEPTEMBER, OCTOBER = (datetime(2026, month, 1, 12, tzinfo=UTC) for month in (9, 10))
HALF, YEAR = "halfjaar", "kalenderjaar"


@pytest.mark.parametrize(
    ("before", "after", "spring_and_autumn", "october", "since"),
    [
        # The whole year counts: two turns of spring and two of autumn.
        (HALF, YEAR, [1, 2, 1, 2], [5, 6], "2026-01-01"),
        # The half-year counts: two turns of autumn.
        (YEAR, HALF, [1, 2, 3, 4], [3, 4, 5, 6], "2026-07-01"),
        (YEAR, YEAR, [1, 2, 3, 4], [5, 6], "2026-01-01"),
        (HALF, HALF, [1, 2, 1, 2], [3, 4, 5, 6], "2026-07-01"),
    ],
)
async def test_a_version_that_counts_another_time_counts_what_was_taken_in_it(
    service_on_each: Service,
    before: str,
    after: str,
    spring_and_autumn: list[int],
    october: list[int],
    since: str,
) -> None:
    service = service_on_each
    service.office.keys.create(service.clock.now, months=8)

    def per(period: str, **changes: Any) -> Any:
        limits = [quota("queryDossier", 6, period)]
        return document(**changes, doeleinden=[purpose(access(quota=limits))])

    variants.load(service, per(before, versie="2"))
    variants.load(service, per(after, versie="3", geldigVan="2026-10-01"))
    statuses = await dossiers(service, 2)
    service.clock.now = SEPTEMBER
    statuses += await dossiers(service, 2)
    service.clock.now = OCTOBER

    left = (await told(service))["quota"][0]["over"]
    refused_last = await dossiers(service, len(october) + 1)

    assert statuses == [200] * 4
    assert refused_last == [200] * len(october) + [429]
    assert left == len(october)
    assert ordinals(service) == [*spring_and_autumn, *october]
    assert {each["quotaId"][-10:] for each in service.records()[4:] if "quotaId" in each} == {since}


async def test_a_quota_has_a_standing_on_the_last_day_there_is(service: Service) -> None:
    both = [quota("queryDossier", 1, HALF), quota("queryAdvies", 1, YEAR)]
    opened = access(operaties=BOTH, advies=variants.ADVICE_TERMS, quota=both)
    variants.load(service, document(versie="2", doeleinden=[purpose(opened)]))
    await dossiers(service)

    item = await told(service, "?datum=9999-12-31")

    assert item["nu"] == "open"
    assert [(each["over"], each["opnieuwVanaf"]) for each in item["quota"]] == [
        (1, "9999-12-31")
    ] * 2
    assert service.records()[-1]["asOf"] == "9999-12-31"


async def test_what_was_asked_without_a_quota_is_not_counted_afterwards(service: Service) -> None:
    await dossiers(service, 5)

    variants.load(service, limited(1, 1))

    assert await dossiers(service, 2) == [200, 429]


PARTIES = [
    *variants.DATA["partijen"],
    {
        **variants.DATA["partijen"][1],
        "naam": "Elderstad",
        "organisaties": [OTHER_CITY],
        "nis": "99002",
    },
]


async def test_one_quota_never_touches_another(service: Service) -> None:
    """Of another organisation, of another purpose, of another operation."""
    per_city = [
        access(
            organisaties=[city],
            operaties=BOTH,
            advies=variants.ADVICE_TERMS,
            functieprofielen="nietGeeist",
            quota=[quota(operation, 1) for operation in BOTH],
        )
        for city in (CITY, OTHER_CITY)
    ]
    purposes = [purpose(*per_city), purpose(*per_city, code=CONTROL)]
    variants.load(service, document(versie="2", partijen=PARTIES, doeleinden=purposes))

    found = {}
    for city in (CITY, OTHER_CITY):
        for code in (PURPOSE, CONTROL):
            for ask in (service.dossier, service.advice):
                answers = [await ask(city, PERSON, doeleinde=code) for _ in range(2)]
                statuses = [each.status_code for each in answers]
                found[city, code, ask.__name__] = statuses

    assert len(found) == 8
    assert found == {key: [200, 429] for key in found}


async def test_my_access_tells_what_is_left(service_on_each: Service) -> None:
    variants.load(service_on_each, limited(2, 1))
    fresh = await told(service_on_each)
    await dossiers(service_on_each)
    one_left = await told(service_on_each)
    await dossiers(service_on_each)
    only_advice = await told(service_on_each)
    await advice(service_on_each)
    nothing = await told(service_on_each)
    in_july = await told(service_on_each, "?datum=2026-07-01")

    standings = [fresh, one_left, only_advice, nothing, in_july]
    assert [[each["over"] for each in item["quota"]] for item in standings] == [
        [2, 1],
        [1, 1],
        [0, 1],
        [0, 0],
        [2, 0],
    ]
    assert [item["operaties"] for item in standings] == [
        ["queryAdvies", "queryDossier"],
        ["queryAdvies", "queryDossier"],
        ["queryAdvies"],
        [],
        ["queryDossier"],
    ]
    assert [bool(item["velden"]) for item in standings] == [True, True, False, False, True]
    assert [item["nu"] for item in standings] == ["open", "open", "open", "quota", "open"]
    first, second = fresh["quota"]
    assert first == {
        "operatie": "queryDossier",
        "aantal": 2,
        "per": "halfjaar",
        "over": 2,
        "opnieuwVanaf": "2026-07-01",
    }
    assert (second["per"], second["opnieuwVanaf"]) == ("kalenderjaar", "2027-01-01")


async def test_my_access_tells_the_first_day_that_opens_again(service: Service) -> None:
    """A dossier again in July, an advice only in January: the earlier of the two."""
    variants.load(service, limited(1, 1))
    await dossiers(service)
    await advice(service)

    item = await told(service)

    assert (item["nu"], item["vanaf"]) == ("quota", "2026-07-01")
    again = await told(service, f"?datum={item['vanaf']}")
    assert again["nu"] == "open"


async def test_asking_what_is_left_takes_no_turn(service: Service) -> None:
    variants.load(service, limited(1, 1))

    for _ in range(3):
        await told(service)

    assert await dossiers(service) == [200]


@pytest.mark.parametrize("maximum", [1, 2])
async def test_the_last_turn_is_given_once_to_two_who_come_together(
    service_on_each: Service, maximum: int
) -> None:
    variants.load(service_on_each, limited(maximum, 1))
    await dossiers(service_on_each, maximum - 1)

    answers = await asyncio.gather(*(service_on_each.dossier(CITY, PERSON) for _ in range(2)))

    assert sorted(each.status_code for each in answers) == [200, 429]
    assert ordinals(service_on_each) == list(range(1, maximum + 1))
