"""The table of runtimes: what it counts, what it calls wrong, and that the committed one holds."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.model.interpreter import open_interpreter
from bonefx_edge.model.model_file import ModelFile
from toy import film, toy_path

from benchmarks import runtimes, runtimes_report

ROOT = Path(__file__).parents[2]
TOY = toy_path("int8")


def column(place: str, logits: list[float | None], *, kind: str = "int8") -> dict[str, Any]:
    """Return what runtimes.py writes, of the toy model, with these logits."""
    model = ModelFile.read(toy_path(kind))
    films = [
        {"film": f"{i}.png", "logit": x, "reason": None, "pixels": None if x is None else "same"}
        for i, x in enumerate(logits)
    ]
    result = {"model": f"toy-{kind}", "sha256": model.sha256, "films": films}
    result |= {"mode": "whole", "runtime": {"name": "ai_edge_litert", "version": "2.3.0"}}
    around = dict.fromkeys(("python", "numpy", "opencv", "bonefx"), "1")
    around |= {"machine": "aarch64", "place": place, "data": "toys", "split": "tune"}
    return around | {"results": [result]}


def summary_of(columns: list[dict[str, Any]]) -> tuple[dict[str, Any], list]:
    """Return figures and failures of the one table of these columns."""
    models = [ModelFile.read(toy_path(kind)) for kind in ("int8", "float32")]
    (table,) = runtimes_report.gather(columns, {model.sha256: model for model in models})
    summary = runtimes_report.summarize(table)
    return summary, list(runtimes_report.failures(summary, kind=table.model.manifest.kind))


def test_spread_flips_and_input_check_flips_are_counted_by_film() -> None:
    point = ModelFile.read(TOY).manifest.mode("whole")
    edge = -point.temperature * np.log(
        point.operating_points[0].fracture_from / (1 - point.operating_points[0].fracture_from)
    )
    first = column("a", [edge - 0.01, 9.0, None, 1.0, None])
    second = column("b", [edge + 0.02, 9.0, None, None, None])
    summary, wrong = summary_of([first, second])
    assert wrong == []
    assert (summary["films"], summary["answered_by_all"], summary["refused_by_all"]) == (5, 2, 2)
    assert summary["spread"]["max"] == pytest.approx(0.03)
    (flip,) = summary["operating_points"][0]["films"]
    assert (flip["film"], flip["states"]) == ("0.png", ["fracture", "uncertain"])
    assert [film["film"] for film in summary["refused_by_some"]] == ["3.png"]
    assert summary["pairs"][0]["answered_by_one"] == 1


def test_a_film_called_the_opposite_is_an_error_and_so_is_a_spread_beyond_the_band() -> None:
    summary, wrong = summary_of([column("a", [-9.0]), column("b", [9.0])])
    assert [point["opposite"] for point in summary["operating_points"]] == [
        1 for _ in summary["operating_points"]
    ]
    assert any("called the opposite" in line for line in wrong)
    assert any("not wider than" in line for line in wrong)


def test_a_float_kind_may_move_by_a_thousandth_int8_by_more() -> None:
    for kind, n in (("int8", 0), ("float32", 1)):
        columns = [column("a", [9.0], kind=kind), column("b", [9.002], kind=kind)]
        assert len(summary_of(columns)[1]) == n


def test_other_pixels_are_an_error_on_one_kind_of_processor() -> None:
    one, other = column("a", [9.0]), column("b", [9.0])
    other["results"][0]["films"][0]["pixels"] = "other"
    (wrong,) = summary_of([one, other])[1]
    assert "1 films have other pixels" in wrong
    summary, wrong = summary_of([one, other | {"machine": "x86_64"}])
    assert (summary["pairs"][0]["other_pixels"], wrong) == (1, [])


@pytest.mark.parametrize("second", [("b", [1.0, 2.0]), ("a", [1.0])], ids=["films", "column"])
def test_columns_must_be_different_and_of_the_same_films(second) -> None:
    with pytest.raises(SystemExit, match="same films in different columns"):
        summary_of([column("a", [1.0]), column(*second)])


def run(script: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"benchmarks.{script}", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT
    )


def test_one_machine_writes_a_file_and_two_files_make_the_page(tmp_path: Path) -> None:
    """Through the commands, over a folder without a manifest."""
    films = tmp_path / "films"
    films.mkdir()
    for seed in range(3):
        cv2.imwrite(str(films / f"{seed}.png"), film(60 + 10 * seed))
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in files:
        done = run("runtimes", TOY, "--data", films, "--out", path, "--place", path.stem)
        assert done.returncode == 0, done.stderr
    done = run("runtimes_report", *files, "--model", TOY, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runtimes.md").read_text() in done.stdout
    (table,) = json.loads((tmp_path / "runtimes.json").read_text())["tables"]
    assert (table["films"], table["spread"]["max"]) == (3, 0.0)


def test_the_test_split_is_refused(tmp_path: Path) -> None:
    done = run("runtimes", "--data", tmp_path, "--split", "test", "--out", tmp_path / "x.json")
    assert done.returncode == 1
    assert "expected the split tune or train" in done.stderr


def test_the_hash_is_of_what_the_network_is_shown_of_a_large_film_too(tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    cv2.imwrite(str(large), cv2.resize(film(60), (1100, 1100)))
    model = ModelFile.read(toy_path("tiled-int8"))
    interpreter = open_interpreter(model.flatbuffer)
    shown: list[bytes] = []

    class Recorder:
        def __getattr__(self, name: str) -> Any:
            return getattr(interpreter, name)

        def run(self, x: np.ndarray) -> Any:
            shown.append(x.tobytes())
            return interpreter.run(x)

    classifier = Classifier(model, Recorder())
    assert classifier.classify(large).reason is None
    expected = hashlib.sha256(b"".join(shown)).hexdigest()
    assert runtimes.pixels_sha256(large, classifier, tensor=interpreter.input) == expected
