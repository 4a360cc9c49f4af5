"""Journals of older versions are migrated: images, results and undelivered messages are kept."""

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from bonefx_edge.errors import JournalError
from bonefx_edge.watch.delivery.relay import OutboxRelay
from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal.admin import JournalAdmin
from bonefx_edge.watch.journal.connection import JOURNAL_NAME, LOCK_NAME, lock
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.schema import STEPS, version_of
from bonefx_edge.watch.journal.states import Known

ROWS = (Path(__file__).parent / "journal_0_4.sql").read_text("utf-8")
CURRENT, OVERWRITTEN, TRUNCATED = "a96b0d99", "c4dc1580", "5f67881e"
NOW = 1_800_000_000.0


def write_old_journal(folder, version):
    """Write the journal that bonefx 0.4 (2) or 0.3 (1) left."""
    folder.mkdir(mode=0o700)
    with sqlite3.connect(folder / JOURNAL_NAME) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        written = min(version, 2)  # the rows are of 0.4; newer versions are migrated from there
        for step in STEPS[:written]:
            connection.executescript(step)
        rows = [line for line in ROWS.splitlines() if version > 1 or '"outbox"' not in line]
        connection.executescript("\n".join(rows))
        for step in STEPS[written:version]:
            connection.executescript(step)
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


@pytest.fixture(name="folder", params=[1, 2], ids=["version 1", "version 2"])
def _folder(tmp_path, request):
    write_old_journal(tmp_path / "journal", request.param)
    return tmp_path / "journal"


def short(states):
    return {sha256[:8]: state for sha256, state in states}


def test_all_images_of_an_old_journal_keep_their_results_and_none_is_claimed(folder):
    with Journal.open(folder, owner=True) as journal:
        rows = journal._connection.execute("SELECT sha256, state FROM image")
        assert short(rows) == {CURRENT: "done", OVERWRITTEN: "done", TRUNCATED: "refused"}
        assert journal.claim(now=NOW) is None
        assert journal.get_meta("folder") == "/incoming"
        signature = Signature(9000, 1795918181797588701, 1795918181797588701)
        assert journal.files.recognize(b"half.jpg", signature) is Known.YES
        retired = journal._connection.execute("SELECT sha256, state FROM image WHERE NOT published")
        assert short(retired) == {OVERWRITTEN: "done"}


def test_status_and_export_of_an_old_journal_are_those_of_a_new_one(folder):
    admin = JournalAdmin.open(folder)
    status = admin.status(now=NOW)
    exported = list(admin.export())
    admin.close()
    assert (status.states["done"], status.refusals) == (1, {"truncated": 1})
    assert list(status.predictors.values()) == [2]
    assert [names for _, names in exported] == [["half.jpg"], ["b4.jpg"]]
    refused, done = (record for record, _ in exported)
    for record in (refused, done):
        assert record["schema"] == "bonefx.result/2"
        assert record["finding"]["schema"] == "bonefx.finding/2"
        assert record["finding"]["mode"] == "tiled"
        assert record["predictor"].endswith("closer balanced"), "it is not that of a new model"
        assert not {"decided", "answered_by", "reading", "places"} & {*record, *record["finding"]}
    assert done["classified_at"] == "2026-11-29T02:09:44.403+00:00"
    assert done["finding"]["timings_ms"]["input_check"] == 0.779
    assert done["finding"]["original_class"] is None


def test_messages_that_were_not_delivered_before_the_update_are_delivered_as_they_were(tmp_path):
    write_old_journal(tmp_path / "journal", 2)
    delivered = []
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        relay = OutboxRelay(delivered.append, clock=lambda: NOW, wall=lambda: NOW, pause_s=0.0)
        while relay.run_once(journal._connection):
            pass
    bodies = [json.loads(body) for body in delivered]
    assert [body["schema"] for body in bodies] == ["bonefx.message/1"] * 2
    assert [body["sha256"][:8] for body in bodies] == [OVERWRITTEN, CURRENT]
    assert all(body["decided"] for body in bodies)


def statements(step):
    """Return the statements of a migration, each complete."""
    found, text = [], ""
    for line in step.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            found.append(text)
            text = ""
    return found


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
def test_a_kill_after_any_statement_of_a_migration_leaves_a_journal_that_opens(tmp_path, number):
    for n in range(len(statements(STEPS[number - 1])) + 1):
        place = tmp_path / f"kill-{n}"
        write_old_journal(place, number - 1) if number > 1 else place.mkdir()
        connection = sqlite3.connect(place / JOURNAL_NAME, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA cache_size = 1")  # changed pages are on disk before the commit
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements(STEPS[number - 1])[:n]:
            connection.execute(statement)
        shutil.copytree(place, tmp_path / "left", dirs_exist_ok=True)  # without COMMIT
        connection.close()
        with Journal.open(tmp_path / "left", owner=True) as journal:
            assert version_of(journal._connection) == len(STEPS)
            n_images = journal._connection.execute("SELECT count(*) FROM image").fetchone()[0]
            assert n_images == (3 if number > 1 else 0)
        shutil.rmtree(tmp_path / "left")


def test_edge_admin_does_not_migrate_the_journal_of_a_running_service(tmp_path):
    write_old_journal(tmp_path / "journal", 2)
    held = lock(tmp_path / "journal" / LOCK_NAME)
    with pytest.raises(JournalError, match="of an older bonefx; restart it"):
        JournalAdmin.open(tmp_path / "journal")
    with sqlite3.connect(tmp_path / "journal" / JOURNAL_NAME) as connection:
        assert version_of(connection) == 2
    connection.close()
    os.close(held)
    JournalAdmin.open(tmp_path / "journal").close()
