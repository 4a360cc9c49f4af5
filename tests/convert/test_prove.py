"""Interpreters are listed in a model file when they were seen to run it, and only then."""

import os
import sys
from pathlib import Path

import pytest
from bonefx_convert.prove import choose_films, prove
from bonefx_convert.tensors import Kind
from bonefx_edge.errors import UsageError
from bonefx_edge.model_file import ModelFile
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


def test_this_process_and_another_python_give_the_same_logits(pixels) -> None:
    network = ModelFile.read(toy_path("int8")).flatbuffer
    x = pixels["tune"].x[:7]
    here, there = prove(network, x=x, pythons=[Path(sys.executable)])
    assert (here.name, here.version, here.machine) == (there.name, there.version, there.machine)
    assert (there.films, there.max_logit_difference) == (7, 0.0)


def test_an_interpreter_that_cannot_open_the_network_is_left_out_and_quoted(
    pixels, tmp_path, caplog
) -> None:
    python = fake_python(tmp_path, "printf \"Didn't find\\nop 'X' version '99'\"; exit 3")
    proved = prove(
        ModelFile.read(toy_path("int8")).flatbuffer, x=pixels["tune"].x[:2], pythons=[python]
    )
    assert len(proved) == 1
    assert "Didn't find op 'X' version '99'" in caplog.text


def test_an_interpreter_that_answers_nan_is_not_proved(pixels, tmp_path, caplog) -> None:
    lines = (
        "import sys, json, numpy as np",
        "np.save(sys.argv[1] + '/logits.npy', np.full(2, np.nan, np.float32))",
        "runtime = dict(name='tflite_runtime', version='9', machine='x')",
        "json.dump(runtime, open(sys.argv[1] + '/runtime.json', 'w'))",
    )
    (tmp_path / "nan.py").write_text("\n".join(lines))
    python = fake_python(tmp_path, f'exec {sys.executable} {tmp_path / "nan.py"} "$3"')
    network = ModelFile.read(toy_path("int8")).flatbuffer
    assert len(prove(network, x=pixels["tune"].x[:2], pythons=[python])) == 1
    assert "not finite" in caplog.text


def test_a_python_without_bonefx_is_a_usage_error(pixels, tmp_path) -> None:
    python = fake_python(tmp_path, "echo \"No module named 'bonefx_edge'\" >&2; exit 1")
    with pytest.raises(UsageError, match=r"with bonefx.*No module named 'bonefx_edge'"):
        prove(ModelFile.read(toy_path("int8")).flatbuffer, x=pixels["tune"].x, pythons=[python])


def test_a_python_that_is_not_there_is_a_usage_error(pixels, tmp_path) -> None:
    with pytest.raises(UsageError, match="expected a Python that runs"):
        prove(
            ModelFile.read(toy_path("int8")).flatbuffer,
            x=pixels["tune"].x,
            pythons=[tmp_path / "absent"],
        )


def test_at_most_200_films_spread_over_all_are_shown() -> None:
    import numpy as np

    films = np.arange(590)
    chosen = choose_films(films)
    assert (len(chosen), chosen[0], chosen[-1]) == (200, 0, 589)
    assert list(choose_films(films[:5])) == [0, 1, 2, 3, 4]


def test_tflite_runtime_runs_float_and_int8_but_not_dynamic(pixels, flatbuffers, other) -> None:
    x = pixels["tune"].x[:20]
    proved = {kind: prove(flatbuffers[kind], x=x, pythons=[other]) for kind in Kind}
    assert [runtime.name for runtime in proved[Kind.FLOAT32]] == [
        "ai_edge_litert",
        "tflite_runtime",
    ]
    assert [runtime.name for runtime in proved[Kind.INT8]] == ["ai_edge_litert", "tflite_runtime"]
    assert [runtime.name for runtime in proved[Kind.DYNAMIC]] == ["ai_edge_litert"]
    assert proved[Kind.FLOAT32][1].max_logit_difference < 1e-3
