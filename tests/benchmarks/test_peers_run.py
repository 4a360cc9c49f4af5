"""Workers of benchmarks.peers, and a whole run with scripted peers."""

import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from image_files import gray_film, jpeg_file
from toy import toy_path

from benchmarks.peers import networks, run, table, workers
from benchmarks.peers import report as report_module
from benchmarks.peers.adapters import worker

# ---- workers ----


def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, python: Path) -> workers.Worker:
    """Return a worker of bonefx with the toy network."""
    row = next(r for r in table.ROWS if r.key == "bonefx-int8-whole")
    options = {"network": str(toy_path("tiled-int8")), "side": 150, "logit": 0}
    options |= {"scale": 0.0, "zero_point": 0}
    monkeypatch.setattr(workers, "python_of", lambda _: python)
    return workers.Worker(row, options=options, log=tmp_path / "log")


def test_our_worker_answers_as_the_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = tmp_path / "a film.jpg"
    film.write_bytes(jpeg_file(gray_film(300, 200)))
    inputs = tmp_path / "inputs.npy"
    np.save(inputs, np.full((2, 150, 150, 1), [[[[96]]], [[[160]]]], np.uint8))
    worker = started(tmp_path, monkeypatch, python=Path(sys.executable))
    timed = worker.request("film", film)
    checked = worker.request("check", inputs)
    peak = worker.request("memory")
    size = worker.request("installed", "numpy no-such-distribution")
    worker.stop()
    expected = Classifier.load(toy_path("tiled-int8"), mode="whole").classify(film)
    assert timed["answer"] == expected.state.value
    assert min(timed["s"], timed["cpu_s"]) > 1e-4  # seconds; a clock read twice: 1e-6
    assert checked["logits"] == [-2.0, 2.0]  # (gray - 128) / 16
    assert peak["peak_mib"] > 10
    assert size["mib"] > 10
    assert worker.facts["cv_threads"] == 1
    assert worker.facts["mode"] == "whole"  # not the model's default


def test_a_worker_without_environment_is_absent_and_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(workers.Absent, match=re.escape("python -m benchmarks.peers install")):
        started(tmp_path, monkeypatch, python=tmp_path / "none")


def test_a_worker_that_ends_during_a_request_is_absent_with_its_last_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = started(tmp_path, monkeypatch, python=Path(sys.executable))
    with pytest.raises(workers.Absent, match=r"^KeyError: 'unknown'$"):
        worker.request("unknown")


def test_the_reason_is_the_last_error_without_paths_of_this_machine() -> None:
    log = f"Traceback\nImportError: {table.ROOT}/x.so: {Path.home()}/y\nI0000 cpu features\n\n"
    assert workers.last_error(log) == "ImportError: ./x.so: ~/y"
    assert workers.last_error("") == "ended without a message"


def test_the_size_of_a_peer_counts_what_it_requires_and_no_extras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, requires in [
        ("peer-alpha", ["peer_beta>=1", 'peer-gamma; extra == "more"']),
        ("peer-beta", ["peer-alpha"]),
        ("peer-gamma", []),
    ]:
        about = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        about.mkdir()
        lines = [f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {each}" for each in requires)]
        (about / "METADATA").write_text("\n".join(lines) + "\n")
        (about / "RECORD").write_text(f"{name}.bin,,\n")
        (tmp_path / f"{name}.bin").write_bytes(bytes(2**20))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = worker.needed(["Peer.Alpha", "peer-of-another-platform"])
    assert sorted(found) == ["peer-alpha", "peer-beta"]
    assert worker.size_mib(found["peer-beta"]) == 1.0


# ---- a whole run, with scripted peers ----


class Scripted:
    """Stands for a worker: takes 1 s for ours and 2 s for others; `odd` says another logit."""

    asked: list[tuple[str, str]] = []  # noqa: RUF012 -- emptied by the fixture
    odd = "onnxruntime"
    away = "openvino-int8"
    dies = "tensorflow-int8"

    def __init__(self, row, *, options, log) -> None:
        if row.key == self.away:
            raise workers.Absent("ImportError: no openvino")
        sha256 = workers.checkout_sha256()
        self.row, self.began = row, 0.0
        self.facts = {"runtime": row.key, "source_sha256": sha256}

    def request(self, name: str, argument: Path | str = "") -> dict:
        key = self.row.key
        if name == "check":
            return {"logits": [-7.0 if key == self.odd else 1.0] * len(np.load(argument))}
        if name == "memory":
            return {"peak_mib": 100.0}
        if name == "installed":
            return {"mib": 300.0}
        film = Path(argument).stem
        if key == self.dies and film == "IMG1":
            raise workers.Absent("killed")
        self.asked.append((film, key))
        refused = self.row.ours and film == "refused11"
        s = 1.0 if self.row.ours else 2.0
        return {"s": s, "cpu_s": s / 2, "answer": "refused" if refused else "fracture"}

    def stop(self) -> None:
        pass


@pytest.fixture(name="report")
def _report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Return the report of a run over three films, one of which ours refuses."""
    monkeypatch.setattr(run, "Worker", Scripted)
    reasons = {"keras": "no TensorFlow"}
    monkeypatch.setattr(run, "make_networks", lambda *_, **__: reasons)
    monkeypatch.setattr(Scripted, "asked", [])
    films = {"fullsize": ["IMG1"], "small": ["a11", "refused11"]}
    paths = {name: [tmp_path / f"{each}.jpg" for each in of_set] for name, of_set in films.items()}
    for path in itertools.chain(*paths.values()):
        path.write_bytes(jpeg_file(gray_film(300, 200)))
    comparison = run.Comparison(tmp_path, tmp_path)
    return json.loads(json.dumps(comparison.report(paths, rounds=2, starts=1)))


def reason_of(report: dict, key: str) -> str:
    return next(row["reason"] for row in report["absent"] if row["key"] == key)


def test_who_is_absent_answers_otherwise_or_dies_is_told_and_has_no_figures(report: dict) -> None:
    assert reason_of(report, "openvino-int8") == "ImportError: no openvino"
    assert reason_of(report, "onnxruntime") == "another answer: logit off by 8, allowed 0.001"
    assert reason_of(report, "tensorflow-int8") == "killed"
    assert reason_of(report, "keras-presented") == "network lite0.keras: no TensorFlow"
    absent = {row["key"] for row in report["absent"]}
    assert len(absent) == 4
    assert absent.isdisjoint(row["key"] for row in report["rows"])


def test_each_film_goes_to_all_in_turn_before_the_next(report: dict) -> None:
    order = [key for film, key in Scripted.asked if film == "a11"]
    timed = order[order.index("bonefx-int8-whole") + 1 :]  # whether ours refuses it came first
    turn = timed[: timed.index(timed[0], 1)]
    assert (
        len(turn) == len(set(turn)) == len(report["rows"])
    )  # reduced: not this set; one dies later
    assert timed[: 3 * len(turn)] == turn * 3  # warm-up, two rounds


def test_a_film_that_ours_refuses_is_left_out_for_all_and_counted(report: dict) -> None:
    assert {key for film, key in Scripted.asked if film == "refused11"} == {"bonefx-int8-whole"}
    assert report["sets"]["small"] == {"films": 1, "refused": 1, "rounds": 2}


def test_a_ratio_is_taken_film_by_film_and_then_its_median() -> None:
    found = run.times_ours([2.0, 30.0, 8.0], [1.0, 10.0, 8.0])
    assert found["p50"] == 2.0  # of the medians it would be 1
    assert found["p5"] < found["p50"] < found["p95"]


def test_a_run_says_how_many_times_ours_each_takes(report: dict) -> None:
    by_key = {row["key"]: row for row in report["rows"]}
    assert by_key["litert-int8"]["times_ours"]["tiled"]["small"]["p50"] == 2.0
    assert by_key["bonefx-int8-whole"]["times_ours"]["whole"]["fullsize"]["p50"] == 1.0
    assert by_key["litert-int8"]["ms"]["small"]["p50"] == 2000.0
    assert by_key["litert-int8-reduced"]["ms"].keys() == {"fullsize"}


def test_the_page_names_the_absent_and_ours(report: dict) -> None:
    page = report_module.markdown(report)
    assert "| OpenVINO, int8, careful | ImportError: no openvino |" in page
    assert "| **bonefx, int8, tiled** | 1000.0 (1000.0) | 500.0 | 1.00 (1.00 to 1.00) |" in page


def test_the_committed_page_is_that_of_the_committed_report() -> None:
    path = table.ROOT / "benchmarks" / "reference" / "peers-x86_64.json"
    assert path.with_suffix(".md").read_text() == report_module.markdown(
        json.loads(path.read_text())
    )


def test_the_figure_is_drawn_where_a_peer_has_no_time_for_one_set(
    report: dict, tmp_path: Path
) -> None:
    report_module.draw(report, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_other_code_than_this_checkout_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "Worker", Scripted)
    monkeypatch.setattr(run, "make_networks", lambda *_, **__: {})
    monkeypatch.setattr(run, "checkout_sha256", lambda: "other")
    with pytest.raises(SystemExit, match="other code than this checkout"):
        run.Comparison(tmp_path, tmp_path).report({}, rounds=1, starts=1)


def test_networks_of_other_files_have_another_folder(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    folder_of = networks.folder_of
    assert folder_of(tmp_path, one, two) == folder_of(tmp_path, one, two)
    assert folder_of(tmp_path, one) != folder_of(tmp_path, two)
