"""The doctor of a watched folder."""

import errno

from bonefx_edge.check import CheckStatus
from bonefx_edge.watch.intake import selftest
from bonefx_edge.watch.intake.selftest import check_watched_folder


def test_a_folder_on_a_disk_of_this_machine_hears_of_its_own_file(tmp_path) -> None:
    checks = {check.name: check for check in check_watched_folder(tmp_path, year=2026)}
    assert {name: check.status for name, check in checks.items()} == {
        "watched": CheckStatus.OK, "events": CheckStatus.OK, "clock": CheckStatus.OK,
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_no_file_can_be_made_is_reported() -> None:
    from pathlib import Path

    (_, events, _) = check_watched_folder(Path("/proc"), year=2026)
    assert events.status is CheckStatus.WARN
    assert "could not be tested" in events.found


def test_an_absent_folder_fails(tmp_path) -> None:
    (check,) = check_watched_folder(tmp_path / "absent", year=2026)
    assert check.status is CheckStatus.FAIL


def test_events_that_never_come_fail(tmp_path, monkeypatch) -> None:
    """The folder listened to is another one, as where a share hides the writer."""
    monkeypatch.setattr(selftest, "EVENT_TIMEOUT_S", 0.05)
    (tmp_path / "other").mkdir()
    real = selftest.InotifyWatcher.add
    monkeypatch.setattr(selftest.InotifyWatcher, "add", lambda self, _: real(self, b"other"))
    (_, events, _) = check_watched_folder(tmp_path, year=2026)
    assert events.status is CheckStatus.FAIL
    assert "--poll always" in events.remedy


def test_a_clock_that_was_never_set_is_reported(tmp_path) -> None:
    *_, clock = check_watched_folder(tmp_path, year=1970)
    assert clock.status is CheckStatus.WARN


def test_a_folder_that_the_system_does_not_describe_is_a_line(tmp_path):
    (check,) = check_watched_folder(tmp_path / ("x" * 300), year=2026)
    assert (check.status, "ENAMETOOLONG" in check.found) == (CheckStatus.FAIL, True)


def test_a_system_that_gives_no_events_is_a_line(tmp_path, monkeypatch):
    def refuse(_root):
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr(selftest, "InotifyWatcher", refuse)
    checks = {check.name: check for check in check_watched_folder(tmp_path, year=2026)}
    assert "EMFILE" in checks["events"].found
