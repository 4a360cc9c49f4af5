"""The picture and the presentation state: valid, readable, and with the film's gray scale."""

import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from bonefx_dicom.results.build import build_objects
from bonefx_dicom.results.content import ResultContent
from bonefx_dicom.results.kinds import ObjectKind
from bonefx_dicom.results.own_objects import is_own_object
from bonefx_dicom.results.picture import draw_picture
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.errors import Reason
from pydicom.uid import ImplicitVRLittleEndian
from study_films import NAMES, demo_pixels, film_file

from tests.dicom.results.conftest import FINDINGS, record_of
from tests.dicom.results.test_structured_report import FILMS, WHEN

SHOWN = replace(FINDINGS["fracture"], gray_mapping=GrayMapping.VOI_WINDOW)
YELLOW = (255, 220, 0)


def built(data, finding=SHOWN, kinds=(ObjectKind.SC, ObjectKind.GSPS)):
    objects = build_objects(data, record_of(data, finding), WHEN, kinds=kinds)
    return {each.kind: each for each in objects}


def read(result):
    return pydicom.dcmread(io.BytesIO(result.data))


@pytest.mark.parametrize("state", FINDINGS)
@pytest.mark.parametrize("film", FILMS)
def test_dciodvfy_finds_no_error(film, state, errors_of) -> None:
    mapping = None if state == "refused" else GrayMapping.VOI_WINDOW
    data = FILMS[film]()
    if "pydicom" in film and mapping:
        has_window = "WindowCenter" in pydicom.dcmread(io.BytesIO(data))
        mapping = mapping if has_window else GrayMapping.PERCENTILES
    objects = built(data, replace(FINDINGS[state], gray_mapping=mapping))
    assert set(objects) == ({"sc"} if state == "refused" else {"sc", "gsps"})
    for each in objects.values():
        assert errors_of(each.data) == [], each.kind
        assert is_own_object(each.data[: 1 << 16])


@pytest.mark.parametrize("charset", NAMES)
def test_names_have_the_bytes_of_the_film_in_nine_character_sets(charset, errors_of) -> None:
    film = film_file(charset=charset, name=NAMES[charset])
    for each in built(film).values():
        name = read(each).get_item("PatientName").value
        assert name.rstrip(b" ") == NAMES[charset]
        known = errors_of(film) if charset == "ISO_IR 13" else []
        assert set(errors_of(each.data)) <= set(known)


def test_the_same_input_gives_the_same_bytes() -> None:
    film = film_file(demo_pixels())
    assert built(film) == built(film)


def test_the_picture_shows_the_film_below_the_answer_and_its_regions_in_yellow() -> None:
    pixels = demo_pixels()
    capture = read(built(film_file(pixels))["sc"])
    assert (capture.Modality, capture.PhotometricInterpretation) == ("OT", "RGB")
    picture = capture.pixel_array
    assert picture.dtype == np.uint8
    assert max(picture.shape[:2]) < 1400
    found = np.argwhere((picture == YELLOW).all(axis=-1))
    assert len(found) > 100
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID.endswith(".3")


@pytest.mark.parametrize("shape", [(300, 200), (3000, 2400), (40, 2000)])
def test_a_region_is_drawn_where_it_is_in_the_film(shape) -> None:
    region = (shape[1] // 4, shape[0] // 4, shape[1] // 2, shape[0] // 2)
    record = record_of(b"film", FINDINGS["no_fracture"])
    left, top, right, bottom = region
    record["regions"] = [{"left": left, "top": top, "right": right, "bottom": bottom, "score": 0.9}]
    content = ResultContent.from_record(record)
    film = np.full(shape, 100, np.uint8)
    with_region = draw_picture(film, content, film_shape=shape)
    without = draw_picture(film, replace(content, regions=()), film_shape=shape)
    changed = np.argwhere((with_region != without).any(axis=-1))
    factor = min(1.0, 1024 / max(shape))
    is_film = (without[:, 0] == 100).all(axis=-1)  # the first column has no text
    first_row = np.argwhere(is_film).min()
    low, high = changed.min(axis=0), changed.max(axis=0)
    # The line is 2 pixels wide, around the edge of the region.
    assert low - (first_row, 0) == pytest.approx((top * factor, left * factor), abs=2)
    if shape[0] > 100:  # the number is larger than a very flat region
        assert high - (first_row, 0) == pytest.approx((bottom * factor, right * factor), abs=3)


def test_a_film_that_cannot_be_decoded_has_a_picture_with_text_only() -> None:
    refused = replace(FINDINGS["refused"], reason=Reason.TRUNCATED)
    film = film_file(demo_pixels())[:-500]
    picture = read(built(film, refused)["sc"]).pixel_array
    assert picture.shape[1] == 512
    assert (picture == YELLOW).all(axis=-1).any()  # "AI RESULT, NOT FOR DIAGNOSIS"


def test_the_presentation_state_repeats_the_gray_scale_of_the_film() -> None:
    film = film_file(
        PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE",
        RescaleSlope="1", RescaleIntercept="0", PixelAspectRatio=["1", "2"],
        ShutterShape="RECTANGULAR", ShutterLeftVerticalEdge=2, ShutterRightVerticalEdge=30,
        ShutterUpperHorizontalEdge=2, ShutterLowerHorizontalEdge=30,
    )  # fmt: skip
    state = read(built(film)["gsps"])
    assert state.PresentationLUTShape == "INVERSE"
    assert (state.RescaleSlope, state.RescaleType) == (1, "US")
    assert state.SoftcopyVOILUTSequence[0].WindowWidth == 256
    assert state.ShutterShape == "RECTANGULAR"
    area = state.DisplayedAreaSelectionSequence[0]
    assert area.DisplayedAreaBottomRightHandCorner == [56, 40]
    assert area.PresentationPixelAspectRatio == [1, 2]
    unusable = replace(SHOWN, gray_mapping=GrayMapping.PERCENTILES)
    assert "SoftcopyVOILUTSequence" not in read(built(film, unusable)["gsps"])


@pytest.mark.parametrize("implicit", [False, True])
def test_lookup_tables_are_repeated_value_by_value(implicit, errors_of) -> None:
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 16], np.arange(0, 65536, 257, np.uint16).tobytes()
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
    film = film_file(VOILUTSequence=[table], WindowCenter=None, WindowWidth=None)
    if implicit:
        dataset = pydicom.dcmread(io.BytesIO(film))
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        stream = io.BytesIO()
        dataset.save_as(stream)
        film = stream.getvalue()
    result = built(film, replace(SHOWN, gray_mapping=GrayMapping.VOI_LUT))["gsps"]
    assert errors_of(result.data) == []
    voi = read(result).SoftcopyVOILUTSequence[0].VOILUTSequence[0]
    assert list(voi.LUTDescriptor) == [256, 0, 16]
    data = voi.LUTData
    values = data if not isinstance(data, bytes) else np.frombuffer(data, "<u2")
    assert list(values) == list(range(0, 65536, 257))


def test_the_presentation_state_has_the_regions_and_the_warning() -> None:
    state = read(built(film_file())["gsps"])
    (annotation,) = state.GraphicAnnotationSequence
    (outline,) = annotation.GraphicObjectSequence
    (text,) = annotation.TextObjectSequence
    assert list(outline.GraphicData) == [10, 20, 110, 20, 110, 120, 10, 120, 10, 20]
    assert text.UnformattedTextValue == "AI result, not for diagnosis: Fracture suspected"
    assert state.Modality == "PR"


def test_picture_and_presentation_state_of_an_unfamiliar_film_say_why_it_is_uncertain() -> None:
    finding = replace(FINDINGS["unfamiliar"], gray_mapping=GrayMapping.VOI_WINDOW)
    objects = built(film_file(demo_pixels()), finding)
    comments = read(objects["sc"]).ImageComments
    assert "Uncertain (unfamiliar). Unlike the films that this model was made with" in comments
    (text,) = read(objects["gsps"]).GraphicAnnotationSequence[0].TextObjectSequence
    assert text.UnformattedTextValue == (
        "AI result, not for diagnosis: Uncertain (unfamiliar): "
        "unlike the films this model was made with; read it by eye"
    )
    capture = read(objects["sc"]).pixel_array
    plain = built(film_file(demo_pixels()), replace(finding, caution=None))
    assert not np.array_equal(capture, read(plain["sc"]).pixel_array), "drawn into the picture"


def test_a_film_in_color_has_no_presentation_state() -> None:
    pixels = np.zeros((40, 56 * 3), np.uint8)
    film = film_file(
        pixels, Columns=56, SamplesPerPixel=3, PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
    )  # fmt: skip
    assert set(built(film)) == {"sc"}
