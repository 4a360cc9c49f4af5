"""What a localization figure counts as a hit, and which films the external study uses."""

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_train.data.boxes import Box
from bonefx_train.data.sample import Label, Sample
from bonefx_train.errors import DataError
from bonefx_train.studies import external, external_sets
from bonefx_train.studies.localization_figures import (
    Localized,
    limb_centroid,
    localization_figures,
    localize,
    refusals,
)
from example_findings import ANSWERED, REFUSED
from toy import toy_path

SIDE = 150
"""Pixels of a drawn film: the toy's input, so a cell of its map is 30 of them."""
DARK_CELL = Box(left=0.6, top=0.2, right=0.8, bottom=0.4)
"""Row 1, column 3 of the map."""
OPPOSITE = Box(left=0.0, top=0.8, right=0.2, bottom=1.0)


def sample(folder: Path, pixels: np.ndarray, *, group: str = "a") -> Sample:
    """Return a film on disk, fractured."""
    path = folder / f"film-{group}.png"
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return Sample(path, path.name, Label.FRACTURED, group, "tune", "", hardware=False)


def dark_in_one_cell() -> np.ndarray:
    """Return a film whose one dark cell is where the toy sees a fracture."""
    pixels = np.full((SIDE, SIDE), 140, np.uint8)
    pixels[30:60, 90:120] = 20
    return pixels


def localized(*, group: str = "a", **changes: Any) -> Any:
    """Return a film with one box in its upper left quarter, nothing points into."""
    fields: dict[str, Any] = {
        "sample": Sample(Path("f"), "f", Label.FRACTURED, group, "tune", "", hardware=False),
        "boxes": (Box(0.1, 0.1, 0.3, 0.3),),
        "points": {"peak": (0.9, 0.9), "center": (0.5, 0.5), "limb": None},
        "regions": (),
        "margin": (0.05, 0.05),
        "finding": ANSWERED,
    }
    return Localized(**(fields | changes))


def pointing_at(x: float, y: float) -> Any:
    return localized(points={"peak": (x, y), "center": (0.5, 0.5), "limb": None})


@pytest.mark.parametrize("mode", ["whole", "tiled"])
def test_the_peak_of_the_map_is_found_where_the_film_shows_it(tmp_path: Path, mode: str) -> None:
    classifier = Classifier.load(toy_path("tiled-float32"), mode=mode)
    film = sample(tmp_path, dark_in_one_cell())
    assert localize(classifier, film, [DARK_CELL]).hit("peak")
    assert localize(classifier, film, [OPPOSITE, DARK_CELL]).hit("peak")
    assert not localize(classifier, film, [OPPOSITE]).hit("peak")
    assert not localize(classifier, film, [DARK_CELL]).hit("center")


def test_a_refused_film_is_a_miss_for_the_model_and_none_for_the_guess(tmp_path: Path) -> None:
    classifier = Classifier.load(toy_path("tiled-float32"))
    blank = sample(tmp_path, np.full((SIDE, SIDE), 90, np.uint8))
    found = localize(classifier, blank, [Box(0.0, 0.0, 1.0, 1.0)])
    assert (found.hit("peak"), found.hit("center"), found.region_hits()) == (False, True, False)
    assert refusals([found.finding]) == {"blank": 1}


def test_a_film_that_cannot_be_decoded_is_a_miss(tmp_path: Path) -> None:
    classifier = Classifier.load(toy_path("tiled-float32"))
    film = sample(tmp_path, dark_in_one_cell())
    film.path.write_bytes(b"no film")
    found = localize(classifier, film, [DARK_CELL])
    assert [found.hit("peak"), found.hit("limb")] == [False, False]


def test_the_edge_of_a_box_is_a_hit_and_next_to_it_is_not() -> None:
    assert pointing_at(0.3, 0.1).hit("peak")
    beside = pointing_at(0.31, 0.1)
    assert not beside.hit("peak")
    assert beside.hit("peak", near=True)
    assert not pointing_at(0.36, 0.1).hit("peak", near=True)


def test_a_region_counts_if_it_holds_the_center_of_a_box() -> None:
    assert localized(regions=(Box(0.15, 0.15, 0.25, 0.25),)).region_hits()
    assert not localized(regions=(Box(0.21, 0.0, 1.0, 1.0),)).region_hits()


def test_regions_that_overlap_cover_the_film_once() -> None:
    half, quarter = Box(0.0, 0.0, 1.0, 0.5), Box(0.5, 0.25, 1.0, 0.75)
    assert localized(regions=(half, quarter)).covered() == 0.5 + 0.125
    assert localized().covered() == 0.0


def test_the_limb_is_what_is_bright_but_not_white_as_unexposed() -> None:
    pixels = np.full((100, 200), 10, np.uint8)
    pixels[20:40, 150:170] = 180
    pixels[90:] = 255
    assert limb_centroid(pixels) == pytest.approx((0.8, 0.3))


def test_ratio_and_difference_are_those_of_the_hit_rates() -> None:
    hit, miss = (0.2, 0.2), (0.9, 0.9)
    films = [
        localized(group=str(i), points={"peak": peak, "center": center, "limb": None})
        for i, (peak, center) in enumerate([(hit, hit), (hit, miss), (hit, miss), (miss, miss)])
    ]
    figures = localization_figures(films, has_map=True, has_tiles=False)
    values = {figure.name: figure.value for figure in figures}
    assert values["peak"] == 0.75
    assert values["center"] == 0.25
    assert values["peak_over_center"] == 3.0
    assert values["peak_less_twice_center"] == 0.25
    assert values["peak_over_limb"] is None


def test_a_rate_of_nothing_has_an_interval_that_is_not_nothing() -> None:
    films = [localized(group=str(i)) for i in range(4)]
    peak = localization_figures(films, has_map=True, has_tiles=False)[0]
    assert (peak.value, peak.low, peak.n) == (0.0, 0.0, 4)
    assert peak.high > 0.4


def test_hits_of_regions_are_also_given_among_the_films_that_have_any() -> None:
    named = localized(group="a", regions=(Box(0.0, 0.0, 0.5, 0.5),))
    silent = localized(group="b", finding=REFUSED)
    figures = localization_figures([named, silent], has_map=False, has_tiles=True)
    by_name = {figure.name: figure for figure in figures}
    assert (by_name["regions"].value, by_name["regions"].n) == (0.5, 2)
    assert (by_name["regions_where_named"].value, by_name["regions_where_named"].n) == (1.0, 1)
    assert by_name["regions_cover"].value == 0.25
    assert "peak" not in by_name


def corners(folder: Path, *rows: str) -> Path:
    path = folder / "boxes.csv"
    path.write_text("\n".join(["path,class,x0,y0,x1,y1", *rows]))
    return path


def test_corners_in_pixels_become_shares_of_the_film(tmp_path: Path) -> None:
    film = sample(tmp_path, np.zeros((100, 200), np.uint8))
    boxes = external_sets.read_corner_boxes(
        corners(tmp_path, f"{film.key},line,20,10,40,50"), [film]
    )
    assert boxes == {film.key: (Box(left=0.1, top=0.1, right=0.2, bottom=0.5),)}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("implant,20,10,40,50", "expected a class of"),
        ("line,20,10,201,50", "expected boxes inside"),
        ("line,40,10,20,50", "expected boxes inside"),
    ],
)
def test_a_box_of_unknown_class_or_outside_the_film_stops_the_run(
    tmp_path: Path, row: str, said: str
) -> None:
    film = sample(tmp_path, np.zeros((100, 200), np.uint8))
    with pytest.raises(DataError, match=said):
        external_sets.read_corner_boxes(corners(tmp_path, f"{film.key},{row}"), [film])


def test_a_film_without_a_box_stops_the_run(tmp_path: Path) -> None:
    film = sample(tmp_path, np.zeros((100, 200), np.uint8))
    with pytest.raises(DataError, match="expected boxes inside"):
        external_sets.read_corner_boxes(corners(tmp_path), [film])


def hospitals(folder: Path, *below_elsewhere: str) -> Path:
    """Return a data folder; elsewhere/ holds the films of these keys, oai_knee/ one."""
    labels = {key: "fractured" if "web" in key else "normal" for key in below_elsewhere}
    for name, films in (("elsewhere", labels), ("oai_knee", {"knee.png": "normal"})):
        for key in films:
            path = folder / name / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes())
        rows = [f"{key},{label}" for key, label in films.items()]
        (folder / name / "manifest.csv").write_text("\n".join(["path,label", *rows]))
    return folder


def test_each_folder_of_films_of_other_hospitals_is_a_set(tmp_path: Path) -> None:
    data = hospitals(tmp_path, "web_pool/a.png", "btxrd_normal/b.png")
    sets = external_sets.read_sets(data)
    assert {name: [film.key for film in films] for name, films in sets.items()} == {
        "web_pool": ["web_pool/a.png"],
        "btxrd_normal": ["btxrd_normal/b.png"],
        "oai_knee": ["knee.png"],
    }


@pytest.mark.parametrize("stray", ["new_clinic/c.png", "oai_knee/c.png", "c.png"])
def test_films_of_an_unknown_folder_stop_the_run(tmp_path: Path, stray: str) -> None:
    data = hospitals(tmp_path, "web_pool/a.png", "btxrd_normal/b.png", stray)
    with pytest.raises(DataError, match=f"expected .*web_pool.*, got {stray}"):
        external_sets.read_sets(data)


def test_a_refused_film_of_another_hospital_is_in_no_figure(tmp_path: Path) -> None:
    films = [sample(tmp_path, dark_in_one_cell(), group=str(i)) for i in range(4)]
    films.append(sample(tmp_path, np.full((SIDE, SIDE), 90, np.uint8), group="blank"))
    intact = [dataclasses.replace(film, label=Label.NOT_FRACTURED) for film in films]
    sets = {"web_pool": films, "btxrd_normal": intact[:2], "oai_knee": intact[4:]}
    classifier = Classifier.load(toy_path("tiled-int8"))
    boxes = {film.key: (DARK_CELL,) for film in films}
    result = external.examine(classifier, sets, boxes)
    web, _, knees = result["sets"]
    assert (web["films"], web["answered"], web["refused"]) == (5, 4, {"blank": 1})
    assert {figure.n for figure in web["figures"]} == {4}
    assert (knees["answered"], knees["p_fracture"]) == (0, None)
    assert [(f.name, f.value, f.n) for f in result["aucs"]] == [
        ("auc", 0.5, 6),
        ("auc_with_oai_knee", 0.5, 6),
    ]
    peak = result["localization"][0]
    assert (peak.name, peak.value, peak.n) == ("peak", 0.8, 5)
