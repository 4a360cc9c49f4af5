"""The journal is opened anew when no connection to the old file is left."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from bonefx_edge.errors import JournalError
from bonefx_edge.watch.journal.connection import JOURNAL_NAME, LOCK_NAME, is_locked
from bonefx_edge.watch.journal.journal import Journal
from bonefx_edge.watch.journal.schema import STEPS
from bonefx_edge.watch.marked_folder import FolderAwayError


@pytest.fixture(name="folder")
def _folder(tmp_path):
    return tmp_path / "journal"


@pytest.fixture(name="journal")
def _journal(folder):
    with Journal.open(folder, owner=True) as journal:
        yield journal


def test_while_it_is_shut_no_thread_gets_a_connection(journal):
    with journal.access.connect("intake") as connection:
        journal.access.shut()
        assert journal.access.users == ["intake"]
        assert connection.execute("SELECT count(*) FROM image").fetchone()[0] == 0
    assert journal.access.users == []
    with (
        pytest.raises(JournalError, match="until its disk is back"),
        journal.access.connect("intake"),
    ):
        pass
    journal.access.allow()
    with journal.access.connect("intake"):
        pass


def test_a_connection_that_fails_is_not_counted(folder, journal):
    folder.rename(folder.with_name("away"))
    with pytest.raises(FileNotFoundError), journal.access.connect("intake"):
        pass
    assert journal.access.users == []
    assert not folder.exists()


def test_a_journal_that_went_away_is_noticed_and_opened_where_it_is_again(folder, journal):
    journal.check_place()
    journal.set_meta("known", "1")
    folder.rename(folder.with_name("away"))
    with pytest.raises(FolderAwayError, match="ENOENT"):
        journal.check_place()
    with pytest.raises(FolderAwayError, match="ENOENT"):
        journal.reopen()
    assert not folder.exists()
    folder.with_name("away").rename(folder)
    journal.reopen()
    journal.check_place()
    assert journal.get_meta("known") == "1"
    assert journal.files.present_files(after=b"", limit=1) == []


def test_the_lock_is_held_on_the_device_that_was_put_back(folder, journal):
    journal.connection.close()
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    shutil.rmtree(folder)
    copy.rename(folder)
    assert not is_locked(folder / LOCK_NAME)
    journal.reopen()
    assert is_locked(folder / LOCK_NAME)


def test_another_journal_in_its_place_is_not_taken_for_it(tmp_path, folder, journal):
    folder.rename(folder.with_name("away"))
    with Journal.open(tmp_path / "other", owner=True):
        pass
    shutil.copytree(tmp_path / "other", folder)
    with pytest.raises(FolderAwayError, match="another file is there"):
        journal.check_place()
    with pytest.raises(FolderAwayError, match="another journal is there"):
        journal.reopen()


def older(folder):
    """Make another journal as bonefx 0.4 wrote it; return its bytes."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / JOURNAL_NAME)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL;" + STEPS[0] + STEPS[1])
        connection.execute("PRAGMA user_version = 2")
    return (folder / JOURNAL_NAME).read_bytes()


def test_another_journal_of_an_older_version_is_left_as_it_is(folder, journal):
    folder.rename(folder.with_name("away"))
    before = older(folder)
    with pytest.raises(FolderAwayError, match="another journal is there"):
        journal.reopen()
    assert (folder / JOURNAL_NAME).read_bytes() == before


def test_a_thread_gets_no_connection_to_another_journal(folder, journal):
    folder.rename(folder.with_name("away"))
    before = older(folder)
    with pytest.raises(JournalError, match="another journal"), journal.access.connect("intake"):
        pass
    assert (folder / JOURNAL_NAME).read_bytes() == before
    assert journal.access.users == []


def open_files() -> list[str]:
    return [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()]


@pytest.mark.parametrize("content", [b"no database" * 100, b""], ids=["damaged", "empty"])
def test_a_journal_whose_id_cannot_be_read_is_not_kept_open(folder, journal, content):
    folder.rename(folder.with_name("away"))
    folder.mkdir()
    (folder / JOURNAL_NAME).write_bytes(content)
    with pytest.raises((JournalError, FolderAwayError)):
        journal.reopen()
    assert not [name for name in open_files() if name.startswith(str(folder))]


def test_a_name_of_any_bytes_can_be_the_folder_of_a_journal(tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff\xe9 %41?#&")
    with Journal.open(folder, owner=True) as journal:
        journal.reopen()
    assert (folder / JOURNAL_NAME).is_file()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
