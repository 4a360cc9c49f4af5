"""benchmarks.peers: the table of peers, and how a film becomes their input."""

import sys
from pathlib import Path

import numpy as np
import pytest
from bonefx_edge.decode.reader import decode
from bonefx_edge.inference.preprocess import SPECS, preprocess
from image_files import gray_film, jpeg_file

from benchmarks.peers import table
from benchmarks.peers.adapters import worker

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


# ---- the table of peers ----


def test_rows_are_told_apart_and_each_has_a_worker_an_environment_and_lines() -> None:
    rows = table.ROWS
    assert len({row.key for row in rows}) == len(rows)
    assert len({row.title for row in rows}) == len(rows)
    assert {row.environment for row in rows} == set(table.ENVIRONMENTS)
    assert {row.lines for row in rows} == set(table.LINES) >= set(worker.LINES)
    assert all((BENCHMARKS / "peers" / "adapters" / f"{row.adapter}.py").exists() for row in rows)


def test_what_all_are_compared_with_is_in_the_table() -> None:
    assert set(table.OURS.values()) <= {row.key for row in table.ROWS}


@pytest.mark.parametrize(
    ("key", "exact"),
    [
        ("keras-presented", True),
        ("onnxruntime", True),
        ("openvino", True),
        ("openvino-default", False),  # bfloat16 where the processor has it
        ("litert-int8", False),
        ("onnxruntime-int8", False),
    ],
)
def test_float_tolerance_is_for_who_computes_in_float32(key: str, *, exact: bool) -> None:
    assert next(row for row in table.ROWS if row.key == key).exact == exact


def test_tensorflow_is_that_of_the_running_python() -> None:
    assert table.python_of("tensorflow") == Path(sys.executable)
    own = (".venvs-peers", "litert", "bin", "python")
    assert table.python_of("litert").parts[-4:] == own


# ---- lines ----


@pytest.mark.parametrize(("lines", "spec"), [("presented", "seed"), ("careful", "area")])
def test_the_lines_of_peers_make_the_numbers_of_our_named_specs(
    tmp_path: Path, lines: str, spec: str
) -> None:
    film = tmp_path / "film.jpg"
    film.write_bytes(jpeg_file(gray_film(300, 200)))
    x = worker.LINES[lines](str(film), 150)
    assert np.array_equal(
        worker.as_input(x, dtype=np.float32) if lines == "presented" else x,
        preprocess(decode(film.read_bytes()), spec=SPECS[spec]),
    )


def test_gray_levels_become_what_the_network_reads() -> None:
    as_input = worker.as_input
    gray = np.arange(256, dtype=np.uint8)
    assert as_input(gray, dtype=np.dtype("uint8")) is gray
    assert as_input(gray[[0, 51, 255]], dtype=np.dtype("float32")) == pytest.approx([0, 0.2, 1])
    assert as_input(gray / 255.0, dtype=np.dtype("uint8")).tolist() == gray.tolist()
    assert as_input(np.array([0.6, 254.4]) / 255, dtype=np.dtype("uint8")).tolist() == [1, 254]
