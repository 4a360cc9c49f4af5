"""The service moves originals where it is asked to, and loses none."""

import re
from contextlib import suppress

import cv2
import numpy as np
import pytest
from bonefx_edge.watch.marked_folder import MARKER_NAME
from image_files import dicom_file
from watch_service import (
    Watcher,
    check_exactly_one,
    decided,
    film_bytes,
    films,
    run_once,
    sha256,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]


def moved(folder):
    """Return the contents below a folder by the name without the digits of the hash."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != MARKER_NAME:
            # A file with its first name, of the marker or of a copy, has another one by now.
            with suppress(FileNotFoundError):
                name = re.sub(r"\.[0-9a-f]{16}", "", str(path.relative_to(folder)))
                found[name] = path.read_bytes()
    return found


@pytest.mark.parametrize("other_disk", [False, True])
def test_originals_go_where_they_were_asked_to(folder, out, tmp_path, small_disk, other_disk):
    target = (small_disk if other_disk else tmp_path) / "moved"
    for state in ("done", "refused"):
        (target / state).mkdir(parents=True)
    (folder / "day").mkdir()
    good = {"a.png": film_bytes(1), "day/b.png": film_bytes(2), "day/again.png": film_bytes(1)}
    for name, data in good.items():
        (folder / name).write_bytes(data)
    (folder / "note.png").write_bytes(b"this is no film")
    words = ("--move-done", str(target / "done"), "--move-refused", str(target / "refused"))
    assert run_once(folder, out, *words).returncode == 3
    assert moved(target / "done") == good
    assert moved(target / "refused") == {"note.png": b"this is no film"}
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert len(decided(out)) == 3
    assert run_once(folder, out, *words).returncode == 0
    assert len(decided(out)) == 3


def test_without_being_asked_no_original_moves(folder, out, tmp_path):
    (folder / "a.png").write_bytes(film_bytes(1))
    (folder / "note.png").write_bytes(b"this is no film")
    (tmp_path / "done").mkdir()
    run_once(folder, out, "--move-done", str(tmp_path / "done"))
    assert [path.name for path in folder.iterdir()] == ["note.png"]


def test_a_refused_half_film_stays_for_ten_minutes_for_it_may_be_completed(folder, out, tmp_path):
    path = folder / "film.png"
    path.write_bytes(film_bytes(1)[:500])
    (tmp_path / "refused").mkdir()
    words = ("--move-refused", str(tmp_path / "refused"))
    assert run_once(folder, out, *words).returncode == 3
    assert path.exists()
    path.write_bytes(film_bytes(1))
    run_once(folder, out, *words)
    check_exactly_one(out, {path: film_bytes(1)})


def test_films_of_one_name_that_come_one_after_another_are_all_kept(folder, out, tmp_path):
    done = tmp_path / "done"
    done.mkdir()
    path = folder / "IMG0001.png"
    with Watcher(folder, out, "--move-done", str(done), "--poll", "always") as watcher:
        for number in range(3):
            path.write_bytes(film_bytes(number))
            wait_until(lambda: not path.exists(), what="moved")
        assert watcher.stop() == 0
    contents = sorted(p.read_bytes() for p in done.glob("*.png"))
    assert contents == sorted(film_bytes(n) for n in range(3))
    assert decided(out) == {sha256(film_bytes(n)) for n in range(3)}


def test_films_that_are_moved_inside_of_the_watched_folder_are_not_taken_again(folder, out):
    (folder / "a.png").write_bytes(film_bytes(1))
    (folder / "done").mkdir()
    words = ("--move-done", str(folder / "done"))
    run_once(folder, out, *words)
    assert moved(folder / "done") == {"a.png": film_bytes(1)}
    run_once(folder, out, *words)
    assert [row["state"] for row in films(out).values()] == ["done"]
    assert moved(folder / "done") == {"a.png": film_bytes(1)}


def test_moves_survive_kills_and_no_film_is_lost_or_doubled(folder, out, small_disk):
    target = small_disk / "done"
    target.mkdir()
    contents = {}
    for wave in range(3):
        with Watcher(folder, out, "--move-done", str(target)) as watcher:
            for number in range(10):
                data = film_bytes(10 * wave + number)
                contents[sha256(data)] = data
                (folder / f"{wave} {number}.png").write_bytes(data)

            def few_left(most=0 if wave == 2 else 7):
                return len(list(folder.iterdir())) <= most

            wait_until(few_left, what="some moved")
            if wave == 2:
                assert watcher.stop() == 0
    assert {sha256(data) for data in moved(target).values()} == set(contents)
    assert len(list(target.glob("*.png"))) == 30
    assert decided(out) == set(contents)


def test_a_full_disk_to_move_to_keeps_originals_where_they_are(folder, out, small_disk):
    ballast = small_disk / "ballast"
    target = small_disk / "done"
    target.mkdir()
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))
    (folder / "a.png").write_bytes(film_bytes(1))
    done = run_once(folder, out, "--move-done", str(target))
    assert done.returncode == 0
    assert "archiving failed (ENOSPC)" in done.stderr
    assert (folder / "a.png").read_bytes() == film_bytes(1)
    ballast.unlink()
    run_once(folder, out, "--move-done", str(target))
    assert moved(target) == {"a.png": film_bytes(1)}


def test_a_folder_inside_of_the_watched_one_is_known_also_by_a_link_or_dots(folder, out, tmp_path):
    (folder / "done").mkdir()
    (folder / "a.png").write_bytes(film_bytes(1))
    (tmp_path / "link").symlink_to(folder)
    for place in (tmp_path / "link/done", folder / "../incoming/done"):
        for _ in range(2):
            run_once(folder, out, "--move-done", str(place))
        assert moved(folder / "done") == {"a.png": film_bytes(1)}


def test_a_folder_to_move_to_that_is_not_there_is_waited_for_and_not_made(folder, out, tmp_path):
    """It may be a disk that is not mounted."""
    (folder / "a.png").write_bytes(film_bytes(1))
    done = run_once(folder, out, "--move-done", str(tmp_path / "absent"))
    assert done.returncode == 0
    assert "the folder of the archive done is away (ENOENT)" in done.stderr
    assert not (tmp_path / "absent").exists()
    (tmp_path / "absent").mkdir()
    run_once(folder, out, "--move-done", str(tmp_path / "absent"))
    assert moved(tmp_path / "absent") == {"a.png": film_bytes(1)}


def test_a_file_that_cannot_be_moved_holds_up_no_other(folder, out, tmp_path):
    """A file lies where its sub-folder would go."""
    done = tmp_path / "done"
    done.mkdir()
    (done / "day").write_bytes(b"in the way")
    (folder / "day").mkdir()
    for number, name in enumerate(("day/a.png", "z.png")):
        (folder / name).write_bytes(film_bytes(number))
    told = run_once(folder, out, "--move-done", str(done))
    assert "archiving failed" in told.stderr
    assert (folder / "day/a.png").exists()
    assert not (folder / "z.png").exists()


@pytest.mark.parametrize("place", ["incoming", "results", "results/journal"])
def test_films_cannot_be_moved_among_films_results_or_the_journal(folder, out, tmp_path, place):
    done = run_once(folder, out, "--move-done", str(tmp_path / place))
    assert done.returncode == 2
    assert "files cannot be moved to" in done.stderr


@pytest.mark.parametrize("ending", [".bmp", ".png", ".tif", ".jpg", ".dcm"])
def test_half_a_film_whose_writer_pauses_is_neither_classified_nor_moved(
    folder, out, tmp_path, ending
):
    pixels = cv2.imdecode(np.frombuffer(film_bytes(1), np.uint8), cv2.IMREAD_GRAYSCALE)
    whole = dicom_file(pixels) if ending == ".dcm" else cv2.imencode(ending, pixels)[1].tobytes()
    targets = [tmp_path / "done", tmp_path / "refused"]
    for target in targets:
        target.mkdir()
    words = ("--move-done", str(targets[0]), "--move-refused", str(targets[1]))
    with Watcher(folder, out, *words) as watcher:
        with (folder / f"half{ending}").open("wb", buffering=0) as sender:
            sender.truncate(len(whole))
            sender.write(whole[: len(whole) // 2])
            (folder / "other.png").write_bytes(film_bytes(2))  # came later
            wait_until(lambda: "other.png" in moved(targets[0]), what="the other film moved")
            assert set(films(out)) == {sha256(film_bytes(2))}
            sender.write(whole[len(whole) // 2 :])
        wait_until(lambda: f"half{ending}" in moved(targets[0]), what="the whole film moved")
        assert watcher.stop() == 0
    assert moved(targets[0])[f"half{ending}"] == whole
    assert moved(targets[1]) == {}
    assert decided(out) == {sha256(film_bytes(2)), sha256(whole)}
