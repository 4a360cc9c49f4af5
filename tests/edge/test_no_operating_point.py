"""A model file without operating points: each film gets its score, and no state."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.errors import UsageError
from bonefx_edge.inference.decision import Caution, State
from bonefx_edge.model.manifest import Manifest
from bonefx_edge.model.model_file import ModelFile, write_model_file
from toy import film, toy_path

BIN = Path(sys.executable).parent


def run(command: str, *args: object) -> subprocess.CompletedProcess[str]:
    words = [str(BIN / command), *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(name="model", scope="module")
def _model(tmp_path_factory) -> Path:
    """Return the toy, as it would be converted without labelled films."""
    toy = ModelFile.read(toy_path("int8"))
    (mode,) = toy.manifest.modes
    modes = (dataclasses.replace(mode, operating_points=()),)
    path = tmp_path_factory.mktemp("model") / "bare.tflite"
    manifest = dataclasses.replace(toy.manifest, modes=modes)
    assert Manifest.from_json(manifest.to_json()) == manifest
    write_model_file(path, flatbuffer=toy.flatbuffer, manifest=manifest)
    return path


@pytest.fixture(name="films", scope="module")
def _films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for gray in (30, 128, 220):
        cv2.imwrite(str(folder / f"{gray}.png"), film(gray))
    return folder


@pytest.mark.parametrize("gray", [30, 128, 220])
def test_every_film_is_uncertain_with_the_p_of_the_network(model, films, gray) -> None:
    finding = Classifier.load(model).classify(films / f"{gray}.png")
    with_points = Classifier.load(toy_path("int8")).classify(films / f"{gray}.png")
    assert (finding.state, finding.caution) == (State.UNCERTAIN, Caution.NO_OPERATING_POINT)
    assert finding.p_fracture == with_points.p_fracture
    assert finding.operating_point == "none"
    assert "no state can be given" in str(finding.detail)


def test_an_operating_point_that_is_named_is_refused(model) -> None:
    with pytest.raises(UsageError, match="expected one of none at all, got 'balanced'"):
        Classifier.load(model, operating_point="balanced")


def test_the_command_ends_with_0_and_says_why_there_is_no_state(model, films) -> None:
    done = run("edge-classify", films, "--model", model)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("no_operating_point: no thresholds; commission the model") == 3
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "3 images: 0 fracture, 3 uncertain" in done.stdout
    assert "The model has no thresholds: no state is given" in done.stdout
    assert "from 0.67 fracture" not in done.stdout


def test_verify_says_that_there_is_none(model) -> None:
    assert (
        "no operating point: every film is uncertain" in run("edge-admin", "verify", model).stdout
    )


def test_commissioning_gives_it_thresholds_and_states(model, films, tmp_path) -> None:
    for label, grays in (("normal", range(60, 200, 2)), ("fractured", range(40, 160, 2))):
        (tmp_path / "site" / label).mkdir(parents=True)
        for gray in grays:
            cv2.imwrite(str(tmp_path / "site" / label / f"{gray}.png"), film(gray))
    words = ("--by", "A. Physicist", "--out", tmp_path / "out", "--model", model)
    done = run("edge-admin", "commission", tmp_path / "site", *words)
    assert (done.returncode, done.stderr) == (0, "")
    profile = tmp_path / "out/site-profile.json"
    words = ("--model", model, "--site-profile", profile, "--format", "json")
    found = [json.loads(line) for line in run("edge-classify", films, *words).stdout.splitlines()]
    assert {each["path"][-7:-4].strip("/"): each["state"] for each in found} == {
        "30": "fracture",
        "128": "uncertain",
        "220": "no_fracture",
    }
    assert all(each["caution"] is None for each in found)
