"""A folder is the one that was marked, or nothing is written to it."""

import errno
import logging
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from bonefx_edge.errors import JournalError
from bonefx_edge.watch import folder_claims
from bonefx_edge.watch.folder_claims import RESULTS, claim, find_journal
from bonefx_edge.watch.journal.admin import JournalAdmin
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.rebuild import rebuild
from bonefx_edge.watch.marked_folder import (
    MARKER_NAME,
    WARNING_INTERVAL_S,
    AwayLog,
    FolderAwayError,
    MarkedFolder,
    open_folder,
    read_marker,
    write_marker,
)
from marked import marked, result_folder

RECORD = {"schema": "bonefx.result/2", "sha256": "a" * 64, "finding": {"reason": None}}


@pytest.fixture(name="journal")
def _journal(tmp_path):
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        yield journal


def claimed(journal: Journal, path: Path, name: str = RESULTS) -> MarkedFolder:
    folder = MarkedFolder(path, name)
    claim(journal.connection, folder, journal=journal.folder)
    return folder


def test_a_folder_without_its_marker_or_with_another_one_is_away(tmp_path):
    folder = marked(tmp_path / "a")
    folder.check()
    with open_folder(marked(tmp_path / "b").path, "b") as other:
        marker = read_marker(other, "b")
    with open_folder(folder.path, "a") as descriptor:
        write_marker(descriptor, marker)
    with pytest.raises(FolderAwayError, match="marker of another folder"):
        folder.check()
    (folder.path / MARKER_NAME).unlink()
    with pytest.raises(FolderAwayError, match="no marker"):
        folder.check()
    assert folder.away == "no marker"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"folder": 1}'])
def test_a_damaged_marker_is_no_marker_of_this_folder(tmp_path, content):
    folder = marked(tmp_path / "a")
    (folder.path / MARKER_NAME).write_bytes(content)
    with pytest.raises(FolderAwayError):
        folder.check()


def test_nothing_is_written_to_a_folder_that_is_away(tmp_path):
    results = result_folder(tmp_path / "out")
    (tmp_path / "out" / MARKER_NAME).rename(tmp_path / "marker")
    for write in (
        lambda: results.publish("a" * 64, RECORD),
        lambda: results.retire("a" * 64),
        results.sweep,
    ):
        with pytest.raises(FolderAwayError):
            write()
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["superseded"]


def test_what_is_opened_stays_the_folder_that_was_checked(tmp_path):
    """An unmount between check and write: the path then means another folder."""
    folder = marked(tmp_path / "out")
    with folder.opened() as descriptor:
        folder.path.rename(tmp_path / "away")
        folder.path.mkdir()
        os.close(os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    assert (tmp_path / "away/x").exists()
    assert list(folder.path.iterdir()) == []


def test_no_descriptor_stays_open(tmp_path):
    folder, before = marked(tmp_path / "out"), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        folder.check()
    (folder.path / MARKER_NAME).unlink()
    with pytest.raises(FolderAwayError):
        folder.check()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_is_marked_once_and_known_ever_after(tmp_path, journal):
    first = claimed(journal, tmp_path / "out")
    assert claimed(journal, tmp_path / "out").marker == first.marker
    (tmp_path / "out" / MARKER_NAME).unlink()
    again = claimed(journal, tmp_path / "out")
    assert again.marker == first.marker
    with pytest.raises(FolderAwayError):
        again.check()


def test_a_kill_between_marker_and_journal_marks_it_once(tmp_path, journal):
    first = claimed(journal, tmp_path / "out")
    journal.connection.execute("DELETE FROM meta WHERE name LIKE 'folder of %'")
    assert claimed(journal, tmp_path / "out").marker == first.marker


def test_a_folder_of_another_journal_is_refused_and_not_changed(tmp_path, journal):
    claimed(journal, tmp_path / "out")
    before = (tmp_path / "out" / MARKER_NAME).read_bytes()
    with (
        Journal.open(tmp_path / "other", owner=True) as other,
        pytest.raises(JournalError, match=str(tmp_path / "journal")),
    ):
        claimed(other, tmp_path / "out")
    assert (tmp_path / "out" / MARKER_NAME).read_bytes() == before


def test_another_path_of_the_command_line_is_marked_anew(tmp_path, journal):
    first, second = claimed(journal, tmp_path / "a"), claimed(journal, tmp_path / "b")
    assert first.marker != second.marker
    second.check()


def test_one_folder_for_two_purposes_has_one_marker(tmp_path, journal):
    (tmp_path / "archive").mkdir()
    done = claimed(journal, tmp_path / "archive", "archive done")
    refused = claimed(journal, tmp_path / "archive", "archive refused")
    done.check()
    refused.check()


def test_an_archive_is_not_made(tmp_path, journal):
    with pytest.raises(FolderAwayError, match="ENOENT"):
        claimed(journal, tmp_path / "absent", "archive done")
    assert not (tmp_path / "absent").exists()


def test_a_disk_of_fstab_that_is_not_mounted_is_not_marked(tmp_path, journal, monkeypatch):
    table = tmp_path / "fstab"
    table.write_text(
        f"# /dev/sda {tmp_path} ext4\nUUID=1 none swap\n/dev/sdb {tmp_path}/my\\040stick ext4\n"
    )
    monkeypatch.setattr(folder_claims, "_FSTAB", table)
    claimed(journal, tmp_path / "out")
    (tmp_path / "my stick/archive").mkdir(parents=True)
    with pytest.raises(FolderAwayError, match="fstab"):
        claimed(journal, tmp_path / "my stick/archive", "archive done")
    with pytest.raises(FolderAwayError, match="fstab"):
        find_journal(tmp_path / "my stick/journal", [])
    monkeypatch.setattr(os.path, "ismount", lambda _path: True)
    claimed(journal, tmp_path / "my stick/archive", "archive done").check()


def test_a_journal_that_was_moved_is_named_by_the_markers(tmp_path, journal):
    claimed(journal, tmp_path / "out")
    folder = MarkedFolder(tmp_path / "out", RESULTS)
    claim(journal.connection, folder, journal=tmp_path / "moved")
    folder.check()
    with pytest.raises(FolderAwayError):
        find_journal(tmp_path / "moved", [folder])
    with pytest.raises(JournalError, match="moved"):
        find_journal(tmp_path / "third", [folder])


def test_an_archive_can_be_shared_by_services(tmp_path, journal):
    (tmp_path / "archive").mkdir()
    first = claimed(journal, tmp_path / "archive", "archive done")
    before = (first.path / MARKER_NAME).read_bytes()
    assert not find_journal(tmp_path / "other", [MarkedFolder(first.path, first.name)])
    with Journal.open(tmp_path / "other", owner=True) as other:
        for _ in range(2):
            assert claimed(other, first.path, first.name).marker == first.marker
    assert (first.path / MARKER_NAME).read_bytes() == before


def test_a_journal_rebuilt_without_a_marker_gets_its_archive_back(tmp_path):
    (tmp_path / "archive").mkdir()
    with Journal.open(tmp_path / "journal", owner=True) as lost:
        claimed(lost, tmp_path / "out")
        marker = claimed(lost, tmp_path / "archive", "archive done").marker
    shutil.rmtree(tmp_path / "journal")
    (tmp_path / "out" / MARKER_NAME).unlink()
    rebuild(tmp_path / "out", tmp_path / "journal")
    with Journal.open(tmp_path / "journal", owner=True) as journal:
        claimed(journal, tmp_path / "out").check()
        assert claimed(journal, tmp_path / "archive", "archive done").marker == marker


def test_a_disk_of_another_journal_is_used_for_results_after_it_was_adopted(tmp_path, journal):
    claimed(journal, tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    with Journal.open(tmp_path / "other", owner=True) as other:
        theirs = claimed(other, tmp_path / "out")
    with pytest.raises(FolderAwayError):
        claimed(journal, tmp_path / "out").check()
    admin = JournalAdmin.open(tmp_path / "journal")
    admin.adopt_folders()
    admin.close()
    claimed(journal, tmp_path / "out").check()
    with pytest.raises(FolderAwayError):
        theirs.check()


def test_a_marker_that_cannot_be_read_is_not_taken_for_none(tmp_path, journal):
    folder = claimed(journal, tmp_path / "out")
    (folder.path / MARKER_NAME).write_text("{}")
    with pytest.raises(FolderAwayError, match="damaged: remove it, run edge-admin adopt-folders"):
        find_journal(tmp_path / "new", [folder])
    (folder.path / MARKER_NAME).unlink()
    (folder.path / MARKER_NAME).mkdir()
    with pytest.raises(FolderAwayError, match="EISDIR"):
        find_journal(tmp_path / "new", [folder])


def test_a_marker_made_by_root_belongs_to_the_owner_of_the_folder(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    (tmp_path / "out").mkdir()
    os.chown(tmp_path / "out", 12345, 12346)
    status = (marked(tmp_path / "out").path / MARKER_NAME).stat()
    assert (status.st_uid, status.st_gid) == (12345, 12346)


def test_adopted_folders_are_marked_at_the_next_start(tmp_path, journal):
    claimed(journal, tmp_path / "out")
    (tmp_path / "out" / MARKER_NAME).unlink()
    admin = JournalAdmin.open(tmp_path / "journal")
    assert admin.folders() == {RESULTS: "away (no marker)"}
    assert admin.adopt_folders() == 1
    admin.close()
    claimed(journal, tmp_path / "out").check()


def test_a_rebuilt_journal_has_the_folders_of_the_lost_one(tmp_path):
    with Journal.open(tmp_path / "lost", owner=True) as lost:
        folder = claimed(lost, tmp_path / "out")
    rebuild(tmp_path / "out", tmp_path / "new")
    with Journal.open(tmp_path / "new", owner=True) as journal:
        assert claimed(journal, tmp_path / "out").marker == folder.marker


def test_the_log_says_once_a_minute_what_is_away_and_once_that_it_is_back(caplog):
    caplog.set_level(logging.WARNING)
    now = [0.0]
    log = AwayLog(lambda: now[0])
    for now[0] in (0.0, 1.0, WARNING_INTERVAL_S - 1, WARNING_INTERVAL_S):
        log.report(FolderAwayError("results", "ENOENT"))
    log.clear()
    log.clear()
    said = [record.getMessage() for record in caplog.records]
    away = "the folder of the results is away (ENOENT): waiting for it, nothing is written there"
    assert said == [away, away, "the folder of the results is back"]


def test_a_folder_that_is_away_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="away") as caught:
        MarkedFolder(tmp_path / "absent", RESULTS, "1").check()
    assert caught.value.errno == errno.ENODEV


def test_a_link_into_a_disk_of_fstab_that_is_not_mounted_is_not_marked(
    tmp_path, journal, monkeypatch
) -> None:
    disk = tmp_path / "disk/results"
    disk.mkdir(parents=True)
    (tmp_path / "results").symlink_to(disk)
    table = tmp_path / "fstab"
    table.write_text(f"/dev/sdb {tmp_path}/disk ext4\n")
    monkeypatch.setattr(folder_claims, "_FSTAB", table)
    with pytest.raises(FolderAwayError, match="fstab"):
        claimed(journal, tmp_path / "results", "archive done")


def test_a_folder_that_does_not_answer_is_named_and_keeps_nobody_waiting(tmp_path, journal):
    """A pipe in the place of the marker stands for a share: opening it waits."""
    (tmp_path / "done").mkdir()
    claimed(journal, tmp_path / "out")
    claimed(journal, tmp_path / "done", "archive done")
    pipe = tmp_path / "done" / MARKER_NAME
    pipe.unlink()
    os.mkfifo(pipe)
    with closing(JournalAdmin.open(tmp_path / "journal")) as admin:
        found = admin.folders(timeout_s=0.3)
    assert found == {RESULTS: "in place", "archive done": "no answer within 0.3 s"}
    os.close(os.open(pipe, os.O_WRONLY))  # the thread that waits can end
