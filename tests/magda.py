"""Answers of MAGDA, GeefDossierKBI-01.00, as a test needs them."""

NAMESPACE = "http://webservice.GeefDossierKBI-01.00.kbi-01.00.vip.vlaanderen.be"
PERSON = "90722501478"  # a test number: month raised by 60


def answer(inside: str, on: str = "2017-03-30") -> bytes:
    """An answer of MAGDA that was made at noon in Brussels."""
    return (
        f'<w:GeefDossierKBIResponse xmlns:w="{NAMESPACE}"><Repliek><Context><Bericht>'
        f"<Tijdstip><Datum>{on}</Datum><Tijd>12:00</Tijd></Tijdstip></Bericht></Context>"
        f"{inside}</Repliek></w:GeefDossierKBIResponse>"
    ).encode()


def dossier(insz: str = PERSON, blocks: str = "", on: str = "2017-03-30") -> bytes:
    """An answer that holds a dossier."""
    return answer(
        "<Antwoorden><Antwoord><Inhoud><KBIDossier>"
        f"<Personalia><INSZ>{insz}</INSZ></Personalia>{blocks}"
        "</KBIDossier></Inhoud></Antwoord></Antwoorden>",
        on,
    )


def fault(code: str, diagnosis: str = "Er is iets", on: str = "2017-03-30") -> bytes:
    """An answer that says that the question failed."""
    return answer(
        f"<Uitzonderingen><Uitzondering><Identificatie>{code}</Identificatie>"
        "<Oorsprong>MAGDA</Oorsprong><Type>FOUT</Type>"
        f"<Diagnose>{diagnosis}</Diagnose></Uitzondering></Uitzonderingen>",
        on,
    )
