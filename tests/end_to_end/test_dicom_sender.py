"""From a film to its report in the archive, while service and archive end again and again.

Short by itself, with dcmtk's storescp; `make chaos-dicom` runs 50 kills against Orthanc.
"""

import os
import random
import shlex
import shutil
import sqlite3
import time
from contextlib import ExitStack

import pytest
from dicom_node import PROGRAM, Archive, Listener
from orthanc import Orthanc
from study_films import film_file
from toy import film
from watch_service import Watcher, current, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]

LONG = os.environ.get("BONEFX_CHAOS") == "long"
FILMS, KILLS = (100, 50) if LONG else (10, 4)


def receiver(folder, out, archive, *kinds: str) -> list[str]:
    """Return the options of a service that sends its results to an archive."""
    words = [*PROGRAM, "send", str(out), "--films", str(folder), "--to", archive.name, *kinds]
    return ["--on-result", shlex.join(words), "--message-names"]


def undelivered(out) -> int:
    connection = sqlite3.connect(f"file:{out}/journal/journal.sqlite?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM outbox").fetchone()[0])
    finally:
        connection.close()


def a_film(number: int) -> bytes:
    """Return a film with a study; each number is a film of its own."""
    pixels = film(60 + number % 100)
    return film_file(pixels, SOPInstanceUID=f"1.2.826.0.1.3680043.8.498.7.{number}")


@pytest.fixture(name="archive")
def _archive(tmp_path):
    if LONG:
        assert shutil.which("Orthanc"), "needs Debian's package orthanc"
    with (Orthanc if LONG else Archive)(tmp_path / "archive") as archive:
        yield archive


@pytest.mark.timeout(1800 if LONG else 300)
def test_each_result_is_stored_exactly_once_although_service_and_archive_end(folder, out, archive):
    rng = random.Random(5)
    options = receiver(folder, out, archive, "--dicom-object", "sr")
    for number in range(FILMS):
        (folder / f"{number}.dcm").write_bytes(a_film(number))
    for number in range(KILLS):
        if number % 4 == 1:
            archive.stop()
        with Watcher(folder, out, *options):
            time.sleep(rng.uniform(0.5, 3.0))
        if number % 4 == 1:
            archive.start()
    replaced = folder / "0.dcm"
    replaced.write_bytes(a_film(FILMS))
    with Watcher(folder, out, *options):
        wait_until(lambda: len(current(out)) == FILMS, what="all classified", timeout_s=600)
        wait_until(lambda: not undelivered(out), what="all delivered", timeout_s=600)
    # The first content of the replaced film may have been sent before it was replaced.
    assert archive.count() in (FILMS, FILMS + 1)
    assert not (out / "dicom-not-sent.jsonl").exists()


def test_a_film_that_is_sent_has_report_and_picture_in_the_archive(folder, out, archive, tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(a_film(1))
    options = receiver(folder, out, archive)
    with ExitStack() as held:
        held.enter_context(Watcher(folder, out, *options))
        listener = held.enter_context(Listener(folder))
        assert listener.send(path).returncode == 0
        wait_until(lambda: archive.count() == 2, what="report and picture")
