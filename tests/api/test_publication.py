"""The page of a protocol: it says in words all that the document says, and nothing gets into it."""

import hashlib
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import variants
from service import BASE, CITY, PROTOCOLS, Service, add_resident, insz_of

from app import administration, documents, fields, publication
from app.agreement import Document
from app.moments import read_day
from app.obligation import Profile
from app.policy import Operation, Period, PopulationKind
from app.register import Edition, State

FILES = [*sorted(PROTOCOLS.glob("*-20*.yaml")), PROTOCOLS / "demo" / "voorbeeldstad.yaml"]
# Said in words: what these hold is a code of the format.
CODES = {
    *("formaat", "status", "rollen", "voor", "soort", "functieprofielen", "richting", "bron"),
    *("per", "vanaf", "profiel", "adviesFunctionaris", "kbo"),
}


class Page(HTMLParser):
    """What a page says, and what it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.links: dict[str, dict[str, str]] = {}
        self.ids: list[str] = []
        self._texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Sort the attributes."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.names |= given.keys()
        self.ids += [given["id"]] if "id" in given else []
        if "href" in given:
            self.links[given["href"]] = given

    def handle_data(self, data: str) -> None:
        """Take the text, but not the style."""
        if self.tags[-1:] != ["style"] or "{" not in data:
            self._texts.append(data)

    @property
    def text(self) -> str:
        """All that can be read, on one line."""
        return line("".join(self._texts))


def line(text: str) -> str:
    return " ".join(text.split())


def data_of(number: int) -> dict[str, Any]:
    document = documents.parse(FILES[number].read_text(encoding="utf-8"))
    assert isinstance(document, Document)
    return documents.as_data(document)


AVSB, GENK, MECHELEN, VDAB, WETTEREN, INVENTED = (data_of(number) for number in range(len(FILES)))


def edition(data: dict[str, Any], state: State = State.IN_FORCE, **more: Any) -> Edition:
    """The data of a document as the register publishes it."""
    document = documents.from_data(data)
    assert isinstance(document, Document)
    last = document.last if isinstance(document.last, date) else None
    given: dict[str, Any] = {
        "suspended_since": None,
        "ended_on": None,
        "cooperation_since": None,
    }
    made = Edition(
        document=document,
        hash=documents.document_hash(document),
        period=Period(document.first, last),
        state=state,
        legal_ground_ends={},
        **given,
    )
    return replace(made, **more)


def page_of(*versions: Edition) -> Page:
    """The page of the first of these versions."""
    return Page(publication.protocol_page(versions[0], versions))


def texts(value: Any, key: str = "") -> Iterator[str]:
    """Every text of a document that stands on the page as it is, and every date in words."""
    if isinstance(value, dict):
        for name, one in value.items():
            # The kind of a party is a text, the kind of a population is a code.
            coded = name in CODES and not (name == "soort" and "zetel" in value)
            yield from () if coded else texts(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, key)
    elif isinstance(value, str) and value != "operator":
        day = read_day(value)
        yield publication.day(day) if day else line(value)


def changed(data: dict[str, Any], *changes: tuple[str, Any]) -> dict[str, Any]:
    """The same with other values at paths such as `partijen.0.naam`."""
    data = deepcopy(data)
    for path, value in changes:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = data
        for part in way:
            place = place[part]
        place[last] = value
    return data


@pytest.mark.parametrize(
    "data", [AVSB, GENK, MECHELEN, VDAB, WETTEREN, INVENTED], ids=lambda d: d["id"]
)
def test_the_page_says_everything_that_the_document_says(data: dict[str, Any]) -> None:
    said = page_of(edition(data)).text

    assert [text for text in texts(data) if text not in said] == []
    assert len(set(texts(data))) > 40


@pytest.mark.parametrize("data", [AVSB, VDAB], ids=lambda d: d["id"])
def test_no_value_can_bring_html_into_a_page(data: dict[str, Any]) -> None:
    hostile = """</p><b onload="x">'"&amp;{{ 7 * 7 }}<script>"""

    def attacked(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: attacked(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [attacked(one, key) for one in value]
        return hostile + value if isinstance(value, str) and " " in value else value

    broken = edition(attacked(data))
    pages = [page_of(broken), Page(publication.list_page([broken]))]

    for page in pages:
        assert not {"b", "script"} & set(page.tags)
        assert "onload" not in page.names
        assert line(hostile + data["titel"]) in page.text
    assert [text for text in texts(attacked(data)) if text not in pages[0].text] == []


@pytest.mark.parametrize(
    "data", [AVSB, GENK, MECHELEN, VDAB, WETTEREN, INVENTED], ids=lambda d: d["id"]
)
def test_a_page_is_sound_html_that_loads_nothing(data: dict[str, Any]) -> None:
    one = edition(data)
    for page in (page_of(one), Page(publication.list_page([one]))):
        within = {link[1:] for link in page.links if link.startswith("#")}

        assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
        assert not {"src", "srcset", "action", "style"} & page.names
        assert (page.tags.count("h1"), page.tags.count("main")) == (1, 1)
        assert within <= set(page.ids)
        assert len(page.ids) == len(set(page.ids))


def test_the_file_in_the_page_has_the_hash_of_the_page() -> None:
    one = edition(VDAB)
    page = page_of(one)

    [(address, link)] = [(href, a) for href, a in page.links.items() if href.startswith("data:")]

    content = b64decode(address.removeprefix("data:application/json;base64,"))
    assert "sha256:" + hashlib.sha256(content).hexdigest() == one.hash
    assert link["download"] == "vdab-2023-1.json"
    assert page.text.count(one.hash) == 2


def test_a_remark_of_the_publisher_stands_apart_from_the_text() -> None:
    html = publication.protocol_page(one := edition(GENK), [one])

    marked = re.findall(r'<p class="opmerking"><strong>Opmerking van de uitgever:</strong>', html)

    def remarks(value: Any) -> int:
        if isinstance(value, list):
            return sum(map(remarks, value))
        if not isinstance(value, dict):
            return 0
        return ("opmerking" in value) + sum(map(remarks, value.values()))

    assert len(marked) == remarks(GENK) + len(GENK["opmerkingen"])


NEWER = edition(changed(GENK, ("versie", "2"), ("geldigVan", "2026-07-01")))
FIRST = "2021-06-02"
UNTIL = Period(date.fromisoformat(FIRST), date(2026, 6, 30))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (edition(GENK, State.COMING), "Van kracht vanaf 2 juni 2021."),
        (edition(GENK), "Van kracht sinds 2 juni 2021."),
        (
            edition(GENK, State.SUSPENDED, suspended_since=date(2026, 3, 1)),
            "Geschorst sinds 1 maart 2026: zolang dat duurt, opent dit protocol niets.",
        ),
        (
            edition(GENK, State.ENDED, period=UNTIL),
            "Beëindigd op 30 juni 2026, de laatste geldige dag.",
        ),
        (
            edition(GENK, State.SUPERSEDED, period=UNTIL),
            "Vervangen door versie 2 op 1 juli 2026.",
        ),
        (
            edition(GENK, State.SUPERSEDED, period=replace(UNTIL, last=date(2025, 12, 31))),
            "Beëindigd op 31 december 2025; vervangen door versie 2 op 1 juli 2026.",
        ),
        (
            edition(GENK, State.COMING, suspended_since=date(2021, 3, 1)),
            "Van kracht vanaf 2 juni 2021, nu geschorst.",
        ),
        *(
            (
                edition(GENK, state, period=replace(UNTIL, last=date(2021, 6, 1))),
                "Nooit van kracht geweest.",
            )
            for state in (State.ENDED, State.SUPERSEDED)
        ),
    ],
)
def test_a_version_says_how_it_stands(one: Edition, said: str) -> None:
    versions = [one, NEWER]

    assert publication.standing(one, versions) == said
    assert f"Toestand vandaag: {said}" in page_of(*versions).text
    assert said in Page(publication.list_page(versions)).text


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        ([State.IN_FORCE], 0),
        ([State.SUPERSEDED, State.IN_FORCE, State.COMING], 1),
        ([State.SUPERSEDED, State.SUSPENDED, State.COMING], 1),
        ([State.SUPERSEDED, State.ENDED], 1),
        ([State.ENDED, State.COMING], 1),
    ],
)
def test_the_version_that_rules_is_shown_else_the_newest(states: list[State], shown: int) -> None:
    versions = [
        edition(changed(GENK, ("versie", str(at))), state) for at, state in enumerate(states)
    ]

    assert publication.ruling(versions) is versions[shown]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (Period(), "zonder begin- of einddatum"),
        (Period(date(2021, 6, 2)), "vanaf 2 juni 2021, zonder einddatum"),
        (Period(None, date(2021, 6, 2)), "tot en met 2 juni 2021"),
        (UNTIL, "van 2 juni 2021 tot en met 30 juni 2026"),
        (Period(date(2021, 6, 2), date(2021, 6, 1)), "geen enkele dag"),
    ],
)
def test_a_period_is_told_in_words(days: Period, said: str) -> None:
    assert publication.interval(days) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("2021-01-07", "7 januari 2021"),
        ("2021-03", "maart 2021"),
        ("2021", "Advies van die functionaris2021"),
        ("09-06", "6 september, zonder jaar in de tekst"),
        (None, "de tekst geeft geen datum"),
    ],
)
def test_a_date_is_told_as_far_as_the_text_gives_it(written: str | None, said: str) -> None:
    page = page_of(edition(changed(GENK, ("partijen.1.adviesFunctionaris.datum", written))))

    assert said in page.text


def test_the_end_of_a_legal_ground_is_told_as_the_operator_settled_it() -> None:
    budget, premium = "zorgbudgetZwaarZorgbehoevenden", "verlaagdePremie"

    open_ = page_of(edition(AVSB)).text
    settled = page_of(
        edition(AVSB, legal_ground_ends={budget: None, premium: date(2023, 7, 20)})
    ).text

    assert open_.count("het einde legt de beheerder vast; het einde is nog niet vastgelegd") == 2
    assert "het einde legt de beheerder vast; vastgelegd: geen einddatum" in settled
    assert "het einde legt de beheerder vast; vastgelegd: tot en met 20 juli 2023" in settled


def test_a_settled_end_is_told_also_where_the_text_gives_one() -> None:
    ends = {"lokaalIntegratiebeleid": date(2026, 1, 31)}

    said = page_of(edition(GENK, legal_ground_ends=ends)).text

    assert "zonder begin- of einddatum; vastgelegd: tot en met 31 januari 2026" in said


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (
            None,
            "tot 5 jaar na het begin van de samenwerking (nog niet vastgelegd door de beheerder)",
        ),
        (date(2022, 3, 1), "tot 5 jaar na het begin van de samenwerking (1 maart 2022)"),
    ],
)
def test_a_term_begins_where_the_operator_settled_it(since: date | None, said: str) -> None:
    assert said in page_of(edition(VDAB, cooperation_since=since)).text


def test_an_end_by_notice_or_sanction_is_told() -> None:
    one = edition(GENK, ended_on=date(2026, 12, 31))

    assert (
        "door opzegging of als sanctie; laatste geldige dag 31 december 2026" in page_of(one).text
    )


def test_who_asks_what_about_whom_is_told_in_words() -> None:
    said = page_of(edition(INVENTED)).text

    assert "het dossier van één persoon opvragen (queryDossier)" in said
    assert "de persoon woont in de gemeente met NIS-code 99001" in said
    assert "geëist: enkel wie een functieprofiel van de lijst heeft" in said
    assert "Toegepast als: hoogstens 5 jaar vanaf de mededeling." in said
    assert "wie gemachtigd is om te handelen namens Agentschap voor Vlaamse Sociale" in (
        page_of(edition(AVSB)).text
    )


def test_a_group_tells_every_field_that_it_stands_for() -> None:
    said = page_of(edition(INVENTED)).text

    assert "talenkennisGroep van 25 velden: talenkennis." in said
    assert all(leaf in said for leaf in fields.leaves("talenkennis"))
    assert "contract.ondertekendGroep" not in said


def test_rare_parts_are_told_too() -> None:
    data = changed(
        INVENTED,
        ("doeleinden.0.toegang.0.velden.0", {"veld": "inbreuken[]", "verantwoording": "Reden."}),
        ("doeleinden.0.toegang.0.velden.0.bijzondereCategorie", "Met wettelijke grond."),
        ("verwerkers.lijst", [{"naam": "Rekenhuis", "kbo": "0543307391", "overeenkomstOp": None}]),
        ("inhoud.duur", {"nietInTekst": "De tekst zwijgt.", "opmerking": "Nagevraagd."}),
        ("gegevensfout.weken", 1),
        ("opzegtermijnMaanden", None),
    )

    said = page_of(edition(data)).text

    assert "Bijzondere categorie (art. 9 en 10 van de AVG): Met wettelijke grond." in said
    assert "Rekenhuis (0543.307.391)" in said
    assert "Niet in de tekst. De tekst zwijgt. Opmerking van de uitgever: Nagevraagd." in said
    assert "1 week vanaf de vaststelling" in said
    assert "Opzegtermijnniet in de tekst" in said


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (publication.OPERATIONS, Operation),
        (publication.POPULATIONS, PopulationKind),
        (publication.PROFILES, Profile),
        (publication.STATES, State),
    ],
)
def test_every_code_has_its_words(words: Any, codes: Any) -> None:
    assert words.keys() == set(codes)


def test_an_empty_register_has_a_page() -> None:
    assert "Er staat nog geen protocol in het register." in Page(publication.list_page([])).text


# What the register says of a day is what a request gets on that day


TODAY, DAY = date(2026, 6, 1), timedelta(days=1)
PERSON = insz_of("850615001")
OLD, NEW, OTHER = "contact.email", "aanmelding.datumAanmelding", "ander-2026"


def second(first: date = TODAY, **changes: Any) -> Document:
    """Another version of the protocol of the city, with one field that the first has not."""
    access = variants.access(NEW)
    purposes = [variants.purpose(access, code=changes.pop("code", variants.PURPOSE))]
    return variants.document(
        **{"versie": "2", "geldigVan": str(first), "doeleinden": purposes, **changes}
    )


def suspend(service: Service) -> None:
    administration.suspend(service.office, variants.ID, "klacht", service.clock.now)


def end(service: Service, last: date, protocol: str = variants.ID) -> None:
    administration.end(service.office, protocol, service.clock.now, last=last)


def suspended_with_a_later_version(service: Service) -> None:
    suspend(service)
    variants.load(service, second(TODAY + DAY))


def ended_with_a_later_version(service: Service) -> None:
    variants.load(service, second(TODAY + 9 * DAY))
    end(service, TODAY + DAY)


def ended_before_it_begins(service: Service) -> None:
    variants.load(service, second(TODAY + 9 * DAY, id=OTHER, versie="1", code="controle"))
    end(service, TODAY + DAY, OTHER)


@dataclass(frozen=True)
class Situation:
    """What was done with the protocol, and how its versions stand after so many days."""

    name: str
    act: Callable[[Service], object]
    stands: Mapping[str, tuple[str, str]]  # by version: the state as data and on the page
    later: int = 0
    protocol: str = variants.ID
    purpose: str = variants.PURPOSE
    refused: str | None = None  # the reason, or None where the version in force answers


RULES, BEGAN = "vanKracht", "Van kracht sinds 1 januari 2026."
OPENS_NOTHING = "Geschorst sinds 1 juni 2026: zolang dat duurt, opent dit protocol niets."
REPLACED = ("vervangen", "Vervangen door versie 2 op 1 juni 2026.")
NEVER = ("beeindigd", "Nooit van kracht geweest.")
SITUATIONS = [
    Situation("in force", lambda service: None, {"1": (RULES, BEGAN)}),
    Situation("suspended", suspend, {"1": ("geschorst", OPENS_NOTHING)}, refused="suspended"),
    Situation(
        "ended",
        lambda service: end(service, TODAY - DAY),
        {"1": ("beeindigd", "Beëindigd op 31 mei 2026, de laatste geldige dag.")},
        refused="expired",
    ),
    Situation("on its last day", lambda service: end(service, TODAY), {"1": (RULES, BEGAN)}),
    Situation(
        "superseded",
        lambda service: variants.load(service, second()),
        {"1": REPLACED, "2": (RULES, "Van kracht sinds 1 juni 2026.")},
    ),
    Situation(
        "coming",
        lambda service: variants.load(service, second(TODAY + DAY)),
        {"1": (RULES, BEGAN), "2": ("toekomstig", "Van kracht vanaf 2 juni 2026.")},
    ),
    Situation(
        "come",
        lambda service: variants.load(service, second(TODAY + DAY)),
        {
            "1": ("vervangen", "Vervangen door versie 2 op 2 juni 2026."),
            "2": (RULES, "Van kracht sinds 2 juni 2026."),
        },
        later=1,
    ),
    Situation(
        "coming of a suspended protocol",
        suspended_with_a_later_version,
        {
            "1": ("geschorst", OPENS_NOTHING),
            "2": ("toekomstig", "Van kracht vanaf 2 juni 2026, nu geschorst."),
        },
        refused="suspended",
    ),
    Situation(
        "come of a suspended protocol",
        suspended_with_a_later_version,
        {
            "1": ("vervangen", "Vervangen door versie 2 op 2 juni 2026."),
            "2": ("geschorst", OPENS_NOTHING),
        },
        later=1,
        refused="suspended",
    ),
    Situation(
        "before the end of a protocol whose later version never begins",
        ended_with_a_later_version,
        {"1": (RULES, BEGAN), "2": NEVER},
    ),
    Situation(
        "after the end of a protocol whose later version never begins",
        ended_with_a_later_version,
        {
            "1": ("beeindigd", "Beëindigd op 2 juni 2026, de laatste geldige dag."),
            "2": NEVER,
        },
        later=2,
        refused="expired",
    ),
    *(
        Situation(
            f"ended before it begins, {days} days later",
            ended_before_it_begins,
            {"1": NEVER},
            later=days,
            protocol=OTHER,
            purpose="controle",
            refused="expired",
        )
        for days in (0, 1, 2, 9, 10)
    ),
]


async def told(service: Service, address: str) -> tuple[Mapping[str, Any], str]:
    """A resource of the register as data, and all that its page says."""
    data = await service.client.get(address)
    page = await service.client.get(address, headers={"Accept": "text/html"})
    found: Mapping[str, Any] = data.json()
    return found, Page(page.text).text


async def asked(service: Service, purpose: str, field: str) -> httpx.Response:
    return await service.dossier(CITY, PERSON, doeleinde=purpose, velden=[field])


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.name)
async def test_page_and_data_say_of_a_day_what_a_request_gets(
    service: Service, situation: Situation
) -> None:
    add_resident(service, PERSON)
    situation.act(service)
    service.clock.forward(days=situation.later)
    today, path = TODAY + situation.later * DAY, f"{BASE}/protocollen"

    listed, list_page = await told(service, path)
    items = [each for each in listed["items"] if each["id"] == situation.protocol]
    pages = {item["versie"]: await told(service, item["href"]) for item in items}
    answers = [await asked(service, situation.purpose, field) for field in (OLD, NEW)]

    states = {version: state for version, (state, _) in situation.stands.items()}
    assert {item["versie"]: item["toestand"] for item in items} == states
    coming = "toekomstig" in states.values()
    for item in items:
        state, sentence = situation.stands[item["versie"]]
        data, page = pages[item["versie"]]
        assert data["toestand"] == state
        assert data["versies"] == [without(each, "id", "titel") for each in items]
        assert f"Toestand vandaag: {sentence}" in page
        assert sentence in list_page
        # A version that rules is one whose days hold today, and no other.
        days = item["geldigVan"] <= str(today) <= item.get("geldigTot", "9999-12-31")
        assert days == (state in ("vanKracht", "geschorst"))
        assert ("Van kracht vanaf" in page) == coming
    statuses = [answer.status_code for answer in answers]
    if situation.refused:
        assert statuses == [403, 403]
        assert {answer.json()["reden"] for answer in answers} == {situation.refused}
        return
    [ruling] = [item for item in items if item["toestand"] == "vanKracht"]
    assert statuses == ([200, 403] if ruling["versie"] == "1" else [403, 200])
    [answer] = [each for each in answers if each.status_code == 200]
    assert answer.json()["protocol"]["versie"] == ruling["versie"]
    assert {each["protocolHash"] for each in service.records()} == {ruling["hash"]}


def without(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The same without these."""
    return {name: value for name, value in item.items() if name not in names}


@pytest.mark.parametrize("days", [0, 1, 2, 9, 10])
async def test_my_access_promises_no_day_where_a_version_ends_before_it_begins(
    service: Service, days: int
) -> None:
    ended_before_it_begins(service)
    day = TODAY + days * DAY

    response = await service.ask(CITY, f"/mijnToegang?datum={day}", scopes=())

    [item] = [each for each in response.json()["items"] if each["protocol"] == OTHER]
    assert (item["nu"], item["operaties"], item["velden"]) == ("expired", [], [])
    assert "vanaf" not in item
