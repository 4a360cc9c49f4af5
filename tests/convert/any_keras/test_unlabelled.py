"""Without labels a network becomes model files without an operating point."""

import shutil
from pathlib import Path

import pytest
from any_keras_files import convert, refused
from bonefx_edge.classifier import Classifier
from bonefx_edge.inference.decision import Caution, State

pytestmark = pytest.mark.host


@pytest.fixture(name="unlabelled", scope="module")
def _unlabelled(h5, data, tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("unlabelled")
    (folder / "images").mkdir()
    for path in data.glob("t*-*.png"):
        shutil.copy(path, folder / "images" / path.name)
    done = convert(h5, folder / "images", folder / "out", "--unlabelled", "--kinds", "int8")
    assert done.exit_code == 0, done.stderr
    return folder / "out", done.stdout


def test_without_labels_the_report_compares_scores_only(unlabelled) -> None:
    _, text = unlabelled
    assert "Without labels there are no operating points" in text
    assert "| int8 | logit | 120 |" in text
    assert "AUC |" not in text


def test_without_labels_the_device_gives_a_score_and_no_state(unlabelled, data) -> None:
    out, _ = unlabelled
    classifier = Classifier.load(out / "bone-int8.tflite")
    assert classifier.mode.operating_points == ()
    findings = [classifier.classify(path) for path in sorted(data.glob("test-*.png"))]
    answered = [finding for finding in findings if finding.p_fracture is not None]
    assert {finding.state for finding in answered} == {State.UNCERTAIN}
    assert {finding.caution for finding in answered} == {Caution.NO_OPERATING_POINT}
    assert len({finding.p_fracture for finding in answered}) > 20
    assert "edge-admin commission" in str(answered[0].detail)


def test_too_few_images_without_labels_are_refused(h5, data, tmp_path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    shutil.copy(data / "test-000.png", folder)
    line = refused(h5, folder, tmp_path / "out", "--unlabelled")
    assert "expected at least 40 images, got 1" in line


def test_files_that_are_no_images_do_not_count(h5, data, tmp_path, caplog) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for path in sorted(data.glob("t*-*.png"))[:35]:
        shutil.copy(path, folder)
    for number in range(10):
        (folder / f"{number}.txt").write_text("a note")
    done = convert(h5, folder, tmp_path / "out", "--unlabelled")
    assert done.exit_code == 3
    assert "left out, as the device refuses them: 10 files, such as" in caplog.text
    assert "expected at least 40 images, got 35" in done.stderr
