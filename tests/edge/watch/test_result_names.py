"""Results under the names of their films: the same content, never a stale one, any name."""

import os
from pathlib import Path

import pytest
from bonefx_edge.watch.result_names import NAMES_FOLDER, result_name
from bonefx_edge.watch.results import ResultFolder, result_record
from hypothesis import given, settings
from hypothesis import strategies as st
from marked import marked, result_folder

SHA, OTHER = "a" * 64, "b" * 64


def record(path: str, sha256: str = SHA, **more) -> dict:
    finding = {"sha256": sha256, "path": path, **more}
    return result_record(finding, received=1.0, classified_at=2.0, predictor="m1")


@pytest.fixture(name="folder")
def _folder(tmp_path) -> Path:
    return tmp_path / "results"


@pytest.fixture(name="results")
def _results(folder) -> ResultFolder:
    return ResultFolder(result_folder(folder).marked, by_name=True)


def by_name(folder: Path) -> set[str]:
    return {path.name for path in (folder / NAMES_FOLDER).iterdir()}


def test_a_result_is_there_by_its_hash_and_by_the_name_of_its_film(folder, results):
    results.publish(SHA, record("room 1/hand.png"))
    copy = folder / NAMES_FOLDER / f"hand.png.{SHA[:16]}.json"
    assert copy.read_bytes() == (folder / f"{SHA}.json").read_bytes()
    assert (folder / NAMES_FOLDER).stat().st_mode & 0o777 == 0o700
    assert copy.stat().st_mode & 0o777 == 0o600
    assert len(list(results.read_all())) == 1


def test_by_default_no_name_of_a_film_is_used(folder):
    result_folder(folder).publish(SHA, record("hand.png"))
    assert not (folder / NAMES_FOLDER).exists()


def test_films_of_one_name_do_not_overwrite_each_other(folder, results):
    results.publish(SHA, record("room 1/hand.png"))
    results.publish(OTHER, record("room 2/hand.png", OTHER))
    assert by_name(folder) == {f"hand.png.{SHA[:16]}.json", f"hand.png.{OTHER[:16]}.json"}


def test_a_superseded_result_leaves_and_the_others_stay(folder, results):
    results.publish(SHA, record("hand.png"))
    results.publish(OTHER, record("hand.png", OTHER))
    results.retire(SHA)
    results.retire(SHA)  # as after a kill
    assert by_name(folder) == {f"hand.png.{OTHER[:16]}.json"}


def test_a_film_that_has_another_name_now_has_no_result_under_the_old_one(folder, results):
    results.publish(SHA, record("hand.png"))
    results.publish(SHA, record("wrist.png"))
    assert by_name(folder) == {f"wrist.png.{SHA[:16]}.json"}


def test_without_the_option_a_new_or_superseded_result_leaves_no_stale_copy(folder, results):
    results.publish(SHA, record("hand.png"))
    results.publish(OTHER, record("foot.png", OTHER))
    without = ResultFolder(results.marked)
    without.publish(SHA, record("hand.png", state="fracture"))
    without.retire(OTHER)
    assert by_name(folder) == set()


def test_a_kill_between_the_two_files_is_repaired_when_the_film_is_repeated(folder, results):
    results.publish(SHA, record("hand.png"))
    (folder / NAMES_FOLDER / f"hand.png.{SHA[:16]}.json").unlink()
    (folder / NAMES_FOLDER / f".partial-{SHA}").write_bytes(b"half")
    results.sweep()
    results.publish(SHA, record("copy.png"))
    assert by_name(folder) == {f"copy.png.{SHA[:16]}.json"}


def test_a_damaged_result_is_replaced_and_the_log_says_what_stays(folder, results, caplog):
    results.publish(SHA, record("hand.png"))
    (folder / f"{SHA}.json").write_text("{}")
    results.publish(SHA, record("wrist.png"))
    assert len(by_name(folder)) == 2
    assert "damaged" in caplog.text


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b/hand.dcm", "hand.dcm"),
        ("Röntgen Knie.png", "Röntgen Knie.png"),
        ("a\nb.png", "a_nb.png"),
        ("caf\udce9.png", "caf_udce9.png"),
        ('1: "L" <3>?*|.png', "1_ _L_ _3____.png"),
        ("x" * 250, "x" * 120),
        ("ü" * 100, "ü" * 60),
        ("x" + "ü" * 100, "x" + "ü" * 59),
    ],
)
def test_any_name_is_one_that_every_disk_takes(path, name):
    assert result_name(path, SHA) == f"{name}.{SHA[:16]}.json"


@settings(deadline=None)  # a disk that is busy is no failure
@given(st.binary(min_size=1, max_size=255).filter(lambda name: not set(name) & {0, 47}))
def test_whatever_bytes_a_name_has_the_file_can_be_made(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("names")
    path = folder / result_name(os.fsdecode(name), SHA)
    path.touch(exist_ok=False)
    assert len(path.name.encode()) <= 143


def test_names_on_another_disk_are_not_written(folder, results):
    other = ResultFolder(marked(folder, journal="another"), by_name=True)
    other.marked.marker = "gone"
    with pytest.raises(OSError, match="away"):
        other.publish(SHA, record("hand.png"))
    assert not (folder / NAMES_FOLDER).exists()
