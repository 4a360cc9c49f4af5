"""From a film to its report in the archive, while service and archive end again and again.

The archive is Orthanc. Short by itself; `make chaos-dicom` runs 50 kills.
"""

import io
import os
import random
import shlex
import sys
import time
from collections import Counter
from itertools import cycle

import pydicom
import pytest
from dicom_node import PROGRAM, Listener
from orthanc import Orthanc
from study_films import KINDS_OF_FILM, NAMES, film_file
from toy import film
from watch_service import Watcher, current, undelivered, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.any_runtime]

LONG = os.environ.get("BONEFX_CHAOS") == "long"
FILMS, KILLS, REPLACED = (100, 50, 25) if LONG else (10, 4, 3)


def receiver(folder, out, archive, *kinds: str) -> list[str]:
    """Return the options of a service that sends its results to an archive."""
    words = [*PROGRAM, "send", str(out), "--films", str(folder), "--to", archive.name, *kinds]
    return ["--on-result", shlex.join(words)]


def a_film(number: int) -> bytes:
    """Return a film with a study; each number is a film of its own."""
    return film_file(film(60 + number % 100), SOPInstanceUID=uid_of(number))


def uid_of(number: int) -> str:
    return f"1.2.826.0.1.3680043.8.498.7.{number}"


@pytest.fixture(name="archive")
def _archive(tmp_path):
    with Orthanc(tmp_path / "archive") as archive:
        yield archive


@pytest.mark.timeout(1800 if LONG else 300)
def test_each_result_is_stored_exactly_once_although_service_and_archive_end(folder, out, archive):
    """Film N is replaced by film FILMS + N under the same file name, for the first REPLACED."""
    rng = random.Random(5)
    options = receiver(folder, out, archive, "--dicom-object", "sr")
    for number in range(FILMS):
        (folder / f"{number}.dcm").write_bytes(a_film(number))
    replaced = 0
    for number in range(KILLS):
        if number % 4 == 1:
            archive.stop()
        seen = len(archive.stores())
        with Watcher(folder, out, *options):
            if number % 4 != 1:  # so that the kill comes amid sending
                wait_until(lambda seen=seen: len(archive.stores()) > seen, what="a report comes")
            time.sleep(rng.uniform(0.0, 2.0))
            if number % 2 and replaced < REPLACED:
                (folder / f"{replaced}.dcm").write_bytes(a_film(FILMS + replaced))
                replaced += 1
                time.sleep(rng.uniform(0.0, 2.0))
        if number % 4 == 1:
            archive.start()
    for number in range(replaced, REPLACED):
        (folder / f"{number}.dcm").write_bytes(a_film(FILMS + number))
    with Watcher(folder, out, *options):
        wait_until(lambda: len(current(out)) == FILMS, what="all classified", timeout_s=600)
        wait_until(lambda: not undelivered(out), what="all delivered", timeout_s=600)
    assert not (out / "dicom-not-sent.jsonl").exists()
    check_stores(archive)


def check_stores(archive) -> None:
    """Each current result is one object; after it, nothing about the content that it replaced."""
    stores = archive.stores()
    films = [film_uid for _, film_uid in stores]
    reports = Counter(film_uid for _, film_uid in set(stores))
    assert set(reports.values()) == {1}, "two reports of one film"
    standing = {uid_of(number) for number in range(REPLACED, FILMS + REPLACED)}
    older = {uid_of(number) for number in range(REPLACED)}
    assert standing <= set(films) <= standing | older
    assert archive.count() == len(reports)
    for number in range(REPLACED):
        first = films.index(uid_of(FILMS + number))
        assert uid_of(number) not in films[first:], "a replaced content came later"
    sys.stdout.write(f"{len(stores)} stores of {len(reports)} reports\n")


def test_films_of_each_kind_and_character_set_have_report_and_picture_in_the_archive(
    folder, out, archive, tmp_path
):
    """Nine character sets, over the kinds of film that the listener takes."""
    kinds = cycle(KINDS_OF_FILM.values())
    films = [
        film_file(film(80 + n), charset=charset, name=name, **uids_of(n), **next(kinds))
        for n, (charset, name) in enumerate(NAMES.items())
    ]
    with (
        Watcher(folder, out, *receiver(folder, out, archive)),
        Listener(folder, "--secondary-capture") as listener,
    ):
        for number, data in enumerate(films):
            path = tmp_path / f"{number}.dcm"
            path.write_bytes(data)
            assert listener.send(path).returncode == 0
        wait_until(lambda: archive.count() == 2 * len(films), what="reports and pictures")
    assert {each["finding"]["reason"] for each in current(out).values()} == {None}
    found = [pydicom.dcmread(io.BytesIO(data)) for data in archive.files()]
    names = Counter(each.get_item("PatientName").value.rstrip(b" ") for each in found)
    assert names == dict.fromkeys(NAMES.values(), 2)
    for each in found:
        number = int(str(each.StudyInstanceUID).rpartition(".")[2])
        assert each.get_item("PatientName").value.rstrip(b" ") == list(NAMES.values())[number]
        assert each.Modality in ("SR", "OT")


def uids_of(number: int) -> dict[str, str]:
    """Return a study of its own."""
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    return {each: f"1.2.826.0.1.3680043.8.498.8.{n}.{number}" for n, each in enumerate(keywords)}
