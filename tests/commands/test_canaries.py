"""What a caller or an import brings in stands nowhere but in the store and under a month key.

A real `protocolpoort serve` is asked with marked values in every place that a request has; then
every byte that it left behind is searched: output, files, answers, and every column of every table.
"""

import base64
import hashlib
import json
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from programs import PATIENCE, environment, free_port, run
from service import (
    ADVICE,
    AUDIT,
    AUDITOR,
    BASE,
    CITY,
    DOSSIER,
    FUND,
    LOG_ORIGIN,
    insz_of,
    prepare,
)
from sqlalchemy import inspect, make_url

from app import main
from app.database import Database
from app.deps import read_clock
from app.moments import brussels_date
from app.settings import Mode
from app.tokens import DemoIssuer

# The only tables that may name a person.
STORE = {
    "person",
    "replaced_number",
    "residence",
    "membership",
    "participation",
    "consent",
    "dossier_version",
    "source_answer",
    "sent_number",
}
DIGESTS = ("md5", "sha1", "sha256", "sha512")  # without salt: who has a list of numbers reads it
NAMESPACE = "http://webservice.GeefDossierKBI-01.00.kbi-01.00.vip.vlaanderen.be"


@dataclass
class Canaries:
    """Values that stand nowhere else in the world, each for one place."""

    chance: random.Random
    numbers: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def number(self, place: str) -> str:
        """A national number of a test person (month raised by 60)."""
        drawn = self.chance
        base = (
            f"{drawn.randint(50, 99)}{drawn.randint(61, 72)}{drawn.randint(10, 28)}"
            f"{drawn.randint(1, 997):03}"
        )
        return self.numbers.setdefault(place, insz_of(base).digits)

    def word(self, place: str) -> str:
        """A name, as free text."""
        return self.words.setdefault(place, f"Zeldzaam{self.chance.randbytes(6).hex()}")

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Every way in which one of them could show, with its place; letters are lower case."""
        for place, digits in self.numbers.items():
            written = f"{digits[:2]}.{digits[2:4]}.{digits[4:6]}-{digits[6:9]}.{digits[9:]}"
            spaced = f"{digits[:6]} {digits[6:9]} {digits[9:]}"
            for text in (digits, written, spaced):
                yield from ((place, form) for form in forms(text.encode()))
            for name in DIGESTS:
                hashed = hashlib.new(name, digits.encode(), usedforsecurity=False)
                yield place, hashed.hexdigest().encode()
                yield from ((place, form) for form in in_base64(hashed.digest()))
        for place, word in self.words.items():
            yield from ((place, form) for form in forms(word.encode()))


def forms(value: bytes) -> Iterator[bytes]:
    """As it is, in UTF-16, in hex, percent-encoded and in base64, as seen in lower case."""
    yield value.lower()
    yield value.decode().encode("utf-16-le").lower()
    yield value.hex().encode()
    yield quote(value, safe="").lower().encode()
    yield "".join(f"%{byte:02x}" for byte in value).encode()
    yield from in_base64(value)


def in_base64(value: bytes) -> Iterator[bytes]:
    """What base64 shows of it, wherever in the encoded bytes it begins."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value).rstrip(b"=")
        whole = encoded[(0, 2, 3)[before] : -1 if (before + len(value)) % 3 else None]
        yield whole.lower()
        yield whole.replace(b"+", b"-").replace(b"/", b"_").lower()


@dataclass
class Site:
    """A service that runs as a program, and everything that it says."""

    folder: Path
    port: int
    url: str
    issuer: DemoIssuer
    now: datetime
    heard: dict[str, bytes] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=set)

    def token(self, organisation: str, scope: str, **more: Any) -> str:
        return self.issuer.issue(organisation, organisation, [scope], self.now, **more)

    def say(self, place: str, data: bytes, *, ends: bool = False) -> bytes:
        """Send these bytes, and keep what comes back; `ends` says that no more will come."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            try:
                connection.sendall(data)
                if ends:
                    connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    answer += part
            except ConnectionError:
                pass  # it has said enough, and what it said counts
        self.heard[f"{place} {len(self.heard)}"] = answer
        if status := re.match(rb"HTTP/1.1 (\d+)", answer):
            self.statuses.add(int(status[1]))
        return answer

    def ask(
        self,
        place: str,
        path: str = "/dossiers/query",
        body: object = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        as_: tuple[str, str] = (CITY, DOSSIER),
    ) -> bytes:
        """One request; `headers` replaces some that a caller should send, or adds to them."""
        if content is None:
            content = b"" if body is None else json.dumps(body).encode()
        sent = {
            "Host": "localhost",
            "Authorization": f"Bearer {self.token(*as_)}",
            "X-Magda-Enduser-ID": "ambtenaar-7",
            "X-Functieprofiel": "trajectondersteuner",
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Connection": "close",
            **(headers or {}),
        }
        lines = [f"{method} {path if path[0] != '/' else BASE + path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in sent.items()]
        return self.say(place, "\r\n".join([*lines, "", ""]).encode() + content)

    def execute(self, statement: str) -> None:
        """Break or mend something behind the back of the service."""
        database = Database(self.url)
        with database.writing() as session:
            session.connection().exec_driver_sql(statement)
        database.dispose()


@contextmanager
def serving(folder: Path, url: str) -> Iterator[Site]:
    """The program, its output in files of the folder; ended as an operator ends it."""
    port = free_port()
    issuer = DemoIssuer.load_or_create(folder / main.DEMO_ISSUER_KEY, Mode.DEMO)
    with (
        (folder / "stdout").open("wb") as out,
        (folder / "stderr").open("wb") as err,
        subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
            cwd=folder,
            env=environment(DATABASE_URL=url, LOG_ORIGIN=LOG_ORIGIN),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        ) as program,
    ):
        try:
            wait_for(program, port)
            yield Site(folder, port, url, issuer, read_clock())
            program.send_signal(signal.SIGINT)
            program.wait(PATIENCE)
        finally:
            program.kill()


def wait_for(program: "subprocess.Popen[bytes]", port: int) -> None:
    """Until the port takes a connection."""
    for _ in range(PATIENCE * 20):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            pass
        else:
            return
        with pytest.raises(subprocess.TimeoutExpired):  # it must still run
            program.wait(0.05)
    pytest.fail("the service does not start")


# What comes in


def import_persons(folder: Path, service: Path, url: str, nest: Canaries) -> bytes:
    """A register and answers of the source, good and bad ones; what the commands print."""
    folder.mkdir()
    home = [{"nis": "99001", "van": "2020-01-01", "tot": None}]
    member = [{"organisatie": FUND, "van": "2020-01-01", "tot": None}]
    resident, foreign, cancelled = map(nest.number, ("resident", "foreign", "cancelled"))
    contact = {
        "voornaam": nest.word("first name"),
        "achternaam": nest.word("last name"),
        "adres": {"straat": nest.word("street"), "gemeente": nest.word("town")},
        "telefoon": nest.word("telephone"),
        "email": nest.word("mail"),
    }
    good = [
        {
            "insz": resident,
            "woonplaatsen": home,
            "lidmaatschappen": member,
            "vorigeInsz": [nest.number("older number")],
            "contact": contact,
        },
        {"insz": foreign, "woonplaatsen": [{**home[0], "nis": "99002"}], "contact": contact},
        {"insz": cancelled, "woonplaatsen": home, "geannuleerdOp": "2026-01-01"},
    ]
    bad = [
        json.dumps({"insz": nest.word("name as number"), "woonplaatsen": home}),
        json.dumps({"insz": nest.number("bad line") + "0", "contact": contact}),
        json.dumps({"insz": resident, "contact": {nest.word("contact key"): nest.word("value")}}),
        json.dumps({"insz": resident, nest.number("line key"): 1}),
        json.dumps({"insz": resident, "woonplaatsen": [{**home[0], "nis": nest.word("nis")}]}),
        json.dumps({"insz": resident, "contact": {"voornaam": [nest.word("listed name")]}}),
        '{"insz": "' + nest.number("cut line") + '", "contact": {"voornaam": "' + nest.word("cut"),
        json.dumps({"insz": nest.number("older number"), "contact": contact}),
    ]
    lines = folder / "register.jsonl"
    lines.write_text("\n".join([*map(json.dumps, good), *bad]))
    names = f"<Voornaam>{nest.word('source name')}</Voornaam>"
    number = nest.number("source number")
    answers = {
        "good": dossier(f"<INSZ>{resident}</INSZ>"),
        "unknown": dossier(f"<INSZ>{number}</INSZ>{names}<Onbekend>{number}</Onbekend>"),
        "number": dossier(f"<INSZ>{nest.word('source word')}</INSZ>{names}"),
        "cut": dossier(f"<INSZ>{number}</INSZ>{names}")[:-60],
        "other": f"<other>{nest.word('other answer')} {number}</other>".encode(),
    }
    for name, content in answers.items():
        (folder / f"{name}.xml").write_bytes(content)
    register = run(service, "register", "import", str(lines), DATABASE_URL=url)
    source = run(service, "kbi", "import", str(folder), DATABASE_URL=url)
    assert "3 stored, 0 unchanged, 8 skipped" in register.err
    assert "1 stored, 0 unchanged, 4 skipped" in source.err
    return "".join((register.out, register.err, source.out, source.err)).encode()


def dossier(personalia: str) -> bytes:
    """An answer of MAGDA."""
    return (
        f'<w:GeefDossierKBIResponse xmlns:w="{NAMESPACE}"><Repliek><Context><Bericht>'
        "<Tijdstip><Datum>2026-03-30</Datum><Tijd>12:00</Tijd></Tijdstip></Bericht></Context>"
        "<Antwoorden><Antwoord><Inhoud><KBIDossier>"
        f"<Personalia>{personalia}</Personalia></KBIDossier></Inhoud></Antwoord></Antwoorden>"
        "</Repliek></w:GeefDossierKBIResponse>"
    ).encode()


def ask_about_persons(site: Site, nest: Canaries) -> None:
    """The questions that the service is there for."""
    day = str(brussels_date(site.now) - timedelta(days=1))
    advice = {"doeleinde": "zorgbudgetZwaarZorgbehoevenden", "toetsdatum": day}
    for kind in ("resident", "older number", "foreign", "cancelled", "unknown"):
        digits = nest.number(kind)
        site.ask(f"dossier {kind}", body=about(digits))
        site.ask(f"advice {kind}", "/adviezen/query", about(digits, **advice), as_=(FUND, ADVICE))
        search = {"insz": digits, "aanleiding": "controle"}
        site.ask(f"search {kind}", "/toegangen/query", search, as_=(AUDITOR, AUDIT))
    user = {"X-Magda-Enduser-ID": nest.word("user")}
    site.ask("user", body=about(nest.number("resident")), headers=user)
    for name in ("gebruiker", "organisatie", "protocol", "functieprofiel", "doeleinde"):
        sought = {name: nest.word("user" if name == "gebruiker" else f"search {name}")}
        site.ask(
            f"search {name}",
            "/toegangen/query",
            {**sought, "aanleiding": "controle"},
            as_=(AUDITOR, AUDIT),
        )


def about(digits: object, **more: object) -> dict[str, object]:
    return {"insz": digits, "doeleinde": "lokaalIntegratiebeleid", "referte": "ref-1", **more}


def hide_in_bodies(site: Site, nest: Canaries) -> None:
    """Numbers and names where they do not belong, in bodies that are read and that are not."""
    resident = nest.number("resident")
    for kind in (nest.number, nest.word):
        for name in ("referte", "doeleinde", "velden", "toetsdatum", "insz"):
            value = kind(f"{kind.__name__} as {name}")
            if (kind, name) in ((nest.word, "referte"), (nest.number, "insz")):
                value += "\n0"  # else it is a good reference, or a good question
            given = [value] if name == "velden" else value
            site.ask(name, body=about(resident, **{name: given}))
        for nested in ([kind("list")], {kind("object key"): kind("object")}, {"in": kind("deep")}):
            site.ask("no text", body=about(nested))
        site.ask("key", body={**about(resident), kind("key"): kind("value of key")})
        for name in ("reden", "uitkomst", "cursor", "veld", "toegangId", "van", "pageSize"):
            sought = kind(f"{kind.__name__} as {name}")
            search = {name: sought, "aanleiding": sought}
            site.ask(name, "/toegangen/query", search, as_=(AUDITOR, AUDIT))
        inside = kind("raw body")
        for content in (
            b'{"insz": "' + inside.encode(),
            b'{"insz": "' + inside.encode() + b'\xff"}',
            json.dumps({inside: 1}).encode()[:-1] + b', "' + inside.encode() + b'": 2}',
            inside.encode(),
            b"insz=" + inside.encode(),
            json.dumps(inside).encode(),
            b"[" * 5000 + inside.encode(),
            json.dumps({"insz": inside, "naam": "\ud800"}).encode(),
            json.dumps(about(inside, referte=inside * 10_000)).encode(),
        ):
            site.ask("raw body", content=content)
            site.ask("raw body without token", content=content, headers={"Authorization": "x"})


def hide_around_bodies(site: Site, nest: Canaries) -> None:
    """In the address, the method, the headers and the token."""
    body = about(nest.number("resident"))
    for kind in (nest.number, nest.word):
        value = kind("around")
        encoded = base64.b64encode(f"{value}:{value}".encode()).decode()
        traced = value.encode().hex().ljust(32, "0")[:32]
        for name, text in {
            "X-Correlation-ID": value,
            "traceparent": f"00-{value}-{value}-01",
            "tracestate": f"a={value}",
            "baggage": f"insz={value}",
            "User-Agent": value,
            "Referer": f"https://example.org/{value}",
            "Cookie": f"insz={value}",
            "X-Forwarded-For": value,
            "Forwarded": f"for={value}",
            "Accept": f"text/{value}",
            "Content-Type": f"text/{value}",
            "Accept-Language": value,
            "Authorization": f"Bearer {value}",
            value: value,
        }.items():
            site.ask(name, body=body, headers={name: text})
        site.ask("half a trace", body=body, headers={"traceparent": f"00-{traced}"})
        site.ask("basic", body=body, headers={"Authorization": f"Basic {encoded}"})
        unsigned = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in ({"alg": "none", "kid": value}, {"sub": value, "name": value})
        )
        for end in ("", ".", f".{value}"):
            site.ask("token", body=body, headers={"Authorization": f"Bearer {unsigned}{end}"})
        named = site.token(CITY, DOSSIER, subject=value)
        site.ask("subject", body=body, headers={"Authorization": f"Bearer {named}"})
        for path in (f"/dossiers/{value}", f"/toegangen/{value}", f"/{value}", f"/doc/{value}"):
            site.ask("path", path, method="GET", as_=(AUDITOR, AUDIT))
        for path in ("/dossiers/query", "/mijnToegang", "/protocollen", "/health"):
            for query in (f"insz={value}", f"datum={value}", f"{value}={value}", value):
                method = "POST" if "query" in path else "GET"
                site.ask(
                    "query", f"{path}?{query}", body if "query" in path else None, method=method
                )
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", f"X{value}"):
            site.ask("method", body=body, method=method)
        for raw in (
            f"{value}\r\n\r\n",
            f"GET /{value} HTTP/9.9\r\n\r\n",
            f"GET {BASE}/health HTTP/1.1\r\n{value}\r\n\r\n",
            f"GET {BASE}/health HTTP/1.1\r\nHost: localhost\r\nContent-Length: {value}x\r\n\r\n",
            f"POST {BASE}/dossiers/query HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n"
            f"\r\n{value}\r\n",
        ):
            site.say("no HTTP", raw.encode(), ends=True)
    # What a caller says of itself in these stands in the record; a number may not.
    for name in ("X-Magda-Enduser-ID", "X-Functieprofiel", "X-Magda-Sender-ID"):
        site.ask(name, body=body, headers={name: nest.number(name)})


def break_the_database(site: Site, nest: Canaries) -> None:
    """Questions while tables are gone: errors that nobody foresaw, and no record."""
    day = str(brussels_date(site.now) - timedelta(days=1))
    advice = {"doeleinde": "zorgbudgetZwaarZorgbehoevenden", "toetsdatum": day}
    for table in ("dossier_version", "residence", "access_record"):
        site.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
        digits = nest.number("resident")
        site.ask("broken dossier", body=about(digits))
        site.ask("broken advice", "/adviezen/query", about(digits, **advice), as_=(FUND, ADVICE))
        search = {"insz": digits, "gebruiker": nest.word("user"), "aanleiding": "controle"}
        site.ask("broken search", "/toegangen/query", search, as_=(AUDITOR, AUDIT))
        site.execute(f"ALTER TABLE elsewhere RENAME TO {table}")


# What is left behind


def tables(url: str) -> dict[str, bytes]:
    """Every column of every table."""
    database = Database(url)
    with database.reading() as session:
        connection = session.connection()
        found = {
            name: b"\n".join(
                bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')  # noqa: S608
                for value in row
            )
            for name in inspect(connection).get_table_names()
        }
    database.dispose()
    return found


def written(folder: Path) -> dict[str, bytes]:
    """Every file below the folder of the service, but for the database."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("protocolpoort.db")
    }


def server_log(url: str) -> Path | None:
    """Where PostgreSQL writes what goes wrong in it."""
    folder = make_url(url).query.get("host")
    return Path(str(folder), "log") if folder else None


def leaks(nest: Canaries, places: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """In which place which value shows."""
    low = {place: text.lower() for place, text in places.items()}
    return sorted(
        {
            (place, canary)
            for canary, form in nest.forms()
            for place, text in low.items()
            if form in text
        }
    )


def test_no_number_no_name_and_no_search_value_is_left_behind(
    tmp_path: Path, database_url: str
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    nest = Canaries(random.Random(seed))  # noqa: S311 - nothing secret is drawn
    folder = tmp_path / "service"
    folder.mkdir()
    log = server_log(database_url)
    before = log.stat().st_size if log else 0
    prepare(database_url, folder / "var" / "month-keys", read_clock(), persons=3)

    url = database_url
    printed = import_persons(tmp_path / "in", folder, url, nest)
    with serving(folder, url) as site:
        ask_about_persons(site, nest)
        hide_in_bodies(site, nest)
        hide_around_bodies(site, nest)
        break_the_database(site, nest)
    kept, files = tables(url), written(folder)
    places = {
        "the output of an import": printed,
        **{f"file {name}": content for name, content in files.items()},
        **{f"table {name}": content for name, content in kept.items() if name not in STORE},
        **{
            f"answer {place}": heard
            for place, heard in site.heard.items()
            if b'"dossier":' not in heard  # which speaks of the person who was asked
        },
    }
    if log:
        places["the log of PostgreSQL"] = log.read_bytes()[before:]

    assert leaks(nest, places) == [], f"seed {seed}"
    # It was asked, answered and broken as meant, and the search sees what there is.
    assert site.statuses >= {200, 400, 401, 403, 404, 405, 406, 413, 415, 500, 503}
    assert re.search(rb"unexpected \w+ in queryDossier\n  File", files["stderr"])
    assert kept.keys() >= STORE
    assert {place for _, place in leaks(nest, kept)} >= {
        *("resident", "older number", "foreign", "cancelled", "first name", "mail"),
    }
    assert b'"referte":"ref-1"' in b"".join(site.heard.values())
    assert b"ref-1" in places["table access_record"]
