"""A lost journal is made from the result files: all of it, or none."""

import json
import sqlite3

import pytest
from bonefx_edge.errors import JournalError, UsageError
from bonefx_edge.watch.journal import rebuild as module
from bonefx_edge.watch.journal.connection import JOURNAL_NAME
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.rebuild import rebuild
from bonefx_edge.watch.results import result_record
from marked import result_folder

SHA, OLD = "ab" * 32, "ef" * 32


@pytest.fixture(name="out")
def _out(tmp_path):
    """A folder with one result."""
    finding = {"sha256": SHA, "state": "uncertain", "reason": None, "p_fracture": 0.5}
    record = result_record(finding, received=1e9, classified_at=1e9 + 1, predictor="model")
    result_folder(tmp_path / "out").publish(SHA, record)
    return tmp_path / "out"


def is_absent(journal) -> bool:
    """Return whether there is no journal, nor a part of one."""
    return not journal.exists() or {path.name for path in journal.iterdir()} <= {"journal.lock"}


def test_a_rebuilt_journal_holds_the_results_and_nothing_is_left_beside_it(out, tmp_path):
    assert rebuild(out, tmp_path / "journal") == 1
    left = {path.name for path in (tmp_path / "journal").iterdir()}
    assert left == {JOURNAL_NAME, "journal.lock"}
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        assert journal._image(SHA)["state"] == "done"


def a_folder(path):
    path.mkdir()


def another_file(path):
    path.write_text("{}")


def half_a_result(path):
    record = json.loads((path.parent / f"{SHA}.json").read_text())
    path.write_text(json.dumps({"schema": record["schema"], "sha256": "cd" * 32}))


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (a_folder, r"Is a directory: .*odd\.json"),
        (another_file, r"odd\.json: not a result"),
        (half_a_result, "cdcd.*'finding'"),
    ],
)
def test_what_is_no_result_is_named_and_once_it_is_away_the_journal_is_made(
    out, tmp_path, spoil, cause
):
    spoil(out / "odd.json")
    with pytest.raises(JournalError, match=cause):
        rebuild(out, tmp_path / "journal")
    assert is_absent(tmp_path / "journal")
    (out / "odd.json").rename(tmp_path / "odd.json")
    assert rebuild(out, tmp_path / "journal") == 1


def test_a_disk_that_fails_leaves_no_journal(out, tmp_path, monkeypatch):
    def fail(*_args, **_more):
        raise sqlite3.OperationalError("scripted")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_insert", fail)
        with pytest.raises(sqlite3.OperationalError):
            rebuild(out, tmp_path / "journal")
    assert is_absent(tmp_path / "journal")
    assert rebuild(out, tmp_path / "journal") == 1


@pytest.mark.parametrize("name", [JOURNAL_NAME, f"{JOURNAL_NAME}-wal"])
def test_no_part_of_a_journal_is_written_over(out, tmp_path, name):
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / name).write_bytes(b"what was there")
    with pytest.raises(UsageError, match="move it away"):
        rebuild(out, tmp_path / "journal")
    assert {path.name for path in (tmp_path / "journal").iterdir()} == {name, "journal.lock"}


def test_while_a_service_runs_no_journal_is_made(out, tmp_path):
    with Journal.open(tmp_path / "journal", owner=True):
        (tmp_path / "journal" / JOURNAL_NAME).rename(tmp_path / "lost")
        for path in (tmp_path / "journal").glob(f"{JOURNAL_NAME}-*"):
            path.unlink()
        with pytest.raises(JournalError, match="in use"):
            rebuild(out, tmp_path / "journal")


def test_the_leftover_of_a_rebuild_that_was_killed_is_no_obstacle(out, tmp_path):
    (tmp_path / "journal" / module.BUILDING).mkdir(parents=True)
    (tmp_path / "journal" / module.BUILDING / JOURNAL_NAME).write_bytes(b"half")
    assert rebuild(out, tmp_path / "journal") == 1
    assert not (tmp_path / "journal" / module.BUILDING).exists()


def test_results_of_version_1_are_in_a_rebuilt_journal_in_version_2(out, tmp_path):
    finding = {
        "sha256": OLD, "state": "uncertain", "reason": None, "p_fracture": 0.5, "reading": "whole",
        "places": [], "timings_ms": {"gate": 1.0},
    }  # fmt: skip
    record = {
        "schema": "bonefx.result/1", "sha256": OLD, "received": "2026-05-01T10:00:00+00:00",
        "decided": "2026-05-01T10:00:01+00:00", "answered_by": "model", "finding": finding,
    }  # fmt: skip
    result_folder(out).publish(OLD, record)
    assert rebuild(out, tmp_path / "journal") == 2
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        row = journal._image(OLD)
    assert (row["state"], row["predictor"]) == ("done", "model")
    assert json.loads(row["record"])["schema"] == "bonefx.result/2"
