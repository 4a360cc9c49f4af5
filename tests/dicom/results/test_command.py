"""edge-classify --dicom-results, and its own results as its input."""

import json

import pydicom
import pytest
from bonefx_edge.cli.classify import app
from study_films import demo_pixels, film_file, rg_film
from typer.testing import CliRunner

FILM_UID = "1.2.826.0.1.3680043.8.498.1.3"


def run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(name="film")
def _film(tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(film_file(demo_pixels()))
    return path


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_result_is_written_into_the_study_of_its_film(film, tmp_path, errors_of) -> None:
    done = run(film, "--dicom-results", tmp_path / "new" / "results", "--format", "json")
    assert done.exit_code == 0, done.output
    assert "DICOM results for 1 image\n" in done.stderr
    (report,) = (tmp_path / "new" / "results").glob("*-sr-*.dcm")
    assert report.name.startswith(FILM_UID)
    assert errors_of(report.read_bytes()) == []
    dataset, record = pydicom.dcmread(report), json.loads(done.stdout)
    assert dataset.StudyInstanceUID == pydicom.dcmread(film).StudyInstanceUID
    assert record["model"]["sha256"] in str(dataset.ContentSequence[-1].to_json())


def test_twice_the_same_film_gives_the_same_bytes(film, tmp_path) -> None:
    for name in ("one", "two", "two"):
        assert run(film, "--dicom-results", tmp_path / name).exit_code == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_another_model_gives_a_report_that_names_its_predecessor(film, tmp_path) -> None:
    out = tmp_path / "out"
    uids = []
    for model in ("lite0-int8", "seed-int8", "seed-int8", "lite0-int8", "lite0-int8"):
        before = set(out.glob("*-sr-*")) if out.exists() else set()
        assert run(film, "--dicom-results", out, "--model", model).exit_code == 0
        for path in set(out.glob("*-sr-*")) - before:
            report = pydicom.dcmread(path)
            named = report.get("PredecessorDocumentsSequence")
            if uids:
                series = named[0].ReferencedSeriesSequence[0]
                assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == uids[-1]
            else:
                assert named is None
            uids.append(report.SOPInstanceUID)
    assert len(uids) == len(set(uids)) == 3  # the second run of a model adds nothing


def test_another_content_of_a_film_gives_a_report_that_names_its_predecessor(
    film, tmp_path
) -> None:
    out = tmp_path / "out"
    assert run(film, "--dicom-results", out, "--dicom-object", "sr").exit_code == 0
    (first,) = out.iterdir()
    film.write_bytes(film_file(demo_pixels("not-fractured")))
    assert run(film, "--dicom-results", out, "--dicom-object", "sr").exit_code == 0
    (second,) = set(out.iterdir()) - {first}
    older = pydicom.dcmread(second).PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    named = older.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert named == pydicom.dcmread(first).SOPInstanceUID


def test_files_without_a_study_are_counted(film, tmp_path) -> None:
    png = tmp_path / "film.png"
    png.write_bytes(b"\x89PNG")
    done = run(film, png, tmp_path / "absent", "--dicom-results", tmp_path / "out")
    assert done.exit_code == 3
    assert "no DICOM result for 1 file: The file is not DICOM" in done.stderr
    assert "no DICOM result for 1 file: The file cannot be read." in done.stderr


def test_own_results_are_no_films(film, tmp_path) -> None:
    out = tmp_path / "out"
    assert run(film, "--dicom-results", out).exit_code == 0
    (out / "other.dcm").write_bytes(rg_film())
    n_own = len(list(out.iterdir())) - 1
    done = run(out, "--format", "json", "--dicom-results", tmp_path / "again")
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [
        str(out / "other.dcm")
    ]
    assert f"{n_own} DICOM result" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dicom-object", "sr"], "--dicom-object: needs --dicom-results"),
        (["--watch", "in", "--dicom-results", "x"], "--dicom-results: does nothing with --watch"),
    ],
)
def test_options_that_do_nothing_are_refused(arguments, message, film) -> None:
    named = [] if "--watch" in arguments else [film]
    done = run(*named, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_folder_that_cannot_be_made_or_written_ends_the_command(film, tmp_path) -> None:
    done = run(film, "--dicom-results", film)
    assert done.exit_code == 2
    assert "cannot create the folder for DICOM results" in done.stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{FILM_UID}-sr-00000000.dcm").write_bytes(b"damaged")
    done = run(film, "--dicom-results", tmp_path / "out")
    assert done.exit_code == 1
    assert "Remove the file" in done.stderr
