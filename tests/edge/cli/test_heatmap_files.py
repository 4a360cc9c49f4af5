"""The heat map as a person sees it: drawn over the film, written as a file."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from bonefx_edge.cli.heatmap_files import write_png
from bonefx_edge.errors import OutputError
from bonefx_edge.inference.heatmap import HeatMap
from bonefx_edge.inference.overlay import overlay
from image_files import gray_film

# ---- the picture ----


def flat(height: int, width: int, value: float) -> HeatMap:
    return HeatMap(np.full((8, 8), value, np.float32), height=height, width=width)


def spot(height: int, width: int) -> HeatMap:
    """Return a heat map that is hot in the middle only."""
    values = np.zeros((9, 9), np.float32)
    values[4, 4] = 1
    return HeatMap(values, height=height, width=width)


def is_colored(picture: np.ndarray) -> np.ndarray:
    return picture.min(axis=-1) != picture.max(axis=-1)


@pytest.mark.parametrize("value", [0.0, 0.19])
def test_a_cool_film_is_shown_as_it_is(value: float) -> None:
    film = gray_film(200, 150)
    picture = overlay(film, flat(200, 150, value))
    assert picture.dtype == np.uint8
    assert np.array_equal(picture[:200, :150], np.repeat(film[..., None], 3, axis=-1))


def test_color_stays_in_the_hot_area_and_elsewhere_the_film_is_equal() -> None:
    film = gray_film(180, 270)
    picture = overlay(film, spot(180, 270))[:180]
    colored = is_colored(picture)
    assert colored[90, 135]
    # The spot's neighbors are 0, at a distance of 20 and 30 px; there the value is gone.
    colored_rows, colored_columns = np.nonzero(colored)
    assert (np.abs(colored_rows - 89.5) < 20).all()
    assert (np.abs(colored_columns - 134.5) < 30).all()
    for channel in range(3):
        assert np.array_equal(picture[~colored][:, channel], film[~colored])


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_the_color_is_warm_and_the_bone_shows_through(gray: int) -> None:
    film = np.full((100, 100), gray, np.uint8)
    film[50:] = min(255, gray + 60) - (60 if gray == 255 else 0)  # an edge in the film
    for value in (0.25, 0.6, 1.0):
        picture = overlay(film, flat(100, 100, value))[:100].astype(int)
        blue, green, red = picture[10, 10]
        assert red > blue
        assert red >= green
        assert np.abs(picture[40] - picture[60]).max() >= 20  # of the film's 60


def test_hotter_is_redder() -> None:
    film = np.full((100, 100), 90, np.uint8)
    greens = [overlay(film, flat(100, 100, v))[10, 10, 1] for v in (0.4, 0.7, 1.0)]
    assert greens == sorted(greens, reverse=True)


def test_a_large_film_is_shrunk_to_1024_px_and_the_spot_stays_in_place() -> None:
    picture = overlay(gray_film(2880, 1440), spot(2880, 1440))
    assert picture.shape[1] == 512
    rows, columns = np.nonzero(is_colored(picture[:1024]))
    assert (rows.mean(), columns.mean()) == pytest.approx((511.5, 255.5), abs=0.6)
    assert not is_colored(picture[1024:]).any()


def ink(strip: np.ndarray) -> np.ndarray:
    return (strip > strip[0, 0]).any(axis=-1)


@pytest.mark.parametrize("width", [64, 65, 80, 100, 150, 256, 410, 512, 700, 1024])
def test_the_whole_legend_stands_below_the_film_at_any_width(width: int) -> None:
    picture = overlay(np.zeros((100, width), np.uint8), flat(100, width, 0))
    assert picture.shape[1] == width
    marks = ink(picture[100:])
    # Ink at an edge would be text that was cut off.
    assert not marks[[0, -1]].any()
    assert not marks[:, [0, -1]].any()
    assert marks.any()


def test_the_legend_loses_no_word_on_a_narrow_film(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(cv2, "putText", lambda _, text, *__: written.append(text))
    overlay(np.zeros((100, 64), np.uint8), flat(100, 64, 0))
    assert " ".join(written) == (
        "bonefx heat map: areas that raised the score. Decision aid, not a diagnosis, "
        "not a medical device."
    )
    assert len(written) > 3


@pytest.mark.parametrize("shape", [(1, 1), (4096, 64), (64, 4096), (100, 20)])
def test_a_film_too_thin_for_the_legend_gets_a_wider_picture(shape) -> None:
    picture = overlay(np.full(shape, 200, np.uint8), flat(*shape, 0))
    film_height = round(shape[0] * min(1, 1024 / max(shape)))
    assert picture.shape[1] >= 64
    assert not ink(picture[film_height:])[:, [0, -1]].any()


def test_the_film_must_be_the_one_of_the_heat_map() -> None:
    with pytest.raises(ValueError, match="expected a film of 100x90, got shape"):
        overlay(gray_film(90, 100), flat(100, 90, 0))


# ---- the file ----


def test_a_picture_is_read_back_as_it_was(tmp_path: Path) -> None:
    picture = overlay(gray_film(80, 70), spot(80, 70))
    write_png(tmp_path / "heat.png", picture)
    assert np.array_equal(cv2.imread(str(tmp_path / "heat.png"), cv2.IMREAD_COLOR), picture)
    assert [path.name for path in tmp_path.iterdir()] == ["heat.png"]


def test_a_name_as_long_as_a_name_can_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".png")
    write_png(path, gray_film())
    assert path.is_file()


def test_an_absent_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write the heat map \(No such"):
        write_png(tmp_path / "absent" / "heat.png", gray_film())


def test_a_full_disk_leaves_the_former_picture_and_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "heat.png"
    write_png(path, gray_film(seed=1))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_png(path, gray_film(seed=2))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["heat.png"]
