"""A network with a map: three outputs, two modes, and the device says what the host measured."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from bonefx_convert.flatbuffer import Kind, find_outputs, read_network
from bonefx_convert.parity.outputs import compare_outputs
from bonefx_convert.parity.tolerances import Tolerances
from bonefx_convert.score_fusion import QuantizedRange, fit_modes, fused_range, quantized_range
from bonefx_convert.variants import (
    Network,
    compare_with,
    keras_network,
    order_modes,
    quantized_ranges,
    with_operating_points,
)
from bonefx_edge.classifier import Classifier
from bonefx_edge.inference.tiling import NetworkOutputs
from bonefx_edge.model.interpreter import TensorInfo, open_interpreter
from bonefx_edge.model.model_file import ModelFile
from bonefx_train.evaluation.tiled_predictions import (
    TILED_MODE,
    NetworkInputs,
    load_inputs,
    pool_scores,
)
from bonefx_train.run import Run
from toy import toy_tiled, toy_whole

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
def test_tiled_comes_first_and_both_modes_share_weights_over_all_kinds(spot_models, kind) -> None:
    manifest, other = (model(spot_models, k).manifest for k in (kind, "float16"))
    assert [mode.name for mode in manifest.modes] == ["tiled", "whole"]
    for mine, theirs in zip(manifest.modes, other.modes, strict=True):
        assert (mine.offset, mine.tile_weight, mine.map_weight, mine.temperature) == (
            *(theirs.offset, theirs.tile_weight, theirs.map_weight),
            theirs.temperature,
        )
        # An offset and weights were fitted: what is left for the temperature is what the ridge
        # took, more on images as easily told apart as these.
        assert mine.temperature == pytest.approx(1.0, abs=0.25)
    assert manifest.modes[0].tiles == TILED_MODE.tiles


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["tiled", "whole"])
def test_the_device_gives_the_probability_that_the_host_chose_its_thresholds_by(
    spot_models, spot_run, kind, mode
) -> None:
    """Sensitivity and specificity in the manifest are counted again, by classifying tune files."""
    classifier = Classifier.load(spot_models / f"spot-{kind}.tflite", mode=mode)
    point = classifier.operating_point
    images = Run.open(spot_run).of("tune")
    findings = [classifier.classify(image.path) for image in images]
    refused = sum(finding.p_fracture is None for finding in findings)
    assert refused <= 0.02 * len(images)
    pairs = [
        (finding.p_fracture, image.label.class_index == 0)
        for finding, image in zip(findings, images, strict=True)
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


def test_report_holds_each_kind_under_each_mode_and_each_output(spot_models) -> None:
    report = json.loads((spot_models / "spot-parity.json").read_text())
    found = [(kind["mode"], kind["kind"]) for kind in report["kinds"]]
    assert found == [(mode, kind) for mode in ("tiled", "whole") for kind in KINDS]
    outputs = {(output["kind"], output["output"]) for output in report["outputs"]}
    assert outputs == {(kind, name) for kind in KINDS for name in ("logit", "map", "features")}
    text = (spot_models / "spot-parity.md").read_text()
    assert text.index("## Mode tiled") < text.index("## Mode whole")
    assert "## Outputs, input by input" in text


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

    words = ["run", str(spot_run), "--out", str(tmp_path / "models"), "--kinds", "float32"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert [path.name for path in (tmp_path / "models").glob("*.tflite")] == [
        "lite0-float32.tflite"
    ]
    wrong = CliRunner().invoke(app, [*words[:-1], "float64"])
    assert (wrong.exit_code, "got 'float64'" in wrong.stderr) == (2, True)


@pytest.fixture(name="inputs", scope="module")
def _inputs(spot_run) -> NetworkInputs:
    """Return 20 images of tune, whole and in tiles."""
    run = Run.open(spot_run)
    return load_inputs(run.of("tune")[:20], spec=run.settings.input_spec, tile_mode=TILED_MODE)


def test_a_mode_whose_tiles_tell_nothing_is_left_out(inputs, caplog) -> None:
    n = len(inputs.images.x)
    logits = np.full(len(inputs.x), -9.0, np.float32)
    logits[:n] = np.where(inputs.images.fractured, -1, 1) * np.linspace(1, 2, n)
    outputs = NetworkOutputs(logits, np.zeros((len(inputs.x), 5, 5), np.float32), None)
    (mode,) = fit_modes(inputs, outputs)
    assert mode.name == "whole"
    assert "tiled left out" in caplog.text


# ---- which is the default ----


def told_apart(inputs: NetworkInputs, *, by_wholes: float, by_tiles: float, kind: str) -> Network:
    """Return a network that tells fractures by whole images and tiles, as much as it is said."""
    n = len(inputs.images.x)
    strength = np.where(np.arange(len(inputs.x)) < n, by_wholes, by_tiles)
    towards = np.where(inputs.images.fractured[inputs.image_index], -1.0, 1.0)
    noise = np.random.default_rng(0).normal(size=len(inputs.x))
    outputs = NetworkOutputs((strength * towards + noise).astype(np.float32), None, None)
    modes = (toy_tiled(whole_weight=0.0, map_weight=0.0), toy_whole())
    return Network(kind, outputs, modes, quantized_ranges(None, None))


def test_tiled_is_the_default_where_it_tells_more_in_every_kind(inputs, caplog) -> None:
    networks = [
        told_apart(inputs, by_wholes=0.5, by_tiles=5, kind=kind) for kind in ("float16", "int8")
    ]
    assert order_modes(networks, inputs) == ("tiled", "whole")
    assert caplog.text == ""


def test_whole_is_the_default_where_int8_loses_what_tiled_gains(inputs, caplog) -> None:
    networks = [
        told_apart(inputs, by_wholes=0.5, by_tiles=5, kind="float16"),
        told_apart(inputs, by_wholes=5, by_tiles=0, kind="int8"),
    ]
    order = order_modes(networks, inputs)
    assert order == ("whole", "tiled")
    assert [mode.name for mode in networks[0].ordered(order).modes] == ["whole", "tiled"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "int8: tune AUC of tiled 0." in record.getMessage()
    assert "of whole 1.0000" in record.getMessage()


def test_a_network_with_one_mode_has_no_order_to_settle(inputs) -> None:
    whole = told_apart(inputs, by_wholes=1, by_tiles=1, kind="int8")
    assert order_modes([dataclasses.replace(whole, modes=(toy_whole(),))], inputs) == ("whole",)


# ---- what is off is said ----


def three(seed: int = 0) -> NetworkOutputs:
    rng = np.random.default_rng(seed)
    maps, features = rng.normal(size=(200, 5, 5)), rng.normal(size=(200, 8))
    return NetworkOutputs(
        rng.normal(size=200).astype("f4") * 3, maps.astype("f4"), features.astype("f4")
    )


def off(**changed: np.ndarray) -> list[str]:
    before = three()
    fields = {name: getattr(before, name) for name in ("logits", "maps", "features")}
    reports = compare_outputs(
        before,
        NetworkOutputs(**(fields | changed)),
        kind=Kind.INT8,
        ranges=dict.fromkeys(("logit", "map", "features"), QuantizedRange(-12.8, 12.7, 0.1)),
        tolerances=Tolerances(),
    )
    return [failure for report in reports for failure in report.failures]


def test_outputs_off_by_rounding_are_within_tolerance() -> None:
    assert off(maps=np.rint(three().maps * 10) / 10) == []


def test_a_map_of_another_polarity_is_out_of_tolerance() -> None:
    assert any(failure.startswith("map") for failure in off(maps=-three().maps))


def test_features_in_another_order_are_out_of_tolerance() -> None:
    assert any(
        failure.startswith("features") for failure in off(features=three().features[:, ::-1])
    )


def test_range_of_a_mode_is_the_sum_of_its_outputs(spot_models) -> None:
    tiled = model(spot_models, "int8").manifest.modes[0]
    range_ = fused_range(tiled, logit=QuantizedRange(-2, 4, 0.5), cell=QuantizedRange(-8, 8, 0.25))
    both = tiled.whole_weight + tiled.tile_weight
    assert range_.lowest == pytest.approx(tiled.offset - 2 * both - 8 * tiled.map_weight)
    assert range_.highest == pytest.approx(tiled.offset + 4 * both + 8 * tiled.map_weight)
    assert range_.step == pytest.approx(0.5 * both + 0.25 * tiled.map_weight)
    assert fused_range(tiled, logit=QuantizedRange(), cell=QuantizedRange()) == QuantizedRange()


@pytest.mark.parametrize("scale", [0.1, 0.0373, 0.0912345, 1 / 3, 0.2718281])
@pytest.mark.parametrize("zero_point", [-128, -7, 0, 101])
def test_the_end_steps_of_a_tensor_are_in_its_range(scale: float, zero_point: int) -> None:
    """The interpreter gives float32; ends in float64 differ, and no image would be on one."""
    tensor = TensorInfo(
        shape=(1, 1), dtype="int8", scale=float(np.float32(scale)), zero_point=zero_point
    )
    limits = np.iinfo(np.int8)
    low, high = tensor.dequantize(np.array([limits.min, limits.max], np.int8)).astype(float)
    range_ = quantized_range(tensor)
    assert (range_.lowest, range_.highest) == (low, high)
    assert range_.step == tensor.scale


@pytest.mark.parametrize("name", ["logits", "maps", "features"])
def test_an_output_on_its_end_steps_is_out_of_tolerance(name: str) -> None:
    """A tenth beyond the ends of int8: what is off there, no difference shows."""
    before = three()
    numbers = getattr(before, name).copy()
    numbers.reshape(-1)[::10] = 20.0
    reports = compare_outputs(
        dataclasses.replace(before, **{name: numbers}),
        dataclasses.replace(before, **{name: np.minimum(numbers, np.float32(12.7))}),
        kind=Kind.INT8,
        ranges=dict.fromkeys(("logit", "map", "features"), QuantizedRange(-12.8, 12.7, 0.1)),
        tolerances=Tolerances(),
    )
    (failure,) = itertools.chain.from_iterable(report.failures for report in reports)
    assert "share of saturated numbers, at least: expected at most 0.05" in failure


def test_what_int8_cannot_hold_of_a_tile_is_no_difference(inputs) -> None:
    """Each tile's logit is cut off at the ends, not their mean odds: log(9) between the two."""
    n = len(inputs.images.x)
    logits = np.where(inputs.images.fractured[inputs.image_index], -1, 1) * np.linspace(
        1, 3, len(inputs.x)
    )
    logits[n::9] = -40.0  # nine tiles each
    maps = np.zeros((len(inputs.x), 5, 5), np.float32)
    maps[:, 2, 2] = np.linspace(-9, 9, len(inputs.x))
    outputs = NetworkOutputs(logits.astype(np.float32), maps, None)
    modes = with_operating_points(
        (toy_tiled(),), inputs, outputs, chosen_on="drawn tune", spread=0.0
    )
    range_ = QuantizedRange(-12.8, 12.7, 0.1)
    held = NetworkOutputs(np.clip(outputs.logits, -12.8, 12.7), np.clip(maps, -8.0, 8.0), None)
    (tiled,), _ = compare_with(
        keras_network(outputs, modes),
        Network(
            "int8",
            held,
            modes,
            {"logit": range_, "map": QuantizedRange(-8.0, 8.0, 0.1), "features": QuantizedRange()},
        ),
        inputs,
        tolerances=Tolerances(),
        runtime_spread=0.0,
    )
    assert tiled.logit.max < 1e-5  # float32 below 16


def test_a_score_that_is_no_number_stays_none(inputs) -> None:
    """0 would be a cell like any other."""
    maps = np.zeros((len(inputs.x), 5, 5), np.float32)
    maps[0, 1, 1], maps[1, 1, 1] = np.nan, np.inf
    outputs = NetworkOutputs(np.zeros(len(inputs.x), np.float32), maps, None)
    cell = pool_scores(inputs, outputs, TILED_MODE).cell
    assert (np.isnan(cell[0]), cell[1], cell[2]) == (True, np.inf, 0.0)
