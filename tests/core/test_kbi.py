from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from app.fields import CATALOGUE, project
from app.kbi import AnswerFault, Dossier, NotAnAnswer, Notice, parse_answer

ANSWERS = Path(__file__).parents[2].parent / "shared" / "kbi" / "antwoorden"

NAMESPACE = "http://webservice.GeefDossierKBI-01.00.kbi-01.00.vip.vlaanderen.be"
TEST_NUMBER = "90722501478"
PERSON = f"<Personalia><INSZ>{TEST_NUMBER}</INSZ></Personalia>"
MOMENT = "<Tijdstip><Datum>2017-03-30</Datum><Tijd>12:12</Tijd></Tijdstip>"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"

# Wrappers whose only child repeats, in the real answers: in JSON the child has their name.
REPEATED = {
    *("Achternaam", "Voornaam", "Document", "Contract", "Traject", "TrajectOnderdeel"),
    *("Inbreuk", "Activiteit", "Communicatie", "Taal", "UitstelVanOndertekening"),
    *("PostkantonCode", "VoorkeurLesMoment"),
}


def envelope(inside: str, moment: str = MOMENT) -> bytes:
    return (
        f'<w:GeefDossierKBIResponse xmlns:w="{NAMESPACE}"><Repliek>'
        f"<Context><Bericht>{moment}</Bericht></Context>{inside}"
        "</Repliek></w:GeefDossierKBIResponse>"
    ).encode()


def answer(blocks: str, beside: str = "", moment: str = MOMENT) -> bytes:
    content = f"<Inhoud><KBIDossier>{blocks}</KBIDossier></Inhoud>"
    return envelope(
        f"<Antwoorden><Antwoord><Referte>r</Referte>{content}{beside}</Antwoord></Antwoorden>",
        moment,
    )


def exceptions(type_: str, code: str = "30004") -> str:
    return (
        f"<Uitzonderingen><Uitzondering><Identificatie>{code}</Identificatie>"
        f"<Oorsprong>MAGDA</Oorsprong><Type>{type_}</Type>{MOMENT}"
        "<Diagnose>Er is iets</Diagnose></Uitzondering></Uitzonderingen>"
    )


def read(blocks: str) -> dict[str, Any]:
    dossier = parse_answer(answer(PERSON + blocks))
    assert isinstance(dossier, Dossier)
    return {name: value for name, value in dossier.blocks.items() if name != "personalia"}


def real_answers() -> list[Path]:
    return sorted(ANSWERS.glob("*.xml"))


def xml_leaves(element: etree._Element, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text and attribute below an element, by a path in small letters."""
    for name, value in element.attrib.items():
        yield f"{path}.{name!s}".lower(), str(value).strip()
    text = (element.text or "").strip()
    if text:
        yield (f"{path}.code" if element.attrib else path).lower(), text
    for child in element.iterchildren("*"):
        name = str(child.tag)
        yield from xml_leaves(child, path if name in REPEATED else f"{path}.{name}")


def json_leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from json_leaves(below, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from json_leaves(item, path)
    else:
        yield path.lower(), str(value).lower() if isinstance(value, bool) else value


def test_loses_nothing_of_the_real_answers() -> None:
    if not real_answers():
        pytest.skip("../shared/kbi/antwoorden is not there")
    compared = 0

    for path in real_answers():
        result = parse_answer(path.read_bytes())
        if isinstance(result, Dossier):
            source = etree.fromstring(path.read_bytes()).find(".//KBIDossier")
            assert source is not None
            assert Counter(json_leaves(result.blocks)) == Counter(xml_leaves(source)), path.name
            assert project(result.blocks, CATALOGUE).document == result.blocks, path.name
            assert result.insz.digits == path.stem
            assert not result.notices
            compared += 1

    assert compared == 11


def test_reads_the_real_answers_without_a_dossier() -> None:
    if not real_answers():
        pytest.skip("../shared/kbi/antwoorden is not there")
    results = {path.stem: parse_answer(path.read_bytes()) for path in real_answers()}

    faults = {name: fault for name, fault in results.items() if isinstance(fault, AnswerFault)}

    assert {name: fault.code for name, fault in faults.items()} == {
        "notfound": "30001",
        "90722500191": "99996",
        "91610100176": "99996",
    }
    assert faults["notfound"].type == "FOUT"
    assert faults["notfound"].diagnosis == "Geen gegevens gevonden voor de vraag"
    assert faults["91610100176"].made_at.isoformat() == "2016-03-15T08:39:50.573000+01:00"


@pytest.mark.parametrize(
    ("xml", "blocks"),
    [
        (
            "<Contracten><Contract><Type> IC07G\n</Type></Contract></Contracten>",
            [{"type": "IC07G"}],
        ),
        (
            "<Contracten><Contract><OnderdeelMO>1</OnderdeelMO></Contract>"
            "<Contract><OnderdeelMO>0</OnderdeelMO></Contract></Contracten>",
            [{"onderdeelMo": True}, {"onderdeelMo": False}],
        ),
        (
            "<Contracten><Contract/><Contract><OnderdeelLO> true </OnderdeelLO>"
            "<OnderdeelNT2>false</OnderdeelNT2><OnderdeelMO/><Addenda/></Contract></Contracten>",
            [{"onderdeelLo": True, "onderdeelNt2": False}],
        ),
    ],
)
def test_strips_text_reads_booleans_and_leaves_out_what_is_empty(
    xml: str, blocks: list[dict[str, Any]]
) -> None:
    assert read(xml) == {"contracten": blocks}


@pytest.mark.parametrize(
    ("xml", "value"),
    [
        ("<HvN> 13 </HvN>", {"code": "13"}),
        ('<HvN KorteNaam=" K " Naam="N" Beschrijving="">7</HvN>', None),
        ('<HvN KorteNaam="K"/>', {"korteNaam": "K"}),
        ('<HvN KorteNaam=" "> </HvN>', {}),
    ],
)
def test_reads_codes_with_their_attributes(xml: str, value: dict[str, str] | None) -> None:
    expected = {"code": "7", "korteNaam": "K", "naam": "N"} if value is None else value

    found = read(f"<Adviezen>{xml}<Arbeidsmarkt>AR</Arbeidsmarkt></Adviezen>")["adviezen"]

    assert found.get("hvN", {}) == expected


def test_a_wrapper_is_an_array_whatever_the_count() -> None:
    found = read(
        "<Wachtlijst><Aanmelding><Datum>2017-01-01</Datum></Aanmelding></Wachtlijst>"
        "<VoorkeurenKlant><PostkantonCodes><PostkantonCode>3600</PostkantonCode></PostkantonCodes>"
        "<VoorkeurLesMomenten><VoorkeurLesMoment>"
        "<LesVoorkeurLesMoment><Code>MAA_AVOND</Code></LesVoorkeurLesMoment>"
        "<LesVoorkeurLesMoment><Code>DIN_AVOND</Code></LesVoorkeurLesMoment>"
        "<LesVoorkeurLesMoment/>"
        "</VoorkeurLesMoment></VoorkeurLesMomenten></VoorkeurenKlant>"
    )

    assert found == {
        "wachtlijst": [{"datum": "2017-01-01"}],
        "voorkeurenKlant": {
            "postkantonCodes": ["3600"],
            "voorkeurLesMomenten": [
                {"lesVoorkeurLesMoment": [{"code": "MAA_AVOND"}, {"code": "DIN_AVOND"}]}
            ],
        },
    }


def test_keeps_an_incomplete_date_and_the_attributes_of_an_object() -> None:
    dossier = parse_answer(
        answer(
            f"<Personalia><INSZ> {TEST_NUMBER} </INSZ><Naam DatumBegin='2001-01-01'>"
            "<Achternamen><Achternaam>A &amp; B</Achternaam></Achternamen></Naam>"
            "<Geboortedatum>1957-00-00</Geboortedatum></Personalia>"
        )
    )

    assert isinstance(dossier, Dossier)
    assert dossier.blocks == {
        "personalia": {
            "insz": TEST_NUMBER,
            "naam": {"datumBegin": "2001-01-01", "achternamen": ["A & B"]},
            "geboortedatum": "1957-00-00",
        }
    }


def test_skips_comments_and_processing_instructions() -> None:
    xml = "<Adviezen><!-- AD --><Arbeidsmarkt>A<!-- x --><?p i?>R</Arbeidsmarkt></Adviezen>"

    assert read(xml) == {"adviezen": {"arbeidsmarkt": "AR"}}


@pytest.mark.parametrize("soap", [SOAP, "http://www.w3.org/2003/05/soap-envelope"])
def test_takes_the_answer_out_of_a_soap_envelope(soap: str) -> None:
    inside = answer(PERSON).decode()

    result = parse_answer(
        f'<s:Envelope xmlns:s="{soap}"><s:Header/><s:Body>{inside}</s:Body></s:Envelope>'.encode()
    )

    assert isinstance(result, Dossier)


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        ("12:12", "2017-03-30T12:12:00+02:00"),
        ("08:39:50", "2017-03-30T08:39:50+02:00"),
        ("08:39:50.573", "2017-03-30T08:39:50.573000+02:00"),
    ],
)
def test_reads_the_moment_of_the_message_in_brussels_time(hour: str, expected: str) -> None:
    moment = MOMENT.replace("12:12", hour)

    result = parse_answer(answer(PERSON, moment=moment))

    assert result.made_at == datetime.fromisoformat(expected)
    assert result.made_at.utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    "xml",
    [
        envelope(exceptions("FOUT")),
        envelope(exceptions("FOUT") + "<Antwoorden/>"),
        envelope(f"<Antwoorden><Antwoord>{exceptions('FOUT')}</Antwoord></Antwoorden>"),
        answer(PERSON, beside=exceptions("FOUT")),
    ],
    ids=["under the reply", "without an answer", "under the answer", "beside a dossier"],
)
def test_an_exception_of_type_fout_is_a_fault_at_every_level(xml: bytes) -> None:
    result = parse_answer(xml)

    assert isinstance(result, AnswerFault)
    assert (result.code, result.origin, result.type) == ("30004", "MAGDA", "FOUT")
    assert (result.diagnosis, result.made_at.isoformat()) == (
        "Er is iets",
        "2017-03-30T12:12:00+02:00",
    )


def test_keeps_the_milder_exceptions_beside_a_dossier() -> None:
    result = parse_answer(answer(PERSON, beside=exceptions("WAARSCHUWING")))

    assert isinstance(result, Dossier)
    assert result.notices == (Notice("30004", "MAGDA", "WAARSCHUWING", "Er is iets"),)


def test_a_dossier_does_not_show_what_it_holds() -> None:
    shown = repr(parse_answer(answer(PERSON)))

    assert TEST_NUMBER not in shown
    assert "personalia" not in shown


REPLY = f"<w:GeefDossierKBIResponse xmlns:w='{NAMESPACE}'>"
BOMB = (
    '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">'
        for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + "]><b>&j;</b>"
)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (b"", "not well-formed XML"),
        (b"\x00", "not well-formed XML"),
        (b"{}", "not well-formed XML"),
        (answer(PERSON)[:-40], "not well-formed XML"),
        (answer(PERSON).replace(b"KBIDossier>", b"&x;>", 1), "not well-formed XML"),
        (b"<a>" * 100_000 + b"</a>" * 100_000, "not well-formed XML"),
        (b"<a>" * 100_000, "not well-formed XML"),
        (b"<a>" * 300 + b"</a>" * 300, "not well-formed XML"),
        (answer(PERSON).decode().encode("utf-16"), "not UTF-8"),
        (answer(PERSON + "<Wooncode>é</Wooncode>").decode().encode("latin-1"), "not UTF-8"),
        (BOMB.encode(), "document type"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "document type"),
        (b'<!DOCTYPE a SYSTEM "http://example.org/a.dtd"><a/>', "document type"),
        (b"<a/>", "the root is no GeefDossierKBIResponse"),
        (b"<GeefDossierKBIResponse/>", "the root is no GeefDossierKBIResponse"),
        (answer(PERSON).replace(b"01.00", b"02.00"), "the root is no GeefDossierKBIResponse"),
        (f"{REPLY}</w:GeefDossierKBIResponse>".encode(), "GeefDossierKBIResponse/Repliek: missing"),
        (f"<s:Envelope xmlns:s='{SOAP}'/>".encode(), "Envelope/Body: missing"),
        (
            f"<s:Envelope xmlns:s='{SOAP}'><s:Body><s:Fault/></s:Body></s:Envelope>".encode(),
            "Body/GeefDossierKBIResponse: missing",
        ),
        (envelope(""), "Repliek: neither an Antwoord nor an Uitzondering"),
        (envelope(exceptions("WAARSCHUWING")), "Repliek: neither an Antwoord nor"),
        (envelope("<Iets/>"), "Repliek/Iets: not in the schema"),
        (envelope("<Antwoorden><Antwoord/></Antwoorden>"), "Antwoord/Inhoud: missing"),
        (
            envelope("<Antwoorden><Antwoord/><Antwoord/></Antwoorden>"),
            "Antwoorden/Antwoord: more than one",
        ),
        (envelope("<Antwoorden/><Antwoorden/>"), "Repliek/Antwoorden: more than one"),
        (envelope("<Antwoorden><Vraag/></Antwoorden>"), "Antwoorden/Vraag: not in the schema"),
        (answer(PERSON, beside="<Iets/>"), "Antwoord/Iets: not in the schema"),
        (envelope(exceptions("ANDERS")), "Uitzondering/Type: not in the schema"),
        (
            envelope("<Uitzonderingen><Fout/></Uitzonderingen>"),
            "Uitzonderingen/Fout: not in the schema",
        ),
        (
            envelope("<Uitzonderingen><Uitzondering/></Uitzonderingen>"),
            "Uitzondering/Identificatie: missing",
        ),
        (envelope(exceptions("FOUT", code="")), "Uitzondering/Identificatie: empty"),
        (envelope(exceptions("FOUT", code="3000A")), "Identificatie: must be a number"),
    ],
)
def test_refuses_bytes_that_are_no_answer(xml: bytes, reason: str) -> None:
    with pytest.raises(NotAnAnswer) as caught:
        parse_answer(xml)

    assert reason in caught.value.reason
    assert caught.value.reason == str(caught.value)
    assert TEST_NUMBER not in caught.value.reason


@pytest.mark.parametrize("declared", ["UTF-7", "ISO-8859-1", "UTF-16"])
def test_parses_the_bytes_that_were_searched_whatever_encoding_they_declare(declared: str) -> None:
    text = "<Adviezen><Arbeidsmarkt>+ADwAIQ-DOCTYPE é</Arbeidsmarkt></Adviezen>"
    declaration = f'<?xml version="1.0" encoding="{declared}"?>'.encode()

    result = parse_answer(declaration + answer(PERSON + text))

    assert isinstance(result, Dossier)
    assert result.blocks["adviezen"] == {"arbeidsmarkt": "+ADwAIQ-DOCTYPE é"}


@pytest.mark.parametrize(
    "moment",
    [
        "",
        "<Tijdstip/>",
        "<Tijdstip><Datum>2017-03-30</Datum><Tijd> </Tijd></Tijdstip>",
        MOMENT.replace("12:12", "25:00"),
        MOMENT.replace("12:12", "12"),
        MOMENT.replace("12:12", "12:12+02:00"),
        MOMENT.replace("12:12", "12:12:10.1234567"),
        MOMENT.replace("2017-03-30", "2017-02-30"),
        MOMENT.replace("2017-03-30", "2017-00-00"),
        MOMENT.replace("2017-03-30", "0001-01-01"),
        MOMENT.replace("2017-03-30", "20170330"),
        MOMENT.replace("2017-03-30", TEST_NUMBER),
    ],
)
def test_refuses_an_answer_without_a_moment(moment: str) -> None:
    with pytest.raises(NotAnAnswer, match="Tijdstip") as caught:
        parse_answer(answer(PERSON, moment=moment))

    assert TEST_NUMBER not in caught.value.reason


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ("", "KBIDossier/Personalia/INSZ: not a valid national number"),
        ("<Personalia/>", "KBIDossier/Personalia/INSZ: not a valid"),
        ("<Personalia><INSZ>90722501479</INSZ></Personalia>", "KBIDossier/Personalia/INSZ: not a"),
        (PERSON + PERSON, "KBIDossier/Personalia: more than one"),
        (PERSON + "<Aanmelding/><Aanmelding/>", "KBIDossier/Aanmelding: more than one"),
        (PERSON + "<Werving/>", "KBIDossier/Werving: not in the schema"),
        (PERSON + f"<I{TEST_NUMBER}/>", "KBIDossier/?: not in the schema"),
        (PERSON + f"<{'L' * 100}/>", f"KBIDossier/{'L' * 60}: not in the schema"),
        (PERSON + "<Doelgroep xmlns='urn:x'/>", "KBIDossier/Doelgroep: not in the schema"),
        (
            PERSON + "<Doelgroep><Periode><Begin x='1'>a</Begin></Periode></Doelgroep>",
            "KBIDossier/Doelgroep/Periode/Begin/@x: not in the schema",
        ),
        (
            PERSON + "<Contracten Aantal='1'/>",
            "KBIDossier/Contracten/@Aantal: not in the schema",
        ),
        (
            PERSON + "<Aanmelding><Reden Taal='nl'>1</Reden></Aanmelding>",
            "KBIDossier/Aanmelding/Reden/@Taal: not in the schema",
        ),
        (
            PERSON + "<Aanmelding><Type><b>EA</b></Type></Aanmelding>",
            "KBIDossier/Aanmelding/Type/b: not in the schema",
        ),
        (PERSON + "<Aanmelding>EA</Aanmelding>", "KBIDossier/Aanmelding: text between elements"),
        (
            PERSON + "<Aanmelding><Type>EA</Type>tail</Aanmelding>",
            "KBIDossier/Aanmelding: text between elements",
        ),
        (PERSON + "tail", "KBIDossier: text between elements"),
        (
            PERSON + "<Wooncode><VoldoetAanTaalBereidheid>ja</VoldoetAanTaalBereidheid></Wooncode>",
            "KBIDossier/Wooncode/VoldoetAanTaalBereidheid: not a boolean",
        ),
        (
            PERSON + "<Contracten><Contract><Type>a</Type><Type>b</Type></Contract></Contracten>",
            "KBIDossier/Contracten/Contract/Type: more than one",
        ),
    ],
)
def test_refuses_a_dossier_outside_the_schema(blocks: str, reason: str) -> None:
    with pytest.raises(NotAnAnswer) as caught:
        parse_answer(answer(blocks))

    assert caught.value.reason.startswith(reason)
    assert TEST_NUMBER not in caught.value.reason
