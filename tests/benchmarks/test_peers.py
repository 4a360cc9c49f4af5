"""benchmarks.peers: who is compared, in which order, what the ratios are, who is absent."""

import sys
from pathlib import Path

import numpy as np
import pytest
from bonefx_edge.decode.reader import decode
from bonefx_edge.inference.preprocess import SPECS, preprocess
from image_files import gray_film, jpeg_file

import benchmarks.peers.__main__ as peers
from benchmarks.peers import report as peers_report
from benchmarks.peers import table as peers_table
from benchmarks.peers.adapters import lines as worker_lines

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


# ---- ratios, bars ----


def test_a_ratio_is_taken_film_by_film_and_then_its_median() -> None:
    found = peers_report.times_ours([2.0, 30.0, 8.0], [1.0, 10.0, 8.0])
    assert found["p50"] == 2.0  # of the medians it would be 1
    assert found["p5"] < found["p50"] < found["p95"]


def measured(key: str, **ratios: float) -> dict:
    """Return a row whose peer takes so many times ours on that set, in both readings."""
    of_set = {name: {"p50": ratio, "p5": ratio, "p95": ratio} for name, ratio in ratios.items()}
    return {"key": key, "times_ours": {"whole": of_set, "closer": of_set}}


def bar_of(says: str, rows: list[dict]) -> dict:
    return next(bar for bar in peers_report.bars(rows) if says in bar["says"])


@pytest.mark.parametrize(("ratio", "met"), [(20.0, True), (19.99, False)])
def test_a_bar_is_met_from_its_least_ratio_on(ratio: float, *, met: bool) -> None:
    bar = bar_of("Keras", [measured("keras-presented", fullsize=ratio, small=1.0)])
    assert (bar["ratio"], bar["met"]) == (ratio, met)


def test_of_many_peers_the_fastest_counts_and_ours_does_not() -> None:
    rows = [measured(key, small=r, fullsize=9.0) for key, r in
            [("litert-int8", 1.5), ("onnxruntime", 1.2), ("bonefx-int8-whole", 1.0)]]  # fmt: skip
    bar = bar_of("fastest", rows)
    assert (bar["peer"], bar["ratio"], bar["met"]) == ("onnxruntime", 1.2, True)


def test_a_bar_without_its_peer_is_neither_met_nor_missed() -> None:
    bar = bar_of("Keras", [measured("litert-int8", small=2.0, fullsize=2.0)])
    assert (bar["ratio"], bar["met"]) == (None, None)


# ---- the table of peers ----


def test_rows_are_told_apart_and_each_has_a_worker_an_environment_and_lines() -> None:
    rows = peers_table.ROWS
    assert len({row.key for row in rows}) == len(rows)
    assert len({peers_report.title(row) for row in rows}) == len(rows)
    assert {row.environment for row in rows} == {each.name for each in peers_table.ENVIRONMENTS}
    assert {row.lines for row in rows} == set(peers_table.LINES)
    assert all((BENCHMARKS / "peers" / "adapters" / row.script).exists() for row in rows)


def test_every_key_that_a_bar_or_a_ratio_names_is_a_row() -> None:
    named = {*peers_table.OURS.values(), *(peer for bar in peers_table.BARS for peer in bar.peers)}
    assert named <= {row.key for row in peers_table.ROWS}


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
    assert next(row for row in peers_table.ROWS if row.key == key).exact == exact


def test_tensorflow_is_that_of_the_running_python_unless_another_is_named() -> None:
    python_of = peers_table.python_of
    assert python_of("tensorflow", {}) == Path(sys.executable)
    assert python_of("tensorflow", {"tensorflow": Path("/other")}) == Path("/other")
    assert python_of("litert", {}).parts[-4:] == (".venvs-peers", "litert", "bin", "python")


@pytest.mark.parametrize("word", ["tensorflow", "torch=/usr/bin/python3", "tensorflow="])
def test_a_python_for_nobody_is_refused(word: str) -> None:
    with pytest.raises(SystemExit, match="expected NAME=PATH with NAME one of bonefx, litert"):
        peers.named_pythons([word])


# ---- lines ----


@pytest.mark.parametrize(("lines", "spec"), [("presented", "seed"), ("careful", "area")])
def test_the_lines_of_peers_make_the_numbers_of_our_named_specs(
    tmp_path: Path, lines: str, spec: str
) -> None:
    film = tmp_path / "film.jpg"
    film.write_bytes(jpeg_file(gray_film(300, 200)))
    x = worker_lines.LINES[lines](str(film), 150)
    assert np.array_equal(
        worker_lines.as_input(x, dtype=np.float32) if lines == "presented" else x,
        preprocess(decode(film.read_bytes()), spec=SPECS[spec]),
    )


def test_gray_levels_become_what_the_network_reads() -> None:
    as_input = worker_lines.as_input
    gray = np.arange(256, dtype=np.uint8)
    assert as_input(gray, dtype=np.dtype("uint8")) is gray
    assert as_input(gray[[0, 51, 255]], dtype=np.dtype("float32")) == pytest.approx([0, 0.2, 1])
    assert as_input(gray / 255.0, dtype=np.dtype("uint8")).tolist() == gray.tolist()
    assert as_input(np.array([0.6, 254.4]) / 255, dtype=np.dtype("uint8")).tolist() == [1, 254]
