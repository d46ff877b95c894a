"""What `make soak` asks, and what is due to each question, known before it is asked.

The rules are written down here a second time, as small tables: who is a member or a resident comes
from the synthetic persons, what is granted from `GRANTS` and `_document`, how a refusal looks from
`fault`. The service lends the leaves of a group and the texts of its reasons.
"""

import base64
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

import orjson

from app import fields
from app.answers import REPLACED_NUMBER
from app.demo_persons import DEMO_DATE, DemoPerson
from app.deps import read_clock
from app.moments import brussels_date
from app.obligation import REASONS, RULE_SET_ID, RULE_SET_VERSION
from app.tokens import DemoIssuer
from app.wire import BASE

CITY, GENK, AUDITOR = "voorbeeldstad", "nis:71016", "auditdienst"
FUND, OTHER_FUND, AVSB = "zorgkas-voorbeeld", "zorgkas-tweede", "0881629733"
DOSSIER, ADVICE, AUDIT = "inb_dossier_v1_G", "inb_advies_v1_G", "inb_audit_v1_G"
LOCAL, CARE = "lokaalIntegratiebeleid", "zorgbudgetZwaarZorgbehoevenden"
CITY_PROTOCOL, GENK_PROTOCOL, CARE_PROTOCOL = "voorbeeldstad-2026", "genk-2021", "avsb-2021"
PROTOCOLS = (CITY_PROTOCOL, CARE_PROTOCOL, GENK_PROTOCOL)
FEW = ("personalia.insz", "contract.ondertekend", "attest.inburgeringBehaald")
GRANTS = {CITY_PROTOCOL: (*FEW, "contact", "talenkennis"), GENK_PROTOCOL: FEW}
NOK = {"N20": "R01", "N21": "R01", "N22": "R02", "N23": "R02", "N30": "R03", "N31": "R04",
       "N32": "R04"}  # fmt: skip
PLACES = 256  # numbers of each request: its own, and those of the persons in a batch
BATCH = 20
BAD = "The input message is incorrect"

Case = tuple[str, "Due"]  # a national number, and what is due to a question about it


class Ending(NamedTuple):
    """What the record says of the end of a question."""

    status: int
    outcome: str
    reason: str | None = None


@dataclass(frozen=True)
class Due:
    """How a question has to end, and the essence of the answer."""

    ending: Ending
    says: Mapping[str, Any] = field(repr=False)  # holds national numbers


@dataclass(frozen=True)
class Line:
    """Who asks what under which protocol."""

    organisation: str
    scope: str
    protocol: str | None
    purpose: str
    operation: str = "queryDossier"

    @property
    def path(self) -> str:
        """Where it is asked, about one person."""
        return "/dossiers/query" if self.operation == "queryDossier" else "/adviezen/query"


@dataclass(frozen=True, repr=False)
class Asked:
    """A question as it is sent, and what is due to it."""

    kind: str
    operation: str  # "": never recorded
    request: bytes
    due: Due
    protocol: str | None = None  # while it is suspended, `closed` is due
    closed: Due | None = None
    named: bool = False  # the record holds its reference
    parts: Sequence[Due] = ()  # of the persons of a batch
    essence: Callable[[Any], Any] = field(default=lambda body: essence(body))


def fault(reason: str, type_: str, code: str | None, status: int = 403, **members: Any) -> Due:
    """A problem: its reason in the log, the end of its type, its MAGDA code, its own members."""
    outcome = {400: "invalid", 405: "invalid", 415: "invalid", 404: "notFound", 409: "noAdvice"}
    says = {"type": type_, "status": status, "code": code, **members}
    return Due(Ending(status, outcome.get(status, "denied"), reason), says)


def invalid(reason: str, code: str, kind: str, where: str, name: str | None) -> Due:
    """A fault of the input with one issue."""
    issues = [(kind, where, name)]
    return fault(reason, "badRequest", code, 400, detail=BAD, issues=issues)


def allowed(says: Mapping[str, Any]) -> Due:
    """An answer."""
    return Due(Ending(200, "allowed"), says)


SUSPENDED = fault("suspended", "protocolNietGeldig", "40001", reden="suspended")
# The same to the caller, to the last byte.
POPULATION, CANCELLED, UNKNOWN = (
    fault(reason, "geenInschrijving", "40003")
    for reason in ("population", "cancelled", "unknownPerson")
)
NO_DOSSIER = fault("notFound", "resourceNotFound", "30001", 404)
NO_ADVICE = fault("noAdvice", "geenAdvies", "60007", 409)

LINES = (
    CITY_LINE := Line(CITY, DOSSIER, CITY_PROTOCOL, LOCAL),
    Line(GENK, DOSSIER, GENK_PROTOCOL, LOCAL),
    FUND_LINE := Line(FUND, ADVICE, CARE_PROTOCOL, CARE, "queryAdvies"),
    Line(OTHER_FUND, ADVICE, CARE_PROTOCOL, CARE, "queryAdvies"),
    Line(AVSB, ADVICE, CARE_PROTOCOL, CARE, "queryAdvies"),
)
# What may happen to a question about one person, and how often it is asked.
ABOUT = {"dossier": 24, "advice": 20, "notFound": 2, "noAdvice": 2, "population": 5,
         "cancelled": 3, "unknownPerson": 3}  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """A question that is turned away whoever it is about: what is wrong with it."""

    due: Due
    line: Line = CITY_LINE
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    method: str = "POST"
    bound: bool = False  # a suspension is noticed first
    named: bool = False
    bearer: str = ""  # another token: expired, signature or none


def _unknown(kind: str) -> Due:
    return fault("unauthenticated", f"{kind}AccessToken", None, 401)


VARIANTS: Mapping[str, Variant] = {
    "field": Variant(fault("field", "veldNietToegestaan", "40006", velden=["inbreuken[].type"]),
                     body={"velden": ["inbreuken[].type", "personalia.insz"]}, bound=True,
                     named=True),
    "functionProfile": Variant(fault("functionProfile", "functieprofiel", "40006"),
                               headers={"X-Functieprofiel": "boekhouder"}, bound=True, named=True),
    "operation": Variant(fault("operation", "buitenProtocol", "40006"), bound=True, named=True,
                         line=replace(FUND_LINE, scope=DOSSIER, operation="queryDossier")),
    "invalidDate": Variant(invalid("invalidDate", "20006", "outOfRange", "body", "toetsdatum"),
                           line=FUND_LINE, body={"toetsdatum": "2999-01-31"}, bound=True,
                           named=True),
    "noProtocol": Variant(fault("noProtocol", "geenProtocol", "40001"),
                          body={"doeleinde": "monitoringDerdePijler"}, named=True),
    "scope": Variant(fault("scope", "missingScope", "40006", requiredScopes=[DOSSIER]),
                     line=replace(CITY_LINE, scope=ADVICE), named=True),
    "sender": Variant(fault("sender", "afzender", "20005"),
                      headers={"X-Magda-Sender-ID": FUND}, named=True),
    "notJson": Variant(invalid("invalidRequest", "10001", "schemaViolation", "body", None),
                       content=b'{"insz": '),
    "property": Variant(invalid("invalidRequest", "10001", "unknownInput", "body", None),
                        body={"reden": "onbekend"}),
    "insz": Variant(invalid("invalidInsz", "20002", "invalidStructure", "body", "insz"),
                    body={"insz": "12345678901"}),
    "header": Variant(invalid("invalidRequest", "10001", "schemaViolation", "header",
                              "X-Functieprofiel"), headers={"X-Functieprofiel": "x" * 101}),
    "mediaType": Variant(fault("invalidRequest", "mediatypeNietOndersteund", "10001", 415),
                         headers={"Content-Type": "text/plain"}),
    "method": Variant(fault("invalidRequest", "methodeNietToegelaten", "10001", 405),
                      method="PUT"),
    "expired": Variant(_unknown("expired"), bearer="expired"),
    "signature": Variant(_unknown("invalid"), bearer="signature"),
    "noToken": Variant(_unknown("no"), bearer="none"),
}  # fmt: skip
OTHERS = {"batch": 8, "mijnToegang": 2, "protocol": 2, "protocollen": 1, "audit": 2, "record": 1}
WEIGHTS = {**ABOUT, **dict.fromkeys(VARIANTS, 1), **OTHERS}


def essence(body: Any) -> Any:
    """An answer without what differs from one time to another; all else has to be as is due.

    Raises LookupError, TypeError or AttributeError for what is no answer of ours.
    """
    if "type" in body and "title" in body:
        told = dict(body)
        for name in ("href", "title", "instance", "datum"):
            told.pop(name, None)
        told["type"] = told["type"].rsplit(":", 1)[1]
        codes = [each["identificatie"] for each in told.pop("uitzonderingen", ())]
        told["code"] = ",".join(codes) or None
        if "issues" in told:
            told["issues"] = [
                (one["type"].rsplit(":", 1)[1], one["in"], one.get("name"))
                for one in told["issues"]
            ]
        return told
    if "items" in body and "id" in body:
        inner = ("antwoord", "probleem")
        return {
            **{name: value for name, value in body.items() if name not in ("id", "items")},
            "items": [
                {name: essence(each) if name in inner else each for name, each in item.items()}
                for item in body["items"]
            ],
        }
    varies = ("id", "opgevraagdOp", "gegevensVan", "bewarenTot", "geraadpleegdOp")
    return {name: value for name, value in body.items() if name not in varies}


def event_id(body: Any) -> str | None:
    """The id of the record, where an answer or a problem names it."""
    found = body.get("id") or body.get("instance", "").removeprefix("urn:uuid:")
    return str(found) if found else None


def parts_of(body: Any) -> list[str | None]:
    """The ids of the records of the persons of a batch."""
    items = body["items"]
    return [event_id(each.get("antwoord") or each.get("probleem")) for each in items]


def _searched(body: Any) -> Any:
    return [_record(item) for item in body["items"]]


def _record(body: Any) -> Any:
    return body["eventId"], body["correlationId"], body["status"], body["outcome"]


def _entry(body: Any) -> Any:
    return {name: body[name] for name in ("id", "versie", "hash", "toestand")}


def _listing(body: Any) -> Any:
    return {item["id"]: item["hash"] for item in body["items"]}


class Answered(NamedTuple):
    """A question of before that an auditor may look up."""

    number: int
    event_id: str
    ending: Ending


@dataclass(frozen=True, repr=False)
class Questions:
    """Everything that is asked. `run` makes the ids of one run different from all others."""

    run: int
    about: Mapping[str, Sequence[tuple[Line, Case]]]
    cases: Mapping[Line, Mapping[str, Sequence[Case]]]
    tokens: Mapping[tuple[str, str], str]
    hashes: Mapping[str, str]

    @classmethod
    def of(
        cls,
        run: int,
        persons: Sequence[DemoPerson],
        unknown: Sequence[DemoPerson],
        hashes: Mapping[str, str],
        issuer: DemoIssuer,
        now: datetime,
    ) -> "Questions":
        """What can be asked about these persons, and about those that nobody stored."""
        cases = {line: _cases(line, persons, unknown, hashes) for line in LINES}
        lines = {*LINES, *(variant.line for variant in VARIANTS.values())}
        callers = {(line.organisation, line.scope) for line in lines} | {(AUDITOR, AUDIT)}
        tokens = {each: issuer.issue(each[0], each[0], [each[1]], now) for each in callers}
        old, hour = now - timedelta(hours=3), timedelta(hours=1)
        tokens["expired", ""] = issuer.issue(CITY, CITY, [DOSSIER], old, hour)
        about = {
            kind: [(line, case) for line in LINES for case in cases[line].get(kind, ())]
            for kind in ABOUT
        }
        return cls(run, about, cases, tokens, hashes)

    def guid(self, number: int) -> str:
        """The id of a request, or of a person in it. Letters between the digits, lest ten of them
        and one more pass for a national number."""
        return f"{self.run:08x}-fade-fade-fade-ff{number:010x}"

    def number(self, guid: str) -> int | None:
        """The number of an id that this run made."""
        start = self.guid(0)[:-10]
        return int(guid[-10:], 16) if guid.startswith(start) else None

    def draw(self, chance: random.Random, number: int, before: Answered | None) -> Asked:
        """A question of some kind; `before` is one that was answered over the same connection."""
        [kind] = chance.choices(_KINDS, cum_weights=_CUMULATED)
        if kind in VARIANTS:
            return self._variant(kind, chance, number)
        if kind in ABOUT:
            line, (digits, due) = chance.choice(self.about[kind])
            return self.person(kind, line, digits, due, number)
        if kind == "batch":
            return self._batch(chance, number)
        if kind in ("audit", "record") and before:
            return self._audit(kind, number, before)
        if kind == "protocol":
            return self._protocol(chance.choice(PROTOCOLS))
        if kind == "protocollen":
            request = _request("GET", "/protocollen", {"Accept": "application/json"})
            return Asked(kind, "", request, allowed(self.hashes), essence=_listing)
        return self._my_access(number)

    def _headers(self, line: Line, number: int) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.tokens[line.organisation, line.scope]}",
            "X-Correlation-ID": self.guid(number),
            "X-Magda-Enduser-ID": f"medewerker-{number % 97}",
            "X-Functieprofiel": "trajectondersteuner",
            "Content-Type": "application/json",
        }

    def _body(self, line: Line, number: int, **more: Any) -> dict[str, Any]:
        day = {} if line.operation == "queryDossier" else {"toetsdatum": str(DEMO_DATE)}
        return {"doeleinde": line.purpose, "referte": self.guid(number), **day, **more}

    def person(self, kind: str, line: Line, digits: str, due: Due, number: int) -> Asked:
        """A question about one person."""
        body = self._body(line, number, insz=digits)
        request = _request("POST", line.path, self._headers(line, number), orjson.dumps(body))
        due = self._addressed(line, due, number, number)
        return Asked(kind, line.operation, request, due, line.protocol, SUSPENDED, named=True)

    def _addressed(self, line: Line, due: Due, number: int, request: int) -> Due:
        """An answer also repeats whose it is."""
        if due.ending.status != 200:
            return due
        whose = {"referte": self.guid(number)}
        if line.operation == "queryAdvies":
            whose["correlationId"] = self.guid(request)
        return allowed({**due.says, **whose})

    def _variant(self, kind: str, chance: random.Random, number: int) -> Asked:
        variant, line = VARIANTS[kind], VARIANTS[kind].line
        _, (digits, _) = chance.choice(self.about["dossier"])
        headers = {**self._headers(line, number), **variant.headers}
        if variant.bearer == "none":
            del headers["Authorization"]
        elif variant.bearer == "expired":
            headers["Authorization"] = f"Bearer {self.tokens['expired', '']}"
        elif variant.bearer == "signature":
            signed, _ = headers["Authorization"].rsplit(".", 1)
            other = base64.urlsafe_b64encode(chance.randbytes(64)).decode().rstrip("=")
            headers["Authorization"] = f"{signed}.{other}"
        body = {**self._body(line, number, insz=digits), **variant.body}
        content = orjson.dumps(body) if variant.content is None else variant.content
        request = _request(variant.method, line.path, headers, content)
        protocol = line.protocol if variant.bound else None
        return Asked(kind, line.operation, request, variant.due, protocol, SUSPENDED, variant.named)

    def _batch(self, chance: random.Random, number: int) -> Asked:
        line = chance.choice(LINES)
        known = self.cases[line]
        usual = known["dossier" if line.operation == "queryDossier" else "advice"]
        parts, items = [], []
        for place in range(chance.randint(1, BATCH)):
            cases = (
                usual
                if chance.random() < 0.6
                else known[chance.choice([kind for kind in known if kind in ABOUT])]
            )
            digits, due = chance.choice(cases)
            if chance.random() < 0.03:
                name = f"vragen[{place}].insz"
                due = invalid("invalidInsz", "20002", "invalidStructure", "body", name)
                digits = "12345678901"
            own = number + 1 + place
            due = self._addressed(line, due, own, number)
            what = "antwoord" if due.ending.status == 200 else "probleem"
            said = {"index": place, "referte": self.guid(own), "status": due.ending.status}
            parts.append(due)
            items.append(({"insz": digits, "referte": self.guid(own)}, {**said, what: due.says}))
        body = self._body(line, number, vragen=[question for question, _ in items])
        headers = self._headers(line, number)
        request = _request("POST", f"{line.path}Batch", headers, orjson.dumps(body))
        due, operation = allowed({"items": [item for _, item in items]}), f"{line.operation}Batch"
        return Asked("batch", operation, request, due, line.protocol, SUSPENDED, True, parts)

    def _my_access(self, number: int) -> Asked:
        item = {
            "protocol": CITY_PROTOCOL,
            "versie": "1",
            "doeleinde": LOCAL,
            "operaties": ["createLijst", "queryDossier", "queryDossierBatch"],
            "velden": sorted(_leaves(CITY_PROTOCOL)),
            "populatie": "resident",
            "functieprofielen": ["trajectondersteuner"],
            "geldigVan": "2026-01-01",
            "quota": [
                {
                    "operatie": "createLijst",
                    "aantal": 1,
                    "per": "kalenderjaar",
                    "over": 1,
                    "opnieuwVanaf": f"{brussels_date(read_clock()).year + 1}-01-01",
                }
            ],
            "nu": "open",
        }
        shut = {**item, "operaties": [], "velden": [], "nu": "suspended"}
        request = _request("GET", "/mijnToegang", self._headers(CITY_LINE, number))
        due, closed = (allowed({"items": [each]}) for each in (item, shut))
        return Asked("mijnToegang", "getMijnToegang", request, due, CITY_PROTOCOL, closed)

    def _protocol(self, id_: str) -> Asked:
        item = {"id": id_, "versie": "1", "hash": self.hashes[id_], "toestand": "vanKracht"}
        request = _request("GET", f"/protocollen/{id_}", {"Accept": "application/json"})
        due, shut = allowed(item), allowed({**item, "toestand": "geschorst"})
        return Asked("protocol", "", request, due, id_, shut, essence=_entry)

    def _audit(self, kind: str, number: int, before: Answered) -> Asked:
        """What an auditor finds of a question of before: the one record, and as it ended."""
        headers = self._headers(Line(AUDITOR, AUDIT, None, ""), number)
        status, outcome, _ = before.ending
        found = before.event_id, self.guid(before.number), status, outcome
        if kind == "record":
            request = _request("GET", f"/toegangen/{before.event_id}", headers)
            return Asked(kind, "getToegang", request, _said(found), essence=_record)
        body = {"referte": self.guid(before.number), "aanleiding": "duurproef"}
        request = _request("POST", "/toegangen/query", headers, orjson.dumps(body))
        return Asked(kind, "queryToegangen", request, _said([found]), essence=_searched)


def _said(found: Any) -> Due:
    return Due(Ending(200, "allowed"), found)


def _request(
    method: str, path: str, headers: Mapping[str, str], content: bytes | None = None
) -> bytes:
    lines = [f"{method} {BASE}{path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(content or b'')}")
    return "\r\n".join([*lines, "", ""]).encode() + (content or b"")


def _leaves(protocol: str) -> frozenset[str]:
    return frozenset[str]().union(*map(fields.leaves, GRANTS[protocol]))


def _cases(
    line: Line,
    persons: Sequence[DemoPerson],
    unknown: Sequence[DemoPerson],
    hashes: Mapping[str, str],
) -> dict[str, list[Case]]:
    """Everybody, by how a question about them ends."""
    cases: dict[str, list[Case]] = {}
    for person in persons:
        kind, due = _of_person(line, person, hashes)
        cases.setdefault(kind, []).append((person.insz.digits, due))
        if kind == "dossier" and person.register["vorigeInsz"]:
            due = allowed({**due.says, "meldingen": [REPLACED_NUMBER]})
            cases[kind].append((person.register["vorigeInsz"][0], due))
    if line.organisation != AVSB:  # whom it may ask about anybody: no fact decides
        cases["unknownPerson"] = [(person.insz.digits, UNKNOWN) for person in unknown]
    return cases


def _of_person(line: Line, person: DemoPerson, hashes: Mapping[str, str]) -> tuple[str, Due]:
    register, blocks = person.register, person.blocks
    homes = {home["nis"] for home in register["woonplaatsen"] if home["tot"] is None}
    funds = {one["organisatie"] for one in register["lidmaatschappen"] if one["tot"] is None}
    near = {CITY: "99001" in homes, GENK: "71016" in homes, AVSB: True}
    if register["geannuleerdOp"]:
        return "cancelled", CANCELLED
    if not near.get(line.organisation, line.organisation in funds):
        return "population", POPULATION
    if line.operation == "queryAdvies":
        return _advice(person)
    if blocks is None:
        return "notFound", NO_DOSSIER
    if any("-00" in document["datumOndertekening"] for document in _certificates(blocks)):
        return "unsure", POPULATION  # when the year is over it counts: never asked
    protocol = str(line.protocol)
    says = {
        "protocol": {
            "id": protocol,
            "versie": "1",
            "hash": hashes[protocol],
            "href": f"{BASE}/protocollen/{protocol}?versie=1",
        },
        "doeleinde": line.purpose,
        "dossier": _document(protocol, person, blocks),
        "meldingen": [],
    }
    return "dossier", allowed(says)


def _document(protocol: str, person: DemoPerson, blocks: Mapping[str, Any]) -> dict[str, Any]:
    """What of a dossier is granted: of the synthetic persons all of it is simple enough."""
    document = {
        "personalia": {"insz": person.insz.digits},
        "contract": {"ondertekend": "contracten" in blocks},
        "attest": {
            "inburgeringBehaald": any(one["type"] == "AI023" for one in _certificates(blocks))
        },
    }
    if protocol == GENK_PROTOCOL:
        return document
    known = blocks["talenkennis"]
    languages = {
        **known,
        "contacttaal": [one["code"] for one in known["talen"] if one["contactTaal"]],
        "niveauNederlands": known["behaaldNt2Niveau"]["hoogstBehaald"],
    }
    return {**document, "contact": person.register["contact"], "talenkennis": languages}


def _certificates(blocks: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = blocks.get("behaaldeAttesten", [])
    return found


def _advice(person: DemoPerson) -> tuple[str, Due]:
    code = person.expected_code
    if code[0] == "T":
        return "noAdvice", NO_ADVICE
    says: dict[str, Any] = {
        "advice": "NOK" if code[0] == "N" else "OK",
        "type": "sync",
        "toetsdatum": str(DEMO_DATE),
        "doeleinde": CARE,
        "regelset": {
            "id": RULE_SET_ID,
            "versie": RULE_SET_VERSION,
            "profiel": "striktMetUitstel",
        },
    }
    if code[0] == "N":
        says["redenen"] = [{"code": NOK[code], "omschrijving": REASONS[NOK[code]]}]
    return "advice", allowed(says)


_KINDS = [*WEIGHTS]
_CUMULATED = list(accumulate(WEIGHTS.values()))


def new_run(seed: int) -> int:
    """The first part of every id of a run."""
    return uuid.uuid5(uuid.NAMESPACE_OID, str(seed)).time_low
