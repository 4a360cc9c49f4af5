"""A network with a map: three outputs, two readings, and the device says what the host measured."""

import json

import numpy as np
import pytest
from bonefx_convert.bounds import Bounds
from bonefx_convert.following import compare_outputs
from bonefx_convert.projection import FEATURES, distance_limit, fit_projection
from bonefx_convert.readings import Reach, fit_readings, reach_of_reading
from bonefx_convert.tensors import Kind, find_outputs, read_network
from bonefx_edge.classifier import Classifier
from bonefx_edge.errors import DataError
from bonefx_edge.interpreter import open_interpreter
from bonefx_edge.model_file import ModelFile
from bonefx_edge.reading import Answers
from bonefx_train.closer_look import CLOSER_LOOK, load_views
from bonefx_train.run import Run

pytestmark = pytest.mark.host
KINDS = ("float16", "dynamic", "int8")


def model(models, kind: str) -> ModelFile:
    return ModelFile.read(models / f"spot-{kind}.tflite")


def test_a_network_with_a_map_ships_as_float16_dynamic_and_int8(spot_models) -> None:
    names = {path.name for path in spot_models.glob("*.tflite")}
    assert names == {f"spot-{kind}.tflite" for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_logit_map_and_features_lie_where_the_manifest_says(spot_models, kind) -> None:
    file = model(spot_models, kind)
    output = file.manifest.output
    assert output == find_outputs(read_network(file.flatbuffer))
    shapes = [tensor.shape for tensor in open_interpreter(file.flatbuffer).outputs]
    assert shapes[output.logit] == (1, 1)
    assert shapes[output.map] == (1, 5, 5, 1)
    assert shapes[output.features][0] == 1


def test_int8_outputs_have_a_scale_each(spot_models) -> None:
    outputs = open_interpreter(model(spot_models, "int8").flatbuffer).outputs
    assert {tensor.dtype for tensor in outputs} == {"int8"}
    assert len({tensor.scale for tensor in outputs}) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_closer_comes_first_and_both_readings_share_weights_over_all_kinds(
    spot_models, kind
) -> None:
    manifest, other = (model(spot_models, k).manifest for k in (kind, "float16"))
    assert [reading.name for reading in manifest.readings] == ["closer", "whole"]
    for mine, theirs in zip(manifest.readings, other.readings, strict=True):
        assert (mine.offset, mine.tile_weight, mine.map_weight, mine.temperature) == (
            *(theirs.offset, theirs.tile_weight, theirs.map_weight),
            theirs.temperature,
        )
        # An offset and weights were fitted: what is left for the temperature is what the ridge
        # took, more on films as easily told apart as these.
        assert mine.temperature == pytest.approx(1.0, abs=0.25)
    assert manifest.readings[0].tiles == CLOSER_LOOK.tiles


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reading", ["closer", "whole"])
def test_the_device_gives_the_probability_that_the_host_chose_its_thresholds_by(
    spot_models, spot_run, kind, reading
) -> None:
    """Sensitivity and specificity in the manifest are counted again, by classifying tune files."""
    classifier = Classifier.load(spot_models / f"spot-{kind}.tflite", views=reading)
    point = classifier.operating_point
    films = Run.open(spot_run).of("tune")
    findings = [classifier.classify(film.path) for film in films]
    refused = sum(finding.p_fracture is None for finding in findings)
    assert refused <= 0.02 * len(films)
    pairs = [
        (finding.p_fracture, film.label.class_index == 0)
        for finding, film in zip(findings, films, strict=True)
        if finding.p_fracture is not None
    ]
    broken = np.array([p for p, is_broken in pairs if is_broken])
    intact = np.array([p for p, is_broken in pairs if not is_broken])
    slack = refused / 40 + 1e-9
    assert (broken >= point.no_fracture_below).mean() == pytest.approx(
        point.sensitivity.value, abs=slack
    )
    assert (intact < point.fracture_from).mean() == pytest.approx(
        point.specificity.value, abs=slack
    )


def test_report_holds_each_kind_under_each_reading_and_each_output(spot_models) -> None:
    report = json.loads((spot_models / "spot-parity.json").read_text())
    found = [(kind["reading"], kind["kind"]) for kind in report["kinds"]]
    assert found == [(reading, kind) for reading in ("closer", "whole") for kind in KINDS]
    outputs = {(output["kind"], output["output"]) for output in report["outputs"]}
    assert outputs == {(kind, name) for kind in KINDS for name in ("logit", "map", "features")}
    text = (spot_models / "spot-parity.md").read_text()
    assert text.index("## Reading closer") < text.index("## Reading whole")
    assert "## Outputs, view by view" in text


def test_written_files_hold_parity_with_their_run(spot_models, spot_run) -> None:
    from bonefx_convert.cli import app
    from typer.testing import CliRunner

    paths = [str(spot_models / f"spot-{kind}.tflite") for kind in KINDS]
    done = CliRunner().invoke(app, ["parity", *paths, "--keras", str(spot_run), "--json"])
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["kinds"]) == 6
    assert {output["output"] for output in report["outputs"]} == {"logit", "map"}


def test_kinds_can_be_chosen(spot_run, tmp_path) -> None:
    from bonefx_convert.cli import app
    from typer.testing import CliRunner

    words = [str(spot_run), "--out", str(tmp_path / "models"), "--kinds", "float32"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert [path.name for path in (tmp_path / "models").glob("*.tflite")] == [
        "lite0-float32.tflite"
    ]
    wrong = CliRunner().invoke(app, [*words[:-1], "float64"])
    assert (wrong.exit_code, "got 'float64'" in wrong.stderr) == (2, True)


def test_a_reading_whose_tiles_tell_nothing_is_left_out(spot_run, caplog) -> None:
    run = Run.open(spot_run)
    views = load_views(run.of("tune")[:20], spec=run.settings.input_spec, tiles=CLOSER_LOOK.tiles)
    n = len(views.films.x)
    logits = np.full(len(views.x), -9.0, np.float32)
    logits[:n] = np.where(views.films.fractured, -1, 1) * np.linspace(1, 2, n)
    answers = Answers(logits, np.zeros((len(views.x), 5, 5), np.float32), None)
    (reading,) = fit_readings(views, answers)
    assert reading.name == "whole"
    assert "closer left out" in caplog.text


# ---- features ----


def test_features_have_mean_0_and_variance_1_over_the_views_they_were_fitted_on() -> None:
    rng = np.random.default_rng(1)
    pooled = (rng.normal(size=(500, 50)) @ rng.normal(size=(50, 50)) + 3).astype(np.float32)
    features = fit_projection(pooled).apply(pooled)
    assert features.shape == (500, FEATURES)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(features.var(axis=0), 1, atol=1e-3)
    assert np.mean(np.square(features)) == pytest.approx(1, abs=1e-3)


def test_directions_without_variance_are_not_blown_up() -> None:
    pooled = np.zeros((100, 8), np.float32)
    pooled[:, 0] = np.linspace(0, 1, 100)
    assert fit_projection(pooled).apply(pooled).shape == (100, 1)


def test_features_that_are_the_same_for_all_films_are_refused() -> None:
    with pytest.raises(DataError, match="expected some that differ"):
        fit_projection(np.ones((20, 8), np.float32))


@pytest.mark.parametrize("n", [10, 49, 50, 590])
def test_at_most_two_in_a_hundred_films_lie_beyond_the_limit(n) -> None:
    features = np.random.default_rng(n).normal(size=(n, 32)).astype(np.float32)
    distances = np.mean(np.square(features, dtype=np.float64), axis=1)
    limit = distance_limit(features)
    assert (distances > limit).sum() == int(0.02 * n)
    assert np.abs(distances - limit).min() > 0


# ---- what is off is said ----


def three(seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    maps, features = rng.normal(size=(200, 5, 5)), rng.normal(size=(200, 8))
    return Answers(rng.normal(size=200).astype("f4") * 3, maps.astype("f4"), features.astype("f4"))


def off(**changed: np.ndarray) -> list[str]:
    before = three()
    fields = {name: getattr(before, name) for name in ("logits", "maps", "features")}
    reports = compare_outputs(
        before,
        Answers(**(fields | changed)),
        kind=Kind.INT8,
        reaches=dict.fromkeys(("logit", "map", "features"), Reach(-12.8, 12.7, 0.1)),
        bounds=Bounds(),
    )
    return [failure for report in reports for failure in report.failures]


def test_outputs_off_by_rounding_are_within_bounds() -> None:
    assert off(maps=np.rint(three().maps * 10) / 10) == []


def test_a_map_of_another_polarity_is_out_of_bounds() -> None:
    assert any(failure.startswith("map") for failure in off(maps=-three().maps))


def test_features_in_another_order_are_out_of_bounds() -> None:
    assert any(
        failure.startswith("features") for failure in off(features=three().features[:, ::-1])
    )


def test_reach_of_a_reading_is_the_sum_of_its_outputs(spot_models) -> None:
    closer = model(spot_models, "int8").manifest.readings[0]
    reach = reach_of_reading(closer, logit=Reach(-2, 4, 0.5), cell=Reach(-8, 8, 0.25))
    both = closer.whole_weight + closer.tile_weight
    assert reach.lowest == pytest.approx(closer.offset - 2 * both - 8 * closer.map_weight)
    assert reach.highest == pytest.approx(closer.offset + 4 * both + 8 * closer.map_weight)
    assert reach.step == pytest.approx(0.5 * both + 0.25 * closer.map_weight)
    assert reach_of_reading(closer, logit=Reach(), cell=Reach()) == Reach()
