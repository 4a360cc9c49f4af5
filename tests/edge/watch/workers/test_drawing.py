"""Pictures of films as people see them on the page."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.watch.workers.drawing import LARGE_BYTES, draw, encode
from image_files import gray_film

DEMO = Path(__file__).parents[4] / "demo"


def pictures_of(path: Path, model: str = "lite0-int8") -> dict[str, np.ndarray]:
    classifier = Classifier.load(model)
    drawn = draw(classifier.analyze_bytes(path.read_bytes()), classifier)
    return {kind: cv2.imdecode(np.frombuffer(data, np.uint8), -1) for kind, data in drawn.items()}


@pytest.fixture(name="film", scope="module")
def _film() -> Path:
    return min(DEMO.rglob("*.jpg"))


def test_an_answered_film_has_a_thumbnail_a_large_picture_and_an_overlay_in_60_kb(film):
    classifier = Classifier.load("lite0-int8")
    drawn = draw(classifier.analyze_bytes(film.read_bytes()), classifier)
    assert list(drawn) == ["thumb", "large", "overlay"]
    assert sum(map(len, drawn.values())) <= 60_000
    shapes = {kind: max(each.shape) for kind, each in pictures_of(film).items()}
    assert shapes["thumb"] == 160
    assert shapes["large"] <= 1024


def test_the_film_is_upright_and_bright_where_it_was(film):
    large = pictures_of(film)["large"]
    expected = cv2.imread(os.fspath(film), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(expected, large.shape[::-1], interpolation=cv2.INTER_AREA)
    # JPEG of quality 25 and better: a mean error of a few gray levels
    assert np.abs(large.astype(int) - small).mean() < 4


def test_a_film_refused_after_decoding_has_pictures_without_an_overlay(tmp_path):
    path = tmp_path / "tiny.png"
    cv2.imwrite(str(path), np.full((400, 400), 7, np.uint8))
    assert list(pictures_of(path)) == ["thumb", "large"]


def test_a_file_that_cannot_be_decoded_has_none(tmp_path):
    path = tmp_path / "text.png"
    path.write_bytes(b"no film")
    assert pictures_of(path) == {}


def test_noise_is_encoded_as_small_as_it_goes():
    smooth = encode(gray_film(600, 500), max_bytes=LARGE_BYTES)
    noise = np.random.default_rng(0).integers(0, 256, (600, 500), np.uint8)
    assert len(smooth) <= LARGE_BYTES
    assert cv2.imdecode(np.frombuffer(encode(noise, max_bytes=10), np.uint8), -1).shape == (
        600,
        500,
    )
