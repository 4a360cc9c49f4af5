"""The parity gate sees each way in which a conversion goes wrong, and says which image it hit."""

import dataclasses
import json

import numpy as np
import pytest
from bonefx_convert.converter import _convert, _one_image
from bonefx_convert.flatbuffer import Kind
from bonefx_convert.parity.images import compare, tie_mass
from bonefx_convert.parity.report import ParityReport
from bonefx_convert.parity.scored import Scored, band_width, choose_points
from bonefx_convert.parity.tolerances import Tolerances, parse_tolerances
from bonefx_convert.representative import pin_input_range
from bonefx_convert.score_fusion import quantized_range
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.decision import BROKEN, State, decide
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_train.errors import DataError, ParityError
from bonefx_train.evaluation.predict import logits
from known_networks import GAIN, brightness_network

pytestmark = pytest.mark.host


def score(logit: np.ndarray, tune, *, kind: str = "float32", spread: float = 0.0, **more) -> Scored:
    points = choose_points(logit, tune, temperature=1.0, chosen_on="drawn tune", spread=spread)
    return Scored(kind, logit, 1.0, points[0], **more)


def reach(opened) -> dict[str, float]:
    return dataclasses.asdict(quantized_range(opened.outputs[0]))


@pytest.fixture(name="keras", scope="module")
def _keras(pixels) -> Scored:
    return score(logits(brightness_network(), pixels["tune"].x), pixels["tune"], kind="keras")


def scored_int8(flatbuffer: bytes, tune) -> Scored:
    opened = open_interpreter(flatbuffer)
    logit = opened.run(tune.x)[0][:, 0].astype(float)
    return score(logit, tune, kind="int8", **reach(opened))


def test_a_network_equals_itself(keras, pixels) -> None:
    report = compare(keras, keras, pixels["tune"], tolerances=Tolerances())
    assert report.failures == ()
    assert (report.logit.max, report.p_fracture.max, report.flips) == (0.0, 0.0, ())
    assert (report.auc.loss, report.auc.low, report.auc.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_of_the_converted_network_is_within_bounds(
    keras, pixels, flatbuffers, kind
) -> None:
    opened = open_interpreter(flatbuffers[kind])
    logit = opened.run(pixels["tune"].x)[0][:, 0].astype(float)
    scored = score(logit, pixels["tune"], kind=kind, **reach(opened))
    report = compare(keras, scored, pixels["tune"], tolerances=Tolerances())
    assert report.failures == ()
    assert report.saturated.value < 0.05


def test_int32_sums_that_run_over_in_int8_are_out_of_bounds(pixels) -> None:
    """180,000 equal weights: int8 products sum to 5.8e9. It converts, with wrong numbers."""
    tune, train = pixels["tune"], pixels["train"]
    keras_model = brightness_network()
    weights = keras_model.get_weights()
    weights[0][1, 1] = 1.0
    weights[2][:] = GAIN / len(weights[2])
    keras_model.set_weights(weights)
    original = score(logits(keras_model, tune.x), tune, kind="keras")
    flatbuffer = _convert(_one_image(keras_model), Kind.INT8, pin_input_range(train.x[:20]))
    report = compare(original, scored_int8(flatbuffer, tune), tune, tolerances=Tolerances())
    assert any(failure.startswith("logit difference") for failure in report.failures)


def test_a_flipped_image_is_listed_by_its_key_with_both_answers(keras, pixels) -> None:
    tune = pixels["tune"]
    index = int(np.argmin(keras.logit))
    logit = keras.logit.copy()
    logit[index] = 6.0
    changed = Scored("float32", logit, 1.0, keras.operating_point)
    report = compare(keras, changed, tune, tolerances=Tolerances())
    (flip,) = report.flips
    assert flip.key == tune.samples[index].key
    assert (flip.before, flip.after) == ("fracture, broken", "no_fracture, not broken")
    assert (report.state_flips, report.class_flips, report.reversals) == (1, 1, 1)
    text = " ".join(report.failures)
    assert "logit difference" in text
    assert "images from fracture to no_fracture or back: expected at most 0, got 1" in text


def test_polarity_turned_around_is_out_of_bounds(keras, pixels) -> None:
    turned = Scored("float32", -keras.logit, 1.0, keras.operating_point)
    report = compare(keras, turned, pixels["tune"], tolerances=Tolerances())
    assert any(failure.startswith("AUC loss") for failure in report.failures)


def test_few_different_scores_are_out_of_bounds(keras, pixels) -> None:
    coarse = np.where(keras.logit < 0, -1.0, 1.0) * (1 + (np.abs(keras.logit) > 2))
    report = compare(keras, score(coarse, pixels["tune"]), pixels["tune"], tolerances=Tolerances())
    assert "different scores: expected more than 20, got 4" in report.failures


@pytest.mark.parametrize("only", [0, 1])
def test_one_class_representative_set_is_caught_a_second_time(pixels, only) -> None:
    """Pitfall 28, with the check of the set gone round and classes that the network tells apart."""
    tune, train, keras_model = pixels["tune"], pixels["train"], brightness_network()
    images = pin_input_range(train.x[(logits(keras_model, train.x) > 0) == bool(only)])
    flatbuffer = _convert(_one_image(keras_model), Kind.INT8, images)
    original = score(logits(keras_model, tune.x), tune, kind="keras")
    report = compare(original, scored_int8(flatbuffer, tune), tune, tolerances=Tolerances())
    text = " ".join(report.failures)
    assert report.tie_mass["class_index"].value > 0.3
    assert report.saturated.value > 0.3
    assert "one score beside class_index" in text
    assert "saturated" in text
    assert "AUC loss" in text


def test_a_class_tied_on_one_score_beside_a_threshold_is_out_of_bounds(keras, pixels) -> None:
    """Every broken image scores exactly one half, and AUC hardly moves."""
    tied = score(np.maximum(keras.logit, 0.0), pixels["tune"])
    report = compare(keras, tied, pixels["tune"], tolerances=Tolerances())
    assert report.tie_mass["class_index"].value > 0.3
    assert any("one score beside class_index" in failure for failure in report.failures)


def test_tie_mass_looks_at_the_scores_on_both_sides_of_the_threshold() -> None:
    values = np.array([1.0, 1.0, 2.0, 3.0, 3.0, 3.0, 9.0, 9.0, 9.0, 9.0])
    assert tie_mass(values, 1.5).value == 0.2
    assert tie_mass(values, 2.5).value == 0.3
    assert tie_mass(values, 3.0).value == 0.3
    assert tie_mass(values, 0.0).value == 0.2
    assert tie_mass(values, 99.0).value == 0.4


def test_logits_beyond_the_output_range_count_as_saturated_not_as_difference(keras, pixels) -> None:
    clipped = np.clip(keras.logit, -2, 2)
    scored = score(clipped, pixels["tune"], kind="int8", lowest=-2.0, highest=2.0, step=4 / 255)
    report = compare(keras, scored, pixels["tune"], tolerances=Tolerances())
    assert report.logit.max == 0.0
    assert report.saturated.value == np.mean(np.abs(keras.logit) >= 2)


def test_uncertain_band_is_widened_to_hold_the_spread_between_interpreters(keras, pixels) -> None:
    tune = pixels["tune"]
    spread = 2 * band_width(keras.operating_point, temperature=1.0)
    wide = choose_points(keras.logit, tune, temperature=1.0, chosen_on="x", spread=spread)[0]
    assert band_width(wide, temperature=1.0) == pytest.approx(spread)
    assert wide.sensitivity.value >= keras.operating_point.sensitivity.value
    for image, sign in ((logit, s) for logit in keras.logit for s in (-0.999, 0.999)):
        states = {
            decide(value, temperature=1.0, operating_point=wide).state
            for value in (image, image + sign * spread)
        }
        assert states != {State.FRACTURE, State.NO_FRACTURE}


def test_spread_of_more_steps_than_rounding_gives_is_out_of_bounds(keras, pixels) -> None:
    int8 = dataclasses.replace(keras, kind="int8", step=0.05)
    for spread, fails in ((8 * 0.05, False), (8.1 * 0.05, True)):
        report = compare(
            keras, int8, pixels["tune"], tolerances=Tolerances(), runtime_spread=spread
        )
        said = [failure.split(":")[0] for failure in report.failures]
        assert ("spread between interpreters" in said) == fails


def test_images_of_one_class_are_refused_not_divided_by(keras, pixels) -> None:
    tune = pixels["tune"]
    one = dataclasses.replace(tune, class_index=np.zeros_like(tune.class_index))
    with pytest.raises(DataError, match="expected images of both classes"):
        compare(keras, keras, one, tolerances=Tolerances())


def test_operating_points_are_chosen_on_each_networks_own_scores(pixels, keras) -> None:
    """Int8 logits fall on steps: no image may lie on a threshold."""
    steps = np.rint(keras.logit / 0.25) * 0.25
    point = score(steps, pixels["tune"], kind="int8").operating_point
    p = Scored("int8", steps, 1.0, point).p_fracture
    assert np.abs(p - point.fracture_from).min() > 1e-4
    assert np.abs(p - point.no_fracture_below).min() > 1e-4
    assert point.chosen_on == "drawn tune"


def parity_report(kind_report, *, split_name: str = "drawn tune") -> ParityReport:
    return ParityReport(
        "toy", split_name, "drawn tune", 80, 40, 20, Tolerances(), (kind_report,), ()
    )


def test_a_report_of_labelled_images_never_says_that_labels_are_absent() -> None:
    name, why = "drawn tune", {"int8": "no such operator"}
    text = ParityReport("toy", name, name, 80, 40, 20, Tolerances(), (), (), why).to_markdown()
    assert "- int8: no such operator" in text
    assert "drawn tune: 80 images, 40 fractured" in text
    assert "Without labels" not in text


def test_report_says_what_counts_as_right_and_where_the_points_were_chosen(keras, pixels) -> None:
    """A network that knows nothing calls every image uncertain: sensitivity 1, specificity 1."""
    constant = np.linspace(-1e-3, 1e-3, len(keras.logit))
    network = score(np.random.default_rng(0).permutation(constant), pixels["tune"])
    kind = compare(network, network, pixels["tune"], tolerances=Tolerances())
    states = [decision.state for decision in network.decisions]
    assert kind.uncertain.after == np.mean([state is State.UNCERTAIN for state in states]) > 0.5
    text = parity_report(kind).to_markdown()
    assert "| sensitivity (fractured, not called no_fracture) |" in text
    assert f"| uncertain, right in both | {kind.uncertain.before:.4f}" in text
    assert "chosen on these very images" in text
    elsewhere = parity_report(kind, split_name="drawn test").to_markdown()
    assert "chosen on these very images" not in elsewhere


def test_report_raises_with_every_broken_bound_and_names_the_kind(keras, pixels) -> None:
    turned = Scored("float32", -keras.logit, 1.0, keras.operating_point)
    report = parity_report(compare(keras, turned, pixels["tune"], tolerances=Tolerances()))
    with pytest.raises(
        ParityError, match=r"toy on drawn tune: float32, whole: logit difference.*AUC"
    ):
        report.check()


def test_report_is_written_as_json_and_markdown_with_each_flip(keras, pixels) -> None:
    turned = Scored("float32", -keras.logit, 1.0, keras.operating_point)
    report = parity_report(compare(keras, turned, pixels["tune"], tolerances=Tolerances()))
    flips = json.loads(report.to_json())["kinds"][0]["flips"]
    assert len(flips) > 40
    text = report.to_markdown()
    assert all(f"| {flip['key']} |" in text for flip in flips)
    assert "## Out of tolerance: float32, whole" in text


def test_report_holds_null_where_a_number_is_infinite(keras, pixels) -> None:
    point = keras.operating_point
    endless = type(point)(
        point.name, 0.0, point.fracture_from, "x", "x", point.sensitivity, point.specificity
    )
    kind = compare(
        keras, Scored("float32", keras.logit, 1.0, endless), pixels["tune"], tolerances=Tolerances()
    )
    assert json.loads(parity_report(kind).to_json())["kinds"][0]["band"] is None


def test_bounds_are_replaced_by_name() -> None:
    tolerances = Tolerances.of_depth(1, parse_tolerances(["auc_loss=0.5", "reversals=3"]))
    assert (tolerances.auc_loss, tolerances.reversals, tolerances.tie_mass) == (
        0.5,
        3,
        Tolerances().tie_mass,
    )


@pytest.mark.parametrize(
    "setting",
    ["nothing=1", "auc_loss", "auc_loss=much", "reversals=0.5", "auc_loss=nan", "auc_loss=-1"],
)
def test_bounds_that_say_nothing_are_refused(setting: str) -> None:
    with pytest.raises(UsageError, match="expected NAME=NUMBER"):
        parse_tolerances([setting])


def test_label_of_a_flip_is_the_persons(keras, pixels) -> None:
    tune = pixels["tune"]
    logit = keras.logit.copy()
    logit[0] = -logit[0]
    report = compare(
        keras, Scored("dynamic", logit, 1.0, keras.operating_point), tune, tolerances=Tolerances()
    )
    assert report.flips[0].fractured == (tune.class_index[0] == BROKEN)


def test_earlier_names_of_tolerances_are_still_read() -> None:
    read = parse_tolerances(["view_median_steps=3", "view_max_steps=40", "jumps=1"])
    assert read == {"input_median_steps": 3.0, "input_max_steps": 40.0, "reversals": 1}


def test_tolerances_in_steps_grow_with_the_square_root_of_the_depth() -> None:
    shallow, deep = Tolerances.of_depth(1), Tolerances.of_depth(64)
    assert shallow == Tolerances()
    assert (deep.int8_steps, deep.dynamic_steps, deep.rounding_steps) == (64.0, 64.0, 8.0)
    assert (deep.input_median_steps, deep.input_max_steps) == (8.0, 128.0)
    assert (deep.auc_loss, deep.sensitivity_loss, deep.reversals) == (
        shallow.auc_loss,
        shallow.sensitivity_loss,
        shallow.reversals,
    )


@pytest.mark.parametrize(("range_", "passes"), [(1600.0, True), (20.0, False)])
def test_float32_may_be_off_by_its_own_rounding_where_logits_are_large(
    keras, pixels, range_, passes
) -> None:
    """0.0045 of 1,600, measured on a network of 93 layers."""
    large = keras.logit * range_ / np.ptp(keras.logit)
    original = dataclasses.replace(keras, logit=large)
    converted = dataclasses.replace(keras, kind="float32", logit=large + 0.0045)
    report = compare(original, converted, pixels["tune"], tolerances=Tolerances.of_depth(93))
    assert (not any(each.startswith("logit") for each in report.failures)) == passes


def test_no_depth_lets_an_output_pass_that_misses_by_half_its_range() -> None:
    assert Tolerances.of_depth(1000).input_max_steps == 128.0


def test_a_tolerance_that_is_named_does_not_grow() -> None:
    assert Tolerances.of_depth(64, {"int8_steps": 5.0}).int8_steps == 5.0


@pytest.mark.parametrize(("kind", "allowed"), [("int8", 8), ("float16", 4)])
def test_as_many_states_may_change_as_scores_lie_within_rounding_of_a_threshold(
    keras, pixels, kind, allowed
) -> None:
    """Eight of 80 images are moved to within two steps of a threshold, and across it."""
    tune = pixels["tune"]
    edge = -np.log(keras.operating_point.fracture_from / (1 - keras.operating_point.fracture_from))
    order = np.argsort(np.abs(keras.logit - edge))[:8]
    before, after = keras.logit.copy(), keras.logit.copy()
    before[order], after[order] = edge + 0.015, edge - 0.015
    original = dataclasses.replace(keras, logit=before)
    converted = dataclasses.replace(original, kind=kind, logit=after, step=0.01)
    report = compare(
        original, converted, tune, tolerances=Tolerances.of_depth(4, {"tie_mass": 1.0})
    )
    assert report.state_flips == 8
    failures = [failure for failure in report.failures if failure.startswith("changed states")]
    assert (report.near_thresholds >= 0.1) == (kind == "int8")
    assert bool(failures) == (allowed < 8)
