"""Pictures beside the results; real processes."""

import os
import subprocess
import sys

import pytest
from bonefx_edge.watch.marked_folder import MARKER_NAME
from watch_service import current, film_bytes, run_once, sha256

pytestmark = pytest.mark.slow


def test_a_film_has_its_result_and_its_pictures_by_the_same_hash(folder, out):
    pictures = folder / "pictures"  # inside the watched folder: they are not classified
    film = film_bytes(1, side=300)
    (folder / "Doe^Jane.png").write_bytes(film)
    (folder / "no-film.png").write_bytes(b"text")
    done = run_once(folder, out, "--pictures", str(pictures))
    assert done.returncode == 3, done.stderr
    assert set(current(out)) == {sha256(film), sha256(b"text")}
    names = {path.name for path in pictures.iterdir()} - {MARKER_NAME}
    assert {f"{sha256(film)}-{kind}.jpg" for kind in ("thumb", "large")} <= names
    assert all(name.startswith(sha256(film)) for name in names)
    again = run_once(folder, out, "--pictures", str(pictures))
    assert len(current(out)) == 2, again.stderr
    program = "from bonefx_edge.cli.admin import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", program, "show", str(out), "Doe^Jane.png"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert f"{sha256(film)}-thumb.jpg" in shown


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a disk of its own")
def test_a_full_disk_for_pictures_costs_no_result(folder, out, small_disk):
    for number in range(5):
        (folder / f"{number}.png").write_bytes(film_bytes(number, side=300))
    done = run_once(folder, out, "--pictures", str(small_disk / "pictures"))
    assert done.returncode == 0, done.stderr
    assert len(current(out)) == 5
    assert "no pictures of a film (disk_low); its result is complete" in done.stderr
    assert not list((small_disk / "pictures").glob("*.jpg"))


def test_heatmap_with_watch_names_pictures(folder, out):
    done = run_once(folder, out, "--heatmap", str(out / "maps"))
    assert done.returncode == 2
    assert "--heatmap: does nothing with --watch; give --pictures DIR" in done.stderr
