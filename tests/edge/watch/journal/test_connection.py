"""Several connections to one journal, in one process and in others."""

import sqlite3
import subprocess
import sys

import pytest
from bonefx_edge.watch.files import Signature
from bonefx_edge.watch.journal.admin import JournalAdmin
from bonefx_edge.watch.journal.connection import JOURNAL_NAME, connect, reopen
from bonefx_edge.watch.journal.journal import Journal

STATUS = (
    "import sys; from pathlib import Path;"
    "from bonefx_edge.watch.journal.admin import JournalAdmin;"
    "admin = JournalAdmin.open(Path(sys.argv[1])); print(admin.status(now=0.0).states['received']);"
    "admin.close()"
)


def received_elsewhere(folder):
    """Return what another process sees; when it closes, SQLite folds the log in if it may."""
    done = subprocess.run(
        [sys.executable, "-c", STATUS, str(folder)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.parametrize("second", [JournalAdmin.open, reopen])
def test_a_second_connection_takes_no_lock_from_the_first(tmp_path, second):
    """A file that is opened and closed loses all locks that its process has on it (POSIX)."""
    with Journal.open(tmp_path, owner=True) as journal:
        journal.set_meta("something", "so that there is a log")
        second(tmp_path).close()
        received_elsewhere(tmp_path)
        assert (tmp_path / f"{JOURNAL_NAME}-wal").exists(), "the log of a running service is gone"
        journal.files.receive(b"film", Signature(1, 1, 1), "a" * 64, now=0.0)
        assert received_elsewhere(tmp_path) == 1


def test_a_journal_that_went_with_its_disk_is_not_made_anew(tmp_path):
    with pytest.raises(FileNotFoundError):
        reopen(tmp_path / "journal")
    assert not (tmp_path / "journal").exists()


def test_a_journal_is_for_its_owner_only_from_the_beginning(tmp_path):
    connect(tmp_path, owner=True).close()
    assert (tmp_path / JOURNAL_NAME).stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(tmp_path / JOURNAL_NAME) as connection:
        assert connection.execute("SELECT count(*) FROM image").fetchone() == (0,)
    connection.close()
