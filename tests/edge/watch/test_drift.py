"""The charts of drift: bounded, kept by the journal, anew for another predictor."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from bonefx_edge.model.site_profile import Quantiles, ShareLimit
from bonefx_edge.watch.journal.drift import CAP, LIMIT, DriftWatch
from bonefx_edge.watch.monitoring.drift_log import count_film
from example_profile import write_profile
from hypothesis import given
from hypothesis import strategies as st
from toy import film
from watch_service import run_once

STEP = st.tuples(st.floats(-10, 10), st.floats(-10, 10))


def test_an_alarm_stays_until_the_films_are_as_before_for_long() -> None:
    drift = DriftWatch(None)
    said = [drift.add({"mean": (1.0, -3.0)}, "a") for _ in range(60)]
    assert [each for each in said if each] == [
        ["brightness is higher than when the model was commissioned"]
    ]
    assert drift.alarms == {"mean": "higher"}
    assert drift.levels["mean"] == 60 / LIMIT
    said = [drift.add({"mean": (-1.0, -1.0)}, "a") for _ in range(60)]
    assert said[-1] == ["brightness is as before"]
    assert drift.alarms == {}


@given(st.lists(st.dictionaries(st.sampled_from(["mean", "refused"]), STEP), max_size=80))
def test_the_state_is_bounded_and_survives_its_json_at_any_film(steps) -> None:
    whole, parts = DriftWatch(None), DriftWatch(None)
    for each in steps:
        said = whole.add(each, "a")
        parts = DriftWatch(parts.state())
        assert parts.add(each, "a") == said
        assert all(0.0 <= level <= CAP for level in whole.levels.values())
    assert parts.state() == whole.state()
    assert len(whole.state()) < 300
    assert whole.films == len(steps)


def test_another_predictor_begins_anew() -> None:
    drift = DriftWatch(None)
    for _ in range(60):
        drift.add({"mean": (1.0, 0.0)}, "a")
    assert drift.alarms
    drift.add({"mean": (1.0, 0.0)}, "b")
    assert (drift.films, drift.alarms) == (1, {})
    assert json.loads(drift.state())["predictor"] == "b"


def test_without_the_site_profile_an_alarm_ends() -> None:
    drift = DriftWatch(None)
    for _ in range(60):
        drift.add({"mean": (1.0, 0.0)}, "with profile")
    assert count_film(drift.state(), {}, "with profile") is None
    kept = count_film(drift.state(), {}, "without")
    assert kept is not None  # None: the journal keeps the old ones
    after = DriftWatch(kept)
    assert (after.films, after.alarms) == (0, {})
    assert count_film(kept, {}, "without") is None


def test_a_film_whose_result_could_not_be_recorded_counts_once() -> None:
    """The charts that the journal did not get are not counted on."""
    for _ in (1, 2):
        kept = count_film(None, {"mean": (1.0, 0.0)}, "a")
    assert DriftWatch(kept).films == 1


def test_a_journal_without_charts_has_none() -> None:
    for nothing in (None, ""):
        drift = DriftWatch(nothing)
        assert (drift.films, drift.alarms, drift.levels) == (0, {}, {})


@pytest.mark.slow
def test_the_service_says_that_films_changed_and_its_journal_keeps_it(tmp_path) -> None:
    quantiles = (
        Quantiles("mean", 60, (0.30, 0.38, 0.42)),
        Quantiles("std", 60, (0.05, 0.08, 0.11)),
    )
    profile = write_profile(
        tmp_path,
        reference=quantiles,
        shares=(ShareLimit("refused", 0.0, 0.06, 60),),
    )
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()

    def add(grays) -> subprocess.CompletedProcess[str]:
        for gray in grays:
            cv2.imwrite(str(folder / f"{gray}.png"), film(gray))
        return run_once(folder, out, "--site-profile", str(profile))

    def status() -> str:
        words = [str(Path(sys.executable).parent / "edge-admin"), "status", str(out)]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    done = add(range(90, 100))  # a mean of 0.35 to 0.39
    assert "films changed" not in done.stderr
    assert "drift          none; 10 films" in status()
    done = add(range(200, 225))
    assert "films changed: brightness is higher than when the model was commissioned" in done.stderr
    said = status()
    assert "drift          1 number changed, see below; 35 films" in said
    assert "brightness is higher" in said
    done = add(range(225, 226))  # another start: the alarm goes on, and is not said again
    assert "films changed" not in done.stderr
    assert "1 number changed, see below; 36 films" in status()


@pytest.mark.slow
def test_without_a_site_profile_nothing_is_watched(tmp_path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), film(100))
    run_once(folder, out)
    words = [str(Path(sys.executable).parent / "edge-admin"), "status", str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "drift" not in done.stdout
