"""Interpreters are listed in a model file when they were seen to run it, and only then."""

import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from bonefx_convert.flatbuffer import Kind
from bonefx_convert.runtime_check import choose_images, verify_runtimes
from bonefx_edge.errors import UsageError
from bonefx_edge.model.model_file import ModelFile
from bonefx_train.data.pixels import Pixels
from bonefx_train.evaluation.tiled_predictions import NetworkInputs
from toy import toy_path

pytestmark = pytest.mark.host


@pytest.fixture(name="other", scope="module")
def _other() -> Path:
    """Return the Python of an environment with tflite-runtime, or skip."""
    named = os.environ.get("BONEFX_TFLITE_PYTHON")
    if not named:
        pytest.skip("needs a Python with tflite-runtime: BONEFX_TFLITE_PYTHON is not set")
    return Path(named)


def fake_python(folder: Path, body: str) -> Path:
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return script


def prove_toy(pixels, *, images: int, pythons: list[Path], network: bytes | None = None, **options):
    model = ModelFile.read(toy_path("int8"))
    return verify_runtimes(
        network or model.flatbuffer,
        inputs=NetworkInputs.of_whole(pixels["tune"]).take(np.arange(images)),
        output=model.manifest.output,
        modes=options.get("modes", model.manifest.modes),
        pythons=pythons,
    )


def test_this_process_and_another_python_give_the_same_logits(pixels) -> None:
    here, there = prove_toy(pixels, images=7, pythons=[Path(sys.executable)])
    assert (here.name, here.version, here.machine) == (there.name, there.version, there.machine)
    assert (there.images, there.max_logit_difference) == (7, 0.0)


def test_an_interpreter_that_cannot_open_the_network_is_left_out_and_quoted(
    pixels, tmp_path, caplog
) -> None:
    python = fake_python(tmp_path, "printf \"Didn't find\\nop 'X' version '99'\"; exit 3")
    verified = prove_toy(pixels, images=2, pythons=[python])
    assert len(verified) == 1
    assert "Didn't find op 'X' version '99'" in caplog.text


def test_an_interpreter_that_answers_nan_is_not_proved(pixels, tmp_path, caplog) -> None:
    lines = (
        "import sys, json, numpy as np",
        "np.savez(sys.argv[1] + '/outputs.npz', np.full((2, 1), np.nan, np.float32))",
        "runtime = dict(name='tflite_runtime', version='9', machine='x')",
        "json.dump(runtime, open(sys.argv[1] + '/runtime.json', 'w'))",
    )
    (tmp_path / "nan.py").write_text("\n".join(lines))
    python = fake_python(tmp_path, f'exec {sys.executable} {tmp_path / "nan.py"} "$3"')
    assert len(prove_toy(pixels, images=2, pythons=[python])) == 1
    assert "not finite" in caplog.text


def test_a_python_without_bonefx_is_a_usage_error(pixels, tmp_path) -> None:
    python = fake_python(tmp_path, "echo \"No module named 'bonefx_edge'\" >&2; exit 1")
    with pytest.raises(UsageError, match=r"with bonefx.*No module named 'bonefx_edge'"):
        prove_toy(pixels, images=80, pythons=[python])


def test_a_python_that_is_not_there_is_a_usage_error(pixels, tmp_path) -> None:
    with pytest.raises(UsageError, match="expected a Python that runs"):
        prove_toy(pixels, images=80, pythons=[tmp_path / "absent"])


def test_a_difference_counts_as_the_modes_weigh_it(pixels, tmp_path) -> None:
    """The other interpreter is 0.5 off in every logit; a mode of weight 3 makes 1.5 of it."""
    lines = (
        "import sys, json, numpy as np",
        "from bonefx_edge.model.interpreter import open_interpreter",
        "from pathlib import Path",
        "folder = Path(sys.argv[1])",
        "network = open_interpreter((folder / 'network.tflite').read_bytes())",
        "logit = network.run(np.load(folder / 'images.npy'))[0]",
        "np.savez(folder / 'outputs.npz', logit + np.float32(0.5))",
        "runtime = dict(name='other', version='9', machine='x')",
        "json.dump(runtime, open(folder / 'runtime.json', 'w'))",
    )
    (tmp_path / "off.py").write_text("\n".join(lines))
    python = fake_python(tmp_path, f'exec {sys.executable} {tmp_path / "off.py"} "$3"')
    (mode,) = ModelFile.read(toy_path("int8")).manifest.modes
    heavy = dataclasses.replace(mode, whole_weight=3.0)
    _, there = prove_toy(pixels, images=5, pythons=[python], modes=(mode, heavy))
    assert there.max_logit_difference == pytest.approx(1.5, abs=1e-5)
    assert (there.name, there.images) == ("other", 5)


def test_at_most_200_images_spread_over_all_are_shown() -> None:
    x = np.arange(590, dtype=np.uint8).reshape(-1, 1, 1, 1)
    images = Pixels(x, np.zeros(590, np.uint8), tuple(range(590)), ())
    tiled = NetworkInputs(
        images,
        np.concatenate([x, x, x]),
        np.concatenate([np.arange(590), np.repeat(np.arange(590), 2)]),
        np.zeros((3 * 590, 4), np.int64),
        np.zeros(3 * 590, np.bool_),
    )
    chosen = choose_images(tiled)
    assert (len(chosen.images.x), chosen.images.samples[0], chosen.images.samples[-1]) == (
        200,
        0,
        589,
    )
    assert len(chosen.x) == 600
    assert list(chosen.image_index[200:204]) == [0, 0, 1, 1]
    assert len(choose_images(NetworkInputs.of_whole(images).take(np.arange(5))).x) == 5


def test_tflite_runtime_runs_float_and_int8_but_not_dynamic(pixels, flatbuffers, other) -> None:
    verified = {
        kind: prove_toy(pixels, images=20, pythons=[other], network=flatbuffers[kind])
        for kind in Kind
    }
    assert [runtime.name for runtime in verified[Kind.FLOAT32]] == [
        "ai_edge_litert",
        "tflite_runtime",
    ]
    assert [runtime.name for runtime in verified[Kind.FLOAT16]] == [
        "ai_edge_litert",
        "tflite_runtime",
    ]
    assert [runtime.name for runtime in verified[Kind.INT8]] == ["ai_edge_litert", "tflite_runtime"]
    assert [runtime.name for runtime in verified[Kind.DYNAMIC]] == ["ai_edge_litert"]
    assert verified[Kind.FLOAT32][1].max_logit_difference < 1e-3
