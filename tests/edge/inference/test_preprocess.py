"""Same pixels everywhere: golden vectors, the presentation's five lines, and the invariants."""

import dataclasses
import hashlib
import json
import platform
from enum import Enum

import cv2
import numpy as np
import pytest
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.inference.preprocess import (
    SPECS,
    Aspect,
    Gray,
    InputSpec,
    Resize,
    Scale,
    preprocess,
    stretch_percentiles,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from make_golden_vectors import GRID, PATH, PATH_HERE, SIZES, draw

GOLDEN = json.loads(PATH.read_text())
HASHES_HERE = json.loads(PATH_HERE.read_text()) if PATH_HERE.exists() else {}
"""Of the films that this processor shrinks otherwise: by one gray level in 1 to 3 of 22,500 pixels
on aarch64, where a mean that lies at half a level is rounded the other way."""
FLOAT_TOLERANCE = 1e-6
"""A film is [0, 1] in float32, whose step below 1 is 6e-8; OpenCV may order its sums anew."""


def float_tolerance(height: int, width: int) -> float:
    """Return how far pixels of `seed`, which OpenCV resizes in floating point, may be off.

    On ARM the compiler fuses multiply and add, so the position in the film that a pixel is taken
    from, a float32, is rounded once where x86 rounds twice: half its step, times the difference of
    two neighbors, at most 1. For 2880 rows 1.2e-4, a 30th of a gray level. Integers are exact.
    """
    if platform.machine() == "x86_64":  # where the vectors were written
        return FLOAT_TOLERANCE
    return FLOAT_TOLERANCE + float(np.spacing(np.float32(max(height, width)))) / 2


def radiograph(pixels: np.ndarray) -> Radiograph:
    return Radiograph(pixels, FileFormat.PNG, GrayMapping.STORED)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda r: f"{r['spec']}-{r['height']}x{r['width']}")
def test_pixels_equal_the_golden_vectors(row: dict) -> None:
    x = preprocess(radiograph(draw(row["height"], row["width"])), spec=SPECS[row["spec"]])
    sample = x[0, ::GRID, ::GRID, 0].ravel()
    if x.dtype == np.uint8:
        assert sample.tolist() == row["sample"]
        name = f"{row['spec']}-{row['height']}x{row['width']}"
        assert hashlib.sha256(x.tobytes()).hexdigest() == HASHES_HERE.get(name, row["sha256"])
    else:
        tolerance = float_tolerance(row["height"], row["width"])
        assert np.abs(sample - np.array(row["sample"])).max() <= tolerance


def test_golden_vectors_cover_every_named_spec_and_size() -> None:
    written = {(row["spec"], row["height"], row["width"]) for row in GOLDEN}
    assert written == {(name, *size) for name in SPECS for size in SIZES}


def test_seed_is_the_presentations_own_five_lines(tmp_path) -> None:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), draw(454, 373))
    gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    gray = gray / 255
    gray = cv2.resize(gray, (150, 150))
    presented = np.array(gray).reshape(-1, 150, 150, 1).astype(np.float32)
    ours = preprocess(radiograph(draw(454, 373)), spec=SPECS["seed"])
    assert np.array_equal(ours, presented)


def test_area_is_antialiased_where_seed_aliases() -> None:
    lines = np.zeros((3000, 3000), np.uint8)
    lines[::20] = 255  # one bright row in twenty: the mean is 12.75, and a film holds no more
    area = preprocess(radiograph(lines), spec=SPECS["area"])
    seed = preprocess(radiograph(lines), spec=SPECS["seed"])
    assert np.abs(area.astype(int) - 13).max() <= 1
    assert np.abs(seed * 255 - 12.75).min() > 5  # not one pixel is near the mean


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (149, 151), (150, 150)])
def test_any_shape_gives_the_networks_shape(name: str, shape: tuple[int, int]) -> None:
    spec = SPECS[name]
    x = preprocess(radiograph(np.full(shape, 200, np.uint8)), spec=spec)
    assert x.shape == (1, spec.height, spec.width, 1)
    if spec.gray is Gray.AS_IS:
        assert x.max() in (200, np.float32(200 / 255))
    assert x.dtype == (np.uint8 if spec.scale is Scale.UINT8 else np.float32)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 255))
def test_letterbox_keeps_the_aspect_and_the_gray(height: int, width: int, gray: int) -> None:
    spec = SPECS["area-letterbox"]
    x = preprocess(radiograph(np.full((height, width), gray, np.uint8)), spec=spec)[0, :, :, 0]
    rows, columns = np.flatnonzero(x.any(axis=1)), np.flatnonzero(x.any(axis=0))
    inner_height, inner_width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert set(np.unique(x)) <= {0, gray}
    assert max(inner_height, inner_width) == 150
    # Each side is rounded to whole pixels, and is at least one.
    assert abs(inner_height - max(1, height * 150 / max(height, width))) <= 0.5
    assert abs(inner_width - max(1, width * 150 / max(height, width))) <= 0.5
    assert abs((rows[0] + rows[-1]) / 2 - 74.5) <= 0.5
    assert abs((columns[0] + columns[-1]) / 2 - 74.5) <= 0.5


CHANGES = {
    "height": InputSpec(height=149),
    "width": InputSpec(width=149),
    "aspect": InputSpec(aspect=Aspect.LETTERBOX),
    "resize": InputSpec(resize=Resize.BILINEAR, scale=Scale.UNIT_FLOAT32),
    "scale": InputSpec(resize=Resize.BILINEAR, scale=Scale.UNIT_FLOAT32),
    "gray": InputSpec(gray=Gray.STRETCH),
}


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(InputSpec)])
def test_every_field_of_the_spec_changes_the_pixels(field: str) -> None:
    film = radiograph(draw(454, 373))
    before, after = preprocess(film, spec=InputSpec()), preprocess(film, spec=CHANGES[field])
    assert before.shape != after.shape or not np.array_equal(before, after)


@pytest.mark.parametrize(
    "fields",
    [{"height": 0}, {"width": -1}, {"resize": Resize.BILINEAR}, {"scale": Scale.UNIT_FLOAT32}],
)
def test_a_spec_that_nothing_implements_cannot_be_made(fields: dict[str, int | Enum]) -> None:
    with pytest.raises(ValueError, match=r"InputSpec: .*got"):
        InputSpec(**fields)


def test_pixels_of_a_radiograph_cannot_be_altered() -> None:
    film = radiograph(draw(64, 64))
    with pytest.raises(ValueError, match="read-only"):
        film.pixels[0, 0] = 1


@pytest.mark.parametrize("bad", [np.zeros((0, 5), np.uint8), np.zeros((5, 5)), np.zeros(5, "u1")])
def test_a_radiograph_is_two_dimensional_uint8_and_not_empty(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected a non-empty"):
        radiograph(bad)


def test_stretch_takes_out_what_exposure_and_window_do_to_a_film() -> None:
    film = draw(400, 400)  # square: no black bars, which would be the darkest part of both
    dark = np.rint(film * 0.4 + 30).astype(np.uint8)
    spec = SPECS["stretch-letterbox"]
    a, b = (preprocess(radiograph(pixels), spec=spec).astype(int) for pixels in (film, dark))
    # 0.4 leaves 102 of 255 levels: one of them is 2.5 wide after the stretch, and both round.
    assert np.abs(a - b).max() <= 5
    plain = [preprocess(radiograph(p), spec=SPECS["area-letterbox"]) for p in (film, dark)]
    assert np.abs(plain[0].astype(int) - plain[1]).max() > 50


def test_stretch_makes_the_1st_percentile_black_and_the_99th_white() -> None:
    levels = np.repeat(np.arange(50, 150, dtype=np.uint8), 100)  # 100 levels, 1 % each
    stretched = stretch_percentiles(levels).reshape(100, 100)[:, 0].astype(int)
    assert (stretched[0], stretched[98], stretched[99]) == (0, 255, 255)
    assert (np.diff(stretched) >= 0).all()
    assert abs(stretched[49] - 127.5) <= 255 / 98


def test_stretch_does_not_blow_air_up_to_noise() -> None:
    air = np.random.default_rng(0).integers(40, 44, (64, 64)).astype(np.uint8)
    assert np.ptp(stretch_percentiles(air).astype(int)) <= 4 * 255 / 24
    for level in (0, 128, 255):
        assert np.ptp(stretch_percentiles(np.full((64, 64), level, np.uint8))) == 0


def test_stretch_of_float_films_is_refused() -> None:
    with pytest.raises(ValueError, match="stretch goes with uint8"):
        dataclasses.replace(SPECS["seed"], gray=Gray.STRETCH)


@pytest.mark.parametrize("shape", [(7, 5), (150, 150), (151, 299), (373, 454), (2881, 2305)])
def test_nearest_is_that_of_pillow(shape: tuple[int, int]) -> None:
    """Keras's ImageDataGenerator reads with it. On a border of two pixels Pillow takes either."""
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    radiograph = Radiograph(pixels, FileFormat.PNG, GrayMapping.STORED)
    spec = InputSpec(height=100, width=120, resize=Resize.NEAREST)
    expected = Image.fromarray(pixels).resize((120, 100), Image.Resampling.NEAREST)
    assert np.array_equal(preprocess(radiograph, spec=spec)[0, :, :, 0], np.asarray(expected))


def test_nearest_is_never_read_from_a_reduced_film() -> None:
    """Its gray levels are means, and no pixel of the film."""
    assert not InputSpec(resize=Resize.NEAREST).allow_downscale
