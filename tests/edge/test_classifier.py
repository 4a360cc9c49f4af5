"""One function from a file to a finding; usable from another program."""

import dataclasses
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.decode.radiograph import GrayMapping
from bonefx_edge.errors import InterpreterError, ModelFileError, Reason
from bonefx_edge.inference.decision import State, sigmoid
from bonefx_edge.model.model_file import ModelFile, write_model_file
from toy import film, toy_manifest, toy_path, toy_whole


@pytest.fixture(name="classifier", params=["float32", "int8"])
def _classifier(request) -> Classifier:
    return Classifier.load(toy_path(request.param))


def write_film(path: Path, mean_gray: int) -> Path:
    cv2.imwrite(str(path), film(mean_gray))
    return path


@pytest.mark.parametrize(
    ("mean_gray", "state", "class_index", "original_class"),
    [
        (60, State.FRACTURE, 0, 0),
        (120, State.UNCERTAIN, None, 0),
        (136, State.UNCERTAIN, None, 1),
        (200, State.NO_FRACTURE, 1, 1),
    ],
)
def test_the_finding_is_what_the_toy_says_by_construction(
    tmp_path, classifier, mean_gray: int, state: State, class_index, original_class
) -> None:
    path = write_film(tmp_path / "film.png", mean_gray)
    finding = classifier.classify(path)
    assert (finding.state, finding.class_index) == (state, class_index)
    assert finding.original_class == original_class
    assert finding.p_fracture == pytest.approx(sigmoid((128 - mean_gray) / 16), abs=1e-5)
    assert finding.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert finding.gray_mapping is GrayMapping.STORED
    assert (finding.reason, finding.detail) == (None, None)


def test_every_stage_is_timed_and_the_total_is_at_least_their_sum(tmp_path, classifier) -> None:
    timings = classifier.classify(write_film(tmp_path / "film.png", 60)).timings
    stages = (
        *(timings.read_ms, timings.hash_ms, timings.decode_ms, timings.input_check_ms),
        *(timings.preprocess_ms, timings.invoke_ms),
    )
    assert all(stage is not None and stage >= 0 for stage in stages)
    assert timings.total_ms >= sum(stages)


def test_a_file_that_cannot_be_judged_is_refused_with_reason_and_words(tmp_path, classifier):
    path = tmp_path / "notes.txt"
    path.write_text("no film")
    finding = classifier.classify(path)
    assert (finding.state, finding.reason) == (State.REFUSED, Reason.NOT_AN_IMAGE)
    assert (finding.p_fracture, finding.class_index, finding.gray_mapping) == (None, None, None)
    assert "Not a JPEG" in finding.detail
    assert finding.sha256 == hashlib.sha256(b"no film").hexdigest()
    assert finding.timings.invoke_ms is None


def test_a_file_that_is_not_there_is_refused_without_a_hash(tmp_path, classifier) -> None:
    finding = classifier.classify(tmp_path / "gone.png")
    assert (finding.reason, finding.sha256) == (Reason.UNREADABLE, None)


def test_garbage_is_never_called_no_fracture(tmp_path, classifier) -> None:
    rng = np.random.default_rng(0)
    pictures = {
        "noise": rng.integers(0, 256, (300, 300), dtype=np.uint8),
        "white": np.full((300, 300), 255, np.uint8),
        "black": np.zeros((300, 300), np.uint8),
        "color": rng.integers(0, 256, (300, 300, 3), dtype=np.uint8),
    }
    for name, pixels in pictures.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
        assert classifier.classify(tmp_path / f"{name}.png").state is State.REFUSED, name


def test_the_original_is_not_altered(tmp_path, classifier) -> None:
    path = write_film(tmp_path / "film.png", 60)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    classifier.classify(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_the_operating_point_is_the_one_asked_for(tmp_path) -> None:
    path = write_film(tmp_path / "film.png", 120)  # p_fracture 0.62
    sensitive = Classifier.load(toy_path("int8"), operating_point="sensitive").classify(path)
    assert (sensitive.state, sensitive.operating_point) == (State.FRACTURE, "sensitive")
    assert Classifier.load(toy_path("int8")).classify(path).operating_point == "balanced"


def test_the_temperature_of_the_model_file_is_used(tmp_path) -> None:
    flatbuffer = ModelFile.read(toy_path("int8")).flatbuffer
    modes = (toy_whole(temperature=4.0),)
    manifest = toy_manifest("int8", flatbuffer=flatbuffer, modes=modes)
    write_model_file(tmp_path / "warm.tflite", flatbuffer=flatbuffer, manifest=manifest)
    finding = Classifier.load(tmp_path / "warm.tflite").classify(
        write_film(tmp_path / "film.png", 64)
    )
    assert finding.p_fracture == pytest.approx(sigmoid((128 - 64) / 16 / 4))


def test_a_model_that_does_not_fit_its_manifest_is_refused_at_loading(tmp_path) -> None:
    flatbuffer = ModelFile.read(toy_path("int8")).flatbuffer
    manifest = toy_manifest("float32", flatbuffer=flatbuffer)
    write_model_file(tmp_path / "wrong.tflite", flatbuffer=flatbuffer, manifest=manifest)
    with pytest.raises(ModelFileError, match="do not belong together"):
        Classifier.load(tmp_path / "wrong.tflite")


def test_a_model_that_gives_no_number_stops_the_work_instead_of_answering(tmp_path) -> None:
    class Broken:
        """An interpreter whose network overflowed."""

        def __init__(self, real) -> None:
            self.runtime, self.input, self.outputs = real.runtime, real.input, real.outputs
            self.threads = real.threads

        def run(self, x):
            return (np.full((len(x), 1), np.nan, np.float32),)

    from bonefx_edge.model.interpreter import open_interpreter

    model = ModelFile.read(toy_path("float32"))
    classifier = Classifier(model, Broken(open_interpreter(model.flatbuffer)))
    with pytest.raises(InterpreterError, match="logit: expected finite numbers, got nan"):
        classifier.classify(write_film(tmp_path / "film.png", 60))


def test_a_sensitive_operating_point_never_shows_the_class_of_the_other_state(tmp_path) -> None:
    """p_fracture 0.38: `fracture` for a threshold of 0.3, class 1 for `predict().round()`."""
    path = write_film(tmp_path / "film.png", 136)
    classifier = Classifier.load(toy_path("int8"))
    classifier.operating_point = dataclasses.replace(
        classifier.operating_point, no_fracture_below=0.1, fracture_from=0.3
    )
    finding = classifier.classify(path)
    assert (finding.state, finding.class_index) == (State.FRACTURE, 0)
    assert finding.original_class == 1


def test_a_score_that_is_not_the_networks_own_has_no_original_class(tmp_path) -> None:
    path = write_film(tmp_path / "film.png", 60)
    finding = Classifier.load(toy_path("tiled-int8")).classify(path)
    assert (finding.class_index, finding.original_class) == (0, None)


def without_times(finding):
    return finding.to_dict() | {"timings_ms": None}


def test_content_and_pixels_in_memory_are_judged_as_the_file_is(tmp_path, classifier) -> None:
    path = write_film(tmp_path / "film.png", 60)
    expected = without_times(classifier.classify(path))
    assert without_times(classifier.classify_bytes(path.read_bytes(), name=path)) == expected
    array = classifier.classify_array(film(60), name=path)
    assert without_times(array) == expected | {"sha256": None}
    inverted = classifier.classify_array(255 - film(60), dark_bone=True, name=str(path))
    assert without_times(inverted) == expected | {"sha256": None}


def test_sixteen_bits_in_memory_are_scaled_as_those_of_a_file_are(tmp_path, classifier) -> None:
    ramp = np.linspace(1000, 40_000, 160).astype(np.uint16)
    deep = np.asfortranarray(np.tile(ramp, (200, 1)))
    before = deep.copy()
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    expected = without_times(classifier.classify(tmp_path / "deep.png"))
    array = classifier.classify_array(deep, name=tmp_path / "deep.png")
    assert without_times(array) == expected | {"sha256": None}
    assert array.gray_mapping is GrayMapping.PERCENTILES
    assert np.array_equal(deep, before)
    assert deep.flags.writeable


def test_pixels_that_cannot_be_judged_are_refused_and_what_is_no_film_is_an_error(classifier):
    assert classifier.classify_array(np.zeros((200, 160), np.uint8)).reason is Reason.BLANK
    with pytest.raises(TypeError, match="expected an array of uint8 or uint16, got float32"):
        classifier.classify_array(film(60).astype(np.float32))
    with pytest.raises(TypeError, match="got list"):
        classifier.classify_array([[0]])
    with pytest.raises(ValueError, match="convert it to gray"):
        classifier.classify_array(np.zeros((200, 160, 3), np.uint8))
    with pytest.raises(TypeError, match="expected the bytes of a file, got str"):
        classifier.classify_bytes("film.png")


def test_many_files_are_classified_as_their_findings_are_asked_for(tmp_path, classifier) -> None:
    path = write_film(tmp_path / "film.png", 60)
    findings = classifier.classify_many(iter([path, str(tmp_path / "gone.png")]))
    assert [next(findings).state, next(findings).state] == [State.FRACTURE, State.REFUSED]
    with pytest.raises(TypeError, match="expected several paths, got one"):
        classifier.classify_many(path)


def test_an_analysis_shows_what_the_finding_was_made_from(tmp_path) -> None:
    path = write_film(tmp_path / "film.png", 60)
    analysis = Classifier.load(toy_path("tiled-int8")).analyze(path)
    assert analysis.radiograph.shape == (200, 160)
    assert len(analysis.tiles.rectangles) == len(analysis.tile_outputs.logits)
    assert analysis.whole.logits.shape == (1,)
    (tmp_path / "film.png").write_bytes(b"no film")
    refused = Classifier.load(toy_path("tiled-int8")).analyze(path)
    assert (refused.radiograph, refused.whole, refused.tiles) == (None, None, None)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (np.zeros((200, 160), np.uint8), "got ndarray"),
        (b"content", "got bytes"),
        (None, "got NoneType"),
    ],
)
def test_a_file_is_named_and_nothing_else(classifier, thing, words: str) -> None:
    with pytest.raises(TypeError, match=f"expected the path of a file, {words}; .*classify_"):
        classifier.classify(thing)


def test_a_file_may_be_named_as_text(tmp_path, classifier) -> None:
    path = write_film(tmp_path / "film.png", 60)
    assert classifier.classify(str(path)).state is State.FRACTURE


def test_a_model_is_a_name_that_comes_with_the_package_or_a_file(tmp_path, monkeypatch) -> None:
    assert Classifier.load("seed-int8").model.name == "seed"
    assert Classifier.load(str(toy_path("int8"))).model.name == "toy"
    with pytest.raises(ModelFileError, match=r"seed-int9: .* or name one of .*seed-int8"):
        Classifier.load("seed-int9")
    with pytest.raises(TypeError, match="expected the name or path of a model, got bytes"):
        Classifier.load(toy_path("int8").read_bytes())


def test_every_field_of_the_manifest_is_read_by_code() -> None:
    """A field that nothing reads is a promise that nobody keeps (the MONAI tale)."""
    import bonefx_edge
    from bonefx_edge.inference.decision import OperatingPoint, Proportion
    from bonefx_edge.inference.input_check import InputCheckSpec, Interval
    from bonefx_edge.inference.preprocess import InputSpec
    from bonefx_edge.inference.tile_grid import TileSelection, TileSpec
    from bonefx_edge.inference.tiling import InferenceMode
    from bonefx_edge.model.manifest import Manifest, OutputSpec, Provenance, VerifiedRuntime

    package = Path(bonefx_edge.__file__).parent
    code = "\n".join(path.read_text() for path in package.rglob("*.py"))
    unread = [
        f"{kind.__name__}.{field.name}"
        for kind in (
            *(
                Manifest,
                InputSpec,
                OutputSpec,
                OperatingPoint,
                Proportion,
                InputCheckSpec,
                Interval,
            ),
            *(VerifiedRuntime, Provenance, InferenceMode, TileSelection, TileSpec),
        )
        for field in dataclasses.fields(kind)
        # InputCheckSpec's statistics are read by name, from the list in input_check.py.
        if f".{field.name}" not in code and f'"{field.name}"' not in code
    ]
    assert unread == []
