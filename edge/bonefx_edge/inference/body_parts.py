"""Words and codes by which DICOM files name a body part, grouped by what they mean.

The model file lists the parts that are out of scope, by their defined terms (PS3.16 CID 4031). Here
stands how devices write the same parts in eight languages, shortened, and as codes. A group counts
if the model file lists one of its words.
"""

import contextlib
import re
import unicodedata
from typing import Final, NamedTuple


class _Part(NamedTuple):
    words: str
    """Name the part wherever they stand."""
    alone: str = ""
    """Name it only if no other part is named: the head of the radius is not the head."""
    codes: str = ""
    """SNOMED CT codes and the SRT codes that they replaced."""


# Without accents; German, with the umlaut as one letter and as two.
_PARTS: Final = (
    _Part(
        "CHEST THORAX THX LUNG CXR CHESTXRAY HEMITHORAX THORACIC TORAX TORACE TORACICO TORACICA "
        "HEMITORAX EMITORACE LUNGS PULMONARY LUNGE LUNGEN BRUSTKORB POUMON POUMONS PULMONAIRE "
        "PULMON PULMONES PULMONAR PULMAO PULMOES POLMONE POLMONI POLMONARE PLUCA PLUCO KLATKA "
        "KLATKI PIERSIOWA KLP BORSTKAS LONGEN LONGFOTO MEDIASTINUM MEDIASTINO NECKCHEST "
        "CHESTABDOMEN CHESTABDPELVIS NECKCHESTABDOMEN NECKCHESTABDPELV NECKCHESTABDPELVIS BRUST "
        "BORST ESOPHAGUS OESOPHAGUS TRACHEA AIRWAY BRONCHUS",
        "",
        "816094009 51185008 302551006 39607008 86598002 72410000 416550000 416775004 417437006 "
        "416152001 416319003 44567001 32849002 955009 T-D3000 T-28000 T-280A0 T-D3300 R-FAB52 "
        "R-FAB53 R-FAB54 R-FAB55 R-FAB56 R-FAB57 T-25000 T-56000 T-26000",
    ),
    _Part(
        "RIB RIBS RIBCAGE RIPPE RIPPEN RIPPENTHORAX COSTAL COSTILLA COSTILLAS COSTELA COSTELAS "
        "COSTOLE COSTAIS COSTALES GRIL ZEBRA ZEBER ZEBRO RIBBEN RIBBENKAST PARRILLA EMICOSTATO",
        "COTE COTES COSTE COSTA COSTAS",
        "113197003 T-11300",
    ),
    _Part(
        "STERNUM BRUSTBEIN ESTERNON STERNO MOSTEK BORSTBEEN",
        "STERNAL ESTERNO",
        "56873002 T-11210",
    ),
    _Part(
        "SPINE SPINAL COLUMN COLUMNA COLUNA COLONNA RACHIS RACHIDE RACHIDIEN RAQUIS "
        "WIRBELSAULE WIRBELSAEULE WIRBEL VERTEBRA VERTEBRAE VERTEBRAL VERTEBRALE VERTEBRE "
        "VERTEBRES KREGOSLUP KREGOSLUPA WERVELKOLOM WERVEL WERVELS SCOLIOSIS SKOLIOSE SCOLIOSE "
        "ESCOLIOSIS ESCOLIOSE SCOLIOSI SKOLIOZA",
        "BACK COLONNE RUECKEN RUCKEN RUG WS",
        "421060004 110517009 T-D04FF T-11500 T-11011",
    ),
    _Part(
        "CSPINE CERV CERVICAL CERVICALE CERVICALES CERVICALIS CERVICODORSAL CTSPINE "
        "CERVICOTHORACIC HWS HWK HWIRBELSAULE HALSWIRBELSAULE HALSWIRBELSAEULE HALSWIRBEL "
        "ZERVIKAL SZYJNY SZYJNEGO CWK HALSWERVELS ODONTOID",
        "DENS ATLAS",
        "122494005 1217257000 T-11501",
    ),
    _Part(
        "TSPINE DSPINE THORACOLUMBAR TLSPINE BWS BWK BRUSTWIRBELSAULE BRUSTWIRBELSAEULE "
        "BRUSTWIRBEL DORSOLUMBAR DORSOLUMBAL DORSOLOMBARE TORACOLUMBAR TWK BORSTWERVELS",
        "DORSAL DORSALE PIERSIOWY",
        "122495006 1217256009 T-11502",
    ),
    _Part(
        "LSPINE LUMB LUMBAR LUMBAL LUMBALE LUMBALIS LUMBALES LOMBAIRE LOMBAIRES LOMBAR LOMBARE "
        "LWS LWK LENDENWIRBELSAULE LENDENWIRBELSAEULE LENDENWIRBEL LUMBOSACRAL LUMBOSACRA "
        "LUMBOSACRO LUMBOSACRUM LUMBOSACREE LOMBOSACRE LOMBOSACREE LOMBOSACRALE LOMBOSSACRA "
        "LSSPINE LEDZWIOWY LEDZWIOWEGO LENDENWERVELS",
        "",
        "122496007 1217253001 T-11503",
    ),
    _Part(
        "SSPINE SACRUM SACRAL SACRALE KREUZBEIN SACRO KRZYZOWA KRZYZOWY HEILIGBEEN SACROCOCCYX",
        "",
        "54735007 1217254007 T-11AD0",
    ),
    _Part(
        "COCCYX COCCYGIS STEISSBEIN STEISS COCCIX COXIS COCCIGE OGONOWA GUZICZNA STUITJE "
        "STAARTBEEN",
        "",
        "64688005 T-11BF0",
    ),
    _Part(
        "ABDOMEN ABDOMENPELVIS ABDPELVIS ABDOM ABDOMINAL ABDO KUB BAUCH ABDOMINALE ABDOME "
        "ADDOME ADDOMINALE BRZUCH BRZUSZNA BUIK BOZ STOMACH BOWEL COLON KIDNEY KIDNEYS RENAL "
        "BLADDER NIEREN UROGRAPHY",
        "ABD ASP BELLY",
        "818981001 113345001 818982008 69695003 64033007 89837001 71854001 14742008 30315005 "
        "431491007 T-D4000 T-57000 T-71000 T-74000 T-59300 T-59000 T-58000 T-7000B",
    ),
    _Part(
        "HEART CARDIAC HERZ COEUR CORAZON CORACAO CUORE SERCE",
        "HART COR",
        "80891009 T-32000",
    ),
    _Part(
        "BREAST BREASTS MAMMO MAMMA MAMMOGRAPHY MAMMOGRAFIE SEIN SEINS MAMA MAMAS MAMMELLA PIERS",
        "",
        "76752008 T-04000",
    ),
    _Part(
        "SKULL CRANIUM CRANE CRANEO CRANIO CALVARIA CALOTTE SCHADEL SCHAEDEL TESCHIO "
        "CZASZKA CZASZKI SCHEDEL MASTOID MASTOIDS MASTOIDES SELLA TWARZOCZASZKA",
        "CRANIAL",
        "89546000 59066005 42575006 T-11100 T-11133 T-D1460",
    ),
    _Part(
        "BRAIN GEHIRN CERVEAU CEREBRO CERVELLO MOZG HERSENEN",
        "",
        "12738006 T-A0100",
    ),
    _Part(
        "HEADNECK",
        "HEAD KOPF TETE CABEZA CABECA TESTA CAPO GLOWA HOOFD",
        "69536005 774007 T-D1100 T-D1000",
    ),
    _Part(
        "CAVUM ADENOID ADENOIDS LARYNX NASOPHARYNX",
        "NECK HALS COU COL CUELLO COLLO COLO PESCOCO SZYJA SZYI NEK",
        "45048000 4596009 T-D1600 T-24100",
    ),
    _Part(
        "FACIAL FACIALE FACIALES GESICHT GESICHTSSCHADEL GESICHTSSCHAEDEL VISAGE ROSTRO VOLTO "
        "TWARZ AANGEZICHT SINUSES SINUSSEN SINUSAL PARANASAL PARANASALE PARANASALES PARANASALI "
        "PNS NNH SPN NASENNEBENHOHLEN NASENNEBENHOEHLEN SENOS SEIOS SENI ZATOKI ZATOK BIJHOLTEN "
        "BLONDEAU",
        "FACE FACES CARA FACCIA SINUS",
        "89545001 91397008 2095001 T-D1200 T-11196 T-22000",
    ),
    _Part(
        "NOSE NASAL NASALE NASENBEIN NASE NEZ OPN NARIZ NASO NEUS",
        "NOS NOSA",
        "45206002 74386004 T-21000 T-11149",
    ),
    _Part(
        "ORBIT ORBITS ORBITA ORBITAL ORBITAS ORBITAE ORBITE ORBITES OCZODOL OCZODOLY OOGKAS",
        "EYE EYES",
        "363654007 81745001 371398005 T-D14AE T-AA000 T-D0801",
    ),
    _Part(
        "JAW MANDIBLE MAXILLA TMJ MANDIBULAR MANDIBULA MANDIBULE MANDIBOLA MAXILLARY MAXILLAIRE "
        "MAXILAR MAXILA MASCELLARE MASCELLA KIEFER UNTERKIEFER OBERKIEFER KIEFERGELENK ZUCHWA "
        "ZUCHWY SZCZEKA KAAK ONDERKAAK BOVENKAAK OPG OPT PANOREX ORTHOPANTOMOGRAM "
        "ORTOPANORAMICA TEETH TOOTH DENTAL DENTAIRE DENTS DIENTES DENTES DENTI ZAHN ZAHNE "
        "ZAEHNE ZEBY GEBIT",
        "PANORAMIC PANORAMICA DENTE DENT",
        "661005 91609006 70925003 53620006 T-D1213 T-11180 T-11170 T-15290",
    ),
    _Part(
        "ZYGOMA ZYGOMATIC JOCHBEIN JOCHBOGEN",
        "MALAR",
        "13881006 T-11166 T-11167",
    ),
    _Part(
        "WHOLEBODY BABYGRAM TORSO TRUNK RUMPF GANZKORPER GANZKOERPER",
        "",
        "38266002 T-D0010",
    ),
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VIEWS: Final = _words(
    "A ADULT AP AUFNAHME AX AXIAL AXIALE BED BEDSIDE BEIDE BETT BILAT BILATERAL BOCZNE BOCZNY "
    "BOK BOTH CALDWELL CHILD CR D DECUB DECUBITUS DERECHA DERECHO DESTRA DESTRO DIG DIREITA "
    "DIREITO DR DROIT DROITE DV DX ERECT ESQUERDA ESQUERDO EXP EXPIRATION EXT EXTENSION FLEX "
    "FLEXION FRONT FRONTAL FRONTALE G GAUCHE INFANT INSP INSPIRATION IZQUIERDA IZQUIERDO L LAT "
    "LATERAL LATERALE LATERALIS LEFT LEWA LEWE LEWY LI LIEGEND LINKE LINKS LL LR LT MOB MOBILE "
    "NATIV OBL OBLICUA OBLIQUA OBLIQUE P PA PED PEDIATRIC PEDS PERFIL PORT PORTABLE PRAWA PRAWE "
    "PRAWY PROFIL PROFILE PRONE R RE RECHTE RECHTS RIGHT RL ROUTINE RT RTG RX S SCHRAEG SCHRAG "
    "SEITE SEITLICH SERIES SINISTRA SINISTRO SITTING SITZEND SOFT STANDING STEHEND SUPINE SX "
    "TISSUE TOWNE TOWNES UBERSICHT UEBERSICHT UPRIGHT V VD VIEW VIEWS WATERS X XR XRAY ZIJ"
)
"""Projections, sides and positions: they change no body part."""
_JOINED: Final = _VIEWS - _words("A P S X")
"""Those that may be joined with it: with S, L and A, CAPO (head) would be SCAPOLA."""
_BETWEEN: Final = _words("AND BONE BONES DE DES DU E EN ET I LA LE OF OS OSSA UND Y")
"""Words that change no body part either, but stand alone."""
_LIMBS: Final = _words("BACINO BASSIN BECKEN BEKKEN HIP MIEDNICA PELV PELVIS SHOULDER")
"""Parts in scope that are written in one word with parts that are not."""
_LONGEST_WORD: Final = 24
_LONGEST_TEXT: Final = 128


def find_excluded(text: str, *, excluded: tuple[str, ...]) -> str | None:
    """Return the word or code in a text that names a part of `excluded`, or None.

    Parameters
    ----------
    text
        DICOM Body Part Examined, or a code or its meaning from the Anatomic Region Sequence.
    excluded
        Defined terms of PS3.16 CID 4031, in capitals.
    """
    sure, alone, codes = _vocabulary(excluded)
    folded = _fold(text)[:_LONGEST_TEXT]
    if folded in codes:
        return folded
    tokens: list[str] = re.findall("[A-Z]+", folded)
    fillers = _JOINED | _LIMBS | alone
    for token in (*tokens, "".join(tokens)):
        if _is_joined(token, of=sure, fillers=fillers):
            return token
    named = [token for token in tokens if _is_joined(token, of=alone, fillers=_JOINED)]
    rest = [token for token in tokens if token not in named]
    if named and all(
        token in _VIEWS | _BETWEEN or _is_joined(token, of=_JOINED, fillers=_JOINED)
        for token in rest
    ):
        return named[0]
    return None


def _vocabulary(excluded: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the words that are sure, those that count alone, and the codes of `excluded`."""
    sure, alone, codes = set(excluded), set[str](), set[str]()
    for part in _PARTS:
        if not sure.isdisjoint(part.words.split()) or not sure.isdisjoint(part.alone.split()):
            alone.update(part.alone.split())
            codes.update(part.codes.split())
            sure.update(part.words.split())
    return frozenset(sure - alone), frozenset(alone), frozenset(codes)


def _fold(text: str) -> str:
    """Return a text in capitals without accents; UTF-8 that was read as Latin-1 put right."""
    with contextlib.suppress(UnicodeError):  # then it was read as it was written
        text = text.encode("latin-1").decode("utf-8")
    plain = unicodedata.normalize("NFKD", text.upper().replace("Ł", "L").replace("ß", "SS"))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).strip()


def _is_joined(token: str, *, of: frozenset[str], fillers: frozenset[str]) -> bool:
    """Return whether words of `of` and `fillers`, at least one of `of`, make up a token."""
    reached = {(0, False)}  # how far words go, and whether one of `of` is among them
    for end in range(1, len(token) + 1):
        for start in range(max(0, end - _LONGEST_WORD), end):
            word = token[start:end]
            if word in of and not reached.isdisjoint({(start, False), (start, True)}):
                reached.add((end, True))
            if word in fillers:
                reached |= {(end, found) for found in (False, True) if (start, found) in reached}
    return (len(token), True) in reached
