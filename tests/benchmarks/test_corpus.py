"""The report on a folder of DICOM files: counts, and nothing that could name a patient."""

import json

import cv2
import pytest
from image_files import dicom_file, dicom_rle, gray_film
from toy import film, toy_path
from typer import Typer
from typer.testing import CliRunner

from benchmarks import corpus

NAMED = "mueller^anna.dcm"


@pytest.fixture(name="report")
def _report(tmp_path, monkeypatch):
    folder, pictures, out = tmp_path / "films", tmp_path / "pictures", tmp_path / "corpus.json"
    folder.mkdir()
    files = {
        NAMED: dicom_file(film(200), BodyPartExamined="CHEST"),
        "1": dicom_file(film(200)),
        "2": dicom_rle(gray_film(), Modality="CT"),
        "3": dicom_file(gray_film(), Modality="MUELLER ANNA"),
        "notes.txt": b"no DICOM",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    monkeypatch.setattr(corpus, "circumstances", dict)
    app = Typer()
    app.command()(corpus.main)
    options = ["--model", str(toy_path("int8")), "--pictures", str(pictures), "--out", str(out)]
    done = CliRunner().invoke(app, [str(folder), *options])
    assert done.exit_code == 0, done.output
    return done.output, json.loads(out.read_text()), pictures


def test_files_are_counted_by_modality_syntax_and_outcome(report):
    _, found, _ = report
    counted = {(row["modality"], row["outcome"]): row["files"] for row in found["rows"]}
    assert counted["DX", "out_of_scope"] == 1
    assert counted["DX", "answered"] == 1
    assert counted["CT", "wrong_modality"] == 1
    assert counted["none or unknown", "wrong_modality"] == 1
    assert found["files"] == 4
    assert {row["transfer_syntax"] for row in found["rows"] if row["modality"] == "CT"} == {
        "RLE Lossless"
    }


def test_counts_name_no_patient(report):
    table, found, _ = report
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(found["rows"])
    assert "mueller" not in ("".join(lines) + json.dumps(found)).lower()


def test_each_refused_radiograph_becomes_a_picture(report):
    _, _, pictures = report
    assert [path.name for path in pictures.iterdir()] == [f"{NAMED}.png"]
    assert cv2.imread(str(pictures / f"{NAMED}.png")).shape[:2] == film(200).shape


def test_only_what_damaged_files_raise_is_passed_over(tmp_path, monkeypatch):
    def run_out_of_memory(*_args, **_options):
        raise MemoryError

    (tmp_path / "film").write_bytes(dicom_file(gray_film()))
    monkeypatch.setattr(corpus.pydicom, "dcmread", run_out_of_memory)
    with pytest.raises(MemoryError):
        list(corpus.dicom_files([tmp_path]))
