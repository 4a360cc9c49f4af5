"""Workers of benchmarks.peers, and a whole run with scripted peers."""

import dataclasses
import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from bonefx_edge.classifier import Classifier
from bonefx_edge.model.model_file import ModelFile
from image_files import gray_film, jpeg_file
from toy import toy_path

from benchmarks.peers import comparison as peers_comparison
from benchmarks.peers import networks as peers_networks
from benchmarks.peers import report as peers_report
from benchmarks.peers import table as peers_table
from benchmarks.peers import workers as peers_crew
from benchmarks.peers.adapters import installed_size

# ---- workers ----


def row_and_network(tmp_path: Path, *, script: Path | None = None) -> tuple:
    """Return our own row, for a script in `tmp_path` if one is given, and the toy network."""
    row = next(r for r in peers_table.ROWS if r.key == "bonefx-int8-whole")
    if script:
        row = dataclasses.replace(row, script=str(script))
    manifest = ModelFile.read(toy_path("closer-int8")).manifest
    network = peers_crew.Network(
        toy_path("closer-int8"), manifest.input.height, manifest.output.logit, 0.0, 0
    )
    return row, network, tmp_path / "log"


def test_our_worker_says_what_the_classifier_says(tmp_path: Path) -> None:
    row, network, log = row_and_network(tmp_path)
    film = tmp_path / "a film.jpg"
    film.write_bytes(jpeg_file(gray_film(300, 200)))
    views = tmp_path / "views.npy"
    np.save(views, np.full((2, 150, 150, 1), [[[[96]]], [[[160]]]], np.uint8))
    worker = peers_crew.Worker(row, python=Path(sys.executable), network=network, log=log)
    said = [worker.ask("film", film), worker.ask("check", views), worker.ask("memory")]
    worker.stop()
    expected = Classifier.load(toy_path("closer-int8"), views="whole").classify(film)
    assert said[0]["answer"] == expected.state.value
    assert min(said[0]["s"], said[0]["cpu_s"]) > 1e-4  # seconds; a clock read twice: 1e-6
    assert said[1]["logits"] == [-2.0, 2.0]  # (gray - 128) / 16
    assert said[2]["peak_mib"] > 10
    assert worker.facts["cv_threads"] == 1
    assert worker.facts["reading"] == "whole"  # not the model's default


def test_a_worker_without_environment_is_absent_and_says_how_to_get_it(tmp_path: Path) -> None:
    row, network, log = row_and_network(tmp_path)
    with pytest.raises(peers_crew.Absent, match=re.escape("python -m benchmarks.peers install")):
        peers_crew.Worker(row, python=tmp_path / "none", network=network, log=log)


def test_a_worker_that_ends_while_it_is_asked_is_absent_with_its_last_words(tmp_path: Path) -> None:
    script = tmp_path / "ends.py"
    script.write_text(
        'print("{\\"facts\\": {}}", flush=True)\ninput()\nraise ValueError("enough")\n'
    )
    row, network, log = row_and_network(tmp_path, script=script)
    worker = peers_crew.Worker(row, python=Path(sys.executable), network=network, log=log)
    with pytest.raises(peers_crew.Absent, match=r"^ValueError: enough$"):
        worker.ask("film", "x.jpg")


def test_a_worker_has_no_packages_but_those_of_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert "PYTHONPATH" not in peers_crew.worker_environment()


def test_last_words_are_the_last_error_without_paths_of_this_machine() -> None:
    log = f"Traceback\nImportError: {peers_crew.ROOT}/x.so: {Path.home()}/y\nI0000 cpu features\n\n"
    assert peers_crew.last_words(log) == "ImportError: ./x.so: ~/y"
    assert peers_crew.last_words("") == "ended without a word"


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
    found = installed_size.needed(["Peer.Alpha", "peer-of-another-platform"])
    assert sorted(found) == ["peer-alpha", "peer-beta"]
    assert installed_size.size_mib(found["peer-beta"]) == 1.0


# ---- a whole run, with scripted peers ----


class Scripted:
    """Stands for a worker: takes 1 s for ours and 2 s for others; `odd` says another logit."""

    asked: list[tuple[str, str]] = []  # noqa: RUF012 -- emptied by the fixture
    odd = "onnxruntime"
    away = "openvino-int8"
    dies = "tensorflow-int8"

    def __init__(self, row, *, python, network, log) -> None:
        if row.key == self.away:
            raise peers_crew.Absent("ImportError: no openvino")
        sha256 = peers_crew.checkout_sha256()
        self.row, self.began = row, 0.0
        self.facts = {"runtime": row.key, "source_sha256": sha256}

    def ask(self, word: str, path: Path | str = "") -> dict:
        key = self.row.key
        if word == "check":
            return {"logits": [-7.0 if key == self.odd else 1.0] * len(np.load(path))}
        if word == "memory":
            return {"peak_mib": 100.0}
        film = Path(path).stem
        if key == self.dies and film == "IMG1":
            raise peers_crew.Absent("killed")
        self.asked.append((film, key))
        refused = self.row.ours and film == "refused11"
        s = 1.0 if self.row.ours else 2.0
        return {"s": s, "cpu_s": s / 2, "answer": "refused" if refused else "fracture"}

    def stop(self) -> None:
        pass


@pytest.fixture(name="report")
def _report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Return the report of a run over three films, one of which ours refuses."""
    monkeypatch.setattr(peers_comparison, "Worker", Scripted)
    monkeypatch.setattr(peers_comparison, "installed", lambda *_, **__: {"mib": 300.0})
    reasons = {"keras": "no TensorFlow"}
    monkeypatch.setattr(peers_comparison, "make_networks", lambda *_, **__: reasons)
    monkeypatch.setattr(Scripted, "asked", [])
    films = {"fullsize": ["IMG1"], "small": ["a11", "refused11"]}
    paths = {name: [tmp_path / f"{each}.jpg" for each in of_set] for name, of_set in films.items()}
    for path in itertools.chain(*paths.values()):
        path.write_bytes(jpeg_file(gray_film(300, 200)))
    run = peers_comparison.Comparison(tmp_path, {}, tmp_path)
    return json.loads(json.dumps(run.report(paths, rounds=2, starts=1, note="preliminary")))


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


def test_a_run_says_how_many_times_ours_each_takes(report: dict) -> None:
    by_key = {row["key"]: row for row in report["rows"]}
    assert by_key["litert-int8"]["times_ours"]["closer"]["small"]["p50"] == 2.0
    assert by_key["bonefx-int8-whole"]["times_ours"]["whole"]["fullsize"]["p50"] == 1.0
    assert by_key["litert-int8"]["ms"]["small"]["p50"] == 2000.0
    assert by_key["litert-int8-reduced"]["ms"].keys() == {"fullsize"}


def test_the_page_names_the_absent_the_bars_and_ours(report: dict) -> None:
    page = peers_report.markdown(report)
    assert "| OpenVINO, int8, careful | ImportError: no openvino |" in page
    assert "| **bonefx, int8, closer** | 1000.0 (1000.0) | 500.0 | 1.00 (1.00 to 1.00) |" in page
    assert "| not measured |" in page
    assert "**preliminary**" in page


def test_the_figure_is_drawn_where_a_peer_has_no_time_for_one_set(
    report: dict, tmp_path: Path
) -> None:
    peers_report.draw(report, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_other_code_than_this_checkout_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers_comparison, "Worker", Scripted)
    monkeypatch.setattr(peers_comparison, "make_networks", lambda *_, **__: {})
    monkeypatch.setattr(peers_comparison, "checkout_sha256", lambda: "other")
    with pytest.raises(SystemExit, match="other code than this checkout"):
        peers_comparison.Comparison(tmp_path, {}, tmp_path).report({}, rounds=1, starts=1, note="")


def test_networks_of_other_files_lie_elsewhere(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    place_of = peers_networks.place_of
    assert place_of(tmp_path, one, two) == place_of(tmp_path, one, two)
    assert place_of(tmp_path, one) != place_of(tmp_path, two)
