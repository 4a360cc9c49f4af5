"""Result files: whole or not there at all."""

import errno
import json
import math
import os
import resource
from contextlib import contextmanager

import pytest
from bonefx_edge.watch.marked_folder import MARKER_NAME
from bonefx_edge.watch.result_upgrade import SCHEMA
from bonefx_edge.watch.results import SUPERSEDED_FOLDER, ResultFolder, result_record
from inotify_simple import INotify, flags
from marked import result_folder

SHA, OTHER = "a" * 64, "b" * 64


def record(sha256: str = SHA, **more) -> dict:
    finding = {"sha256": sha256, "answer": "no fracture", **more}
    return result_record(
        finding, received=1714557600.0, classified_at=1714557601.25, predictor="m1"
    )


@pytest.fixture(name="folder")
def _folder(tmp_path):
    return tmp_path / "results"


@pytest.fixture(name="results")
def _results(folder) -> ResultFolder:
    return result_folder(folder)


@contextmanager
def small_disk():
    """No file grows beyond 4 KiB; for as short as can be: pytest's own log is a file too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(folder) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MARKER_NAME)
    return sorted(str(path.relative_to(folder)) for path in files)


def test_a_result_says_what_was_found_when_and_by_what() -> None:
    assert record() == {
        "schema": "bonefx.result/2",
        "sha256": SHA,
        "received": "2024-05-01T10:00:00.000+00:00",
        "classified_at": "2024-05-01T10:00:01.250+00:00",
        "predictor": "m1",
        "finding": {"sha256": SHA, "answer": "no fracture"},
    }


def test_a_result_is_published_under_the_hash_of_its_film_and_nothing_else_is_left(
    folder, results
) -> None:
    results.publish(SHA, record())
    assert names(folder) == [f"{SHA}.json"]
    text = (folder / f"{SHA}.json").read_text("ascii")
    assert json.loads(text) == record()
    assert text.endswith("}\n")


def test_the_folders_are_made_and_what_is_in_them_is_kept(tmp_path) -> None:
    folder = tmp_path / "not" / "yet"
    result_folder(folder).publish(SHA, record())
    results = result_folder(folder)
    assert (folder / SUPERSEDED_FOLDER).is_dir()
    assert list(results.read_all()) == [record()]


def test_the_name_of_a_result_comes_at_once_and_is_never_written_to(folder, results) -> None:
    with INotify(nonblocking=True) as kernel:
        kernel.add_watch(bytes(folder), flags.CREATE | flags.MODIFY | flags.MOVED_TO | flags.DELETE)
        results.publish(SHA, record())
        results.publish(SHA, record(answer="fracture"))
        told = [event.mask for event in kernel.read(timeout=0) if event.name == f"{SHA}.json"]
    assert told == [flags.MOVED_TO, flags.MOVED_TO]


def test_a_new_result_replaces_the_old_one_and_who_reads_the_old_one_reads_it_whole(
    folder, results
) -> None:
    results.publish(SHA, record(note="old" * 10_000))
    results.publish(OTHER, record(OTHER))
    with (folder / f"{SHA}.json").open(encoding="ascii") as reader:
        begun = reader.read(10)
        results.publish(SHA, record(answer="fracture"))
        assert json.loads(begun + reader.read()) == record(note="old" * 10_000)
    assert json.loads((folder / f"{SHA}.json").read_text("ascii")) == record(answer="fracture")
    assert names(folder) == [f"{SHA}.json", f"{OTHER}.json"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_result_is_for_its_owner_only_whatever_the_umask(folder, results, umask) -> None:
    before = os.umask(umask)
    try:
        results.publish(SHA, record())
        results.publish(SHA, record(answer="fracture"))
    finally:
        os.umask(before)
    assert (folder / f"{SHA}.json").stat().st_mode & 0o777 == 0o600


def test_any_text_in_a_result_comes_back_as_it_was(results) -> None:
    text = "Röntgen \N{BONE} \n \x00 \udcff"  # the last: a byte of a name that is not UTF-8
    results.publish(SHA, record(note=text))
    assert next(results.read_all())["finding"]["note"] == text


def test_a_disk_that_fills_up_leaves_the_old_result_and_the_sweep_clears_up(
    folder, results
) -> None:
    results.publish(SHA, record())
    with pytest.raises(OSError, match="too large") as caught, small_disk():
        results.publish(SHA, record(note="x" * 10_000))
    assert caught.value.errno == errno.EFBIG
    assert list(results.read_all()) == [record()]
    assert len(names(folder)) == 2
    results.sweep()
    assert names(folder) == [f"{SHA}.json"]


def test_a_number_that_is_none_in_json_is_refused_and_nothing_is_touched(folder, results) -> None:
    results.publish(SHA, record())
    for number in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON compliant"):
            results.publish(SHA, record(number=number))
    assert names(folder) == [f"{SHA}.json"]
    assert list(results.read_all()) == [record()]


def test_what_a_kill_left_is_written_over_by_the_next_try(folder, results) -> None:
    results.publish(SHA, record())
    (left,) = folder.glob("*.json")
    partial = folder / f".partial-{SHA}"
    left.rename(partial)
    with partial.open("ab") as stream:
        stream.write(b"x" * 10_000)
    results.publish(SHA, record())
    assert names(folder) == [f"{SHA}.json"]
    assert list(results.read_all()) == [record()]


def test_the_sweep_removes_partial_results_and_nothing_else(folder, results) -> None:
    results.publish(SHA, record())
    results.publish(OTHER, record(OTHER))
    results.retire(OTHER)
    for name in (f".partial-{SHA}", f".partial-{OTHER}", "partial-x.txt", "notes.txt"):
        (folder / name).write_bytes(b"{")
    results.sweep()
    results.sweep()
    assert names(folder) == sorted(
        [f"{SHA}.json", "notes.txt", "partial-x.txt", f"superseded/{OTHER}.json"]
    )


def test_a_superseded_result_is_moved_away_and_doing_it_again_does_no_harm(folder, results) -> None:
    results.publish(SHA, record())
    results.publish(OTHER, record(OTHER))
    for _ in range(2):
        results.retire(SHA)
        assert names(folder) == [f"{OTHER}.json", f"superseded/{SHA}.json"]
    assert list(results.read_all()) == [record(OTHER)]
    assert list(results.read_all(superseded=True)) == [record()]


def test_a_result_that_never_was_may_be_taken_away(folder, results) -> None:
    results.retire(SHA)
    assert names(folder) == []


def test_a_content_that_comes_back_and_goes_again_leaves_its_last_result(folder, results) -> None:
    for answer in ("fracture", "uncertain"):
        results.publish(SHA, record(answer=answer))
        results.retire(SHA)
    assert names(folder) == [f"superseded/{SHA}.json"]
    assert list(results.read_all(superseded=True)) == [record(answer="uncertain")]


def test_all_results_are_read_and_nothing_else(folder, results) -> None:
    assert list(results.read_all()) == list(results.read_all(superseded=True)) == []
    for sha256 in (SHA, OTHER):
        results.publish(sha256, record(sha256))
    (folder / f".partial-{SHA}").write_bytes(b"{")
    (folder / "notes.txt").write_bytes(b"no result")
    assert sorted(found["sha256"] for found in results.read_all()) == [SHA, OTHER]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "null",
        '"x"',
        '{"schema": "bonefx.result/3"}',
        '{"schema": null}',
        f'["{SCHEMA}"]',
    ],
)
def test_a_foreign_json_among_the_results_is_refused_by_name(folder, results, text) -> None:
    (folder / "foreign.json").write_text(text, "ascii")
    with pytest.raises(ValueError, match=r"foreign\.json: not a result of schema bonefx"):
        list(results.read_all())


@pytest.mark.parametrize("content", [b"", b'{"schema": ', b"\x89PNG", b'{"schema": "\xff"}'])
def test_a_damaged_file_among_the_results_is_refused(folder, results, content) -> None:
    results.publish(SHA, record())
    (folder / f"{SHA}.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        list(results.read_all())


def test_a_result_that_cannot_be_read_is_an_error(folder, results) -> None:
    (folder / "folder.json").mkdir()
    with pytest.raises(IsADirectoryError):
        list(results.read_all())


@pytest.mark.parametrize(
    ("folder_mode", "umask", "file_mode", "superseded_mode"),
    [
        (0o750, 0o027, 0o640, 0o750),
        (0o755, 0o000, 0o640, 0o750),
        (0o750, 0o077, 0o600, 0o700),
        (0o710, 0o027, 0o600, 0o700),
    ],
)
def test_the_group_may_read_results_where_it_may_read_their_folder_and_others_never(
    folder, folder_mode, umask, file_mode, superseded_mode
) -> None:
    folder.mkdir()
    folder.chmod(folder_mode)
    before = os.umask(umask)
    try:
        result_folder(folder).publish(SHA, record())
    finally:
        os.umask(before)
    assert (folder / f"{SHA}.json").stat().st_mode & 0o777 == file_mode
    assert (folder / SUPERSEDED_FOLDER).stat().st_mode & 0o777 == superseded_mode


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to a group")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_group_that_is_asked_for_reads_everything_but_the_marker(folder, umask) -> None:
    before = os.umask(umask)
    try:
        marked = result_folder(folder).marked
        folder.chmod(0o700)
        results = ResultFolder(marked, group=12, by_name=True)
        results.sweep()
        for sha256 in (SHA, OTHER):
            results.publish(sha256, record(sha256, path="hand.png"))
        results.retire(OTHER)
    finally:
        os.umask(before)
    for path in (folder, *folder.rglob("*")):
        status = path.stat()
        mode = 0o600 if path.name == MARKER_NAME else 0o750 if path.is_dir() else 0o640
        group = 0 if path.name == MARKER_NAME else 12
        assert (path.name, status.st_gid, status.st_mode & 0o777) == (path.name, group, mode)


def old_record(sha256: str = SHA) -> dict:
    """Return a result as bonefx 0.4 wrote it."""
    finding = {
        "schema": "bonefx.finding/1", "sha256": sha256, "reading": "closer", "places": [1],
        "timings_ms": {"gate": 0.5, "total": 70.0}, "p_fracture": 0.25,
        "state": "fracture", "class_index": 1,
    }  # fmt: skip
    return {
        "schema": "bonefx.result/1", "sha256": sha256, "received": "2026-05-01T10:00:00.000+00:00",
        "decided": "2026-05-01T10:00:01.250+00:00", "answered_by": "m closer", "finding": finding,
    }  # fmt: skip


def test_a_result_of_version_1_is_read_in_version_2_and_its_file_stays_as_it_is(
    folder, results
) -> None:
    results.publish(SHA, old_record())
    before = (folder / f"{SHA}.json").read_bytes()
    (found,) = result_folder(folder).read_all()
    assert found["schema"] == "bonefx.result/2"
    assert (found["classified_at"], found["predictor"]) == (old_record()["decided"], "m closer")
    assert found["finding"] == {
        "schema": "bonefx.finding/2", "sha256": SHA, "mode": "tiled", "regions": [1],
        "timings_ms": {"input_check": 0.5, "total": 70.0}, "p_fracture": 0.25,
        "state": "fracture", "class_index": 0,
        "original_class": None, "no_fracture_below": None, "fracture_from": None,
        "score": None, "site_profile": None, "accepted": [], "caution": None,
        "body_part": None,
    }  # fmt: skip
    assert (folder / f"{SHA}.json").read_bytes() == before


def test_a_result_of_version_1_that_is_incomplete_is_refused_by_name(folder, results) -> None:
    record = old_record()
    del record["finding"]["reading"]
    results.publish(SHA, record)
    with pytest.raises(ValueError, match=rf"{SHA}\.json: the result is incomplete"):
        list(results.read_all())


def test_the_folder_of_superseded_results_may_be_deleted_while_the_service_runs(results, folder):
    results.publish(SHA, record())
    (folder / SUPERSEDED_FOLDER).rmdir()
    results.retire(SHA)
    assert names(folder) == [f"{SUPERSEDED_FOLDER}/{SHA}.json"]
