"""What lies in class folders is used, or named: nothing is left out in silence."""

import os

import pytest
from bonefx_train.audit.audit import run_audit
from bonefx_train.cli import app
from bonefx_train.data.class_folders import scan_folders
from bonefx_train.data.dataset import load_dataset
from bonefx_train.errors import DataError
from typer.testing import CliRunner


@pytest.fixture(name="linked")
def _linked(tmp_path, write_folders):
    """Return class folders in which one patient of each class is a link to a folder of images."""
    root = write_folders(tmp_path / "data", ["stable", "broken"], images=20)
    write_folders(tmp_path / "archive", ["ab", "broken/cd"], images=3)
    (root / "stable/patient1").symlink_to(tmp_path / "archive/ab")
    (root / "broken/patient2").symlink_to(tmp_path / "archive/broken/cd")
    return root


def test_a_linked_patient_folder_is_used_as_a_patient(linked):
    samples, _ = scan_folders(linked)
    assert len(samples) == 46
    groups = {sample.group for sample in samples if "/patient" in sample.key}
    assert groups == {"patient/patient1", "patient/patient2"}
    assert len(load_dataset(linked, seed=1).samples) == 46
    audit = run_audit(linked)
    assert (len(audit.samples), audit.unused) == (46, ())


def test_links_that_lead_back_end_and_are_named(linked):
    (linked / "broken/again").symlink_to(linked / "broken")
    (linked / "broken/up").symlink_to(linked)
    samples, notes = scan_folders(linked)
    assert len(samples) == 46
    assert any("broken/again, broken/up" in note for note in notes)


def test_a_folder_that_may_not_be_listed_is_an_error_that_names_it(linked, monkeypatch):
    """Tests run as root, who may list everything: the system's refusal is imitated."""
    real = os.scandir

    def refuse(path):
        if str(path).endswith("patient1"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"patient1.*Permission denied"):
        scan_folders(linked)


@pytest.mark.parametrize("name", [b"stable/R\xf6ntgen.png", b"stable/M\xfcller/a.png"])
@pytest.mark.parametrize("command", ["audit", "split", "fit"])
def test_a_name_in_another_encoding_is_refused_in_words(
    tmp_path, write_folders, write_image, name, command
):
    root = write_folders(tmp_path / "data", ["stable", "broken"], images=3)
    write_image(root / os.fsdecode(name), seed=99)
    out = {"audit": "report", "split": "data/manifest.csv", "fit": "run"}[command]
    done = CliRunner().invoke(app, [command, str(root), "--out", str(tmp_path / out)])
    assert done.exit_code == 3
    assert "not UTF-8" in done.output
    assert "\\xf6" in done.output or "\\xfc" in done.output
    assert not (tmp_path / out).exists()


def test_a_name_in_another_encoding_beside_the_images_is_reported(
    tmp_path, write_folders, write_image
):
    root = write_folders(tmp_path / "data", ["stable", "broken"], images=12)
    (root / os.fsdecode(b"Notizen f\xfcr uns.txt")).touch()
    done = CliRunner().invoke(app, ["audit", str(root), "--out", str(tmp_path / "report")])
    assert done.exit_code in (0, 1)
    assert "Notizen f\\udcfcr uns.txt" in (tmp_path / "report/audit.md").read_text("utf-8")


def test_a_data_folder_with_a_name_in_another_encoding_is_refused_in_words(tmp_path, write_folders):
    root = write_folders(tmp_path / os.fsdecode(b"R\xf6ntgen"), ["stable", "broken"], images=3)
    for command in ("audit", "split", "fit"):
        out = root / "manifest.csv" if command == "split" else tmp_path / command
        done = CliRunner().invoke(app, [command, str(root), "--out", str(out)])
        assert (done.exit_code, "not UTF-8" in done.output) == (3, True), command
        assert not out.exists()


def test_a_class_folder_without_images_is_named(tmp_path, write_folders):
    root = write_folders(tmp_path, ["stable"], images=12)
    (root / "broken").mkdir()
    done = CliRunner().invoke(app, ["audit", str(root)])
    assert done.exit_code == 1
    assert "broken" in done.output
    assert "empty" in done.output


def test_a_manifest_that_cannot_be_written_leaves_no_file(tmp_path, write_folders, monkeypatch):
    """A half manifest.csv in the folder would be taken for the list of images."""
    root = write_folders(tmp_path / "data", ["stable", "broken"], images=20)
    real = os.fsync

    def fail(descriptor):
        real(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    out = root / "manifest.csv"
    done = CliRunner().invoke(app, ["split", str(root), "--out", str(out)])
    assert done.exit_code == 3
    assert "No space left on device" in done.output
    assert sorted(path.name for path in root.iterdir()) == ["broken", "stable"]


def test_the_folder_of_a_repaired_disk_is_no_class(tmp_path, write_folders):
    root = write_folders(tmp_path, ["stable", "broken", "lost+found"], images=3)
    assert len(scan_folders(root)[0]) == 6
