"""What the service promises of single films, poison, signals and models; real processes."""

import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from bonefx_edge.watch.workers.protocol import WorkerConfig
from toy import toy_path
from watch_service import (
    Watcher,
    check_exactly_one,
    children_of,
    command,
    current,
    decided,
    film_bytes,
    films,
    run_once,
    sha256,
    wait_until,
)

pytestmark = pytest.mark.slow


def slow_film() -> bytes:
    """Return a PNG of 81 megapixel in 100 kB: decoding it takes the better part of a second."""
    pixels = np.tile(np.arange(256, dtype=np.uint8), (9000, 36))
    return cv2.imencode(".png", pixels)[1].tobytes()


def run_with(folder: Path, out: Path, **options) -> subprocess.CompletedProcess[str]:
    """Run `--once` with limits of the worker that the command line does not offer."""
    program = (
        "import json, sys; from pathlib import Path;"
        "from bonefx_edge.watch.workers.protocol import WorkerConfig;"
        "from bonefx_edge.watch.app import watch;"
        "from bonefx_edge.watch.config import Poll, WatchOptions;"
        "from bonefx_edge.watch.logs import configure_logging;"
        "configure_logging();"
        "watch(WatchOptions(folder=Path(sys.argv[1]), out=Path(sys.argv[2]), journal=None,"
        " once=True, settle_s=0.1, poll=Poll.AUTO, workers=1, min_free_mib=1),"
        " WorkerConfig(**json.loads(sys.argv[3])))"
    )
    words = asdict(WorkerConfig(str(folder), str(toy_path("int8")), **options))
    return subprocess.run(
        [sys.executable, "-c", program, str(folder), str(out), json.dumps(words)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip


# ---- single films ----


def test_threads_that_are_chosen_by_measuring_answer_as_one_does(folder, out):
    (folder / "film.png").write_bytes(film_bytes(1))
    answers = []
    for place, words in ((out, ()), (out.with_name("auto"), ("--threads", "auto"))):
        assert run_once(folder, place, *words).returncode == 0
        (result,) = current(place).values()
        answers.append((result["finding"]["state"], result["finding"]["p_fracture"]))
    assert answers[0] == answers[1]


def test_a_truncated_upload_that_is_completed_later_ends_with_one_result_for_the_whole_film(
    folder, out
):
    data = film_bytes(1)
    path = folder / "film.png"
    path.write_bytes(data[: len(data) // 2])
    assert run_once(folder, out).returncode == 3
    (half,) = current(out).values()
    assert half["finding"]["reason"] == "truncated"
    path.write_bytes(data)
    assert run_once(folder, out).returncode == 0
    check_exactly_one(out, {path: data})
    assert [p.stem for p in (out / "superseded").iterdir()] == [half["sha256"]]


def test_a_half_film_is_not_refused_while_it_may_still_be_completed(folder, out):
    data = film_bytes(1)
    path = folder / "film.png"
    with Watcher(folder, out) as watcher:
        path.write_bytes(data[: len(data) // 2])
        journal = out / "journal/journal.sqlite"
        wait_until(
            lambda: journal.exists() and any(r["failure"] for r in films(out).values()),
            what="half a film noticed",
        )
        assert current(out) == {}
        path.write_bytes(data)
        wait_until(lambda: decided(out) == {sha256(data)}, what="whole film decided")
        assert watcher.stop() == 0
    check_exactly_one(out, {path: data})


def test_the_same_film_under_other_names_has_one_result_and_the_names_are_known(folder, out):
    for name in ("a.png", "b.png", "sub/c.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(film_bytes(1))
    run_once(folder, out)
    assert decided(out) == {sha256(film_bytes(1))}
    (row,) = exported(out)
    assert row["files"] == ["a.png", "b.png", "sub/c.png"]
    table = admin("export", str(out), "--csv").stdout
    (cells,) = csv.DictReader(io.StringIO(table.removeprefix("\ufeff")))
    assert table.startswith("\ufeffschema,")
    assert (cells["state"], json.loads(cells["files"])) == (row["finding"]["state"], row["files"])


def exported(out: Path) -> list[dict]:
    done = admin("export", str(out))
    return [json.loads(line) for line in done.stdout.splitlines()]


def admin(*words: str) -> subprocess.CompletedProcess[str]:
    program = "from bonefx_edge.cli.admin import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip


def test_a_film_under_an_old_name_after_the_first_was_taken_away_is_another_film(folder, out):
    path = folder / "IMG0001.png"
    with Watcher(folder, out) as watcher:
        path.write_bytes(film_bytes(1))
        wait_until(lambda: len(decided(out)) == 1, what="first film decided")
        path.unlink()
        path.write_bytes(film_bytes(2))
        wait_until(lambda: len(decided(out)) == 2, what="second film decided")
        assert watcher.stop() == 0
    assert not list((out / "superseded").iterdir())


def test_names_of_any_bytes_work_and_are_told_from_one_another(folder, out):
    names = [b"new\nline.png", b"caf\xe9.png", "café.png".encode(), b"tab\t.png", b" .png"]
    for number, name in enumerate(names):
        (folder / os.fsdecode(name)).write_bytes(film_bytes(number))
    done = run_once(folder, out)
    assert done.returncode == 0, done.stderr
    found = {os.fsencode(row["files"][0]): row["sha256"] for row in exported(out)}
    assert found == {name: sha256(film_bytes(n)) for n, name in enumerate(names)}


def test_what_is_no_film_is_passed_over_and_nothing_waits_for_a_pipe(folder, out, tmp_path):
    (folder / "film.png").write_bytes(film_bytes(1))
    (tmp_path / "elsewhere.png").write_bytes(film_bytes(2))
    (folder / "link.png").symlink_to(tmp_path / "elsewhere.png")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    for name in ("Thumbs.db", ".DS_Store", "._film.png", "film2.png.part", "film3.tmp"):
        (folder / name).write_bytes(film_bytes(3))
    (folder / "@eaDir").mkdir()
    (folder / "@eaDir/film.png").write_bytes(film_bytes(4))
    assert run_once(folder, out).returncode == 0
    assert decided(out) == {sha256(film_bytes(1))}


def test_no_name_and_no_path_of_a_film_is_in_the_log_or_in_a_name_of_a_result(folder, out):
    (folder / "Doe^Jane").mkdir()
    for name, data in (("Doe.png", film_bytes(1)), ("Doe2.png", b"no picture"), ("Doe3", b"")):
        (folder / "Doe^Jane" / name).write_bytes(data)
    done = run_once(folder, out)
    assert done.returncode == 3
    assert "Doe" not in done.stderr + done.stdout
    assert not [path for path in out.rglob("*") if "Doe" in path.name]


# ---- files that are poison ----


def test_a_film_that_takes_too_long_is_refused_and_the_others_are_not(folder, out):
    (folder / "slow.png").write_bytes(slow_film())
    for number in range(5):
        (folder / f"{number}.png").write_bytes(film_bytes(number))
    run_with(folder, out, time_limit_s=0.1)
    reasons = {result["finding"]["reason"] for result in current(out).values()}
    slow = current(out)[sha256(slow_film())]
    assert slow["finding"]["reason"] == "decoder_hung"
    assert reasons == {None, "decoder_hung"}
    assert len(current(out)) == 6


def test_a_film_that_ends_the_decoder_is_refused_and_the_others_are_not(folder, out):
    (folder / "poison.png").write_bytes(slow_film())
    with Watcher(folder, out) as watcher:
        journal = out / "journal/journal.sqlite"
        wait_until(
            lambda: journal.exists() and any(r["state"] == "claimed" for r in films(out).values()),
            what="poison claimed",
        )
        for number in range(5):
            (folder / f"{number}.png").write_bytes(film_bytes(number))
        (worker,) = children_of(watcher.process.pid)
        os.kill(worker, signal.SIGSEGV)
        wait_until(lambda: len(decided(out)) == 6, what="all decided")
        assert watcher.stop() == 0
    assert current(out)[sha256(slow_film())]["finding"]["reason"] == "decoder_crashed"


def loaded_bytes() -> int:
    """Return the addresses that a worker takes before its first film; the slow one is 81 MB."""
    program = (
        "import sys; from pathlib import Path; import bonefx_edge.watch.workers.main;"
        "from bonefx_edge.classifier import Classifier;"
        "Classifier.load(Path(sys.argv[1]));"
        "print(Path('/proc/self/statm').read_text().split()[0])"
    )
    words = [sys.executable, "-c", program, str(toy_path("int8"))]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout) * os.sysconf("SC_PAGE_SIZE")


def test_want_of_memory_is_not_held_against_a_film(folder, out):
    (folder / "large.png").write_bytes(slow_film())
    (folder / "small.png").write_bytes(film_bytes(1))
    run_with(folder, out, memory_limit_bytes=loaded_bytes() + (60 << 20))
    assert decided(out) == {sha256(film_bytes(1))}
    assert films(out)[sha256(slow_film())]["failure"] == "ENOMEM"
    with sqlite3.connect(out / "journal/journal.sqlite") as connection:  # not due on a busy machine
        connection.execute("UPDATE image SET retry_at = retry_at + 200 WHERE state = 'failed'")
    connection.close()
    assert run_once(folder, out).returncode == 3  # it waits for its retry: not classified
    wait = admin("requeue", str(out), "--failed").stdout
    assert "images to classify again: 1" in wait
    run_once(folder, out)
    assert sha256(slow_film()) in decided(out)


# ---- two services, signals, models ----


def test_a_second_service_on_one_journal_is_refused_in_words(folder, out):
    with Watcher(folder, out) as watcher:
        wait_until(lambda: (out / "journal/journal.sqlite").exists(), what="first service")
        second = run_once(folder, out)
        assert second.returncode == 5
        assert "in use by another edge-classify --watch" in second.stderr
        assert watcher.stop() == 0


def test_at_sigterm_the_film_in_hand_is_finished_or_handed_back(folder, out):
    for number in range(200):
        (folder / f"{number}.png").write_bytes(film_bytes(number))
    with Watcher(folder, out) as watcher:
        wait_until(lambda: len(decided(out)) > 10, what="some decided")
        (worker,) = children_of(watcher.process.pid)
        assert watcher.stop() == 0
    assert not [row for row in films(out).values() if row["state"] == "claimed"]
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), what="worker gone")
    run_once(folder, out)
    check_exactly_one(out, {folder / f"{n}.png": film_bytes(n) for n in range(200)})


def test_a_model_that_cannot_be_used_ends_the_service_in_words(folder, out):
    words = command(folder, out, "--once")
    words[words.index("--model") + 1] = __file__
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 4
    assert "error: " in done.stderr


def test_films_of_another_model_are_classified_again_and_keep_their_results_until_then(folder, out):
    (folder / "film.png").write_bytes(film_bytes(1))
    run_once(folder, out)
    before = current(out)
    changed = ("--model-changed", "--model", str(toy_path("float32")))
    assert "images to classify again: 1" in admin("requeue", str(out), *changed).stdout
    assert current(out) == before
    words = command(folder, out, "--once")
    words[words.index("--model") + 1] = str(toy_path("float32"))
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    (after,) = current(out).values()
    assert after["predictor"] != next(iter(before.values()))["predictor"]
    assert "images to classify again: 0" in admin("requeue", str(out), *changed).stdout


def test_a_lost_journal_is_rebuilt_from_the_results_and_nothing_is_classified_again(folder, out):
    for number in range(3):
        (folder / f"{number}.png").write_bytes(film_bytes(number))
    run_once(folder, out)
    (folder / "0.png").write_bytes(film_bytes(9))
    run_once(folder, out)
    before = current(out)
    shutil.rmtree(out / "journal")
    assert "3 current results" in admin("rebuild", str(out)).stdout
    run_once(folder, out)
    assert current(out) == before
    check_exactly_one(
        out, {folder / f"{n}.png": film_bytes(c) for n, c in ((0, 9), (1, 1), (2, 2))}
    )


def test_a_damaged_journal_is_not_used_and_the_way_out_is_said(folder, out):
    run_once(folder, out)
    journal = out / "journal/journal.sqlite"
    journal.write_bytes(b"SQLite format 3\0" + bytes(5000))
    done = run_once(folder, out)
    assert done.returncode == 5
    assert "edge-admin rebuild" in done.stderr


def test_what_may_not_be_read_is_counted_and_once_ends_with_3(folder, out):
    readable, forbidden = folder / "a.png", folder / "forbidden"
    readable.write_bytes(film_bytes(0))
    forbidden.mkdir()
    (forbidden / "b.png").write_bytes(film_bytes(1))
    (folder / "c.png").write_bytes(film_bytes(2))
    (folder / "c.png").chmod(0)
    forbidden.chmod(0)
    words = command(folder, out, "--once")
    if os.geteuid() == 0:  # root without the right to read everything
        words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *words]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        status = admin("status", str(out)).stdout
    finally:
        forbidden.chmod(0o700)
        (folder / "c.png").chmod(0o600)
    assert done.returncode == 3, done.stderr
    assert decided(out) == {sha256(film_bytes(0))}
    assert "unreadable     2 EACCES" in status
    assert run_once(folder, out).returncode == 0
    assert "unreadable     none" in admin("status", str(out)).stdout
