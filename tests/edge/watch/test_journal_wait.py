"""At the start the service waits for a journal that was there, and creates none in its place."""

import threading

from bonefx_edge.watch.journal.connection import JOURNAL_NAME
from bonefx_edge.watch.journal_wait import CHECK_S, JournalWait
from bonefx_edge.watch.marked_folder import MarkedFolder, Marker, open_folder, write_marker
from bonefx_edge.watch.monitoring.systemd import Notifier


def wait_for(tmp_path) -> tuple[JournalWait, MarkedFolder]:
    """Return the wait for a journal that results of an earlier run are marked by."""
    results = MarkedFolder(tmp_path / "results", "results")
    results.path.mkdir()
    with open_folder(results.path, results.name) as descriptor:
        write_marker(descriptor, Marker("id", "j", str(tmp_path / "journal")))
    return JournalWait(tmp_path / "journal", [results], Notifier.from_environment({})), results


def test_a_journal_that_was_known_is_waited_for_although_the_results_go_away_too(tmp_path) -> None:
    """All disks are away for a moment: that is no first start."""
    wait, results = wait_for(tmp_path)
    assert wait.is_needed(once=False)
    results.path.rename(tmp_path / "unmounted")
    ends = iter([False, False, True])
    assert not wait.run(lambda: next(ends))
    assert not wait.is_first_start


def test_the_wait_ends_when_the_journal_is_back(tmp_path) -> None:
    wait, _ = wait_for(tmp_path)
    assert wait.is_needed(once=False)
    folder = tmp_path / "journal"
    folder.mkdir()
    threading.Timer(CHECK_S / 4, (folder / JOURNAL_NAME).touch).start()
    assert wait.run(lambda: False)
    assert not wait.is_first_start


def test_without_journal_and_markers_it_is_the_first_start(tmp_path) -> None:
    folder = MarkedFolder(tmp_path / "results", "results")
    wait = JournalWait(tmp_path / "journal", [folder], Notifier.from_environment({}))
    assert not wait.is_needed(once=False)
    assert wait.is_first_start
