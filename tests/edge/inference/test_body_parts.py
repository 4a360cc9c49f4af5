"""Which body parts a DICOM header names, however a device writes them."""

import pytest
from bonefx_edge.inference.body_parts import find_excluded
from hypothesis import given
from hypothesis import strategies as st

EXCLUDED = (
    "ABDOMEN", "BRAIN", "BREAST", "CHEST", "COCCYX", "CSPINE", "FACE", "HEAD", "HEART", "JAW",
    "LSPINE", "NECK", "NOSE", "ORBIT", "RIB", "SKULL", "SPINE", "SSPINE", "STERNUM", "TSPINE",
    "WHOLEBODY", "ZYGOMA",
)  # fmt: skip
OUT_OF_SCOPE_WORDS = (
    # English, German, French
    "CHEST RIBS LUMBAR CERVICAL SINUSES KUB CXR SKULL TSPINE ABDOMEN STERNUM MANDIBLE NASAL "
    "THORAX LUNGE LWS HWS BWS SCHAEDEL SCHÄDEL WIRBELSÄULE RIPPEN BAUCH NNH KREUZBEIN KIEFER "
    "POUMONS RACHIS CRÂNE LOMBAIRE MANDIBULE NEZ GRIL "
    # Spanish, Italian, Portuguese
    "TORAX TÓRAX COLUMNA CRÁNEO COSTILLAS PULMONES SENOS TORACE COLONNA CRANIO POLMONI ADDOME "
    "LOMBARE COLUNA COSTELAS PULMÃO LOMBAR SEIOS "
    # Polish, Dutch
    "PŁUCA KLATKA CZASZKA KRĘGOSŁUP ŻEBRA ZATOKI BRZUCH LONGEN SCHEDEL WERVELKOLOM RIBBEN BUIK"
)
LIMB_WORDS = (
    "HAND HIP PELVIS KNEE ANKLE FOOT SHOULDER ELBOW WRIST FINGER TOE FEMUR TIBIA HUMERUS "
    "CLAVICLE SCAPULA CALCANEUS EXTREMITY BECKEN BÄCKEN HÜFTE KNIE FUSS ELLENBOGEN SCHULTER "
    "MAIN POIGNET COUDE EPAULE HANCHE BASSIN GENOU CHEVILLE PIED MANO MUÑECA CODO HOMBRO "
    "CADERA RODILLA TOBILLO PIE GINOCCHIO CAVIGLIA SPALLA GOMITO POLSO BACINO PUNHO OMBRO "
    "JOELHO TORNOZELO BACIA DŁOŃ NADGARSTEK ŁOKIEĆ BARK BIODRO KOLANO STOPA MIEDNICA POLS "
    "ELLEBOOG SCHOUDER HEUP BEKKEN ENKEL VOET HANDCHESTER SCAPULOTHORACIC STERNOCLAVICULAR"
)
OUT_OF_SCOPE = OUT_OF_SCOPE_WORDS.split()
ALONE = ["HEAD", "NECK", "FACE", "SINUS", "KOPF", "HALS", "TÊTE", "CUELLO", "GŁOWA", "HOOFD"]
ALONE += ["ESTERNO", "CRANIAL", "COLONNE", "CAPO"]
IN_SCOPE = [
    *LIMB_WORDS.split(),
    "BONE AGE",
    "FEMORAL NECK",
    "HEAD OF RADIUS",
    "COL DU FEMUR",
    "TETE RADIALE",
    "SINUS TARSI",
    "LONG BONES",
    "HIP ABD",
    "MAIN FACE",
    "PIED DORSAL",
    "UPPER LIMB",
    "SCAPOLA",
    "SPALLA TESTA",
    "MALLEOLO ESTERNO",
    "CLAVICLE STERNAL END",
    "CLAVICULA CRANIAL",
    "COLONNE DU POUCE",
]
VIEWS = [
    "PA",
    "AP",
    "LAT",
    "L",
    "R",
    "LEFT",
    "RECHTS",
    "OBL",
    "SEITLICH",
    "PROFIL",
    "2V",
    "STEHEND",
]


def find(text):
    return find_excluded(text.upper(), excluded=EXCLUDED)


@pytest.mark.parametrize("word", OUT_OF_SCOPE + ALONE)
def test_a_part_out_of_scope_is_found_in_eight_languages(word):
    assert find(word)


@pytest.mark.parametrize("word", IN_SCOPE)
def test_a_limb_is_no_part_out_of_scope(word):
    assert find(word) is None


@given(
    word=st.sampled_from(OUT_OF_SCOPE + ALONE + IN_SCOPE),
    before=st.lists(st.sampled_from(VIEWS), max_size=2),
    after=st.lists(st.sampled_from(VIEWS), max_size=2),
    space=st.sampled_from(["", " ", "-", "_", "/", ", ", "^", "."]),
)
def test_a_view_before_or_behind_changes_nothing(word, before, after, space):
    text = space.join([*before, word, *after])
    assert bool(find(text)) is (word not in IN_SCOPE), text


@given(st.lists(st.sampled_from(OUT_OF_SCOPE), min_size=1, max_size=3), st.sampled_from(["", " "]))
def test_several_parts_in_one_text_are_found(words, space):
    assert find(space.join(words))


@pytest.mark.parametrize(
    "text", ["C-SPINE", "L SPINE", "['CHEST', 'HAND']", "CHESTABDPELVIS", "ABDPELVIS", "SPINE NECK"]
)
def test_what_devices_write(text):
    assert find(text)


@pytest.mark.parametrize("code", ["816094009", "51185008", "T-D3000", "122496007", "T-11503"])
def test_a_code_is_found(code):
    assert find(code) == code


@pytest.mark.parametrize("code", ["85562004", "T-D8700", "24136001", "T-D2500", "12921003"])
def test_the_code_of_a_limb_is_none(code):
    assert find(code) is None


def test_utf_8_read_as_latin_1_is_put_right():
    assert find("SCHÄDEL".encode().decode("latin-1"))
    assert find("PŁUCA".encode().decode("latin-1"))


def test_only_what_the_model_file_lists_is_out_of_scope():
    assert find_excluded("LUNGE", excluded=("CSPINE",)) is None
    assert find_excluded("HWS", excluded=("CSPINE",)) == "HWS"
    assert find_excluded("816094009", excluded=("CSPINE",)) is None
    assert find_excluded("ELBOW LAT", excluded=("ELBOW",)) == "ELBOW"
    assert find_excluded("CHEST", excluded=()) is None


@given(st.text(max_size=300))
def test_any_text_gives_a_word_of_it_or_none(text):
    found = find(text)
    assert found is None or found


def test_a_long_text_takes_no_time():
    assert find("L" * 100_000) is None
