"""What the network is never asked about."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.camera import has_lens
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import DecodeError, Reason
from bonefx_edge.inference.input_check import (
    Interval,
    check_in_distribution,
    check_input,
    statistics,
)
from image_files import exif, jpeg_file
from PIL import Image
from pydicom.data import get_testdata_file
from toy import TOY_INPUT_CHECK, film


def radiograph(pixels: np.ndarray, **fields) -> Radiograph:
    return Radiograph(pixels, FileFormat.PNG, GrayMapping.STORED, **fields)


def reason_of(film: Radiograph, spec=TOY_INPUT_CHECK) -> Reason | None:
    try:
        check_input(film, spec=spec)
    except DecodeError as err:
        return err.reason
    return None


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)


@pytest.mark.parametrize(
    ("film", "reason"),
    [
        (radiograph(film(128)), None),
        (radiograph(film(128), body_part="HAND"), None),
        (radiograph(film(128), chroma=5.0), None),
        (radiograph(film(128)[:, :63]), Reason.TOO_SMALL),
        (radiograph(film(128, height=62)), Reason.TOO_SMALL),
        (radiograph(np.full((200, 200), 128, np.uint8)), Reason.BLANK),
        (radiograph(np.zeros((200, 200), np.uint8)), Reason.BLANK),
        (radiograph(np.full((200, 200), 255, np.uint8)), Reason.BLANK),
        (radiograph(film(128), chroma=40.0), Reason.NOT_A_RADIOGRAPH),
        (radiograph(noise(128)), Reason.NOT_A_RADIOGRAPH),
        (radiograph(film(128), body_part="CHEST"), Reason.OUT_OF_SCOPE),
        (radiograph(film(128), body_part="CHEST PA"), Reason.OUT_OF_SCOPE),
        (radiograph(film(128), body_part="['CHEST', 'HAND']"), Reason.OUT_OF_SCOPE),
        (radiograph(film(128), body_part="HANDCHESTER"), None),
        (radiograph(film(128), body_part="NECK"), Reason.OUT_OF_SCOPE),
        (radiograph(film(128), body_part="FEMORAL NECK"), None),
        (radiograph(film(128), body_part="HEAD OF RADIUS"), None),
    ],
)
def test_the_input_check_lets_films_pass_and_names_what_it_stops(film, reason) -> None:
    assert reason_of(film) is reason


def test_a_blank_film_with_a_burnt_in_marker_is_still_a_picture_of_little() -> None:
    marked = np.zeros((400, 400), np.uint8)
    marked[5:25, 5:25] = 255
    assert statistics(marked).std > 0


@pytest.mark.parametrize("name", ["mean", "std", "roughness"])
def test_every_statistic_of_the_input_check_can_refuse(name: str) -> None:
    narrow = dataclasses.replace(TOY_INPUT_CHECK, **{name: Interval(0.90, 0.91)})
    with pytest.raises(DecodeError, match=rf"{name} [0-9.]+, expected 0.900 to 0.910"):
        check_input(radiograph(film(128)), spec=narrow)


def test_statistics_have_the_values_that_arithmetic_gives() -> None:
    halves = np.zeros((256, 256), np.uint8)
    halves[128:] = 204  # 0.8 of white: not an unexposed border
    found = statistics(halves)
    assert found.mean == pytest.approx(0.4)
    assert found.std == pytest.approx(0.4)
    # One step of 0.8 among 127 vertical ones, none across: (0.8 / 127 + 0) / 2 / 0.4.
    assert found.roughness == pytest.approx(1 / 127)


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom", "all"])
def test_a_white_unmasked_collimator_border_changes_no_statistic(side: str) -> None:
    film = np.tile(np.arange(0, 240, 2, dtype=np.uint8), (128, 1))
    widths = {"left": (0, 0, 60, 0), "right": (0, 0, 0, 90), "top": (40, 0, 0, 0)}
    widths |= {"bottom": (0, 70, 0, 0), "all": (30, 30, 40, 40)}
    bordered = cv2.copyMakeBorder(film, *widths[side], cv2.BORDER_CONSTANT, value=255)
    found, alone = statistics(bordered), statistics(film)
    # The border scales the film down, and one blended row or column may stay on each side.
    assert found.mean == pytest.approx(alone.mean, abs=0.02)
    assert found.std == pytest.approx(alone.std, rel=0.05)


def test_an_all_white_film_is_not_cut_to_nothing() -> None:
    assert statistics(np.full((200, 200), 255, np.uint8)).mean == 1.0


def test_pure_noise_is_rougher_than_any_film() -> None:
    assert statistics(noise(128)).roughness == pytest.approx(1.15, abs=0.05)


WITH_LIMIT = dataclasses.replace(TOY_INPUT_CHECK, distance_limit=2.0)


def test_the_distance_is_the_mean_of_the_squares_of_the_features() -> None:
    check_in_distribution(np.array([[2.0, 0.0]], np.float32), spec=WITH_LIMIT)  # 2.0: at the limit
    with pytest.raises(DecodeError, match=r"distance 2\.04, limit 2\.00"):
        check_in_distribution(np.array([[2.02, 0.0]], np.float32), spec=WITH_LIMIT)


def test_a_film_that_is_too_far_from_training_is_not_a_radiograph_of_a_limb() -> None:
    with pytest.raises(DecodeError) as caught:
        check_in_distribution(np.full((1, 32), 3.0, np.float32), spec=WITH_LIMIT)
    assert caught.value.reason is Reason.NOT_A_RADIOGRAPH


def test_a_network_without_features_refuses_nothing_by_distance() -> None:
    check_in_distribution(None, spec=TOY_INPUT_CHECK)


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan, np.inf])
def test_a_limit_that_refuses_all_or_nothing_cannot_be_made(limit: float) -> None:
    with pytest.raises(ValueError, match="expected a finite distance_limit > 0"):
        dataclasses.replace(TOY_INPUT_CHECK, distance_limit=limit)


@pytest.mark.parametrize("tag", [0x829D, 0x9202, 0x920A])  # FNumber, ApertureValue, FocalLength
@pytest.mark.parametrize("order", ["II", "MM"])
def test_what_a_camera_took_is_a_photograph_whatever_it_shows(tag, order) -> None:
    block = Image.Exif()
    block.endian = {"II": "<", "MM": ">"}[order]
    block.get_ifd(0x8769)[tag] = 2.8
    taken = decode(jpeg_file(film(128), exif=block))
    assert taken.has_lens
    with pytest.raises(DecodeError, match="A photograph: its EXIF") as caught:
        check_input(taken, spec=TOY_INPUT_CHECK)
    assert caught.value.reason is Reason.NOT_A_RADIOGRAPH


def test_exif_without_a_lens_is_no_photograph_and_a_damaged_block_is_no_error() -> None:
    assert not decode(jpeg_file(film(128), exif=exif(1))).has_lens
    block = Image.Exif()
    block.get_ifd(0x8769)[0x829D] = 2.8
    whole = block.tobytes().removeprefix(b"Exif\0\0")
    assert has_lens(whole)
    for length in range(len(whole)):
        assert has_lens(whole[:length]) in (True, False)


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "693_UNCR.dcm", "explicit_VR-UN.dcm", "J2K_pixelrep_mismatch.dcm"]
)
def test_ct_slices_are_refused_by_their_modality(name) -> None:
    path = get_testdata_file(name, download=False)
    with pytest.raises(DecodeError, match="DICOM modality CT") as caught:
        decode(Path(path).read_bytes())
    assert caught.value.reason is Reason.WRONG_MODALITY
