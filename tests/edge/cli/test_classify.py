"""edge-classify through the installed script: streams, exit codes, options."""

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from bonefx_edge import NOTICE, __version__
from image_files import jpeg_file
from toy import film, toy_path

SCRIPT = Path(sys.executable).with_name("edge-classify")
TOY = f"--model={toy_path('int8')}"
TILED = f"--model={toy_path('tiled-int8')}"


def run(*args: object, **kwargs) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPT), *map(str, args)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, **kwargs
    )


@pytest.fixture(name="films", scope="module")
def _films(tmp_path_factory) -> Path:
    """Return a folder: a broken film, one that is not, and one that is none."""
    folder = tmp_path_factory.mktemp("films")
    cv2.imwrite(str(folder / "dark.png"), film(60))
    cv2.imwrite(str(folder / "light.jpg"), film(200))
    (folder / "notes.txt").write_text("not a film")
    return folder


def of_columns(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    """Return the rows of CSV, which begins with a byte order mark."""
    assert done.stdout.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(done.stdout.removeprefix("\ufeff"))))


def test_all_answered_exits_0_and_prints_one_json_object_a_file_in_order(films) -> None:
    done = run(films / "light.jpg", films / "dark.png", "--json", TOY)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [Path(r["path"]).name for r in records] == ["light.jpg", "dark.png"]
    assert [r["state"] for r in records] == ["no_fracture", "fracture"]
    assert all(r["notice"] == NOTICE for r in records)


def test_some_refused_exits_3_and_still_answers_the_others(films) -> None:
    done = run(films, "--json", TOY)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    assert [(r["state"], r["reason"]) for r in records] == [
        *(("fracture", None), ("no_fracture", None), ("refused", "not_an_image"))
    ]


def test_a_file_that_is_not_there_is_a_refused_line_not_a_crash(films) -> None:
    done = run(films / "gone.png", films / "dark.png", "--json", TOY)
    reasons = [json.loads(line)["reason"] for line in done.stdout.splitlines()]
    assert (done.returncode, reasons) == (3, ["unreadable", None])


def test_a_jpeg_with_a_damaged_scan_header_is_refused_and_the_next_film_answered(tmp_path) -> None:
    data = jpeg_file(film(60), progressive=True)
    at = data.index(b"\xff\xda") + 2
    (tmp_path / "2.jpg").write_bytes(data[:at] + b"\0\2" + data[at + 2 :])
    for name in ("1.png", "3.png"):
        cv2.imwrite(str(tmp_path / name), film(60))
    done = run(tmp_path, "--json", TOY)
    reasons = [json.loads(line)["reason"] for line in done.stdout.splitlines()]
    assert (done.returncode, reasons) == (3, [None, "corrupt", None])


def test_csv_has_a_header_and_a_row_a_file(films) -> None:
    rows = of_columns(run(films, "--csv", TOY))
    assert [row["state"] for row in rows] == ["fracture", "no_fracture", "refused"]
    assert next(iter(rows[0])) == "schema"


def test_csv_is_utf_8_whatever_the_terminal_takes(tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "plain.png"), film(60))
    (tmp_path / "plain.png").rename(tmp_path / "\u017c.png")
    done = run(tmp_path, "--csv", TOY, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert (done.returncode, "\u017c.png" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("start", "=+-@")
def test_a_file_name_is_no_formula_in_a_spreadsheet(tmp_path, start: str) -> None:
    cv2.imwrite(str(tmp_path / "plain.png"), film(60))
    (tmp_path / "plain.png").rename(tmp_path / f"{start}1+1.png")
    (row,) = of_columns(run("--csv", TOY, "--", f"{start}1+1.png", cwd=tmp_path))
    assert row["path"] == f"'{start}1+1.png"


WATCH_OPTIONS = (
    *("--out=r", "--journal=j", "--once", "--settle=2", "--poll=auto", "--workers=1"),
    *("--min-free=200", "--health-port=0", "--on-result=true", "--webhook=http://127.0.0.1/"),
    *("--move-done=m", "--move-refused=m", "--duplicates=skip"),
)


@pytest.mark.parametrize("option", WATCH_OPTIONS)
def test_an_option_of_watching_without_watch_is_refused(films, option: str) -> None:
    """Also where it says what is the default: who names it expects something of it."""
    done = run(films / "dark.png", TOY, option)
    name = option.partition("=")[0]
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name}: needs --watch; add --watch DIR, or leave {name} out" in done.stderr


@pytest.mark.parametrize(
    "words",
    [*((f"--{each}",) for each in ("jobs=1", "heatmap=m", "format=csv", "json", "csv")), ("x",)],
)
def test_what_only_files_need_is_refused_with_watch(tmp_path, words: tuple[str, ...]) -> None:
    done = run("--watch", tmp_path, "--once", TOY, *words)
    assert (done.returncode, done.stdout) == (2, "")
    name = "FILE|DIR" if words == ("x",) else words[0].partition("=")[0]
    instead = "give --pictures DIR" if name == "--heatmap" else "leave it out"
    assert f"{name}: does nothing with --watch; {instead}" in done.stderr


def test_names_that_are_never_films_are_passed_over_and_counted(tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "film.png"), film(60))
    for name in ("Thumbs.db", ".DS_Store", "._film.png", "next.png.part", "desktop.ini"):
        (tmp_path / name).write_bytes(b"no film")
    done = run(tmp_path, "--json", TOY)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert "5 names passed over: hidden, unfinished or system files" in done.stderr
    (tmp_path / "film.png").unlink()
    empty = run(tmp_path, TOY)
    assert (empty.returncode, "5 names passed over" in empty.stderr) == (2, True)


def test_the_table_is_the_default_and_carries_the_notice(films) -> None:
    done = run(films, TOY)
    assert NOTICE in done.stdout.replace("\n", " ")
    assert "not_an_image: send JPEG, PNG" in done.stdout
    assert done.stdout.endswith("3 images: 1 fracture, 0 uncertain, 1 no fracture, 1 refused\n")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "Usage: edge-classify [OPTIONS] [FILE|DIR...]"),
        (("--json",), "Found no file"),
        (("",), "One of the arguments is empty (an unset variable?)"),
        (("--watch", "", "--once"), "One of the arguments is empty"),
        (("--watch", "x", "--out="), "One of the arguments is empty"),
        (("x", "--mode", ""), "One of the arguments is empty"),
        (("--json", "--csv", "x"), "--json and --csv: choose one"),
        (("--mode", "tiled", "--views", "whole", "x"), "--mode and --views: choose one"),
        (("--heatmap", "m", "--jobs", "2", "x"), "--heatmap and --jobs: choose one"),
        (("--format", "table", "--csv", "x"), "--format and --csv: choose one"),
        (("--format", "xml", "x"), "--format: expected one of table, json, csv, got 'xml'"),
        (("--watch", "x", "--poll", "sometimes"), "--poll: expected one of auto, always, never"),
        (("--watch", "x", "--duplicates", "twice"), "--duplicates: expected one of skip"),
        (("--threads", "0", "x"), "from 1 to 999, or auto"),
        (("--watch", "x", "--threads", "many"), "from 1 to 999, or auto"),
        (("--nonesuch",), "No such option"),
    ],
)
def test_a_wrong_command_line_exits_2_with_nothing_on_standard_output(args, says: str) -> None:
    done = run(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_an_empty_folder_exits_2(tmp_path) -> None:
    assert run(tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--model", "nonesuch.tflite"), "name one of lite0-dynamic"),
        (("--model", __file__), "make it with bonefx-convert"),
        ((TOY, "--runtime", "nonesuch"), "expected the interpreter nonesuch"),
    ],
)
def test_a_model_that_cannot_be_used_exits_4_and_classifies_nothing(films, args, says) -> None:
    done = run(films, *args)
    assert (done.returncode, done.stdout) == (4, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_model_and_the_operating_point_asked_for_are_used(films) -> None:
    done = run(films / "dark.png", "--json", TOY, "--operating-point", "sensitive")
    record = json.loads(done.stdout)
    assert (record["model"]["name"], record["operating_point"]) == ("toy", "sensitive")


@pytest.mark.parametrize("kind", ["json", "csv", "table"])
def test_the_format_is_the_one_asked_for_and_its_older_option_is_the_same(films, kind) -> None:
    def text(*option: str) -> str:
        return re.sub("[0-9]", "", run(films, TOY, *option).stdout)  # all but the times

    older = () if kind == "table" else (f"--{kind}",)
    assert text("--format", kind) == text(*older) != ""


def test_help_is_in_sections_and_shows_what_a_value_is() -> None:
    text = run("-h").stdout
    assert text == run("--help").stdout
    options, watching = text.split("Watch a folder:")
    assert "--model NAME|FILE" in options
    assert "--format table|json|csv" in options
    assert "--settle SECONDS" in watching
    assert "--csv" not in text.replace("json|csv", "")
    assert not re.search("<[a-z]", text)


def test_help_and_version_say_what_they_should() -> None:
    assert run("--version").stdout == f"bonefx {__version__}\n"
    assert "not a diagnosis" in " ".join(run("--help").stdout.split())


@pytest.mark.parametrize("jobs", [1, 2])
def test_threads_that_are_chosen_by_measuring_answer_as_one_does(films, jobs: int) -> None:
    def answers(*words: object) -> list[tuple]:
        lines = run(films, "--json", TOY, "--jobs", jobs, *words).stdout.splitlines()
        return [(r["path"], r["state"], r["p_fracture"]) for r in map(json.loads, lines)]

    one = answers()
    assert len(one) == 3
    assert answers("--threads", "auto") == one


def test_progress_is_drawn_on_standard_error_only_for_a_person(films) -> None:
    many = [films / "dark.png"] * 6
    assert "classifying" not in run(*many, "--json", TOY).stderr
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stderr:
        command = [str(SCRIPT), *map(str, many), "--json", TOY]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=stderr, check=True, timeout=60
        )
    drawn = os.read(controller, 100_000).decode()
    os.close(controller)
    assert "classifying" in drawn
    assert len(done.stdout.splitlines()) == 6


def test_names_that_are_no_text_are_classified_and_printed(tmp_path) -> None:
    odd = os.fsencode(tmp_path) + b"/new\nline \xff.png"
    cv2.imwrite(str(tmp_path / "plain.png"), film(60))
    os.rename(tmp_path / "plain.png", odd)  # noqa: PTH104 bytes paths exist in os only
    table = run(tmp_path, TOY)
    assert (table.returncode, r"new\nline" in table.stdout) == (0, True)
    record = json.loads(run(tmp_path, "--json", TOY).stdout)
    assert os.fsencode(record["path"]) == odd


def test_a_reader_that_goes_away_ends_the_command_without_a_traceback(films) -> None:
    many = " ".join([str(films / "dark.png")] * 200)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{SCRIPT} {many} --json {TOY} | head -n 1"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr


def test_results_that_cannot_be_written_exit_1_in_words(films) -> None:
    for redirection in (">/dev/full", ">&-"):
        command = f"{SCRIPT} {films / 'dark.png'} --json {TOY} {redirection}"
        done = subprocess.run(
            ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert "Cannot write the results" in done.stderr


def test_a_name_that_the_terminal_cannot_show_is_escaped_not_a_crash(tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "plain.png"), film(60))
    (tmp_path / "plain.png").rename(tmp_path / "\u017c.png")
    done = run(tmp_path, TOY, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert (done.returncode, r"\u017c.png" in done.stdout) == (0, True), done.stderr


def test_an_interruption_exits_130_with_whole_lines_only(films) -> None:
    command = [str(SCRIPT), *[str(films / "dark.png")] * 3000, "--json", TOY]
    # Where the tests run as a shell's background job, SIGINT is ignored, and a child inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    with running:
        assert running.stdout is not None
        assert running.stderr is not None
        first = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        # Not communicate(): it reads past the buffer, and loses what came with the first line.
        rest, words = running.stdout.read(), running.stderr.read()
    assert (running.returncode, "Traceback" in words) == (130, False), words
    assert all(json.loads(line)["state"] for line in [first, *rest.splitlines()])


# ---- modes and heat maps ----


def test_the_mode_asked_for_is_used_and_named(films) -> None:
    def read(*options: str) -> str:
        done = run(films / "dark.png", "--json", TILED, *options)
        return json.loads(done.stdout)["mode"]

    assert (read(), read("--mode", "tiled"), read("--mode", "whole")) == (
        *("tiled", "tiled"),
        "whole",
    )


def test_the_words_of_version_0_4_still_name_the_modes(films) -> None:
    for old, mode in (("closer", "tiled"), ("whole", "whole")):
        done = run(films / "light.jpg", "--json", TILED, "--views", old)
        assert json.loads(done.stdout)["mode"] == mode


def test_a_mode_that_the_model_lacks_exits_2_and_lists_those_it_has(films) -> None:
    for options, has in (
        ((TILED, "--mode", "third"), "expected one that model toy has (tiled, whole)"),
        ((TOY, "--mode", "tiled"), "expected one that model toy has (whole)"),
        ((TOY, "--operating-point", "third"), "expected one of balanced, sensitive"),
    ):
        done = run(films, *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert has in done.stderr


def test_heat_maps_are_written_for_answered_films_only(films, tmp_path) -> None:
    folder = tmp_path / "new" / "maps"
    done = run(films, "--json", TILED, "--heatmap", folder)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    expected = {
        f"{Path(r['path']).stem}-{r['sha256'][:8]}.png" for r in records if r["reason"] is None
    }
    assert len(expected) == 2
    assert {path.name for path in folder.iterdir()} == expected
    for path in folder.iterdir():
        picture = cv2.imread(str(path))
        assert picture.shape[0] > 200  # the film, and the legend below it
        assert picture.shape[1:] == (160, 3)


def test_findings_with_heat_maps_are_those_without(films, tmp_path) -> None:
    def told(*options: object) -> list[dict]:
        lines = run(films, "--json", TILED, *options).stdout.splitlines()
        return [json.loads(line) | {"timings_ms": None} for line in lines]

    assert told("--heatmap", tmp_path) == told()


def test_films_of_one_name_have_a_picture_each(tmp_path) -> None:
    for folder, gray in (("a", 60), ("b", 70)):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "film.png"), film(gray))
    maps = tmp_path / "maps"
    for folder in ("a", "b", "a"):
        assert run(tmp_path / folder, TILED, "--heatmap", maps).returncode == 0
    assert len(list(maps.iterdir())) == 2


def test_a_film_with_a_name_as_long_as_can_be_has_a_picture(tmp_path) -> None:
    path = tmp_path / ("é" * 125 + ".png")
    cv2.imwrite(str(tmp_path / "film.png"), film(60))
    (tmp_path / "film.png").rename(path)
    done = run(path, TILED, "--heatmap", tmp_path / "maps")
    assert (done.returncode, len(list((tmp_path / "maps").iterdir()))) == (0, 1), done.stderr


def test_a_model_without_a_map_exits_2_before_any_film_is_read(films, tmp_path) -> None:
    done = run(films, "--json", TOY, "--heatmap", tmp_path / "maps")
    assert (done.returncode, done.stdout) == (2, "")
    assert "The model toy 1.0.0 cannot give heat maps" in done.stderr
    assert not (tmp_path / "maps").exists()


def test_a_folder_of_heat_maps_that_cannot_be_made_exits_2(films, tmp_path) -> None:
    for name in (films / "dark.png", films / "dark.png" / "maps"):
        done = run(films, "--json", TILED, "--heatmap", name)
        assert (done.returncode, done.stdout) == (2, ""), name
        assert "folder" in done.stderr


def test_a_heat_map_that_cannot_be_written_exits_1_in_words(films, tmp_path) -> None:
    sha256 = json.loads(run(films / "dark.png", "--json", TILED).stdout)["sha256"]
    (tmp_path / f"dark-{sha256[:8]}.png").mkdir()
    done = run(films / "dark.png", "--json", TILED, "--heatmap", tmp_path)
    assert (done.returncode, done.stdout) == (1, ""), "a finding without its picture was told"
    assert "cannot write the heat map" in done.stderr
    assert "Traceback" not in done.stderr
