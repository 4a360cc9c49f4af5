"""For whom results are: names that people know, and a group that may read them."""

import grp
import os

import pytest
from bonefx_edge.cli.exit_codes import ExitCode
from bonefx_edge.errors import UsageError
from bonefx_edge.watch.config import Poll, WatchOptions, find_folders
from bonefx_edge.watch.marked_folder import MARKER_NAME
from watch_service import current, film_bytes, run_once, sha256

pytestmark = pytest.mark.slow
NO_GROUP = "no-such-group"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to a group")
def test_a_group_gets_results_by_name_and_pictures_and_not_the_journal(folder, out, tmp_path):
    pictures, group = tmp_path / "pictures", grp.getgrgid(12)
    film = film_bytes(1)
    (folder / "Müller hand.png").write_bytes(film)
    words = ("--result-names", "file", "--results-group", group.gr_name, "--pictures", pictures)
    ended = run_once(folder, out, *map(str, words))
    assert ended.returncode == ExitCode.OK, ended.stderr
    digits = sha256(film)
    assert set(current(out)) == {digits}
    shown = {path.name for path in (out / "by-name").iterdir()}
    assert shown == {f"Müller hand.png.{digits[:16]}.json"}
    assert "ller" not in ended.stderr
    shared = [out, *out.glob("*.json"), *(out / "by-name").rglob("*"), pictures]
    shared += [path for path in pictures.iterdir() if path.name != MARKER_NAME]
    assert len(shared) >= 6
    for path in shared:
        assert path.stat().st_gid == group.gr_gid
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640)
    for path in (out / "journal", *(out / "journal").iterdir()):
        assert path.stat().st_mode & 0o077 == 0


def test_by_default_names_stay_in_the_watched_folder(folder, out):
    (folder / "hand.png").write_bytes(film_bytes(1))
    assert run_once(folder, out).returncode == ExitCode.OK
    assert not [path for path in out.rglob("*") if "hand" in path.name]


def test_a_group_that_does_not_exist_is_refused_in_one_sentence(folder, out):
    ended = run_once(folder, out, "--results-group", NO_GROUP)
    assert ended.returncode == ExitCode.USAGE
    (line,) = ended.stderr.splitlines()
    assert line == (
        f"error: --results-group {NO_GROUP}: this device has no such group; create it with groupadd"
    )
    assert not out.exists()


def test_a_group_of_others_is_refused_before_anything_is_written(folder, out, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(os, "getegid", lambda: 65534)
    monkeypatch.setattr(os, "getgroups", lambda: [65534])
    options = WatchOptions(
        folder, out, None, once=True, settle_s=1.0, poll=Poll.AUTO, workers=1, min_free_mib=1,
        results_group=grp.getgrgid(12).gr_name,
    )  # fmt: skip
    with pytest.raises(UsageError, match="not a member of this group"):
        find_folders(options)
    monkeypatch.setattr(os, "getgroups", lambda: [12])
    assert find_folders(options).group == 12


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a disk of its own")
def test_pictures_are_not_written_below_a_mount_point(folder, out, disks):
    pictures = disks("pictures")
    words = ("--pictures", str(pictures.folder))
    (folder / "a.png").write_bytes(film_bytes(1))
    assert run_once(folder, out, *words).returncode == ExitCode.OK
    kept = set(pictures.server.iterdir())
    assert pictures.server / MARKER_NAME in kept
    assert len(kept) > 1
    pictures.unmount()
    (folder / "b.png").write_bytes(film_bytes(2))
    ended = run_once(folder, out, *words)
    assert ended.returncode == ExitCode.OK
    assert "no pictures of a film (folder_away)" in ended.stderr
    assert len(current(out)) == 2
    assert list(pictures.folder.iterdir()) == []
    pictures.mount()
    (folder / "c.png").write_bytes(film_bytes(3))
    assert run_once(folder, out, *words).returncode == ExitCode.OK
    assert set(pictures.server.iterdir()) > kept
