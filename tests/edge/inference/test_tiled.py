"""Tiled inference through the whole data path, with a network whose answers are arithmetic."""

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.radiograph import FileFormat, GrayMapping, Radiograph
from bonefx_edge.errors import InterpreterError, Reason, UsageError
from bonefx_edge.inference.decision import State, sigmoid
from bonefx_edge.inference.preprocess import InputSpec, preprocess
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile
from toy import DISTANCE_LIMIT, TILED_KINDS, film, toy_logit, toy_map, toy_path

PATCH = slice(120, 180), slice(80, 140)
"""Rows and columns of the dark (broken) patch."""
RECTANGLES = [(left, top, left + 100, top + 100) for top in (0, 50, 100) for left in (0, 60)]
"""Of the toy's tiles on a film of 200x160."""


@pytest.fixture(name="kind", params=TILED_KINDS)
def _kind(request) -> str:
    return request.param


def patched(*, bone: int = 150, patch: int = 20) -> np.ndarray:
    pixels = np.full((200, 160), bone, np.uint8)
    pixels[PATCH] = patch
    return pixels


@pytest.fixture(name="path")
def _path(tmp_path) -> Path:
    return write(tmp_path / "film.png", patched())


def write(path: Path, pixels: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), pixels)
    return path


def view(pixels: np.ndarray) -> np.ndarray:
    """Return what the network is shown of these pixels, (1, 150, 150, 1)."""
    one = Radiograph(np.ascontiguousarray(pixels), FileFormat.PNG, GrayMapping.STORED)
    return preprocess(one, spec=InputSpec())


class Spy:
    """An interpreter that keeps what it was asked, one array a call."""

    def __init__(self, kind: str) -> None:
        self.model = ModelFile.read(toy_path(kind))
        self._real = open_interpreter(self.model.flatbuffer)
        self.runtime, self.input = self._real.runtime, self._real.input
        self.threads = self._real.threads
        self.outputs = self._real.outputs
        self.asked: list[np.ndarray] = []

    def run(self, x):
        self.asked.append(x)
        return self._real.run(x)

    def classifier(self, **options) -> Classifier:
        return Classifier(self.model, self, **options)


def test_the_answer_is_the_sum_computed_by_hand(path, kind: str) -> None:
    pixels = patched()
    views = [view(pixels)] + [view(pixels[y0:y1, x0:x1]) for x0, y0, x1, y1 in RECTANGLES]
    whole, *tiles = (toy_logit(x, kind=kind.removeprefix("tiled-"))[0] for x in views)
    highest = max(toy_map(x).max() for x in views)
    of_tiles = -math.log(np.mean(np.exp(-np.array(tiles))))
    logit = 0.375 + 0.5 * whole + 0.25 * of_tiles - 0.125 * highest
    finding = Classifier.load(toy_path(kind)).classify(path)
    # int8: the map in steps of 1/8 of cells in whole gray levels: 3/32 off at most, weight 1/8.
    tolerance = 1e-5 if kind == "tiled-float32" else 3 / 32 / 8 / 2 / 4
    assert finding.p_fracture == pytest.approx(sigmoid(-logit / 2.0), abs=tolerance)
    assert (finding.mode, finding.state) == ("tiled", State.UNCERTAIN)
    # Each term is there to be seen: without it the number would be another.
    parts = (0.5 * whole, 0.25 * of_tiles, 0.125 * highest)
    assert all(abs(part) > 20 * tolerance for part in parts)


def test_the_whole_mode_is_the_networks_own_answer_to_the_whole_film(path, kind: str) -> None:
    logit = toy_logit(view(patched()), kind=kind.removeprefix("tiled-"))[0]
    finding = Classifier.load(toy_path(kind), mode="whole").classify(path)
    assert finding.p_fracture == pytest.approx(sigmoid(-logit), abs=1e-5)
    assert (finding.mode, finding.regions, finding.timings.tiles_ms) == ("whole", (), None)


def test_the_whole_mode_asks_exactly_what_the_tiled_one_asks_first(path, kind: str) -> None:
    whole, tiled = Spy(kind), Spy(kind)
    whole.classifier(mode="whole").classify(path)
    tiled.classifier().classify(path)
    assert [len(x) for x in whole.asked] == [1]
    assert [len(x) for x in tiled.asked] == [1, 6]
    assert np.array_equal(whole.asked[0], tiled.asked[0])


def test_a_film_far_from_training_is_refused_before_any_tile_is_asked_about(tmp_path, kind) -> None:
    path = write(tmp_path / "odd.png", film(128, contrast=60))
    spy = Spy(kind)
    finding = spy.classifier().classify(path)
    assert (finding.state, finding.reason) == (State.REFUSED, Reason.NOT_A_RADIOGRAPH)
    assert "Not recognized as a limb radiograph (distance 7.0" in finding.detail
    assert "limit 4.00" in finding.detail
    assert [len(x) for x in spy.asked] == [1]
    assert finding.timings.invoke_ms is not None
    assert finding.timings.tiles_ms is None
    assert (finding.regions, finding.p_fracture) == ((), None)


def test_the_distance_is_that_of_the_whole_film_not_of_its_tiles(tmp_path, kind: str) -> None:
    """The film is alike above and below; its upper tiles are not."""
    pixels = np.full((200, 160), 200, np.uint8)
    pixels[:40] = pixels[160:] = 20
    spy = Spy(kind)
    finding = spy.classifier().classify(write(tmp_path / "bands.png", pixels))
    assert finding.reason is None
    outputs = [spy.model.manifest.output.split(spy.run(x)) for x in spy.asked[:2]]
    whole, tiles = ((answers.features**2).mean(axis=1) for answers in outputs)
    assert whole[0] < DISTANCE_LIMIT < tiles.max()


def test_a_film_that_the_pixels_refuse_is_not_asked_about_at_all(tmp_path, kind: str) -> None:
    spy = Spy(kind)
    noise = np.random.default_rng(0).integers(0, 256, (300, 300), dtype=np.uint8)
    finding = spy.classifier().classify(write(tmp_path / "noise.png", noise))
    assert (finding.reason, spy.asked) == (Reason.NOT_A_RADIOGRAPH, [])


def test_the_regions_are_the_tiles_that_call_fracture_strongest_first(path, kind: str) -> None:
    finding = Classifier.load(toy_path(kind)).classify(path)
    # The patch lies in the lower right tile whole, and half or less in every tile that is left.
    first = finding.regions[0]
    assert (first.left, first.top, first.right, first.bottom) == (60, 100, 160, 200)
    logit = toy_logit(view(patched()[100:200, 60:160]), kind=kind.removeprefix("tiled-"))[0]
    assert first.score == pytest.approx(sigmoid(-logit), abs=1e-5)
    scores = [region.score for region in finding.regions]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) <= 3


def test_a_film_without_fracture_has_no_regions(tmp_path, kind: str) -> None:
    pixels = patched(bone=235, patch=20)
    path = write(tmp_path / "film.png", pixels)
    finding = Classifier.load(toy_path(kind)).classify(path)
    assert (finding.state, finding.regions) == (State.NO_FRACTURE, ())


def test_a_tile_that_calls_fracture_is_no_place_of_a_film_called_no_fracture(tmp_path) -> None:
    spy = Spy("tiled-float32")
    modes = spy.model.manifest.modes
    trusting = dataclasses.replace(modes[0], offset=20.0)
    manifest = dataclasses.replace(spy.model.manifest, modes=(trusting, modes[1]))
    spy.model = dataclasses.replace(spy.model, manifest=manifest)
    finding = spy.classifier().classify(write(tmp_path / "film.png", patched()))
    assert (finding.state, finding.regions) == (State.NO_FRACTURE, ())


def test_the_tiles_have_a_lap_of_their_own(path, kind: str) -> None:
    timings = Classifier.load(toy_path(kind)).classify(path).timings
    laps = [value for name, value in dataclasses.asdict(timings).items() if name != "total_ms"]
    assert all(lap is not None and lap >= 0 for lap in laps)
    assert timings.total_ms >= sum(laps)


def test_a_mode_that_the_model_lacks_is_an_error_that_lists_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"model toy has \(whole\), got 'tiled'"):
        Classifier.load(toy_path("int8"), mode="tiled")


class Spoilt(Spy):
    """An interpreter that gives one wrong number about the last view it is asked about."""

    def __init__(self, kind: str, output: str, number: float, *, call: int) -> None:
        super().__init__(kind)
        self._place = getattr(self.model.manifest.output, output)
        self._number, self._call = number, call

    def run(self, x):
        outputs = super().run(x)
        if len(self.asked) == self._call:
            outputs[self._place].reshape(-1)[-1] = self._number
        return outputs


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("output", ["logit", "map", "features"])
@pytest.mark.parametrize("call", [1, 2], ids=["whole", "tiles"])
@pytest.mark.parametrize("work", [Classifier.classify, Classifier.explain])
def test_a_number_of_any_view_that_is_not_finite_stops_the_work(
    path, output, number, call, work
) -> None:
    """A map of NaN is the highest cell of nothing, a logit of infinity a tile without fracture."""
    spoilt = Spoilt("tiled-float32", output, number, call=call)
    with pytest.raises(InterpreterError, match=f"{output}: expected finite numbers, got {number}"):
        work(spoilt.classifier(), path)


# ---- explained ----


def without_times(finding):
    return dataclasses.replace(finding, timings=None)


@pytest.mark.parametrize("mode", ["tiled", "whole"])
def test_an_explained_finding_is_the_same_finding_with_the_map_over_the_film(
    path, kind: str, mode: str
) -> None:
    classifier = Classifier.load(toy_path(kind), mode=mode)
    explained = classifier.explain(path)
    assert without_times(explained.finding) == without_times(classifier.classify(path))
    assert np.array_equal(explained.radiograph.pixels, patched())
    heat = explained.heat_map
    assert (heat.height, heat.width) == (200, 160)
    x, y = heat.peak()
    rows, columns = PATCH
    assert rows.start <= y < rows.stop
    assert columns.start <= x < columns.stop


def test_the_tiles_take_part_in_the_map(path, kind: str) -> None:
    tiled, whole = (
        Classifier.load(toy_path(kind), mode=v).explain(path) for v in ("tiled", "whole")
    )
    assert not np.array_equal(tiled.heat_map.values, whole.heat_map.values)


def test_a_refused_file_has_no_heat_map(tmp_path, kind: str) -> None:
    (tmp_path / "notes.txt").write_text("no film")
    explained = Classifier.load(toy_path(kind)).explain(tmp_path / "notes.txt")
    assert (explained.heat_map, explained.radiograph) == (None, None)
    assert explained.finding.reason is Reason.NOT_AN_IMAGE


def test_a_model_without_a_map_explains_nothing(path) -> None:
    with pytest.raises(UsageError, match=r"toy 1\.0\.0 cannot give heat maps"):
        Classifier.load(toy_path("int8")).explain(path)
